/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker-api/prof.h"
#include "worker-api/state.h"

#ifndef PTHREAD_DESTRUCTOR_ITERATIONS
#define PTHREAD_DESTRUCTOR_ITERATIONS 4
#endif

__thread struct stint_thread *stn_self STINT_TLS_;
__thread struct stint_wait_cell *stint_wait_cell STINT_TLS_;

static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT; /* threads may come before stint_init() */
static pthread_key_t exit_key; /* its destructor sees every end: return, pthread_exit(), adopted */
static bool have_exit_key;     /* written once; read behind exit_key_once */
static struct stint_thread main_thread = {.refs = 2,
                                          .name = "main",
                                          .flags = STINT_SLOT_MAIN,
                                          .scope = &stn_process}; /* 2: never freed */

struct stint_token *
stint_current(void)
{
    return stn_self && stn_self->token ? &stn_self->token->head : NULL;
}

void
stn_thread_name(char name[STINT_NAME_MAX])
{
    if (stn_self) {
        memcpy(name, stn_self->name, STINT_NAME_MAX);
    } else {
        memset(name, 0, STINT_NAME_MAX);
        (void)prctl(PR_GET_NAME, name); /* 16 bytes; cannot fail */
    }
}

void
stn_thread_link(struct stint_thread *thread)
{
    struct token *token = thread->token;

    if (!token)
        return;
    thread->prev = NULL;
    thread->next = token->threads;
    if (thread->next)
        thread->next->prev = thread;
    token->threads = thread;
    if (token->head.cancelled)
        stn_slot_cancelled(thread->slot, token->origin);
}

void
stn_thread_unlink(const struct stint_thread *thread)
{
    if (!thread->token)
        return;
    if (thread->prev)
        thread->prev->next = thread->next;
    else
        thread->token->threads = thread->next;
    if (thread->next)
        thread->next->prev = thread->prev;
}

/* In the list of all and in its scope, from before its first instruction on: a scope that is closed at
 * that moment waits for it. Tree lock held. */
static void
enter(struct stint_thread *thread)
{
    stn_scope_enter(thread);
    thread->earlier = NULL;
    thread->later = stn.threads;
    if (thread->later)
        thread->later->earlier = thread;
    stn.threads = thread;
}

static void
leave(struct stint_thread *thread)
{
    if (thread->earlier)
        thread->earlier->later = thread->later;
    else
        stn.threads = thread->later;
    if (thread->later)
        thread->later->earlier = thread->earlier;
    stn_scope_leave(thread);
}

static void
take_slot(struct stint_thread *thread)
{
    stn_slot_claim(thread);
    stn_slot_fill(thread);
    stint_wait_cell =
        thread->slot ? (struct stint_wait_cell *)(void *)&thread->slot->wait_object : NULL;
}

static void ending(void *arg);

static void
make_exit_key(void)
{
    have_exit_key = pthread_key_create(&exit_key, ending) == 0;
}

/* In the thread itself, before its first instruction of the user's. No cancellation half way. */
static void
begin(struct stint_thread *thread, uint32_t tid)
{
    int state = stn_cancel_hold();
    bool let_go;

    stn_self = thread;
    (void)pthread_once(&exit_key_once, make_exit_key); /* cannot fail */
    if (have_exit_key)
        (void)pthread_setspecific(exit_key, thread); /* ENOMEM: only pthread_exit() goes unseen */
    __atomic_store_n(&thread->tid, tid, __ATOMIC_RELEASE);
    stn_tree_take();
    thread->begun = true;
    if (thread->of_scope)
        thread->thread = pthread_self(); /* pthread_create() may still be about to say so */
    let_go = thread->let_go;
    take_slot(thread);
    stn_thread_link(thread);
    stn_tree_give();
    if (let_go)
        (void)pthread_detach(pthread_self()); /* made joinable, and nobody will */
    stn_prof_thread_begins();
    stn_cancel_let(state);
}

