/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_IO_FDSTORE_FIXTURE_H
#define STINT_TESTS_UNIT_IO_FDSTORE_FIXTURE_H

/* A keeper in the test's hand: one end of the socket, what it says, and a log of what was heard. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/fdstore.h"
#include "tests/unit/io/loop.h"
#include "tests/unit/io/process.h"
#include "tests/unit/unit.h"

static struct {
    struct ev_loop *loop;
    struct fdstore *fs;
    int keeper;      /* its end */
    int master;      /* the other, until fdstore_open() */
    uint64_t number; /* of its last message */
    struct text log; /* what the hooks were told */
    unsigned before; /* descriptors at the beginning */
} at;

static struct error error;

/* said - by the keeper: any bytes behind the frame, with @n_fds times @fd. */
static inline void
said_frame(struct keeper_frame f, const void *body, size_t n, int fd, unsigned n_fds)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * 4)];
        struct cmsghdr align;
    } control = {{0}};
    static char bytes[KEEPER_BODY_MAX * 2];
    struct iovec part = {bytes, sizeof(f) + n};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

    memcpy(bytes, &f, sizeof(f));
    if (n > 0)
        memcpy(bytes + sizeof(f), body, n);
    if (n_fds > 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        for (unsigned i = 0; i < n_fds; i++)
            memcpy(CMSG_DATA(&control.align) + i * sizeof(int), &fd, sizeof(fd));
    }
    ck_assert_int_eq(sendmsg(at.keeper, &m, MSG_DONTWAIT), (ssize_t)part.iov_len);
}

static inline void
said(enum keeper_type type, const void *body, size_t n, int fd)
{
    struct keeper_frame f = {.type = (uint16_t)type, .length = (uint32_t)n, .number = ++at.number};

    said_frame(f, body, n, fd, fd >= 0);
}

static inline void
said_welcome(uint32_t major)
{
    struct keeper_welcome w = {.major = major, .flags = KEEPER_SUCCEEDS, .masters = 2};

    said(KEEPER_WELCOME, &w, sizeof(w), -1);
}

static inline void
gave(const char *name, int fd)
{
    said(KEEPER_GIVE, name, strlen(name) + 1, fd);
}

static inline void
said_obituary(int pid)
{
    struct keeper_obituary o = {.pid = pid, .wait_status = 256, .start_time = 1, .name = "web"};

    said(KEEPER_OBITUARY, &o, sizeof(o), -1);
}

static inline void
said_ack(uint64_t number, int error_number)
{
    struct keeper_ack a = {.error = error_number};
    struct keeper_frame f = {KEEPER_ACK, 0, sizeof(a), number};

    said_frame(f, &a, sizeof(a), -1, 0);
}

struct message {
    struct keeper_frame frame;
    char body[KEEPER_BODY_MAX + 1];
    int fd; /* owned */
};

/* heard - by the keeper, without waiting. Return: whether there was something. */
static inline bool
heard(struct message *m)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec parts[] = {
        {&m->frame, sizeof(m->frame)},
        {m->body,   KEEPER_BODY_MAX }
    };
    struct msghdr msg = {.msg_iov = parts,
                         .msg_iovlen = 2,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(at.keeper, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    m->fd = -1;
    if (n <= 0)
        return false;
    ck_assert_uint_eq((size_t)n, sizeof(m->frame) + m->frame.length);
    m->body[m->frame.length] = '\0';
    if (msg.msg_controllen > 0)
        memcpy(&m->fd, CMSG_DATA(&control.align), sizeof(m->fd));
    return true;
}

static inline void
expect(enum keeper_type type, uint64_t number, const char *body, bool fd)
{
    struct message m;

    ck_assert(heard(&m));
    ck_assert_uint_eq(m.frame.type, type);
    ck_assert_uint_eq(m.frame.number, number);
    if (body)
        ck_assert_str_eq(m.body, body);
    ck_assert_int_eq(m.fd >= 0, fd);
    (void)fd_close(m.fd);
}

/* ---- hooks ------------------------------------------------------------------------------------- */

static inline void
on_obituary(void *env, const struct keeper_obituary *o)
{
    ck_assert_ptr_eq(env, &at);
    text_addf(&at.log, "died:%d ", o->pid);
}

static inline void
on_refused(void *env, const char *name, int error_number)
{
    (void)env;
    text_addf(&at.log, "refused:%s:%d ", name, error_number);
}

static inline void
on_upgrade(void *env, int error_number)
{
    (void)env;
    text_addf(&at.log, "upgrade:%d ", error_number);
}

static inline void
on_lost(void *env)
{
    (void)env;
    text_add(&at.log, "lost ");
}

static inline void
begin(void)
{
    static const struct fdstore_hooks hooks = {on_obituary, on_refused, on_upgrade, on_lost, &at};

    fdstore_begin(at.fs, at.loop, &hooks);
}

static inline void
turn(void)
{
    for (int i = 0; i < 4; i++)
        ev_run(at.loop, EVRUN_NOWAIT);
}

static inline void
expect_log(const char *want)
{
    turn();
    ck_assert_str_eq(text_str(&at.log), want);
    text_clear(&at.log);
}

/* What is at the other end of both is one and the same. */
static inline void
ck_assert_same_file(int a, int b)
{
    struct stat x, y;

    ck_assert_int_eq(fstat(a, &x), 0);
    ck_assert_int_eq(fstat(b, &y), 0);
    ck_assert(x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

static inline void
open_it(void)
{
    ck_assert_msg(fdstore_open(steal_fd(at.master), &at.fs, &error) == 0, "%s", error.text);
}

/* opened - with nothing kept; its HELLO was heard. */
static inline void
opened(void)
{
    said_welcome(KEEPER_MAJOR);
    said(KEEPER_END, NULL, 0, -1);
    open_it();
    expect(KEEPER_HELLO, 1, NULL, false);
}

static inline void
setup(void)
{
    int ends[2];

    memset(&at, 0, sizeof(at));
    at.before = count_fds();
    at.loop = ev_loop_new(EVFLAG_AUTO);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    at.keeper = ends[0];
    at.master = ends[1];
}

static inline void
teardown(void)
{
    fdstore_close(at.fs);
    ev_loop_destroy(at.loop);
    text_finish(&at.log);
    (void)fd_close(at.keeper);
    (void)fd_close(at.master);
    ck_assert_uint_eq(count_fds(), at.before);
}

#endif
