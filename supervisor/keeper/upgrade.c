/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The same process with another program in it. The program before stays at hand as a descriptor until
 * a master of the new one has shown that it works.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/units.h"
#include "supervisor/keeper/environ.h"
#include "supervisor/keeper/image.h"
#include "supervisor/keeper/log.h"
#include "supervisor/keeper/state.h"

#define RETRY_US US_PER_S

int
upgrade_ask(struct keeper *k, int fd, const char *path, uint64_t number)
{
    struct stat st;
    char quoted[LOG_VALUE_MAX];
    int r;

    if (fstat(fd, &st) == -1)
        return -errno;
    if (!S_ISREG(st.st_mode) || !(st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
        return -EACCES;
    r = trial_start(k, fd, number, mono_now_us());
    if (r == 0)
        keeper_log("info", "keeper_upgrade", 0, "path=%s",
                   keeper_quote(path, quoted, sizeof quoted));
    return r;
}

void
upgrade_proved(struct keeper *k)
{
    k->facts.previous_fd = fd_close(k->facts.previous_fd);
    k->facts.unproved = 0;
}

/* become - execute @exe_fd in our place. Returns only if that failed, with everything as it was. */
static int
become(struct keeper *k, int exe_fd)
{
    static char entry[sizeof ENVIRON_IMAGE + 16];
    auto_fd int image_fd = -1;
    char **envp;
    int r = image_write(k, &image_fd);

    if (r < 0)
        return r;
    (void)snprintf(entry, sizeof entry, ENVIRON_IMAGE "=%d", image_fd);
    envp = environ_with(entry);
    if (!envp)
        return -E2BIG;
    image_cloexec(k, 0);
    (void)fd_cloexec(image_fd, 0);
    launch_exec(exe_fd, k->argv, envp);
    r = -errno;
    image_cloexec(k, 1);
    return r;
}

void
upgrade_go(struct keeper *k, int64_t now_us)
{
    struct facts before = k->facts;
    int r;

    k->facts.why |= KEEPER_UPGRADED;
    k->facts.previous_fd = k->exe_fd;
    k->facts.unproved = k->facts.restart.young = k->facts.restart.backoff = 0;
    (void)systemd_turn(&k->systemd, &k->kept, INT64_MAX - US_PER_S); /* what it has not taken yet */
    r = become(k, k->next_fd);
    k->facts = before;
    k->next_fd = fd_close(k->next_fd);
    k->master.began_us = now_us;
    keeper_log("error", "keeper_upgrade_failed", 0,
               "msg=\"the new program cannot be executed: %s; going on with this one\"",
               strerrordesc_np(-r));
}

void
upgrade_back(struct keeper *k, int64_t now_us)
{
    auto_fd int exe_fd = steal_fd(k->facts.previous_fd);
    int r;

    keeper_log("error", "keeper_reverted", 0,
               "msg=\"masters of the new program die young: back to the one before\"");
    k->facts.unproved = k->facts.restart.young = k->facts.restart.backoff = 0;
    r = become(k, exe_fd);
    k->master.began_us = now_us + RETRY_US;
    keeper_log("error", "keeper_revert_failed", 0, "msg=\"%s; going on with this one\"",
               strerrordesc_np(-r));
}
