/* SPDX-License-Identifier: MIT */
/*
 * Each hot reload (SIGHUP) starts a thread that watches the new configuration, and nobody ends the
 * one that watched the old: ten reloads, ten ghosts. In a profile they all wait in the same call.
 *
 *     stint preflight ghosts          fails: lifecycle, with the line that starts them
 *     stint preflight ghosts-fixed    passes: they belong to a generation of the configuration,
 *                                     which is closed when the next one runs
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "examples/seeds/server.h"

#define GRACE_US  INT64_C(1000000)
#define PERIOD_US INT64_C(200000)

static int
hello(const struct request *rq, char *answer, size_t room)
{
    (void)rq;
    (void)snprintf(answer, room, "hello\n");
    return 200;
}

/* Waits with its token: whoever owns it can end it. In the seed that is the process alone. */
static void
watch(void *arg)
{
    (void)arg;
    while (stint_token_sleep(stint_current(), PERIOD_US) == 0)
        stint_beat(); /* here it would look at its files */
}

#if FIXED
static struct stint_scope *generation;

static int
reload(void)
{
    struct stint_scope *before = generation;

    generation = stint_generation_open("configuration");
    if (!generation || stint_scope_spawn(generation, "watch", watch, NULL) < 0)
        return -1;
    if (before && stint_scope_close(before, GRACE_US, NULL, 0) > 0)
        stint_scope_abandon(before);
    return 0;
}

static void
finish(void)
{
    if (generation)
        (void)stint_scope_close(generation, GRACE_US, NULL, 0);
}
#else
static int
reload(void)
{
    struct stint_thread *forgotten;

    return stint_thread_spawn(&forgotten, stint_root(), "watch", watch, NULL);
}

static void
finish(void)
{
}
#endif

int
main(void)
{
    struct signalfd_siginfo info;
    struct pollfd hup = {.events = POLLIN};
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL); /* before there are threads */
    hup.fd = signalfd(-1, &set, SFD_CLOEXEC);
    if (hup.fd == -1 || stint_init(NULL) < 0 || reload() < 0 || server_start(hello) < 0 ||
        stint_ready() < 0)
        return 1;
    while (stint_token_poll(stint_root(), &hup, 1, STINT_NEVER) > 0)
        if (read(hup.fd, &info, sizeof(info)) == (ssize_t)sizeof(info) && reload() < 0)
            return 1;
    server_join();
    finish();
    return 0;
}
