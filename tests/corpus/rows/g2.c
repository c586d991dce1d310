/* SPDX-License-Identifier: GPL-2.0-or-later */

/* G, continued: shields, dead owners, forks. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

/* G21: it commits under a shield, and is within the shield's time. */
static NOINLINE THREAD_RESULT
g21_commit(void *arg)
{
    struct token *t = shield(INT64_C(60000000), "commit of a transaction");

    (void)arg;
    here();
    (void)token_await(root(), NEVER);
    (void)token_await(NULL, fixed ? 1000 : INT64_C(60000000));
    unshield(t);
    LEAVE;
}

void
row_G21(void)
{
    (void)spawn(root(), "g21-commit", g21_commit, NULL);
    all_here(1);
    serve();
    join_all();
}

/* G22: … or beyond it. */
static struct queue g22_disk = QUEUE(1);

static NOINLINE THREAD_RESULT
g22_commit(void *arg)
{
    struct token *t = shield(100000, "commit of a transaction");

    (void)arg;
    here();
    (void)queue_get(&g22_disk, fixed ? root() : NULL);
    unshield(t);
    LEAVE;
}

void
row_G22(void)
{
    (void)spawn(root(), "g22-commit", g22_commit, NULL);
    all_here(1);
    serve();
    join_all();
}

/* G23: its owner ended with it. */
static pthread_mutex_t g23_cache = PTHREAD_MUTEX_INITIALIZER;

static NOINLINE THREAD_RESULT
g23_owner(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&g23_cache);
    if (fixed)
        (void)pthread_mutex_unlock(&g23_cache);
    here();
    LEAVE;
}

static NOINLINE THREAD_RESULT
g23_heir(void *arg)
{
    (void)arg;
    here();
    (void)pthread_mutex_lock(&g23_cache);
    (void)pthread_mutex_unlock(&g23_cache);
    LEAVE;
}

void
row_G23(void)
{
    unsigned n = some(1, 4);
    struct thread *owner = spawn(root(), "g23-owner", g23_owner, NULL);

    all_here(1);
    join(owner);
    tell("count", n);
    for (unsigned i = 0; i < n; i++)
        (void)spawn(root(), "g23-heir", g23_heir, NULL);
    all_here(1 + n);
    serve();
    join_all();
}

/* G24: the end of a thread does not end: a destructor waits. */
static struct queue g24_never = QUEUE(1);
static pthread_key_t g24_key;

static NOINLINE void
g24_destroy(void *value)
{
    (void)value;
    here();
    (void)queue_get(&g24_never, fixed ? root() : NULL);
    NOT_THE_LAST();
}

static NOINLINE THREAD_RESULT
g24_run(void *arg)
{
    (void)pthread_setspecific(g24_key, arg);
    LEAVE;
}

void
row_G24(void)
{
    (void)pthread_key_create(&g24_key, g24_destroy);
    (void)spawn(root(), "g24-ending", g24_run, &g24_key);
    all_here(1);
    serve();
    join_all();
}

/* G25: a destructor sets its value again, four times, and then the thread is gone. */
static pthread_key_t g25_key;

static NOINLINE void
g25_destroy(void *value)
{
    (void)pthread_setspecific(g25_key, fixed ? NULL : value);
}

static NOINLINE THREAD_RESULT
g25_run(void *arg)
{
    (void)pthread_setspecific(g25_key, arg);
    here();
    LEAVE;
}

void
row_G25(void)
{
    struct thread *thread;

    (void)pthread_key_create(&g25_key, g25_destroy);
    thread = spawn(root(), "g25-rearm", g25_run, &g25_key);
    all_here(1);
    join(thread);
    serve();
}

/* G27: a child has the memory, and none of the threads. */
static NOINLINE THREAD_RESULT
g27_polite(void *arg)
{
    (void)arg;
    here();
    (void)token_await(root(), NEVER);
    LEAVE;
}

void
row_G27(void)
{
    unsigned n = some(2, 5);
    pid_t child = -1;

    for (unsigned i = 0; i < n; i++)
        (void)spawn(root(), "g27-polite", g27_polite, NULL);
    all_here(n);
    if (!fixed)
        child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)signal(SIGTERM, SIG_DFL);
        for (;;)
            (void)pause();
    }
    serve();
    if (child > 0) {
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
    }
    join_all();
}

/* G29: programs are started while threads run. */
static NOINLINE THREAD_RESULT
g29_start_programs(void *arg)
{
    char name[] = "true";
    char *const argv[] = {name, NULL}, *const envp[] = {NULL};

    (void)arg;
    for (unsigned i = 0; i < 5; i++) {
        pid_t child;

        if (posix_spawn(&child, "/bin/true", NULL, NULL, argv, envp) == 0)
            (void)waitpid(child, NULL, 0);
    }
    here();
    (void)token_await(root(), NEVER);
    LEAVE;
}

void
row_G29(void)
{
    unsigned n = some(2, 4);

    for (unsigned i = 0; i < n; i++)
        (void)spawn(root(), "g29-starter", g29_start_programs, NULL);
    all_here(n);
    serve();
    join_all();
}

/* G31: more threads than the registry has room for. */
static struct queue g31_idle = QUEUE(1);

static NOINLINE THREAD_RESULT
g31_run(void *arg)
{
    here();
    (void)queue_get(arg, NULL);
    LEAVE;
}

void
row_G31(void)
{
    unsigned n = fixed ? 100 : 5000;

    for (unsigned i = 0; i < n; i++)
        (void)spawn(root(), "g31-many", g31_run, &g31_idle);
    all_here(n);
    serve();
    queue_close(&g31_idle);
    join_all();
}

/* G37: a token is cancelled while its child is given back. */
static struct token *g37_parent;

static NOINLINE THREAD_RESULT
g37_release(void *arg)
{
    (void)arg;
    while (!token_cancelled(g37_parent)) {
#ifdef CORPUS_REGISTERED
        stint_token_unref(stint_token_new(g37_parent, "child"));
#else
        jitter();
#endif
    }
    here();
    LEAVE;
}

void
row_G37(void)
{
    unsigned n = fixed ? 1 : some(20, 60);

    for (unsigned i = 0; i < n; i++) {
        struct thread *thread;

        g37_parent = token_new(root(), "parent");
        thread = spawn(root(), "g37-release", g37_release, NULL);
        jitter();
        token_cancel(g37_parent);
        join(thread);
    }
    serve();
}
