/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The threads of the model: coroutines, and what the library finds in the place of libc and kernel. */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/model/calls.h"
#include "tests/model/inside.h"
#include "tests/model/memory.h"

struct explorer *mc_explorer;
struct thread *mc_threads;
int mc_running = -1;

static int64_t clock_us;

extern char __start_mc_tls[], __stop_mc_tls[]; /* what is each thread's own */
#define TLS_BYTES ((size_t)(__stop_mc_tls - __start_mc_tls))
static char tls[MC_THREADS][256];

static unsigned
yield(unsigned alternatives)
{
    struct thread *t = &mc_threads[mc_running];
    const int me = mc_running;
    unsigned choice;

    t->alternatives = alternatives;
    t->low =
        (char *)__builtin_frame_address(0) - 256; /* where the machine's pointer is not known */
    memcpy(tls[me], __start_mc_tls, TLS_BYTES);
    (void)swapcontext(&t->context, &mc_explorer->home);
    choice = t->choice;
    t->choice = 0; /* no part of the state */
    return choice;
}

unsigned
mc_choose(unsigned n)
{
    return mc_running < 0 ? 0 : yield(n);
}

void
mc_point(const volatile void *at, const char *file, int line)
{
    struct thread *t = mc_running < 0 ? NULL : &mc_threads[mc_running];

    if (mc_is_freed((const void *)at))
        mc_violation("memory is touched that was freed");
    if (!t)
        return;
    t->file = file;
    t->line = line;
    while (yield(t->signal_due ? 2 : 1) == 1) {
        t->signal_due = false;
        mc_explorer->scene->handlers[mc_running]();
        t->file = file;
        t->line = line;
    }
    if (mc_is_freed((const void *)at))
        mc_violation("memory is touched that was freed");
}

static long
futex_wake(const uint32_t *word, unsigned most)
{
    unsigned sleepers = 0, which;

    for (int i = 0; i < MC_THREADS; i++)
        sleepers += mc_threads[i].asleep == word;
    if (sleepers > most) { /* one of them: each is tried */
        which = mc_choose(sleepers);
        for (int i = 0; i < MC_THREADS; i++)
            if (mc_threads[i].asleep == word && which-- == 0)
                mc_threads[i].asleep = NULL;
        return 1;
    }
    for (int i = 0; i < MC_THREADS; i++)
        if (mc_threads[i].asleep == word)
            mc_threads[i].asleep = NULL;
    return (long)sleepers;
}

long
mc_syscall(long number, ...)
{
    va_list rest;
    uint32_t *word;
    uint32_t value;
    int op;

    va_start(rest, number);
    if (number != SYS_futex || mc_running < 0) {
        long a = va_arg(rest, long), b = va_arg(rest, long), c = va_arg(rest, long);

        va_end(rest);
        return number == SYS_futex ? 0 : syscall(number, a, b, c);
    }
    word = va_arg(rest, uint32_t *);
    op = va_arg(rest, int) & ~FUTEX_PRIVATE_FLAG;
    value = va_arg(rest, uint32_t);
    va_end(rest);
    mc_point(word, "futex", op);
    if (op == FUTEX_WAKE)
        return futex_wake(word, value);
    if (*word != value) {
        errno = EAGAIN;
        return -1;
    }
    mc_threads[mc_running].asleep = word;
    if (yield(1) == 0)
        return 0;
    mc_threads[mc_running].asleep = NULL;
    mc_threads[mc_running].signal_due = false;
    mc_explorer->scene->handlers[mc_running]();
    errno = EINTR;
    return -1;
}

int
mc_clock_gettime(clockid_t clock, struct timespec *ret_now)
{
    (void)clock;
    *ret_now = (struct timespec){clock_us / 1000000, clock_us % 1000000 * 1000};
    return 0;
}

void
mc_clock_set(int64_t usec)
{
    clock_us = usec;
}

pthread_t
mc_self(void)
{
    return (pthread_t)mc_running + 2;
}

void
mc_others_vanish(void)
{
    for (int i = 0; i < MC_THREADS; i++) {
        mc_threads[i].asleep = i == mc_running ? mc_threads[i].asleep : NULL;
        mc_threads[i].done = mc_threads[i].done || i != mc_running;
    }
}

void
mc_body(void)
{
    mc_explorer->scene->threads[mc_running]();
    mc_threads[mc_running].done = true;
    (void)yield(1);
}

void
mc_resume(int i, unsigned choice)
{
    if (TLS_BYTES > sizeof(tls[0]))
        mc_violation("a thread has more of its own than the model has room for");
    mc_threads[i].choice = choice;
    mc_running = i;
    memcpy(__start_mc_tls, tls[i], TLS_BYTES);
    (void)swapcontext(&mc_explorer->home, &mc_threads[i].context);
#ifdef __x86_64__ /* nothing dead in the state: it would tell equal ones apart */
    mc_threads[i].low = (char *)(uintptr_t)mc_threads[i].context.uc_mcontext.gregs[REG_RSP];
#endif
    mc_running = -1;
    if (mc_threads[i].done) /* how it came to its end is no part of the state */
        mc_threads[i] = (struct thread){.exists = true, .done = true, .stack = mc_threads[i].stack};
}
