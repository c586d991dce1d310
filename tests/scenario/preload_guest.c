/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A worker that knows nothing of stint and has no sanitizer: a thread that waits for what never comes, and a
 * SIGTERM after which the main thread waits for that one.
 */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static sem_t never;

static void *
stay_for_ever(void *arg)
{
    while (sem_wait(&never) != 0)
        ;
    return arg;
}

__attribute__((noinline)) static pthread_t
start_the_stayer(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, stay_for_ever, NULL) != 0 ||
        pthread_setname_np(thread, "stayer") != 0)
        abort();
    return thread;
}

int
main(void)
{
    pthread_t stayer;
    sigset_t term;
    int signo;

    (void)sem_init(&never, 0, 0);
    (void)sigemptyset(&term);
    (void)sigaddset(&term, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &term, NULL);
    stayer = start_the_stayer();
    printf("up %s\n", getenv("LD_PRELOAD") ? "preloaded" : "plain"); /* NOLINT */
    (void)fflush(stdout);
    (void)sigwait(&term, &signo);
    return pthread_join(stayer, NULL);
}
