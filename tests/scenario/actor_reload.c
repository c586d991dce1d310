/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "actor_reload.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "actor_count.h"
#include "actor_hostile.h"

static const char *how_path;

void
actor_reload_by(const char *path)
{
    sigset_t hup;

    how_path = path;
    sigemptyset(&hup);
    sigaddset(&hup, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &hup, NULL);
}

static void
say_reloading(void)
{
    char text[96];
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
                   (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    actor_notify(text);
}

static void
wait_at_the_gate(void)
{
    int fd = open("gate", O_RDONLY | O_CLOEXEC);
    char byte;

    if (fd == -1 || read(fd, &byte, 1) != 1)
        exit(93);
    (void)close(fd);
}

void
actor_reload(void)
{
    char how[16] = "";
    FILE *f = fopen(how_path, "re");

    if (!f || fscanf(f, "%15s", how) != 1)
        exit(92);
    (void)fclose(f);
    if (!actor_counts())
        (void)printf("asked to reload: %s\n", how), (void)fflush(stdout);
    if (strcmp(how, "exit") == 0)
        exit(3);
    if (strcmp(how, "notify") == 0 || strcmp(how, "gate") == 0 || strcmp(how, "stuck") == 0)
        say_reloading();
    actor_read_again();
    if (strcmp(how, "pid") == 0)
        actor_write_pid_again();
    if (strcmp(how, "gate") == 0)
        wait_at_the_gate();
    if (strcmp(how, "notify") == 0 || strcmp(how, "gate") == 0 || strcmp(how, "ready") == 0)
        actor_notify("READY=1");
}
