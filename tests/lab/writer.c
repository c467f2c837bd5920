/* The service of a guest whose tree is hard to copy while it runs. Some files after others it writes, each a hundred
 * times within a moment and never again: half of them rewritten in place with as many bytes, half through a shared
 * mapping, so that the kernel need not change their times. Nothing is ever synced. The value written counts all writes; told to end, it says in
 * the file `last` how far it came. It writes in its first life alone: what a copy of it finds, it leaves as it is. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BURST = 100, AT_ONCE = 8, WORD = 16, SIZE = 4096 };

static volatile sig_atomic_t ended;

static void end(int signal) {
  (void)signal;
  ended = 1;
}

static void must(int is_so, const char *what) {
  if (!is_so) {
    perror(what);
    exit(1);
  }
}

/* Fills a page with a value, as lines. */
static void fill(char *page, long value) {
  char word[32];
  snprintf(word, sizeof word, "%0*ld\n", WORD - 1, value);
  for (int at = 0; at < SIZE; at += WORD)
    memcpy(page + at, word, WORD);
}

static int make(const char *kind, long number) {
  char name[64];
  snprintf(name, sizeof name, "%s.%06ld", kind, number);
  int file = open(name, O_RDWR | O_CREAT | O_EXCL, 0644);
  must(file >= 0 && ftruncate(file, SIZE) == 0, name);
  return file;
}

int main(void) {
  struct sigaction action = {.sa_handler = end};
  sigaction(SIGTERM, &action, NULL);
  if (mkdir("/var/lib/data/written", 0755) != 0)
    return 0;
  must(chdir("/var/lib/data/written") == 0, "written");

  char page[SIZE];
  long value = 0;
  while (!ended) {
    int rewritten[AT_ONCE];
    char *mapped[AT_ONCE];
    for (int each = 0; each < AT_ONCE; each++) {
      long number = value / BURST * AT_ONCE + each;
      rewritten[each] = make("rewritten", number);
      int file = make("mapped", number);
      mapped[each] = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
      must(mapped[each] != MAP_FAILED && close(file) == 0, "mapped");
    }
    for (int time = 0; time < BURST && (time == 0 || !ended); time++) {
      fill(page, value);
      for (int each = 0; each < AT_ONCE; each++) {
        must(pwrite(rewritten[each], page, SIZE, 0) == SIZE, "rewritten");
        memcpy(mapped[each], page, SIZE);
      }
      value++;
      nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    for (int each = 0; each < AT_ONCE; each++) {
      munmap(mapped[each], SIZE);
      close(rewritten[each]);
    }
  }
  FILE *last = fopen("last", "w");
  must(last != NULL && fprintf(last, "%ld\n", value - 1) > 0 && fclose(last) == 0, "last");
  return 0;
}
