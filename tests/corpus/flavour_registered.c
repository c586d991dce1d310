/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The registered flavour: libstint, as its users use it. */
#include <stdlib.h>
#include <unistd.h>

#include "corpus.h"

#define THREADS_MAX 8192

struct thread {
    struct stint_thread *handle; /* NULL: of a scope, which joins it */
    bool over;
};

static struct thread threads[THREADS_MAX];
static unsigned n_threads;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void
flavour_init(void)
{
    if (stint_init(NULL) != 0)
        exit(92);
}

struct token *
root(void)
{
    return stint_root();
}

struct token *
token_new(struct token *parent, const char *name)
{
    return stint_token_new(parent, name);
}

void
token_cancel(struct token *t)
{
    (void)stint_token_cancel(t, STINT_CAUSE_USER, "the row says so");
}

bool
token_cancelled(struct token *t)
{
    return stint_token_cancelled(t);
}

int
token_fd(struct token *t)
{
    return stint_token_fd(t);
}

bool
cond_wait_token(pthread_cond_t *cond, pthread_mutex_t *mutex, struct token *t)
{
    return stint_cond_wait(t, cond, mutex, STINT_NEVER) != 0;
}

/* ---- scopes ------------------------------------------------------------------------------------- */

struct scope *
scope_open(const char *name)
{
    return stint_scope_open(NULL, name);
}

struct scope *
generation_open(const char *label)
{
    return stint_generation_open(label);
}

struct token *
scope_token(struct scope *s)
{
    return stint_scope_token(s);
}

void
scope_close(struct scope *s, int64_t grace_us)
{
    (void)stint_scope_close(s, grace_us, NULL, 0);
}

void
generation_retire(struct scope *g, int64_t grace_us)
{
    (void)stint_generation_retire(g, grace_us, "a newer configuration");
}

/* ---- threads -------------------------------------------------------------------------------------- */

struct thread *
spawn_at(struct scope *s, struct token *t, const char *name, const char *file, const char *function,
         unsigned line, thread_fn *fn, void *arg)
{
    struct stint_birth birth = stint_birth_at(name, file, function, line);
    struct thread *thread;
    int r;

    (void)pthread_mutex_lock(&lock);
    if (n_threads == THREADS_MAX)
        abort();
    thread = &threads[n_threads++];
    (void)pthread_mutex_unlock(&lock);
    thread->over = s != NULL;
    r = s ? stint_scope_spawn_at(s, birth, fn, arg)
          : stint_thread_spawn_at(&thread->handle, t, birth, fn, arg);
    if (r != 0)
        abort();
    return thread;
}

void
join(struct thread *thread)
{
    thread->over = true;
    (void)stint_thread_join(thread->handle, NULL, STINT_NEVER);
    NOT_THE_LAST();
}

void
mine(struct thread *thread)
{
    thread->over = true;
}

void
let_go(struct thread *thread)
{
    thread->over = true;
    stint_thread_detach(thread->handle);
}

NOINLINE void
join_all(void)
{
    for (unsigned i = 0; i < n_threads; i++)
        if (!threads[i].over)
            join(&threads[i]);
}

void
say_ready(void)
{
    if (stint_ready() != 0)
        exit(91);
}

void
extend(int64_t usec)
{
    (void)stint_extend(usec);
}

void
exempt(const char *reason, int64_t for_us)
{
    stint_thread_exempt(reason, for_us == NEVER ? STINT_NEVER : stint_now_us() + for_us);
}

void
vital(int64_t beat_every_us)
{
    stint_thread_vital(beat_every_us);
}

void
beat(void)
{
    stint_beat();
}

struct token *
shield(int64_t for_us, const char *reason)
{
    return stint_shield(stint_now_us() + for_us, reason);
}

void
unshield(struct token *t)
{
    stint_unshield(t);
}

static _Thread_local struct stint_token *task;

void
task_begin(struct token *t, const char *name, int64_t deadline_in_us)
{
    task = deadline_in_us == NEVER
               ? stint_token_new(t, name)
               : stint_token_with_deadline(t, name, stint_now_us() + deadline_in_us);
    if (!task || stint_task_begin(task, name) != 0)
        abort();
}

void
task_end(void)
{
    stint_task_end();
    stint_token_unref(task);
}
