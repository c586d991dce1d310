/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker-api/state.h"

static _Thread_local struct stint_thread *self;
static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT; /* threads may come before stint_init() */
static pthread_key_t exit_key; /* its destructor sees pthread_exit() and adopted threads' ends */
static bool have_exit_key;     /* written once; read behind exit_key_once */
static struct stint_thread main_thread = {.refs = 2, .name = "main"}; /* 2: never freed */

struct stint_token *
stint_current(void)
{
    return self && self->token ? &self->token->head : NULL;
}

void
stn_thread_name(char name[STINT_NAME_MAX])
{
    memset(name, 0, STINT_NAME_MAX);
    if (self)
        stn_text_copy(name, STINT_NAME_MAX, self->name);
    else
        (void)prctl(PR_GET_NAME, name); /* 16 bytes; cannot fail */
}

static void
link_to_token(struct stint_thread *thread)
{
    struct token *token = thread->token;

    if (!token)
        return;
    stn_tree_take();
    thread->prev = NULL;
    thread->next = token->threads;
    if (thread->next)
        thread->next->prev = thread;
    token->threads = thread;
    if (token->head.cancelled)
        stn_slot_cancelled(thread->slot, token->origin);
    stn_tree_give();
}

static void
unlink_from_token(const struct stint_thread *thread)
{
    if (!thread->token)
        return;
    stn_tree_take();
    if (thread->prev)
        thread->prev->next = thread->next;
    else
        thread->token->threads = thread->next;
    if (thread->next)
        thread->next->prev = thread->prev;
    stn_tree_give();
}

static void finish(void *arg);

static void
make_exit_key(void)
{
    have_exit_key = pthread_key_create(&exit_key, finish) == 0;
}

/* In the thread itself, before its first instruction of the user's. No cancellation half way. */
static void
begin(struct stint_thread *thread)
{
    int state = stn_cancel_hold();

    self = thread;
    (void)pthread_once(&exit_key_once, make_exit_key); /* cannot fail */
    if (have_exit_key)
        (void)pthread_setspecific(exit_key, thread); /* ENOMEM: only pthread_exit() goes unseen */
    thread->slot = stn_slot_claim();
    stn_slot_fill(thread);
    link_to_token(thread);
    stn_cancel_let(state);
}

static void
put(struct stint_thread *thread)
{
    if (__atomic_fetch_sub(&thread->refs, 1, __ATOMIC_ACQ_REL) == 1)
        free(thread);
}

static void
finish(void *arg)
{
    struct stint_thread *thread = arg;

    unlink_from_token(thread);
    stn_slot_done(thread->slot);
    if (thread->token)
        stint_token_unref(&thread->token->head);
    thread->token = NULL;
    thread->slot = NULL;
    self = NULL;
    __atomic_store_n(&thread->done, 1, __ATOMIC_RELEASE);
    stn_futex_wake_all(&thread->done); /* the joiner frees it only after pthread_join() */
    put(thread);
}

static void *
trampoline(void *arg)
{
    struct stint_thread *thread = arg;

    (void)prctl(PR_SET_NAME, thread->name); /* cut to 15 bytes by the kernel */
    begin(thread);
    thread->fn(thread->arg);
    if (have_exit_key)
        (void)pthread_setspecific(exit_key, NULL);
    finish(thread);
    return NULL;
}

static struct stint_thread *
thread_new(struct stint_token *token, struct stint_birth birth)
{
    struct stint_thread *thread = calloc(1, sizeof(*thread));

    if (!thread)
        return NULL;
    thread->birth = birth;
    stn_text_copy(thread->name, sizeof(thread->name), birth.name);
    thread->birth.name = thread->name;
    thread->creator_tid = (uint32_t)syscall(SYS_gettid);
    stn_thread_name(thread->creator_name);
    thread->token = token_of(stint_token_ref(token));
    return thread;
}

int
stint_thread_spawn_at(struct stint_thread **ret_thread, struct stint_token *token,
                      struct stint_birth birth, void (*fn)(void *arg), void *arg)
{
    struct stint_thread *thread = thread_new(token, birth);
    pthread_t ignored;
    int r;

    if (!thread)
        return -ENOMEM;
    thread->fn = fn;
    thread->arg = arg;
    thread->refs = ret_thread ? 2 : 1;
    /* Into the struct only if it is ours afterwards: a detached thread may free it at once. */
    r = pthread_create(ret_thread ? &thread->thread : &ignored, NULL, trampoline, thread);
    if (r != 0) {
        stint_token_unref(token);
        free(thread);
        return -r;
    }
    if (ret_thread)
        *ret_thread = thread;
    else
        (void)pthread_detach(ignored); /* a thread just made, and nobody joins it */
    return 0;
}

