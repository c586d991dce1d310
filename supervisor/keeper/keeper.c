/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/keeper/environ.h"
#include "supervisor/keeper/image.h"
#include "supervisor/keeper/log.h"
#include "supervisor/keeper/state.h"

#define FDS_OF_OURS 64  /* not for keeping */
#define HEAR_MAX    128 /* datagrams a turn */
#define LATE_US     US_PER_S

static struct keeper keeper;

bool
keeper_started_us(int argc, char **argv)
{
    int type = 0;
    socklen_t bytes = sizeof type;

    return argc > 0 && strcmp(argv[0], KEEPER_TITLE) == 0 &&
           getsockopt(KEEPER_FD, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 && type == SOCK_SEQPACKET;
}

void
keeper_end(struct keeper *k, int exit_status)
{
    k->done = true;
    k->exit_status = exit_status;
}

/* ---- The start ----------------------------------------------------------------------------- */

/* raise_limit - as many descriptors as we may have. Return: how many can be kept. */
static uint32_t
raise_limit(struct rlimit *ret_before)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        return 0;
    *ret_before = limit;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
        limit = *ret_before;
    if (limit.rlim_cur > KEPT_MAX + FDS_OF_OURS)
        return KEPT_MAX;
    return limit.rlim_cur > FDS_OF_OURS ? (uint32_t)limit.rlim_cur - FDS_OF_OURS : 0;
}

/* go_back - to the program before, which finds all as it was and in the head that we could not go on. */
static void
go_back(struct keeper *k, int image_fd, struct image_head *head)
{
    int exe_fd = head->previous_fd;

    head->previous_fd = -1;
    if (exe_fd >= 0 && pwrite(image_fd, head, sizeof *head, 0) == (ssize_t)sizeof *head)
        launch_exec(exe_fd, k->argv, environ);
}

/* succeed - go on from the image that the program before us left. Return: 0, -ENOENT: there is none. */
static int
succeed(struct keeper *k)
{
    int fd = (int)environ_number(ENVIRON_IMAGE, -1);
    struct image_head head;
    int r = image_read(k, fd, &head);

    if (r == -EPROTO) {
        keeper_log("error", "keeper_reverted", 0,
                   "version=%u msg=\"cannot read what the program before us left: back to it\"",
                   head.version);
        go_back(k, fd, &head);
    }
    if (r < 0)
        return -ENOENT;
    (void)fd_close(fd);
    if (head.previous_fd == -1 && k->facts.previous_fd >= 0) { /* the new one has come back to us */
        k->facts.previous_fd = fd_close(k->facts.previous_fd);
        k->facts.why &= ~(uint32_t)KEEPER_UPGRADED;
    }
    for (uint32_t i = 0; i < k->kept.n; i++) {
        k->systemd.stored += k->kept.entries[i].mirror != MIRROR_NONE;
        k->systemd.wanted += k->kept.entries[i].mirror == MIRROR_WANTED;
    }
    if (k->systemd.wanted > 0)
        k->systemd.retry_us = 0;
    keeper_log("info", "keeper_upgraded", getpid(), "kept=%u", k->kept.n);
    return 0;
}

static int
begin(struct keeper *k)
{
    struct rlimit before = {0};
    uint32_t room = raise_limit(&before);

    k->link.fd = k->master.pidfd = k->next_fd = -1;
    k->trial = (struct trial){.pidfd = -1, .answer_fd = -1, .exe_fd = -1, .until_us = TIME_NEVER};
    k->link.retry_us = TIME_NEVER;
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1UL); /* PID 1 is one anyway */
    (void)prctl(PR_SET_NAME, "stint"); /* executed by descriptor, its number would be our name */
    k->exe_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (k->exe_fd == -1)
        return -errno;
    k->signal_fd = signals_open();
    if (k->signal_fd < 0)
        return k->signal_fd;
    systemd_open(&k->systemd);
    if (succeed(k) < 0) {
        k->facts = (struct facts){.nofile = before, .began_us = mono_now_us(), .previous_fd = -1};
        k->kept.room = room;
        systemd_take_sockets(&k->systemd, &k->kept);
    }
    k->kept.room = room;
    k->master.began_us = mono_now_us();
    k->reap = true; /* PID 1 may have been given some */
    return 0;
}

