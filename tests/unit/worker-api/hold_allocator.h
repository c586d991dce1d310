/* SPDX-License-Identifier: MIT */
#ifndef STINT_TESTS_HOLD_ALLOCATOR_H
#define STINT_TESTS_HOLD_ALLOCATOR_H

/* For a test that forks beside threads, under AddressSanitizer; for the one file of a program. */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "tests/unit/unit.h"

#ifdef HOLD_ALLOCATOR
/*
 * glibc takes its allocator's locks for a fork, so that the child of many threads has memory. AddressSanitizer's takes
 * none: once in 200,000 forks the other thread held one, and the child waited for ever, in posix_memalign(). So here
 * a lock around it is held in its place (--wrap), and the rest is as it is.
 */
static pthread_mutex_t allocator = PTHREAD_MUTEX_INITIALIZER;
static bool held; /* from before there is another thread */

static void
hold(void)
{
    if (held)
        (void)pthread_mutex_lock(&allocator);
}

static void
let_go(void)
{
    if (held)
        (void)pthread_mutex_unlock(&allocator);
}

#define WRAP(type, name, parameters, arguments) \
    type __real_##name parameters;              \
    type __wrap_##name parameters;              \
    type __wrap_##name parameters               \
    {                                           \
        type result;                            \
                                                \
        hold();                                 \
        result = __real_##name arguments;       \
        let_go();                               \
        return result;                          \
    }

WRAP(void *, malloc, (size_t n), (n))
WRAP(void *, calloc, (size_t n, size_t size), (n, size))
WRAP(void *, reallocarray, (void *memory, size_t n, size_t size), (memory, n, size))
WRAP(int, posix_memalign, (void **ret, size_t align, size_t n), (ret, align, n))

void __real_free(void *memory);
void __wrap_free(void *memory);

void
__wrap_free(void *memory)
{
    hold();
    __real_free(memory);
    let_go();
}

/* Before libstint's, whose locks are taken first then, as they are everywhere. */
static inline void
hold_at_forks(void)
{
    ck_assert_int_eq(pthread_atfork(hold, let_go, let_go), 0);
    held = true;
}
#else
static inline void
hold_at_forks(void)
{
}
#endif

#endif
