/* A process of a guest that writes to a file through a shared mapping. It says a word when it has done what it was asked
 * to: first to map the file and to write to it, then to write to it once more. It ends when nobody asks any more. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = 4096 };

int main(int count, char **words) {
  int file = count == 2 ? open(words[1], O_RDWR | O_CREAT, 0644) : -1;
  if (file < 0 || ftruncate(file, SIZE) != 0)
    return 1;
  char *page = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (page == MAP_FAILED || close(file) != 0)
    return 1;
  char line[16];
  for (char value = 'a';; value++) {
    memset(page, value, SIZE);
    puts("written");
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL)
      return 0;
  }
}
