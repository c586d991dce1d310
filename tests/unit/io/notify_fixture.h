/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_IO_NOTIFY_FIXTURE_H
#define STINT_TESTS_UNIT_IO_NOTIFY_FIXTURE_H

/* One notify socket on a loop of its own, what its hooks said, and a client's sd_notify(). */
#include <sys/socket.h>
#include <sys/un.h>

#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/notify.h"
#include "tests/unit/io/loop.h"
#include "tests/unit/io/process.h"

static struct ev_loop *ev;
static struct notify *notify;
static struct text heard; /* "READY " "refused: why " … */
static struct notify_message last;
static struct notify_sender last_from;
static bool close_in_hook;

static inline void
on_notify(void *env, const struct notify_message *m, const struct notify_sender *from)
{
    ck_assert_ptr_eq(env, &heard);
    last = *m;
    last_from = *from;
    text_add(&heard, m->ready ? "READY " : m->has_status ? m->status : "other ");
    if (close_in_hook) {
        notify_close(notify);
        notify = NULL;
    }
}

static inline void
on_refused(void *env, const struct notify_sender *from, const char *why)
{
    ck_assert_ptr_eq(env, &heard);
    last_from = *from;
    text_addf(&heard, "refused: %s ", why);
}

static inline void
begin(void)
{
    struct notify_hooks hooks = {on_notify, on_refused, &heard};
    struct error error;

    ev = ev_loop_new(EVFLAG_AUTO);
    ck_assert_msg(notify_open(ev, in_folder("7.sock"), &hooks, &notify, &error) == 0, "%s",
                  error.text);
}

static inline void
end(void)
{
    notify_close(notify);
    text_finish(&heard);
    ev_loop_destroy(ev);
    folder_remove();
}

/* say - as sd_notify(3) does; with @fd ≥ 0 passed along. */
static inline void
say(const char *text, size_t bytes, int fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct iovec iov = {(void *)(uintptr_t)text, bytes};
    struct msghdr m = {.msg_name = &un, .msg_namelen = sizeof un, .msg_iov = &iov, .msg_iovlen = 1};
    int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)snprintf(un.sun_path, sizeof un.sun_path, "%s", in_folder("7.sock"));
    if (fd >= 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof control.bytes;
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.align), &fd, sizeof fd);
    }
    if (sendmsg(s, &m, 0) != (ssize_t)bytes)
        _exit(99);
    (void)close(s);
}

#endif
