/* SPDX-License-Identifier: GPL-2.0-or-later */

/* I: loops and pools of libraries that many programs have: GLib, libev, OpenMP's; and io_uring. */
#include <linux/io_uring.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

/* I80: a ring of which nothing is under way; the kernel's own thread of it is nobody's fault. */
static int i80_ring;

static NOINLINE THREAD_RESULT
i80_reap(void *arg)
{
    (void)arg;
    here();
    (void)syscall(SYS_io_uring_enter, i80_ring, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
    NOT_THE_LAST();
    LEAVE;
}

void
row_I80(void)
{
    struct io_uring_params p = {.flags = IORING_SETUP_SQPOLL, .sq_thread_idle = 100};

    i80_ring = (int)syscall(SYS_io_uring_setup, 4, &p);
    if (i80_ring < 0)
        return;
    if (!fixed)
        (void)spawn(root(), "i80-reap", i80_reap, NULL);
    else
        here();
    all_here(1);
    serve();
    join_all();
}

#ifdef CORPUS_GLIB
#include <glib.h>

/* I81: a loop of GLib that nobody quits. */
static GMainLoop *i81_of;

static NOINLINE THREAD_RESULT
i81_loop(void *arg)
{
    (void)arg;
    here();
    g_main_loop_run(i81_of);
    NOT_THE_LAST();
    LEAVE;
}

static gboolean
i81_quit(gpointer arg)
{
    g_main_loop_quit(arg);
    return G_SOURCE_REMOVE;
}

void
row_I81(void)
{
    GMainContext *context = g_main_context_new();

    i81_of = g_main_loop_new(context, FALSE);
    (void)spawn(root(), "i81-loop", i81_loop, NULL);
    all_here(1);
    serve();
    if (fixed)
        g_main_context_invoke(context, i81_quit, i81_of);
    join_all();
}

/* I82: one of GLib's pool is with a backend that is silent, the others have nothing to do. */
static int i82_pair[2];

static NOINLINE void
i82_fetch(gpointer job, gpointer arg)
{
    char c[16];

    (void)arg;
    here();
    if (GPOINTER_TO_INT(job) == 1)
        (void)recv(i82_pair[0], c, sizeof(c), 0);
    NOT_THE_LAST();
}

void
row_I82(void)
{
    GThreadPool *pool = g_thread_pool_new(i82_fetch, NULL, 3, TRUE, NULL);

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, i82_pair) == -1)
        return;
    for (int i = 1; i <= 3; i++)
        (void)g_thread_pool_push(pool, GINT_TO_POINTER(i), NULL);
    all_here(3);
    serve();
    if (fixed)
        (void)shutdown(i82_pair[1], SHUT_RDWR);
    g_thread_pool_free(pool, FALSE, TRUE);
}

/* I83: it takes from a queue of GLib's, into which nothing is put. */
static GAsyncQueue *i83_queue;

static NOINLINE gpointer
i83_consume(gpointer arg)
{
    here();
    while (g_async_queue_pop(i83_queue) != i83_queue)
        ;
    return arg;
}

void
row_I83(void)
{
    GThread *thread;

    i83_queue = g_async_queue_new();
    thread = g_thread_new("i83-consume", i83_consume, NULL);
    all_here(1);
    serve();
    if (fixed)
        g_async_queue_push(i83_queue, i83_queue);
    (void)g_thread_join(thread);
}

/* I84: locks of GLib, which are words of its own, crosswise. */
static GMutex i84_a, i84_b;
static sem_t i84_met;

static NOINLINE THREAD_RESULT
i84_cross(void *arg)
{
    GMutex *first = arg, *then = first == &i84_a ? &i84_b : &i84_a;

    g_mutex_lock(first);
    here();
    (void)sem_wait(&i84_met);
    if (!fixed)
        g_mutex_lock(then);
    NOT_THE_LAST();
    g_mutex_unlock(first);
    LEAVE;
}

void
row_I84(void)
{
    (void)sem_init(&i84_met, 0, 0);
    (void)spawn(root(), "i84-cross", i84_cross, &i84_a);
    (void)spawn(root(), "i84-cross", i84_cross, &i84_b);
    all_here(2);
    (void)sem_post(&i84_met);
    (void)sem_post(&i84_met);
    serve();
    join_all();
}
#endif

#ifdef CORPUS_EV
#include <ev.h>

/* I85: a loop of libev that nobody breaks; it wakes up once a minute by itself. */
static struct ev_loop *i85_of;

static NOINLINE THREAD_RESULT
i85_loop(void *arg)
{
    (void)arg;
    here();
    (void)ev_run(i85_of, 0);
    NOT_THE_LAST();
    LEAVE;
}

static void
i85_stop(struct ev_loop *loop, ev_async *w, int revents)
{
    (void)w;
    (void)revents;
    ev_break(loop, EVBREAK_ALL);
}

void
row_I85(void)
{
    static ev_async stop;

    i85_of = ev_loop_new(EVFLAG_AUTO);
    ev_async_init(&stop, i85_stop);
    ev_async_start(i85_of, &stop);
    (void)spawn(root(), "i85-loop", i85_loop, NULL);
    all_here(1);
    serve();
    if (fixed)
        ev_async_send(i85_of, &stop);
    join_all();
}
#endif
