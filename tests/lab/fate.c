/* What befalls a master under test, preloaded into it: it dies right before or right after one of its durable writes, and
 * its wall clock is set. The file that FATE names says which write, as the number of fdatasyncs from now, 0 for none, and
 * whether it is after it; then it says that it dies. Last in it is how many milliseconds the wall clock is ahead. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct fate {
  _Atomic int64_t writes;
  _Atomic int64_t after;
  _Atomic int64_t met;
  _Atomic int64_t ahead;
};

static struct fate *fate;
static int (*real_fdatasync)(int);
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
  real_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
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
