/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MODEL_MC_H
#define MODEL_MC_H

/*
 * Forced into every file of worker-api/ (-include) for tests/model: the library as it is, with each
 * atomic operation and each futex call a point at which another thread may go on, or a signal may
 * come. Plain accesses between two points are one step, which is what the lock promises; whether
 * that is so is ThreadSanitizer's to say. Memory is sequentially consistent here.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/model/calls.h"

#define MC_POINT(p) mc_point((p), __FILE__, __LINE__)

#define __atomic_load_n(p, order) \
    ({                            \
        MC_POINT(p);              \
        *(p);                     \
    })
#define __atomic_store_n(p, value, order) \
    ({                                    \
        MC_POINT(p);                      \
        *(p) = (value);                   \
        (void)0;                          \
    })
#define __atomic_exchange_n(p, value, order) \
    ({                                       \
        MC_POINT(p);                         \
        __typeof__(*(p)) mc_old = *(p);      \
        *(p) = (value);                      \
        mc_old;                              \
    })
#define MC_FETCH(p, value, op)          \
    ({                                  \
        MC_POINT(p);                    \
        __typeof__(*(p)) mc_old = *(p); \
        *(p) = mc_old op(value);        \
        mc_old;                         \
    })
#define __atomic_fetch_add(p, value, order) MC_FETCH(p, value, +)
#define __atomic_fetch_sub(p, value, order) MC_FETCH(p, value, -)
#define __atomic_fetch_or(p, value, order)  MC_FETCH(p, value, |)
#define __atomic_fetch_and(p, value, order) MC_FETCH(p, value, &)
#define __atomic_compare_exchange_n(p, expected, value, weak, order, otherwise) \
    ({                                                                          \
        MC_POINT(p);                                                            \
        bool mc_same = *(p) == *(expected);                                     \
        if (mc_same)                                                            \
            *(p) = (value);                                                     \
        else                                                                    \
            *(expected) = *(p);                                                 \
        mc_same;                                                                \
    })

/* Threads of the model share one of the system's: what is each thread's own is switched with them. */
#define _Thread_local __attribute__((section("mc_tls")))

#define syscall        mc_syscall
#define clock_gettime  mc_clock_gettime
#define pthread_self   mc_self
#define calloc         mc_calloc
#define malloc         mc_malloc
#define posix_memalign mc_posix_memalign
#define free           mc_free

#endif
