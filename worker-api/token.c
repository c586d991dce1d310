/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "worker-api/state.h"

struct stint_token *
stint_root(void)
{
    return &stn_root.head;
}

static void
link_child(struct token *parent, struct token *token)
{
    token->parent = parent;
    token->next = parent->child;
    if (token->next)
        token->next->prev = token;
    parent->child = token;
}

static void
unlink_child(const struct token *token)
{
    if (token->prev)
        token->prev->next = token->next;
    else
        token->parent->child = token->next;
    if (token->next)
        token->next->prev = token->prev;
}

struct stint_token *
stint_token_with_deadline(struct stint_token *parent_or_null, const char *name, int64_t abs_us)
{
    struct token *parent = parent_or_null ? token_of(parent_or_null) : &stn_top;
    struct token *token = aligned_alloc(CACHE_LINE, sizeof(*token));

    if (!token)
        return NULL;
    memset(token, 0, sizeof(*token));
    token->fd = -1;
    token->refs = 1;
    token->deadline_us = abs_us < parent->deadline_us ? abs_us : parent->deadline_us;
    stn_text_copy(token->name, sizeof(token->name), name);
    (void)stint_token_ref(&parent->head);
    stn_tree_take();
    token->why = parent->why;
    token->head.cancelled = parent->head.cancelled;
    link_child(parent, token);
    stn_tree_give();
    return &token->head;
}

struct stint_token *
stint_token_new(struct stint_token *parent, const char *name)
{
    return stint_token_with_deadline(parent, name, STINT_NEVER);
}

static bool
is_static(const struct token *token)
{
    return token == &stn_top || token == &stn_root;
}

struct stint_token *
stint_token_ref(struct stint_token *token)
{
    if (token && !is_static(token_of(token)))
        (void)__atomic_fetch_add(&token_of(token)->refs, 1, __ATOMIC_RELAXED);
    return token;
}

void
stint_token_unref(struct stint_token *token)
{
    struct token *t = token_of(token);

    /* The last child gives back its reference to the parent: a loop, however deep the tree. */
    while (t && !is_static(t) && __atomic_fetch_sub(&t->refs, 1, __ATOMIC_ACQ_REL) == 1) {
        struct token *parent = t->parent;

        stn_tree_take();
        unlink_child(t);
        stn_tree_give();
        if (t->fd >= 0)
            stn_close(t->fd);
        free(t);
        t = parent;
    }
}

int
stint_token_err(struct stint_token *token)
{
    const struct token *t = token_of(token);
    uint32_t word;

    if (!t)
        return 0;
    word = __atomic_load_n(&t->head.cancelled, __ATOMIC_ACQUIRE);
    if (word == 0 && t->deadline_us != STINT_NEVER && stint_now_us() >= t->deadline_us) {
        (void)stint_token_cancel(token, STINT_CAUSE_DEADLINE, "deadline passed"); /* or lost */
        word = __atomic_load_n(&t->head.cancelled, __ATOMIC_ACQUIRE);
    }
    if (word == 0)
        return 0;
    return word == TOKEN_EXPIRED ? -ETIMEDOUT : -ECANCELED;
}

int64_t
stint_token_deadline(const struct stint_token *token)
{
    return token ? ((const struct token *)(const void *)token)->deadline_us : STINT_NEVER;
}

const char *
stint_token_name(const struct stint_token *token)
{
    return token ? ((const struct token *)(const void *)token)->name : "";
}

static int
arm(int fd, int64_t abs_us)
{
    struct itimerspec when = {.it_value = {.tv_nsec = 1}}; /* long past; all zero would disarm */

    if (abs_us > 0) {
        when.it_value.tv_sec = abs_us / 1000000;
        when.it_value.tv_nsec = abs_us % 1000000 * 1000;
        when.it_value.tv_nsec += when.it_value.tv_sec == 0 && when.it_value.tv_nsec == 0;
    }
    return timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL) == -1 ? -errno : 0;
}

void
stn_token_fire_fd(const struct token *token)
{
    if (token->fd < 0)
        return;
    if (token->fd_is_timer)
        (void)arm(token->fd, 0); /* our own timerfd: cannot fail */
    else
        stn_eventfd_fire(token->fd);
}

static int
make_fd(struct token *token)
{
    bool timer = token->deadline_us != STINT_NEVER;
    int fd = timer ? timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)
                   : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r;

    if (fd == -1)
        return -errno;
    if (timer && (r = arm(fd, token->deadline_us)) < 0) {
        stn_close(fd);
        return r;
    }
    token->fd_is_timer = timer;
    token->fd = fd;
    if (token->head.cancelled)
        stn_token_fire_fd(token);
    return fd;
}

int
stint_token_fd(struct stint_token *token)
{
    struct token *t = token_of(token);
    int fd;

    if (!t)
        return -EINVAL;
    stn_tree_take();
    fd = t->fd >= 0 ? t->fd : make_fd(t);
    stn_tree_give();
    return fd;
}

/* A descriptor is shared with the parent: give the child others under the same numbers. */
void
stn_tokens_after_fork(void)
{
    for (struct token *at = &stn_top; at; at = stn_token_step(&stn_top, at, true)) {
        int number = at->fd;

        at->threads = NULL; /* those threads exist in the parent only */
        at->waiters = 0;
        if (number < 0)
            continue;
        at->fd = -1;
        if (make_fd(at) < 0)
            continue; /* the next stint_token_fd() tries again; `number` is the parent's and stays */
        if (dup3(at->fd, number, O_CLOEXEC) == number) {
            stn_close(at->fd);
            at->fd = number;
        }
    }
}

/* A handler in another thread of the parent may have been about to push one: here it never will. */
void
stn_tokens_unsignal(void)
{
    for (struct token *at = &stn_top; at; at = stn_token_step(&stn_top, at, true))
        at->signalled = 0;
}
