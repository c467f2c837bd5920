/* What befalls a master under test, preloaded into it: it dies right before or right after one of its durable writes,
 * its wall clock is set, and its index finds no room. The file that FATE names says which write, as the number of
 * fdatasyncs from now, 0 for none, and whether it is after it; then it says that it dies. Then it has how many milliseconds
 * the wall clock is ahead, and whether there is no room for the index. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct fate {
  _Atomic int64_t writes;
  _Atomic int64_t after;
  _Atomic int64_t met;
  _Atomic int64_t ahead;
  _Atomic int64_t no_room;
};

static struct fate *fate;
static int (*real_fdatasync)(int);
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static ssize_t (*real_pwrite64)(int, const void *, size_t, off64_t);

__attribute__((constructor)) static void begin(void) {
  real_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  real_pwrite64 = (ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
  const char *name = getenv("FATE");
  int file = name == NULL ? -1 : open(name, O_RDWR | O_CLOEXEC);
  if (file < 0)
    return;
  void *map = mmap(NULL, sizeof *fate, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (map != MAP_FAILED)
    fate = map;
}

int fdatasync(int file) {
  int last = fate != NULL && atomic_load(&fate->writes) > 0 && atomic_fetch_sub(&fate->writes, 1) == 1;
  if (last) {
    atomic_store(&fate->met, 1);
    if (!atomic_load(&fate->after))
      kill(getpid(), SIGKILL);
  }
  int result = real_fdatasync(file);
  if (last)
    kill(getpid(), SIGKILL);
  return result;
}

static int is_of_index(int file) {
  char link[32], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  path[length < 0 ? 0 : length] = 0;
  return strstr(path, "/index/") != NULL;
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
  if (fate != NULL && atomic_load(&fate->no_room) && is_of_index(file)) {
    errno = ENOSPC;
    return -1;
  }
  return real_pwrite64(file, bytes, count, at);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  if (real_clock_gettime == NULL)
    begin();
  int result = real_clock_gettime(clock, time);
  if (result != 0 || clock != CLOCK_REALTIME || fate == NULL)
    return result;
  int64_t ahead = atomic_load(&fate->ahead);
  time->tv_sec += ahead / 1000;
  time->tv_nsec += ahead % 1000 * 1000000;
  if (time->tv_nsec >= 1000000000) {
    time->tv_sec += 1;
    time->tv_nsec -= 1000000000;
  } else if (time->tv_nsec < 0) {
    time->tv_sec -= 1;
    time->tv_nsec += 1000000000;
  }
  return 0;
}
