/* SPDX-License-Identifier: GPL-2.0-or-later */

/* H: threads that begin, wait or end where one does not expect it. */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <ucontext.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

/* H23: begun by a constructor, before main() and before anybody could be told. */
static int h23_pipe[2] = {-1, -1};
static pthread_t h23_thread;

static NOINLINE void *
h23_early(void *arg)
{
    char byte;

    (void)arg;
    (void)!read(h23_pipe[0], &byte, 1);
    NOT_THE_LAST();
    return NULL;
}

__attribute__((constructor)) static void
h23_construct(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "H23") == 0 && pipe2(h23_pipe, O_CLOEXEC) == 0)
        (void)pthread_create(&h23_thread, NULL, h23_early, NULL);
}

void
row_H23(void)
{
    serve();
    if (fixed)
        (void)close(h23_pipe[1]);
    (void)pthread_join(h23_thread, NULL);
    join_all();
}

/* H24: nobody joins it, but the last one out counts those that are in. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned n;
} h24_inside = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .n = 1};
static int h24_pipe[2];

static NOINLINE THREAD_RESULT
h24_detached(void *arg)
{
    char byte;

    (void)arg;
    here();
    (void)!read(h24_pipe[0], &byte, 1);
    (void)pthread_mutex_lock(&h24_inside.mutex);
    h24_inside.n--;
    (void)pthread_cond_signal(&h24_inside.changed);
    (void)pthread_mutex_unlock(&h24_inside.mutex);
    LEAVE;
}

void
row_H24(void)
{
    if (pipe2(h24_pipe, O_CLOEXEC) == -1)
        return;
    let_go(spawn(root(), "h24-detached", h24_detached, NULL));
    all_here(1);
    serve();
    if (fixed)
        (void)close(h24_pipe[1]);
    (void)pthread_mutex_lock(&h24_inside.mutex);
    while (h24_inside.n > 0)
        (void)pthread_cond_wait(&h24_inside.changed, &h24_inside.mutex);
    (void)pthread_mutex_unlock(&h24_inside.mutex);
}

/* H25: a signal comes while it works, and its handler waits. */
static int h25_pipe[2];

static NOINLINE void
h25_handler(int sig)
{
    char byte;

    (void)sig;
    here(); /* nobody else is in there: it was sent by itself */
    (void)!read(h25_pipe[0], &byte, 1);
    NOT_THE_LAST();
}

static NOINLINE THREAD_RESULT
h25_interrupted(void *arg)
{
    (void)arg;
    (void)raise(SIGUSR2);
    NOT_THE_LAST();
    LEAVE;
}

void
row_H25(void)
{
    struct sigaction sa = {.sa_handler = h25_handler};

    (void)sigaction(SIGUSR2, &sa, NULL);
    if (pipe2(h25_pipe, O_CLOEXEC) == -1)
        return;
    (void)spawn(root(), "h25-interrupted", h25_interrupted, NULL);
    all_here(1);
    serve();
    if (fixed)
        (void)close(h25_pipe[1]);
    join_all();
}

/* H26: it has left its stack for one of its own making. */
static ucontext_t h26_home, h26_away;
static struct queue h26_queue = QUEUE(1);

static NOINLINE void
h26_coroutine(void)
{
    here();
    (void)queue_get(&h26_queue, fixed ? root() : NULL);
    NOT_THE_LAST();
}

static NOINLINE THREAD_RESULT
h26_schedule(void *arg)
{
    (void)getcontext(&h26_away);
    h26_away.uc_stack.ss_sp = arg;
    h26_away.uc_stack.ss_size = 256 << 10;
    h26_away.uc_link = &h26_home;
    makecontext(&h26_away, h26_coroutine, 0);
    (void)swapcontext(&h26_home, &h26_away);
    NOT_THE_LAST();
    LEAVE;
}

void
row_H26(void)
{
    void *stack = mmap(NULL, 256 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)spawn(root(), "h26-schedule", h26_schedule, stack);
    all_here(1);
    serve();
    join_all();
}

/* H27: deep down. */
static struct queue h27_queue = QUEUE(1);

static NOINLINE int
h27_descend(int depth)
{
    int more;

    if (depth == 0) {
        here();
        (void)queue_get(&h27_queue, fixed ? root() : NULL);
        NOT_THE_LAST();
        return 1;
    }
    more = h27_descend(depth - 1);
    NOT_THE_LAST();
    return more + 1;
}

static NOINLINE THREAD_RESULT
h27_deep(void *arg)
{
    (void)arg;
    (void)h27_descend((int)some(200, 900));
    LEAVE;
}

