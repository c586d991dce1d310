/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One round of the rows about waits that end with a token, each beside the plain call on the same work. */
#include "bench/worker_api/measure.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stint.h>

#define CALLS 50000L
#define TURNS 20000 /* of two threads that wait for each other */
#define NAPS  500

static struct stint_token *token;

static void
must(int holds)
{
    if (!holds)
        exit(1);
}

/* A byte there and back, all in one thread: what it costs when there is something. */
static void
reads(const char *ours, const char *plain, const int ends[2])
{
    char byte = 'x';

    MEASURE(plain, CALLS, must(write(ends[1], &byte, 1) == 1 && read(ends[0], &byte, 1) == 1));
    MEASURE(ours, CALLS,
            must(write(ends[1], &byte, 1) == 1 &&
                 stint_read(token, ends[0], &byte, 1, STINT_NEVER) == 1));
}

static void
descriptors(void)
{
    struct pollfd p = {.events = POLLIN};
    int ends[2], pair[2];

    must(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    reads("read_pipe", "read_pipe_plain", ends);
    reads("read_socket", "read_socket_plain", pair);
    p.fd = ends[0];
    must(write(ends[1], "x", 1) == 1);
    MEASURE("poll_plain", CALLS, must(poll(&p, 1, -1) == 1));
    MEASURE("poll", CALLS, must(stint_token_poll(token, &p, 1, STINT_NEVER) == 1));
}

static void
locks(void)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    sem_t sem;

    must(sem_init(&sem, 0, 0) == 0);
    MEASURE("mutex_plain", CALLS * 40,
            must(pthread_mutex_lock(&mutex) == 0 && pthread_mutex_unlock(&mutex) == 0));
    MEASURE("mutex", CALLS * 40,
            must(stint_mutex_lock(token, &mutex, STINT_NEVER) == 0 &&
                 pthread_mutex_unlock(&mutex) == 0));
    MEASURE("sem_plain", CALLS * 40, must(sem_post(&sem) == 0 && sem_wait(&sem) == 0));
    MEASURE("sem", CALLS * 40,
            must(sem_post(&sem) == 0 && stint_sem_wait(token, &sem, STINT_NEVER) == 0));
}

static void
naps(void)
{
    const struct timespec nap = {.tv_nsec = 1000};

    MEASURE("sleep_plain", NAPS, must(clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL) == 0));
    MEASURE("sleep", NAPS, must(stint_token_sleep(token, 1) == 0));
}

/* Two threads in turns: each waits until the other has had its own. */
struct court {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct stint_token *token; /* NULL: the plain call */
    unsigned turn;             /* under the mutex */
};

static int
wait_for_turn(struct court *court)
{
    if (court->token)
        return stint_cond_wait(court->token, &court->cond, &court->mutex, STINT_NEVER);
    return pthread_cond_wait(&court->cond, &court->mutex);
}

static void
play(struct court *court, unsigned side)
{
    must(pthread_mutex_lock(&court->mutex) == 0);
    while (court->turn < TURNS) {
        if (court->turn % 2 != side) {
            must(wait_for_turn(court) == 0);
            continue;
        }
        court->turn++;
        must(pthread_cond_signal(&court->cond) == 0);
    }
    must(pthread_cond_signal(&court->cond) == 0 && pthread_mutex_unlock(&court->mutex) == 0);
}

static void
other_side(void *arg)
{
    play(arg, 1);
}

static double
match(struct stint_token *with)
{
    struct court court = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, with, 0};
    double begin_ns = measure_now_ns();
    struct stint_thread *other;

    must(stint_thread_spawn(&other, token, "other", other_side, &court) == 0);
    play(&court, 0);
    must(stint_thread_join(other, NULL, STINT_NEVER) == 0);
    return (measure_now_ns() - begin_ns) / TURNS;
}

/* In turns, so that both see the same machine. */
static void
turns(void)
{
    double plain_ns = 0, ours_ns = 0;

    for (int i = 0; i < 5; i++) {
        double plain = match(NULL), ours = match(token);

        plain_ns = i == 0 || plain < plain_ns ? plain : plain_ns;
        ours_ns = i == 0 || ours < ours_ns ? ours : ours_ns;
    }
    printf("cond_plain %.1f\ncond %.1f\n", plain_ns, ours_ns);
}

/* How long after a cancel somebody is back who waits for a lock that nobody gives. */
struct patient {
    pthread_mutex_t *mutex; /* or: */
    sem_t *sem;
    struct stint_token *token;
    double back_ns;
};

static void
wait_in_vain(void *arg)
{
    struct patient *p = arg;
    int r = p->mutex ? stint_mutex_lock(p->token, p->mutex, STINT_NEVER)
                     : stint_sem_wait(p->token, p->sem, STINT_NEVER);

    p->back_ns = measure_now_ns();
    must(r == -ECANCELED);
}

static void
cancels(const char *row, pthread_mutex_t *mutex, sem_t *sem)
{
    double best_ns = 0;

    for (int i = 0; i < 20; i++) {
        struct patient p = {.mutex = mutex, .sem = sem, .token = stint_token_new(token, "patient")};
        struct stint_thread *thread;
        double begin_ns;

        must(stint_thread_spawn(&thread, token, "patient", wait_in_vain, &p) == 0);
        must(stint_token_sleep(token, 20000) == 0); /* it sleeps by then, or is about to */
        begin_ns = measure_now_ns();
        (void)stint_token_cancel(p.token, STINT_CAUSE_USER, NULL);
        must(stint_thread_join(thread, NULL, STINT_NEVER) == 0);
        if (i == 0 || p.back_ns - begin_ns < best_ns)
            best_ns = p.back_ns - begin_ns;
        stint_token_unref(p.token);
    }
    printf("%s %.1f\n", row, best_ns);
}

int
main(void)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    sem_t sem;

    if (stint_init(NULL) < 0 || !(token = stint_token_new(stint_root(), "waits")))
        return 1;
    descriptors();
    locks();
    naps();
    turns();
    must(pthread_mutex_lock(&mutex) == 0 && sem_init(&sem, 0, 0) == 0);
    cancels("mutex_cancel", &mutex, NULL);
    cancels("sem_cancel", NULL, &sem);
    return 0;
}
