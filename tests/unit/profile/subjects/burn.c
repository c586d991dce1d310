/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program that is known to spend 70 of 100 parts of its CPU time below seven() and the rest below
 * three(), in one of several shapes. It says "ready\n" and goes on until it is killed.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef BURN_STINT
#include "worker-api/stint.h"
#endif

/* Turns of the loop at once; $BURN_PART. A cycle of both functions is 85 parts on the average. */
static long part = 200000;

/* Its own: two that wait for one line of the cache would take longer. */
static __thread volatile unsigned long sum;

#define APART __attribute__((noinline, noclone))

/* How often a part is done at once is chance, so that it is not in step with any clock. */
static unsigned
chance(void)
{
    static unsigned long state = 88172645463325252UL;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return 1 + (unsigned)(state % 16);
}

APART static void
turn(long n)
{
    for (long i = 0; i < n; i++)
        sum = sum * 31 + (unsigned long)i;
}

APART static void
seven(unsigned times)
{
    turn(7 * part * times);
    sum++; /* no tail call: it is to be on the stack */
}

APART static void
three(unsigned times)
{
    turn(3 * part * times);
    sum++;
}

/* ---- One thread -------------------------------------------------------------------------- */

APART static void
alternate(void)
{
    for (;;) {
        unsigned times = chance();

        seven(times);
        three(times);
    }
}

/* ---- Within a function of libc, which keeps no frame pointers ----------------------------- */

static int
compare(const void *a, const void *b)
{
    const int *x = a, *y = b;

    if (*x < 0 || *y < 0)
        three(8);
    else
        seven(8);
    return (*x > *y) - (*x < *y);
}

APART static void
sort(void)
{
    for (;;) {
        int up[2] = {1, 2}, down[2] = {-1, 2};

        qsort(up, 2, sizeof(up[0]), compare);
        qsort(down, 2, sizeof(down[0]), compare);
        sum++;
    }
}

/* ---- Two threads, each at its own part ---------------------------------------------------- */

static sem_t go[2], gone[2];

static void *
one_of_two(void *arg)
{
    int i = arg != NULL;

    (void)pthread_setname_np(pthread_self(), i ? "part-three" : "part-seven");
    for (;;) {
        (void)sem_wait(&go[i]);
        if (i)
            three(8);
        else
            seven(8);
        (void)sem_post(&gone[i]);
    }
    return NULL;
}

static void
thread_start(void *(*fn)(void *arg), void *arg)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, fn, arg) != 0)
        exit(3);
    (void)pthread_detach(thread);
}

APART static void
two(void)
{
    cpu_set_t one;

    CPU_ZERO(&one); /* the same for both: that of another may have a busy neighbour */
    CPU_SET((unsigned)sched_getcpu(), &one);
    (void)sched_setaffinity(0, sizeof(one), &one);
    for (int i = 0; i < 2; i++) {
        (void)sem_init(&go[i], 0, 0);
        (void)sem_init(&gone[i], 0, 0);
    }
    thread_start(one_of_two, NULL);
    thread_start(one_of_two, &go);
    /* In turns: side by side they would slow each other down, and not alike. */
    for (int i = 0;; i = !i) {
        (void)sem_post(&go[i]);
        (void)sem_wait(&gone[i]);
    }
}

/* ---- Threads that come and go ------------------------------------ */

static void *
short_lived(void *arg)
{
    (void)arg;
    seven(24);
    three(24);
    return NULL;
}

APART static void
come_and_go(void)
{
    for (;;) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, short_lived, NULL) != 0)
            exit(3);
        (void)pthread_join(thread, NULL);
    }
}

/* ---- A deep stack ------------------------------------------------------------------------- */

APART static void
deep(int depth)
{
    volatile char room[64];

    room[0] = (char)depth;
    if (depth > 0)
        deep(depth - 1);
    else
        alternate();
    sum += (unsigned long)room[0];
}

/* ---- In the kernel, by a call of its own ---------------------------------------------------- */

