/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "worker-api/state.h"
#include "worker-api/wait.h"

#define SLICE_US 20000 /* between two looks at the token, on a kernel before 5.16 */

/* A libc may be older than the kernel's headers; the number is every machine's but one. */
#if !defined(SYS_futex_waitv) && defined(FUTEX_32) && !defined(__alpha__)
#define SYS_futex_waitv 449
#endif

#ifdef SYS_futex_waitv
static int unsupported; /* atomic; 1: this kernel, or a filter of system calls, refuses */

/* True: it slept, or had no reason to. */
static bool
wait_for_both(uint32_t *word, uint32_t value, uint32_t *cancelled, int64_t abs_us)
{
    struct futex_waitv both[2] = {
        {.val = value, .uaddr = (uintptr_t)word,      .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG},
        {.val = 0,     .uaddr = (uintptr_t)cancelled, .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG},
    };
    struct timespec until = {.tv_sec = abs_us / 1000000, .tv_nsec = abs_us % 1000000 * 1000};
    int saved = errno;
    bool done;

    if (__atomic_load_n(&unsupported, __ATOMIC_RELAXED))
        return false;
    done = syscall(SYS_futex_waitv, both, 2, 0, abs_us == STINT_NEVER ? NULL : &until,
                   CLOCK_MONOTONIC) >= 0 ||
           errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT;
    if (!done)
        __atomic_store_n(&unsupported, 1, __ATOMIC_RELAXED);
    errno = saved;
    return done;
}
#else
static bool
wait_for_both(uint32_t *word, uint32_t value, uint32_t *cancelled, int64_t abs_us)
{
    (void)word;
    (void)value;
    (void)cancelled;
    (void)abs_us;
    return false;
}
#endif

void
stn_word_wait(uint32_t *word, uint32_t value, struct token *token, int64_t abs_us)
{
    int64_t until = abs_us > 0 ? abs_us : 0, slice;

    if (!token) {
        (void)stn_futex_wait_until(word, value, until); /* the caller looks again */
        return;
    }
    if (token->deadline_us < until)
        until = token->deadline_us > 0 ? token->deadline_us : 0;
    /* seq_cst: counted, then looked at by the kernel; cancel.c marks, then looks at the count. */
    (void)__atomic_fetch_add(&token->waiters, 1, __ATOMIC_SEQ_CST);
    if (!wait_for_both(word, value, &token->head.cancelled, until)) {
        slice = stint_now_us() + SLICE_US;
        if (!stint_token_cancelled(&token->head))
            (void)stn_futex_wait_until(word, value, slice < until ? slice : until); /* as above */
    }
    (void)__atomic_fetch_sub(&token->waiters, 1, __ATOMIC_RELAXED);
}