void
stn_thread_put(struct stint_thread *thread)
{
    struct token *kept = thread->scope_token;

    if (__atomic_fetch_sub(&thread->refs, 1, __ATOMIC_ACQ_REL) != 1)
        return;
    free(thread);
    if (kept)
        stint_token_unref(&kept->head);
}

static void
finish(struct stint_thread *thread)
{
    struct token *token;

    stn_prof_thread_ends();
    stn_shields_end(thread);
    stn_tasks_end(thread);
    token = thread->token;
    stn_overrun_work(thread, token, "", STINT_NEVER);
    stn_spans_end(thread, NULL);
    stn_span_of_thread(thread);
    stn_span_free_spare(thread);
    stint_wait_cell = NULL;
    stn_tree_take();
    stn_thread_unlink(thread);
    stn_slot_done(thread);
    thread->token = NULL;
    stn_scope_thread_ended(thread);
    leave(thread);
    stn_tree_give();
    stn_self = NULL;
    if (token)
        stint_token_unref(&token->head);
    if (__atomic_exchange_n(&thread->done, STN_DONE, __ATOMIC_ACQ_REL) == STN_AWAITED)
        stn_futex_wake_all(&thread->done); /* the joiner frees it only after pthread_join() */
    stn_thread_put(thread);
}

/*
 * Destructors of thread-specific values run in rounds. Ours comes back until the last but one, so that
 * a thread that hangs in somebody else's is still known by its name; the last is the sanitizers'.
 */
static void
ending(void *arg)
{
    struct stint_thread *thread = arg;

    if (++thread->endings < PTHREAD_DESTRUCTOR_ITERATIONS - 1 &&
        pthread_setspecific(exit_key, thread) == 0)
        return;
    finish(thread);
}

static void *
trampoline(void *arg)
{
    struct stint_thread *thread = arg;

    (void)prctl(PR_SET_NAME, thread->name); /* cut to 15 bytes by the kernel */
    begin(thread, stn_tid_of_new());
    (void)__atomic_fetch_sub(&stn.starting, 1, __ATOMIC_RELEASE);
    thread->fn(thread->arg);
    if (!have_exit_key || !pthread_getspecific(exit_key))
        finish(thread);
    return NULL;
}

/* Without a token of its own it belongs where its creator does. */
static struct stint_scope *
scope_for(struct stint_token *token)
{
    if (token)
        return stn_scope_of(token_of(token));
    return stn_self ? stn_self->scope : &stn_process;
}

struct stint_thread *
stn_thread_new(struct stint_token *token, struct stint_birth birth, const void *creator_pc)
{
    /* calloc() would pass by what glibc's malloc() keeps at hand for the caller */
    struct stint_thread *thread = malloc(sizeof(*thread));

    if (!thread)
        return NULL;
    *thread = (struct stint_thread){.birth = birth,
                                    .refs = 1,
                                    .creator_pc = creator_pc,
                                    .started_us = stint_now_us(),
                                    .token = token_of(stint_token_ref(token)),
                                    .scope = scope_for(token)};
    thread->birth_site = stn_site(STINT_SITE_BIRTH, NULL, birth.file, birth.function, birth.line);
    stn_text_copy(thread->name, sizeof(thread->name), birth.name);
    thread->birth.name = thread->name;
    thread->creator_tid = stn_self ? __atomic_load_n(&stn_self->tid, __ATOMIC_RELAXED)
                                   : (uint32_t)syscall(SYS_gettid);
    stn_thread_name(thread->creator_name);
    stn_span_make(&thread->span, stn_token_trace(thread->token));
    thread->scope_token = token_of(stint_token_ref(&thread->scope->token->head));
    stn_tree_take();
    enter(thread);
    stn_tree_give();
    return thread;
}

/* It never ran. */
static void
unmake(struct stint_thread *thread)
{
    bool let_go;

    stn_tree_take();
    stn_scope_thread_unmade(thread);
    leave(thread);
    let_go = thread->let_go;
    stn_tree_give();
    if (thread->token)
        stint_token_unref(&thread->token->head);
    if (!let_go) /* else whoever gave its scope up puts the handle's */
        thread->refs = 1;
    stn_thread_put(thread);
}

