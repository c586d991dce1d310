/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "worker-api/state.h"

#define POLL_ON_STACK 32 /* more descriptors than these are copied to the heap */

int64_t
stint_now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail: the clock exists */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void
stn_entry(void)
{
    (void)stn_channel_read(); /* a supervisor that has gone is no error of the waiter */
    stn_callbacks_run();
}

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int
stint_token_wait(struct stint_token *token, int64_t abs_us)
{
    static uint32_t never; /* the word of the NULL token */
    struct token *t = token_of(token);
    uint32_t *word = t ? &t->head.cancelled : &never;
    int64_t until = earlier(abs_us, stint_token_deadline(token));
    int err;

    stn_entry();
    if (t)
        (void)__atomic_fetch_add(&t->waiters, 1, __ATOMIC_SEQ_CST);
    while ((err = stint_token_err(token)) == 0 && stint_now_us() < abs_us)
        if (__atomic_load_n(word, __ATOMIC_SEQ_CST) == 0)
            (void)stn_futex_wait_until(word, 0, until); /* both ends are looked at above */
    if (t)
        (void)__atomic_fetch_sub(&t->waiters, 1, __ATOMIC_RELAXED);
    stn_callbacks_run();
    return err;
}

int
stint_token_sleep(struct stint_token *token, int64_t usec)
{
    int64_t now = stint_now_us();

    return stint_token_wait(token, usec >= STINT_NEVER - now ? STINT_NEVER : now + usec);
}

/* One ppoll of the caller's @n and our two behind them, until @abs_us. */
static int
poll_until(struct pollfd *all, nfds_t n, int64_t abs_us)
{
    struct timespec left;
    int64_t usec;

    if (abs_us == STINT_NEVER)
        return ppoll(all, n, NULL, NULL);
    usec = abs_us > 0 ? abs_us - stint_now_us() : 0;
    if (usec < 0)
        usec = 0;
    left.tv_sec = usec / 1000000;
    left.tv_nsec = usec % 1000000 * 1000;
    return ppoll(all, n, &left, NULL);
}

/* @all has room for two more than @n. */
static int
poll_loop(struct stint_token *token, struct pollfd *all, nfds_t n, int64_t abs_us)
{
    int64_t until = earlier(abs_us, stint_token_deadline(token));
    int token_fd = token ? stint_token_fd(token) : -1;
    int r, err;

    if (token && token_fd < 0)
        return token_fd;
    for (;;) {
        all[n] = (struct pollfd){.fd = token_fd, .events = POLLIN};
        all[n + 1] = (struct pollfd){.fd = stn_channel_poll_fd(), .events = POLLIN};
        stn_entry();
        if ((err = stint_token_err(token)) < 0)
            return err;
        r = poll_until(all, n + 2, until);
        if (r == -1 && errno != EINTR)
            return -errno;
        if (r == -1)
            continue;
        if (all[n + 1].revents)
            stn_entry();
        if ((err = stint_token_err(token)) < 0)
            return err;
        r -= (all[n].revents != 0) + (all[n + 1].revents != 0);
        if (r > 0 || stint_now_us() >= abs_us)
            return r;
    }
}

int
stint_token_poll(struct stint_token *token, struct pollfd *fds, nfds_t n, int64_t abs_us)
{
    struct pollfd few[POLL_ON_STACK + 2];
    struct pollfd *all = few;
    int r;

    if (n > POLL_ON_STACK && !(all = calloc((size_t)n + 2, sizeof(*all))))
        return -ENOMEM;
    if (n > 0)
        memcpy(all, fds, (size_t)n * sizeof(*all));
    r = poll_loop(token, all, n, abs_us);
    stn_callbacks_run();
    if (r < 0)
        for (nfds_t i = 0; i < n; i++)
            all[i].revents = 0;
    for (nfds_t i = 0; i < n; i++)
        fds[i].revents = all[i].revents;
    if (all != few)
        free(all);
    return r;
}
