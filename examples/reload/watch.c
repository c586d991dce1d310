/* SPDX-License-Identifier: MIT */
#include "examples/reload/watch.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <stint.h>

#define QUIET_US (100 * INT64_C(1000))  /* nothing has happened for so long: it is written */
#define CAP_US   (2000 * INT64_C(1000)) /* … but a writer that never pauses does not starve us */
#define TURN_US \
    (1000 * INT64_C(1000)) /* a beat, and another try to watch a directory that is gone */

/* By rename, by writing in place, by a symbolic link that turns. Attributes do not count. */
#define CHANGES (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE)

struct watch {
    int fd;
    int descriptor; /* -1: the directory is not there, for now */
    char directory[PATH_MAX];
    const char *name; /* of the file in it */
};

static int
begin(struct watch *w, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;

    if (n >= sizeof(w->directory))
        return -ENAMETOOLONG;
    (void)snprintf(w->directory, sizeof(w->directory), "%.*s", slash ? (int)(n > 0 ? n : 1) : 1,
                   slash ? path : ".");
    w->name = slash ? slash + 1 : path;
    w->descriptor = -1;
    w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    return w->fd == -1 ? -errno : 0;
}

static bool
arm(struct watch *w)
{
    w->descriptor = inotify_add_watch(w->fd, w->directory,
                                      CHANGES | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR);
    return w->descriptor != -1;
}

/* Return: whether it may concern the file. */
static bool
concerns(struct watch *w, const struct inotify_event *event)
{
    if (event->mask & IN_MOVE_SELF)
        (void)inotify_rm_watch(w->fd, event->wd); /* it has another name now: not ours */
    if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) {
        w->descriptor = -1;
        return true;
    }
    if (event->mask & IN_Q_OVERFLOW)
        return true; /* some were lost, and nobody knows which */
    return event->len > 0 && strcmp(event->name, w->name) == 0;
}

/* All there is to read; never waits. */
static bool
drain(struct watch *w)
{
    char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool any = false;
    ssize_t n;

    while ((n = read(w->fd, buffer, sizeof(buffer))) > 0)
        for (char *at = buffer; at < buffer + n;) {
            const struct inotify_event *event = (const void *)at;

            any = concerns(w, event) || any;
            at += sizeof(*event) + event->len;
        }
    return any;
}

/* Until nothing has come for QUIET_US, or for CAP_US. Return: 0, or the token's error. */
static int
settle(struct watch *w, struct stint_token *token)
{
    struct pollfd news = {.fd = w->fd, .events = POLLIN};
    int64_t cap_us = stint_now_us() + CAP_US;
    int r;

    do {
        int64_t quiet_us = stint_now_us() + QUIET_US;

        r = stint_token_poll(token, &news, 1, quiet_us < cap_us ? quiet_us : cap_us);
    } while (r > 0 && (drain(w), stint_now_us() < cap_us));
    return r < 0 ? r : 0;
}

int
watch_file(struct stint_token *token, const char *path, void (*changed)(void *env), void *env)
{
    struct watch w = {.fd = -1};
    int r = begin(&w, path);

    if (r < 0)
        return r;
    stint_thread_vital(10 * TURN_US);
    for (;;) {
        struct pollfd news = {.fd = w.fd, .events = POLLIN};
        bool back = w.descriptor == -1 && arm(&w); /* what happened before was not seen */

        stint_beat();
        r = back ? 1 : stint_token_poll(token, &news, 1, stint_now_us() + TURN_US);
        if (r < 0)
            break;
        if (!back && (r == 0 || !drain(&w)))
            continue;
        if ((r = settle(&w, token)) < 0)
            break;
        changed(env);
    }
    stint_thread_vital(-1); /* it ends because it was asked to */
    close(w.fd);            /* the kernel drops the watch with it: nobody waits for IN_IGNORED */
    return r;
}