/* ---- The loop ------------------------------------------------------------------------------ */

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* wait_for_news - until something comes or @until_us. */
static void
wait_for_news(struct keeper *k, int64_t until_us)
{
    struct link *l = &k->link;
    int64_t now_us = mono_now_us(), wait_us = until_us - now_us;
    struct timespec wait = {0};
    bool hears = l->n_acks < LINK_ACKS_MAX / 2;
    struct pollfd fds[] = {
        {.fd = k->signal_fd,       .events = POLLIN                                                 },
        {.fd = l->fd,              .events = (short)((hears ? POLLIN : 0) | (l->full ? POLLOUT : 0))},
        {.fd = k->master.pidfd,    .events = POLLIN                                                 },
        {.fd = k->trial.answer_fd, .events = POLLIN                                                 },
    };

    if (k->reap || wait_us < 0)
        wait_us = 0;
    wait.tv_sec = wait_us / US_PER_S;
    wait.tv_nsec = wait_us % US_PER_S * 1000;
    (void)ppoll(fds, ARRAY_LEN(fds), until_us == TIME_NEVER && !k->reap ? NULL : &wait, NULL);
    now_us = mono_now_us();
    if (until_us != TIME_NEVER && now_us > until_us + LATE_US)
        l->heard_us =
            now_us; /* we were stopped ourselves: whatever it did meanwhile, it was not silence */
    if (fds[0].revents)
        signals_read(k, now_us);
    if (fds[1].revents & POLLOUT)
        l->full = false;
    if (hears && fds[1].revents)
        talk_hear(k, HEAR_MAX, now_us);
    if (fds[3].revents && k->trial.answer_fd >= 0)
        trial_hear(k);
    k->reap = k->reap || fds[2].revents;
}

static void
judge_silence(struct keeper *k, int64_t now_us)
{
    if (now_us < keeper_patience_until(k))
        return;
    keeper_log("error", "master_stalled", k->master.pid,
               "silent_ms=%lld msg=\"it says nothing: killing it\"",
               (long long)((now_us - k->link.heard_us) / US_PER_MS));
    k->master.stalled = true;
    master_kill(k);
}

static void
turn(struct keeper *k)
{
    int64_t now_us = mono_now_us(), until_us;

    if (k->master.pid == 0 && now_us >= k->master.began_us)
        master_start(k, now_us);
    if (k->done)
        return;
    talk_say(k, now_us);
    until_us = systemd_turn(&k->systemd, &k->kept, now_us);
    until_us = earlier(until_us, keeper_patience_until(k));
    until_us = earlier(until_us, k->link.retry_us);
    until_us = earlier(until_us, k->trial.until_us);
    if (k->master.pid == 0)
        until_us = earlier(until_us, k->master.began_us);
    wait_for_news(k, until_us);
    now_us = mono_now_us();
    if (k->reap)
        reap_children(k, now_us);
    trial_judge(k, now_us);
    judge_silence(k, now_us);
}

int
keeper_run(int argc, char **argv, const struct keeper_options *options)
{
    struct keeper *k = &keeper;
    int r;

    (void)argc;
    k->options = options;
    k->argv = argv;
    r = begin(k);
    if (r < 0) {
        keeper_log("error", "keeper_not_started", 0, "msg=\"%s\"", strerrordesc_np(-r));
        return EX_OSERR;
    }
    while (!k->done)
        turn(k);
    (void)systemd_turn(&k->systemd, &k->kept, mono_now_us());
    return k->exit_status;
}
