/* SPDX-License-Identifier: MIT */
/*
 * A worker of libstint whose heap is known, in which libstint-heap.so is loaded: who allocates, in which
 * scope and for which trace. It says "ready", and waits: with an argument "wait" for the end of its input,
 * else for ever, and not even a SIGTERM ends it.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker-api/stint.h"

#define OWN __attribute__((noinline, visibility("default")))

enum {
    BLOCK = 1000,
    BLOCKS = 100000, /* of each function, and of each trace in serves() */
    REQUESTS = 6000, /* more than there are sums for traces */
    BODY = 65536     /* nearly each of them is a sample */
};

static void *volatile sink;
static sem_t filled;

OWN void
mains(void)
{
    for (int i = 0; i < BLOCKS; i++)
        sink = malloc(BLOCK);
}

/* Not as in mains(): a compiler makes one function of two that are alike. */
OWN void
serves(void)
{
    for (int i = 0; i < BLOCKS; i++)
        sink = realloc(NULL, BLOCK);
}

OWN void
answers(void)
{
    sink = malloc(BODY);
    free(sink);
}

OWN void
hoards(void)
{
    sink = malloc(BODY);
}

OWN void *
strangers(void *arg)
{
    (void)pthread_setname_np(pthread_self(), "foreign");
    for (int i = 0; i < BLOCKS; i++)
        sink = calloc(1, BLOCK);
    return arg;
}

/* One request of the trace number @n. */
static void
request(unsigned n, void (*work)(void))
{
    char value[64];
    struct stint_token *token = stint_token_new(NULL, "request");
    struct stint_header header;

    (void)snprintf(value, sizeof(value), "00-%032x-%016x-01", n, n);
    header = stint_header_of("traceparent", value);
    if (!token || stint_trace_extract(token, &header, 1) < 0 || stint_task_begin(token, NULL) < 0)
        abort();
    work();
    stint_task_end();
    stint_token_unref(token);
}

static void
filler(void *arg)
{
    (void)arg;
    request(0xaaaa, serves);
    request(0xbbbb, serves);
    for (unsigned i = 0; i < REQUESTS; i++)
        request(0x10000 + i, answers);
    for (unsigned i = 0; i < REQUESTS; i++)
        request(0x20000 + i, hoards);
    (void)sem_post(&filled);
    (void)stint_token_wait(stint_current(), STINT_NEVER);
}

OWN void
spins(void *arg)
{
    volatile unsigned long turns = 0;

    (void)arg;
    for (;;)
        turns++;
}

int
main(int argc, char **argv)
{
    const bool waits = argc > 1 && strcmp(argv[1], "wait") == 0;
    struct stint_scope *conf;
    pthread_t foreign;
    char c;

    if (sem_init(&filled, 0, 0) != 0 || stint_init(NULL) < 0 ||
        !(conf = stint_generation_open("conf")))
        return 3;
    mains();
    if (stint_scope_spawn(conf, "filler", filler, NULL) < 0 ||
        pthread_create(&foreign, NULL, strangers, NULL) != 0 || pthread_join(foreign, NULL) != 0)
        return 4;
    while (sem_wait(&filled) != 0)
        ;
    if (!waits && stint_scope_spawn(conf, "spinner", spins, NULL) < 0)
        return 5;
    (void)puts("ready");
    (void)fflush(stdout);
    (void)stint_ready();
    if (waits)
        return read(0, &c, 1) < 0;
    for (;;)
        (void)pause();
}
