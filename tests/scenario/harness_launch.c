/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "harness_launch.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

static bool
put(const char *path, const char *text)
{
    auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* The limit is one of the namespace: nobody else has less for it. */
static bool
take_inotify_away(void)
{
    char map[64];

    (void)snprintf(map, sizeof(map), "%d %d 1", (int)getuid(), (int)getuid());
    return unshare(CLONE_NEWUSER) == 0 && put("/proc/self/setgroups", "deny") &&
           put("/proc/self/uid_map", map) && put("/proc/sys/user/max_inotify_instances", "0");
}

void
launch_child(const struct scn_world *world, const char *stint, int log, int told)
{
    bool ok = !world->no_inotify || take_inotify_away();

    if (world->uid)
        ok = setgroups(0, NULL) == 0 && setgid(world->uid) == 0 && setuid(world->uid) == 0;
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* a test that is killed takes its master along */
    (void)dup2(log, STDERR_FILENO);
    if (world->no_stderr)
        (void)close(STDERR_FILENO);
    if (ok && write(told, "!", 1) == 1)
        (void)execl(stint, "stint", "run", "-c", scn_path("stint.yaml"), (char *)NULL);
    _exit(127);
}
