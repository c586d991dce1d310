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

static struct token *
above(const struct token *token)
{
    return token->apart ? &stn_top : token->parent;
}

static void
link_child(struct token *token)
{
    struct token *parent = above(token);

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
        above(token)->child = token->next;
    if (token->next)
        token->next->prev = token->prev;
}

/* With the tree lock taken; NULL without memory, and without the lock. */
static struct token *
take_and_get(void)
{
    struct token *token;

    stn_tree_take();
    while (!(token = stn_slab_get())) {
        stn_tree_give();
        if (stn_slab_grow() < 0)
            return NULL;
        stn_tree_take();
    }
    return token;
}

struct token *
stn_token_make(struct token *parent, const char *name, int64_t deadline_us, struct any *any,
               bool apart)
{
    struct token *token = take_and_get();

    if (!token)
        return NULL;
    memset(token, 0, offsetof(struct token, name));
    stn_text_copy(token->name, sizeof(token->name), name);
    token->deadline_us = deadline_us;
    token->trace = parent->trace;
    token->scope = parent->scope;
    token->fd = -1;
    token->refs = 1;
    token->parent = token_of(stint_token_ref(&parent->head));
    token->any = any;
    token->apart = apart;
    link_child(token);
    if (any)
        stn_any_link(any, token);
    if (!apart) {
        token->origin = parent->origin;
        token->head.cancelled = parent->head.cancelled;
    }
    stn_tree_give();
    return token;
}

static struct stint_token *
head_of(struct token *token)
{
    return token ? &token->head : NULL;
}

static struct token *
or_top(struct stint_token *token)
{
    return token ? token_of(token) : &stn_top;
}

struct stint_token *
stint_token_with_deadline(struct stint_token *parent_or_null, const char *name, int64_t abs_us)
{
    struct token *parent = or_top(parent_or_null);

    return head_of(stn_token_make(
        parent, name, abs_us < parent->deadline_us ? abs_us : parent->deadline_us, NULL, false));
}

struct stint_token *
stint_token_new(struct stint_token *parent, const char *name)
{
    return stint_token_with_deadline(parent, name, STINT_NEVER);
}

struct stint_token *
stint_token_detach(struct stint_token *token, const char *name)
{
    return head_of(stn_token_make(or_top(token), name, STINT_NEVER, NULL, true));
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

static bool
dropped_last(struct token *token)
{
    return !is_static(token) && __atomic_fetch_sub(&token->refs, 1, __ATOMIC_ACQ_REL) == 1;
}

/* Nobody knows it any more. Return: the parent, whose reference is the caller's now. */
static struct token *
destroy(struct token *token, struct any **to_put)
{
    struct token *parent = token->parent;
    struct any *any = token->any;
    void *chunk, *trace;

    stn_span_of_request(token);
    stn_tree_take();
    unlink_child(token);
    if (any)
        stn_any_unlink(any);
    stn_words_put(token);
    stn_scope_token_gone(token);
    if (token->fd >= 0)
        stn_close(token->fd); /* under the lock: a fork() leaves none behind in the child */
    trace = token->owns_trace ? (void *)(uintptr_t)token->trace : NULL;
    chunk = stn_slab_put(token);
    stn_tree_give();
    free(trace);
    free(chunk);
    if (any) {
        any->next = *to_put;
        *to_put = any;
    }
    return parent;
}

/* The last child gives back its reference to the parent, and an any-of token those to its sources:
 * a loop, however deep the tree. */
void
stint_token_unref(struct stint_token *token)
{
    struct any *to_put = NULL;

    for (struct token *t = token_of(token); t; t = stn_any_next_source(&to_put))
        while (t && dropped_last(t))
            t = destroy(t, &to_put);
}

int
stint_token_err(struct stint_token *token)
{
    struct token *t = token_of(token);
    uint32_t word;

    if (!t)
        return 0;
    word = __atomic_load_n(&t->head.cancelled, __ATOMIC_ACQUIRE);
    if (word == 0 && t->deadline_us != STINT_NEVER && stint_now_us() >= t->deadline_us) {
        stn_token_expire(t); /* or lost */
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

const struct trace *
stn_token_trace(const struct token *token)
{
    return token ? token->trace : &stn.trace;
}

/* Names and parents never change, and whoever has a token has all above it: no lock. */
size_t
stint_token_path(const struct stint_token *token, char *path, size_t size)
{
    const struct token *t = (const struct token *)(const void *)token;
    size_t whole = 0, at;

    for (const struct token *up = t; up && up != &stn_top; up = up->parent)
        whole += strlen(up->name) + (up != t);
    if (size == 0)
        return whole;
    path[0] = '\0';
    at = whole;
    for (const struct token *up = t; up && up != &stn_top; up = up->parent) {
        if (up != t && --at < size - 1)
            path[at] = '/';
        for (size_t n = strlen(up->name); n > 0; n--)
            if (--at < size - 1)
                path[at] = up->name[n - 1];
    }
    path[whole < size ? whole : size - 1] = '\0';
    return whole;
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
