/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/probe/proc.h"

/*
 * What is not shown looks like what is gone, and the one is the opposite of the other for whoever asks
 * whether somebody is left. The kernel tells by a signal that is none; and a thread's list of children is
 * whole.
 */

#define LIST_MAX ((size_t)1 << 20)

static bool
is_shown(pid_t pid)
{
    char path[32];

    (void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    return access(path, F_OK) == 0;
}

bool
proc_hides(void)
{
    return !is_shown(1); /* who always is there */
}

bool
proc_hidden(pid_t pid)
{
    return pid > 0 && !is_shown(pid) && (kill(pid, 0) == 0 || errno == EPERM);
}

void
proc_hidden_children(pid_t pid, bool (*skip)(void *env, pid_t child),
                     void (*on_child)(void *env, pid_t child), void *env)
{
    auto_free char *text = NULL;
    char path[64], *rest;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
    if (!proc_hides() || file_read(path, LIST_MAX, &text, NULL, NULL) < 0)
        return;
    for (char *word = strtok_r(text, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest)) {
        pid_t child = (pid_t)strtol(word, NULL, 10);

        if (!(skip && skip(env, child)) && proc_hidden(child))
            on_child(env, child);
    }
}