int
stn_thread_start(struct stint_thread *thread, void (*fn)(void *arg), void *arg, bool joinable)
{
    bool kept = joinable && !thread->of_scope; /* by the caller, who alone lets go of it */
    pthread_t made;
    int r;

    thread->fn = fn;
    thread->arg = arg;
    thread->refs = joinable ? 2 : 1;
    thread->flags = joinable ? STINT_SLOT_JOINABLE : 0;
    (void)__atomic_fetch_add(&stn.starting, 1, __ATOMIC_RELAXED);
    /* Into the struct only if it is ours afterwards: a detached thread may free it at once. And not by
     * pthread_create() itself, which may do so when the new one has long begun (musl). */
    r = pthread_create(&made, NULL, trampoline, thread);
    if (r != 0) {
        (void)__atomic_fetch_sub(&stn.starting, 1, __ATOMIC_RELAXED);
        unmake(thread);
    } else if (kept) {
        thread->thread = made;
    } else if (!joinable) {
        (void)pthread_detach(made); /* a thread just made, and nobody joins it */
    }
    return -r;
}

int
stint_thread_spawn_at(struct stint_thread **ret_thread, struct stint_token *token,
                      struct stint_birth birth, void (*fn)(void *arg), void *arg)
{
    struct stint_thread *thread = stn_thread_new(token, birth, __builtin_return_address(0));
    int r;

    if (!thread)
        return -ENOMEM;
    r = stn_thread_start(thread, fn, arg, ret_thread != NULL);
    if (r == 0 && ret_thread)
        *ret_thread = thread;
    return r;
}

int
stint_thread_adopt_at(struct stint_token *token, struct stint_birth birth)
{
    struct stint_thread *thread;

    if (stn_self)
        return -EBUSY;
    thread = stn_thread_new(token, birth, __builtin_return_address(0));
    if (!thread)
        return -ENOMEM;
    thread->flags = STINT_SLOT_ADOPTED;
    begin(thread, (uint32_t)syscall(SYS_gettid));
    return 0;
}

void
stint_thread_disown(void)
{
    if (!stn_self || stn_self == &main_thread || stn_self->fn)
        return; /* those end when they end */
    if (have_exit_key)
        (void)pthread_setspecific(exit_key, NULL);
    finish(stn_self);
}

int
stn_threads_init(void)
{
    (void)pthread_once(&exit_key_once, make_exit_key); /* cannot fail */
    if (!have_exit_key)
        return -EAGAIN;
    stn_tree_take();
    stn_process.opened_us = stint_now_us();
    stn_scopes_publish();
    if (!stn_self) /* not inside a thread that spawn or adopt made before */
        enter(&main_thread);
    stn_tree_give();
    if (!stn_self) {
        main_thread.token = &stn_root;
        stn_span_make(&main_thread.span, &stn.trace);
        main_thread.started_us = stint_now_us();
        begin(&main_thread, (uint32_t)syscall(SYS_gettid));
    }
    return 0;
}

/* Of the threads only the caller lives on; the parent's handles must not be joined here. */
void
stn_threads_after_fork(bool whole)
{
    struct stint_thread *next;

    stn.starting = 0; /* those are the parent's */
    for (struct stint_thread *t = whole ? stn.threads : NULL; t; t = next) {
        next = t->later;
        if (t != stn_self)
            leave(t);
    }
    if (whole)
        stn_scopes_after_fork();
    stn.threads = stn_self;
    if (!stn_self)
        return;
    stn_self->later = stn_self->earlier = NULL;
    if (stn_self->token)
        stn_self->token->threads = NULL;
    stn_self->of_scope = false; /* in no list, and joined by nobody */
    stn_self->creator_tid = 0;
    stn_self->tid = (uint32_t)syscall(SYS_gettid);
    stn_spans_after_fork(stn_self);
    take_slot(stn_self);
    stn_thread_link(stn_self);
}
