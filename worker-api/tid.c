/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "worker-api/state.h"

/*
 * The kernel's number of a thread without asking the kernel: the id of a thread's CPU clock is made of
 * it, -tid - 1 above three bits of kind, and libc hands that out for any pthread_t. So a joiner knows at
 * once whom it waits for, also before that one has run its first instruction. Whether this libc does it
 * is tried once, on the first caller.
 */
enum { UNTRIED, CLOCKS_TELL, CLOCKS_DO_NOT };

static uint32_t
from_clock(pthread_t thread)
{
    clockid_t clock;

    return pthread_getcpuclockid(thread, &clock) == 0 ? (uint32_t) ~(clock >> 3) : 0;
}

static bool
clocks_tell(void)
{
    static uint32_t tried; /* atomic */
    uint32_t found = __atomic_load_n(&tried, __ATOMIC_RELAXED);

    if (found == UNTRIED) {
        found = from_clock(pthread_self()) == (uint32_t)syscall(SYS_gettid) ? CLOCKS_TELL
                                                                            : CLOCKS_DO_NOT;
        __atomic_store_n(&tried, found, __ATOMIC_RELAXED);
    }
    return found == CLOCKS_TELL;
}

uint32_t
stn_tid_of(pthread_t thread)
{
    return clocks_tell() ? from_clock(thread) : 0;
}

uint32_t
stn_tid_of_new(void)
{
    return clocks_tell() ? from_clock(pthread_self()) : (uint32_t)syscall(SYS_gettid);
}