static bool
is_done(const struct stint_thread *thread)
{
    return __atomic_load_n(&thread->done, __ATOMIC_ACQUIRE) != 0;
}

/* Somebody who is waited for for ever keeps his waiter too: the waiter's slot says whom to blame. */
static int
wait_until_done(struct stint_thread *thread, int64_t abs_us)
{
    char before[sizeof(self->slot->wait_site)] = "", site[sizeof(before)] = "join of ";
    struct stint_registry_slot *slot = self ? self->slot : NULL;
    const size_t n = strlen(site);

    if (slot) {
        memcpy(before, slot->wait_site, sizeof(before)); /* only this thread writes it */
        stn_text_copy(site + n, sizeof(site) - n, thread->name);
        stn_slot_text(slot, slot->wait_site, sizeof(site), site);
    }
    while (!is_done(thread) && stint_now_us() < abs_us)
        (void)stn_futex_wait_until(&thread->done, 0, abs_us); /* both ends are looked at above */
    if (slot)
        stn_slot_text(slot, slot->wait_site, sizeof(before), before);
    return is_done(thread) ? 0 : -ETIMEDOUT;
}

int
stint_thread_join(struct stint_thread *thread, int64_t abs_us)
{
    int r;

    if (!thread)
        return -EINVAL;
    if (thread == self)
        return -EDEADLK;
    stn_entry();
    r = is_done(thread) ? 0 : wait_until_done(thread, abs_us);
    if (r < 0)
        return r;
    (void)pthread_join(thread->thread, NULL); /* ours, joinable, at its last instructions */
    put(thread);
    stn_callbacks_run();
    return 0;
}

void
stint_thread_detach(struct stint_thread *thread)
{
    if (!thread)
        return;
    (void)pthread_detach(thread->thread); /* ours and joinable */
    put(thread);
}

int
stint_thread_adopt_at(struct stint_token *token, struct stint_birth birth)
{
    struct stint_thread *thread;

    if (self)
        return -EBUSY;
    thread = thread_new(token, birth);
    if (!thread)
        return -ENOMEM;
    thread->refs = 1;
    begin(thread);
    return 0;
}

void
stint_thread_disown(void)
{
    if (!self || self == &main_thread || self->fn)
        return; /* those end when they end */
    if (have_exit_key)
        (void)pthread_setspecific(exit_key, NULL);
    finish(self);
}

int
stn_threads_init(void)
{
    (void)pthread_once(&exit_key_once, make_exit_key); /* cannot fail */
    if (!have_exit_key)
        return -EAGAIN;
    if (!self) { /* not inside a thread that spawn or adopt made before */
        main_thread.token = &stn_root;
        begin(&main_thread);
    }
    return 0;
}

/* Of the threads only the caller lives on; the parent's handles must not be joined here. */
void
stn_threads_after_fork(void)
{
    if (!self)
        return;
    self->creator_tid = 0;
    self->slot = stn_slot_claim();
    stn_slot_fill(self);
    link_to_token(self);
}

void
stint_thread_exempt(const char *reason)
{
    if (self && self->slot)
        stn_slot_exempt(self->slot, reason);
}

void
stint_beat(void)
{
    if (self && self->slot)
        __atomic_store_n(&self->slot->beats, self->slot->beats + 1, __ATOMIC_RELAXED);
}

void
stint_wait_site(const char *text, const char *file, unsigned line)
{
    char site[sizeof(self->slot->wait_site)];
    const char *base = file ? strrchr(file, '/') : NULL;
    char digits[12];
    size_t n, at = sizeof(digits) - 1;

    if (!self || !self->slot)
        return;
    /* Not snprintf: this stands in front of every wait of a busy loop. */
    digits[at] = '\0';
    do
        digits[--at] = (char)('0' + line % 10);
    while ((line /= 10) > 0);
    stn_text_copy(site, sizeof(site), text);
    n = strlen(site);
    stn_text_copy(site + n, sizeof(site) - n, n > 0 ? " at " : "");
    n = strlen(site);
    stn_text_copy(site + n, sizeof(site) - n, base ? base + 1 : file);
    n = strlen(site);
    stn_text_copy(site + n, sizeof(site) - n, ":");
    n = strlen(site);
    stn_text_copy(site + n, sizeof(site) - n, digits + at);
    stn_slot_text(self->slot, self->slot->wait_site, sizeof(site), site);
}

void
stint_wait_over(void)
{
    if (self && self->slot)
        stn_slot_text(self->slot, self->slot->wait_site, sizeof(self->slot->wait_site), "");
}
