/* A wall clock that is WRONG_BY seconds off, to be preloaded (LD_PRELOAD); monotonic clocks and sleeps stay as they are.

   The program faketime cannot be used for it: it either moves the monotonic clock along, which no wrong clock of a host
   does, or lets clock_nanosleep fail, and with it Python's time.sleep. Read through the kernel, not the vDSO. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long wrong_by(void) {
    const char *seconds = getenv("WRONG_BY");
    return seconds ? atol(seconds) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += wrong_by();
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int failed = syscall(SYS_gettimeofday, now, zone);
    if (!failed) now->tv_sec += wrong_by();
    return failed;
}

time_t time(time_t *now) {
    struct timespec wrong;
    clock_gettime(CLOCK_REALTIME, &wrong);
    if (now) *now = wrong.tv_sec;
    return wrong.tv_sec;
}

/* The kernel waits until its own clock says so; the process pools of Celery wait this way. */
int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
    int (*wait)(sem_t *, const struct timespec *) = dlsym(RTLD_NEXT, "sem_timedwait");
    struct timespec right = {until->tv_sec - wrong_by(), until->tv_nsec};
    return wait(semaphore, &right);
}
