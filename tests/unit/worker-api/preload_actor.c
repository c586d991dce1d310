/* SPDX-License-Identifier: MIT */
/*
 * A program that knows nothing of stint, for preload_test.c: threads before main(), by POSIX and by
 * C11, that leave by return, by pthread_exit() and by pthread_cancel(); children with threads of
 * their own. Says where its functions are, and does the next thing for each line it reads.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

static sem_t leave[3], up;
static pthread_t early;

static void *
work(void *arg)
{
    sem_t *mine = arg;

    (void)sem_post(&up);
    (void)sem_wait(mine);
    if (mine == &leave[1])
        pthread_exit(NULL);
    return mine;
}

static int
work_c11(void *arg)
{
    (void)sem_post(&up);
    (void)sem_wait(arg);
    return 7;
}

__attribute__((constructor)) static void
before_main(void)
{
    for (int i = 0; i < 3; i++)
        (void)sem_init(&leave[i], 0, 0);
    (void)sem_init(&up, 0, 0);
    (void)pthread_create(&early, NULL, work, &leave[0]);
    (void)pthread_setname_np(early, "early");
}

__attribute__((noinline)) static void
make(pthread_t *by_exit, pthread_t *by_cancel, thrd_t *by_return)
{
    if (pthread_create(by_exit, NULL, work, &leave[1]) != 0 ||
        pthread_create(by_cancel, NULL, work, &leave[2]) != 0 ||
        thrd_create(by_return, work_c11, &leave[0]) != thrd_success)
        abort();
    (void)pthread_setname_np(*by_exit, "exits");
    (void)pthread_setname_np(*by_cancel, "is cancelled");
}

static void
next_line(void)
{
    char line[16];

    (void)fflush(stdout);
    if (!fgets(line, sizeof(line), stdin))
        exit(3);
}

/* A child with a thread, and one that becomes another program: neither is the worker. */
static void
children(const char *self)
{
    pthread_t thread;
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        if (pthread_create(&thread, NULL, work, &leave[0]) != 0 ||
            pthread_setname_np(thread, "of a child") != 0)
            _exit(1);
        (void)sem_post(&leave[0]);
        if (pthread_join(thread, NULL) != 0)
            _exit(2);
        _exit(execl(self, self, "short", (char *)NULL));
    }
    (void)waitpid(child, &status, 0);
    printf("children %d\n", status);
}

int
main(int argc, char **argv)
{
    pthread_t by_exit, by_cancel;
    void *result = NULL;
    thrd_t by_return;
    int r = 0;

    if (argc > 1 && strcmp(argv[1], "short") == 0) {
        (void)sem_post(&leave[0]);
        return pthread_join(early, NULL);
    }
    make(&by_exit, &by_cancel, &by_return);
    for (int i = 0; i < 4; i++)
        (void)sem_wait(&up);
    printf("work %p work_c11 %p make %p\n", (void *)(size_t)work, (void *)(size_t)work_c11,
           (void *)(size_t)make);
    next_line();
    (void)sem_post(&leave[0]);
    (void)sem_post(&leave[0]);
    (void)sem_post(&leave[1]);
    (void)pthread_cancel(by_cancel);
    if (pthread_join(early, &result) != 0 || result != &leave[0] ||
        pthread_join(by_exit, &result) != 0 || result != NULL ||
        pthread_join(by_cancel, &result) != 0 || result != PTHREAD_CANCELED ||
        thrd_join(by_return, &r) != thrd_success || r != 7)
        return 4;
    printf("left\n");
    next_line();
    children(argv[0]);
    next_line();
    return 0;
}