APART static void
system_calls(void)
{
    static char bytes[1 << 16];
    int fds[2];

    if (pipe(fds) != 0)
        exit(3);
    for (;;)
        if (write(fds[1], bytes, sizeof(bytes)) < 0 || read(fds[0], bytes, sizeof(bytes)) < 0)
            exit(3);
}

/* ---- A worker of stint ---------------------------------------------------------------------- */

#ifdef BURN_STINT
#define TRACE_SEVEN "00-7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a-7a7a7a7a7a7a7a7a-01"
#define TRACE_THREE "00-3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b-3b3b3b3b3b3b3b3b-01"

static struct stint_token *token_seven, *token_three;

/* What is done for one request is done in its name. */
APART static void
serve(void)
{
    for (;;) {
        unsigned times = chance();

        (void)stint_task_begin(token_seven, "seven");
        seven(times);
        stint_task_end();
        (void)stint_task_begin(token_three, "three");
        three(times);
        stint_task_end();
    }
}

static void
server(void *arg)
{
    (void)arg;
    serve();
}

static void
spawned(void *arg)
{
    (void)arg;
    seven(24);
    three(24);
    sum++;
}

APART static void
spawn_on(struct stint_token *token)
{
    for (;;) {
        struct stint_thread *thread;

        if (stint_thread_spawn(&thread, token, "short", spawned, NULL) != 0 ||
            stint_thread_join(thread, NULL, STINT_NEVER) != 0)
            exit(4);
    }
}

/* A process that burns, and others that end, one after the other. */
static void
family(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)prctl(PR_SET_NAME, "burning-child");
        alternate();
    }
    for (;;) {
        pid = fork();
        if (pid == 0) {
            seven(24);
            _exit(0);
        }
        (void)waitpid(pid, NULL, 0);
    }
}

static int
worker(const char *shape)
{
    struct stint_options options = {.size = sizeof(options), .flags = STINT_OPT_LISTENER};
    struct stint_scope *scope;

    if (stint_init(&options) != 0)
        return 5;
    scope = stint_scope_open(NULL, "requests");
    if (!scope)
        return 6;
    token_seven = stint_token_new(stint_scope_token(scope), "seven");
    token_three = stint_token_new(stint_scope_token(scope), "three");
    if (!token_seven || !token_three || stint_token_trace(token_seven, TRACE_SEVEN) < 0 ||
        stint_token_trace(token_three, TRACE_THREE) < 0)
        return 7;
    (void)stint_ready();
    if (strcmp(shape, "serve") == 0 &&
        stint_thread_spawn(NULL, stint_scope_token(scope), "server", server, NULL) != 0)
        return 8;
    if (write(STDOUT_FILENO, "ready\n", 6) != 6)
        return 2;
    if (strcmp(shape, "spawn") == 0)
        spawn_on(stint_scope_token(scope));
    if (strcmp(shape, "two") == 0)
        two();
    if (strcmp(shape, "family") == 0)
        family();
    if (strcmp(shape, "alternate") == 0)
        alternate();
    for (;;)
        (void)pause();
}
#endif

int
main(int argc, char **argv)
{
    const char *shape = argc > 1 ? argv[1] : "", *given = getenv("BURN_PART");

    if (given)
        part = strtol(given, NULL, 10);
#ifdef BURN_STINT
    return worker(shape);
#endif
    if (strcmp(shape, "fork") == 0 && fork() > 0)
        for (;;)
            (void)pause();
    if (write(STDOUT_FILENO, "ready\n", 6) != 6)
        return 2;
    if (strcmp(shape, "sort") == 0)
        sort();
    if (strcmp(shape, "two") == 0)
        two();
    if (strcmp(shape, "come-and-go") == 0)
        come_and_go();
    if (strcmp(shape, "deep") == 0)
        deep(60);
    if (strcmp(shape, "kernel") == 0)
        system_calls();
    alternate();
    return 0;
}
