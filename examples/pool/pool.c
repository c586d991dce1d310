/* SPDX-License-Identifier: MIT */
/*
 * pool - threads that work for requests with deadlines, and finish what they took on. See README.md.
 *
 * A client sends "WORK_MS DEADLINE_MS [NAME [stubborn]]\n" and is told "done …", "late …" or "refused …". Stubborn
 * work does not look at its token: it is what `stint status` names. What to look at: the pool
 * has a scope, each request a token of its own; a relieved worker takes no new client, and its pool
 * leaves when the queue is empty. Cancelling the pool does not cancel a request that is under way.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stint.h>

#define THREADS    4
#define ROOM       64
#define MS         INT64_C(1000)
#define LINE_BY_US (1000 * MS) /* a client that says nothing for so long is not waited for */
#define LEAVE_US   (10000 * MS)

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t filled, drained;
    int clients[ROOM]; /* a ring of descriptors */
    unsigned first, n;
    bool closed; /* nobody comes any more */
};

static struct queue queue = {.lock = PTHREAD_MUTEX_INITIALIZER,
                             .filled = PTHREAD_COND_INITIALIZER,
                             .drained = PTHREAD_COND_INITIALIZER};
static struct stint_token
    *requests; /* parent of each request's token; no cancel comes from above */

/* Return: 0, or the token's error: then @client is still the caller's. */
static int
queue_put(struct queue *q, int client, struct stint_token *token)
{
    int r = 0;

    (void)pthread_mutex_lock(&q->lock);
    STINT_BLOCK("for room in the queue", q)
    while (q->n == ROOM && r == 0)
        r = stint_cond_wait(token, &q->drained, &q->lock, STINT_NEVER);
    if (r == 0) {
        q->clients[(q->first + q->n++) % ROOM] = client;
        (void)pthread_cond_signal(&q->filled);
    }
    (void)pthread_mutex_unlock(&q->lock);
    return r;
}

/* The plain wait is right here: the end of the queue is what ends the pool, so that nothing in it is lost. */
static int
queue_take(struct queue *q)
{
    int client = -1;

    (void)pthread_mutex_lock(&q->lock);
    STINT_BLOCK("for a request", q)
    while (q->n == 0 && !q->closed)
        (void)pthread_cond_wait(&q->filled, &q->lock);
    if (q->n > 0) {
        client = q->clients[q->first];
        q->first = (q->first + 1) % ROOM;
        q->n--;
        (void)pthread_cond_signal(&q->drained);
    }
    (void)pthread_mutex_unlock(&q->lock);
    return client;
}

static void
queue_close(struct queue *q)
{
    (void)pthread_mutex_lock(&q->lock);
    q->closed = true;
    (void)pthread_cond_broadcast(&q->filled);
    (void)pthread_mutex_unlock(&q->lock);
}

/* Return: whether a whole line came in time. */
static bool
read_line(int client, char *line, size_t room)
{
    int64_t by_us = stint_now_us() + LINE_BY_US;
    size_t n = 0;

    while (n + 1 < room) {
        ssize_t got = stint_read(requests, client, line + n, room - 1 - n, by_us);

        if (got <= 0)
            return false;
        n += (size_t)got;
        line[n] = '\0';
        if (line[n - 1] == '\n')
            return true;
    }
    return false;
}

static void
serve(int client)
{
    char line[64], answer[256], name[32] = "", how[16] = "", *rest;
    int64_t work_ms;
    struct stint_deadline_call call = STINT_DEADLINE_CALL("request", name);
    struct stint_token *request = NULL;
    int n, r;

    if (!read_line(client, line, sizeof(line)))
        return;
    work_ms = strtol(line, &rest, 10);
    call.timeout_us = strtol(rest, &rest, 10) * MS;
    (void)sscanf(rest, "%31s %15s", name, how);
    r = stint_deadline_open(&request, requests, &call);
    if (r == 0) {
        struct stint_span *span; /* NULL where nobody exports any */

        (void)stint_task_begin(request, NULL); /* from here on this thread works for the request */
        span = stint_span_start(NULL, "work", STINT_SPAN_INTERNAL);
        (void)stint_span_attribute(span, "work_ms", "%lld", (long long)work_ms); /* it fits */
        /* In place of work: it ends with the deadline, unless it is stubborn. */
        r = stint_token_sleep(strcmp(how, "stubborn") == 0 ? NULL : request, work_ms * MS);
        if (r < 0)
            stint_span_error(span, "not done: %s", strerror(-r));
        stint_span_end(span);
        stint_task_end();
    }
    n = snprintf(answer, sizeof(answer), "%s %llu %d %s\n",
                 !request ? "refused"
                 : r == 0 ? "done"
                          : "late",
                 (unsigned long long)stint_generation(), (int)getpid(), call.refused);
    (void)stint_write(requests, client, answer, (size_t)n,
                      stint_now_us() + LINE_BY_US); /* or it left */
    stint_deadline_close(request);
    stint_served(1);
}

static void
work(void *arg)
{
    int client;

    (void)arg;
    while ((client = queue_take(&queue)) >= 0) {
        serve(client);
        close(client);
        stint_beat();
    }
}

static int
fail(const char *what, int error)
{
    (void)fprintf(stderr, "pool: %s: %s\n", what, strerror(-error));
    return EXIT_FAILURE;
}

static int
leave(struct stint_scope *pool)
{
    struct stint_straggler left[THREADS] = {{.size = sizeof(left[0])}};
    int n;

    queue_close(&queue);
    n = stint_scope_close(pool, LEAVE_US, left, THREADS);
    for (int i = 0; i < n && i < THREADS; i++)
        (void)fprintf(stderr, "pool: %s is still there, waits %s\n", left[i].name, left[i].waits);
    return n == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
main(void)
{
    struct stint_scope *pool;
    int listener, r = stint_init(NULL);

    if (r < 0)
        return fail("attach to the supervisor", r);
    listener = stint_listen_fd("requests");
    if (listener < 0)
        return fail("no listener named 'requests'", listener);
    requests = stint_token_detach(stint_root(), "requests");
    pool = stint_scope_open(NULL, "pool");
    if (!requests || !pool)
        return fail("start", -ENOMEM);
    for (unsigned i = 0; i < THREADS; i++) {
        char name[STINT_NAME_MAX];

        (void)snprintf(name, sizeof(name), "pool-%u", i);
        r = stint_scope_spawn(pool, name, work, NULL);
        if (r < 0)
            return fail("start a thread", r);
    }
    r = stint_ready();
    if (r < 0)
        return fail("say ready", r);
    while ((r = stint_accept(stint_root(), listener, NULL, NULL, STINT_NEVER)) >= 0)
        if (queue_put(&queue, r, stint_root()) < 0) {
            close(r);
            break;
        }
    return leave(pool);
}