void
row_H27(void)
{
    (void)spawn(root(), "h27-deep", h27_deep, NULL);
    all_here(1);
    serve();
    join_all();
}

/* H28: a name with blanks, and letters that are not ASCII. */
static int h28_pipe[2];

static NOINLINE THREAD_RESULT
h28_named(void *arg)
{
    fd_set set;

    (void)arg;
    here();
    do {
        FD_ZERO(&set);
        FD_SET(h28_pipe[0], &set);
    } while (select(h28_pipe[0] + 1, &set, NULL, NULL, NULL) == -1 && errno == EINTR);
    LEAVE;
}

void
row_H28(void)
{
    if (pipe2(h28_pipe, O_CLOEXEC) == -1)
        return;
    (void)spawn(root(), "h28 wörk er", h28_named, NULL);
    all_here(1);
    serve();
    if (fixed)
        (void)close(h28_pipe[1]);
    join_all();
}

/* H29: a queue of POSIX. */
static NOINLINE THREAD_RESULT
h29_receive(void *arg)
{
    char text[128];

    here();
    while (mq_receive(*(mqd_t *)arg, text, sizeof(text), NULL) == -1 && errno == EINTR)
        ;
    LEAVE;
}

void
row_H29(void)
{
    struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 128};
    char name[32];
    mqd_t q;

    (void)snprintf(name, sizeof(name), "/h29.%d", (int)getpid());
    q = mq_open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600, &attr);
    (void)mq_unlink(name);
    (void)spawn(root(), "h29-receive", h29_receive, &q);
    all_here(1);
    serve();
    if (fixed)
        (void)mq_send(q, "!", 1, 0);
    join_all();
}

/* H30: the first thread waits for a lock, and who has it does not leave. */
static pthread_mutex_t h30_lock = PTHREAD_MUTEX_INITIALIZER;
static struct queue h30_queue = QUEUE(1);

static NOINLINE THREAD_RESULT
h30_holder(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&h30_lock);
    here();
    (void)queue_get(&h30_queue, fixed ? root() : NULL);
    (void)pthread_mutex_unlock(&h30_lock);
    LEAVE;
}

void
row_H30(void)
{
    (void)spawn(root(), "h30-holder", h30_holder, NULL);
    all_here(1);
    serve();
    (void)pthread_mutex_lock(&h30_lock);
    (void)pthread_mutex_unlock(&h30_lock);
    join_all();
}

/* H31: the output of a program that does not end, through a stream. */
static NOINLINE THREAD_RESULT
h31_lines(void *arg)
{
    char *line = NULL;
    size_t room = 0;

    here();
    while (getline(&line, &room, arg) > 0)
        ;
    free(line);
    LEAVE;
}

void
row_H31(void)
{
    int ends[2];
    FILE *f;

    if (pipe2(ends, O_CLOEXEC) == -1 || !(f = fdopen(ends[0], "r")))
        return;
    (void)spawn(root(), "h31-lines", h31_lines, f);
    all_here(1);
    serve();
    if (fixed)
        (void)close(ends[1]);
    join_all();
}

/* H32: a signal is waited for with a limit, again and again. */
static NOINLINE THREAD_RESULT
h32_signals(void *arg)
{
    struct timespec moment = {.tv_nsec = 20000000};
    sigset_t set;

    (void)arg;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGWINCH);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    here();
    while (sigtimedwait(&set, NULL, &moment) == -1 && !(fixed && token_cancelled(root())))
        ;
    LEAVE;
}

void
row_H32(void)
{
    (void)spawn(root(), "h32-signals", h32_signals, NULL);
    all_here(1);
    serve();
    join_all();
}

/* H33: three stages, each with a pipe to the next; the first never ends, so none does. */
static int h33_pipes[3][2];

static NOINLINE THREAD_RESULT
h33_stage(void *arg)
{
    int i = (int)(intptr_t)arg;
    char byte;

    here();
    while (read(h33_pipes[i][0], &byte, 1) > 0)
        (void)!write(h33_pipes[i + 1][1], &byte, 1);
    (void)close(h33_pipes[i + 1][1]);
    LEAVE;
}

void
row_H33(void)
{
    for (int i = 0; i < 3; i++)
        if (pipe2(h33_pipes[i], O_CLOEXEC) == -1)
            return;
    (void)spawn(root(), "h33-stage", h33_stage, (void *)0);
    (void)spawn(root(), "h33-stage", h33_stage, (void *)1);
    all_here(2);
    serve();
    if (fixed)
        (void)close(h33_pipes[0][1]);
    join_all();
}
