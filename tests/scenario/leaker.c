/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A worker that reloads its configuration within itself, and forgets threads of the old one.
 *
 *   leaker CONF     CONF holds a number: so many threads of a configuration do not hear their token
 *
 * SIGHUP: the configuration is read anew, and the generation that ran retires. SIGUSR1: those who are
 * deaf are let go.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker-api/stint.h"

#define GRACE_US INT64_C(200000)
#define DEAF_MAX 16

static int pipe_ends[2];

static void
flush_wait(void *arg)
{
    char byte;

    (void)arg;
    while (read(pipe_ends[0], &byte, 1) == -1 && errno == EINTR)
        ;
}

static void
obey(void *arg)
{
    (void)arg;
    (void)stint_token_wait(stint_current(), STINT_NEVER);
}

static int
number_in(const char *path)
{
    FILE *f = fopen(path, "re");
    int n = 0;

    if (!f || fscanf(f, "%d", &n) != 1 || n < 0 || n > DEAF_MAX)
        n = 0;
    if (f)
        (void)fclose(f);
    return n;
}

static struct stint_scope *
configure(const char *path)
{
    struct stint_scope *g = stint_generation_open("conf");
    int deaf = number_in(path);

    if (!g || stint_scope_spawn(g, "watcher", obey, NULL) < 0)
        exit(9);
    for (int i = 0; i < deaf; i++)
        if (stint_scope_spawn(g, "flush", flush_wait, NULL) < 0)
            exit(8);
    return g;
}

int
main(int argc, char **argv)
{
    const struct timespec slice = {0, 50000000};
    struct stint_scope *now;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    if (argc != 2 || pipe(pipe_ends) == -1 || stint_init(NULL) < 0)
        return 7;
    now = configure(argv[1]);
    if (stint_ready() < 0)
        return 6;
    while (!stint_token_cancelled(stint_root())) {
        int sig = sigtimedwait(&set, NULL, &slice);

        if (sig == SIGHUP) {
            struct stint_scope *old = now;

            now = configure(argv[1]);
            (void)stint_generation_retire(old, GRACE_US, "the configuration changed");
        } else if (sig == SIGUSR1) {
            (void)close(pipe_ends[1]);
            if (pipe(pipe_ends) == -1)
                return 5;
        }
    }
    return 0;
}
