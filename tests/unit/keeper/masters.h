/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_KEEPER_MASTERS_H
#define STINT_TESTS_UNIT_KEEPER_MASTERS_H

/* The masters that the keeper of world.h starts, and what they and it say to each other. */
#include "tests/unit/keeper/world.h"

#define SEEN_MAX 64

struct fake {
    pid_t pid;
    int command; /* to the process */
    int link;    /* its end of the keeper's socket, shared with it */
    uint64_t sent;
};

struct heard {
    struct keeper_frame head;
    _Alignas(8) char body[KEEPER_BODY_MAX];
    int fd;
};

/* What a master is told at its start. */
struct inheritance {
    struct keeper_welcome welcome;
    struct {
        char name[KEEPER_NAME_MAX];
        int fd;
    } given[SEEN_MAX];
    struct keeper_obituary obituaries[SEEN_MAX];
    int n_given, n_obituaries;
};

/* ---- Its masters -------------------------------------------------------------------------- */

static inline struct fake
master_comes(void)
{
    struct fake f = {0};
    char text[64];

    await_readable_for(world.listener, "a master");
    f.command = accept4(world.listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_gt(receive(f.command, text, sizeof text, &f.link), 0);
    ck_assert_int_ge(f.link, 0);
    f.pid = atoi(text); /* NOLINT(cert-err34-c): our own master said it */
    return f;
}

static inline const char *
answer(struct fake *f)
{
    static char text[1024];
    int fd;

    ck_assert_int_gt(receive(f->command, text, sizeof text, &fd), 0);
    return text;
}

static inline const char *
ask(struct fake *f, const char *command)
{
    send_text(f->command, command, -1);
    return answer(f);
}

static inline void
say_raw(struct fake *f, const void *bytes, size_t n, const int *fds, size_t n_fds)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))] = {0};
    char copy[KEEPER_BODY_MAX * 2];
    struct iovec part = {copy, n};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    memcpy(copy, bytes, n);
    if (n_fds > 0) {
        struct cmsghdr *c;

        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
    }
    ck_assert_int_eq(sendmsg(f->link, &message, MSG_NOSIGNAL), (ssize_t)n);
}

static inline uint64_t
say(struct fake *f, enum keeper_type type, const void *body, size_t bytes, int fd)
{
    struct {
        struct keeper_frame head;
        char body[KEEPER_BODY_MAX];
    } frame = {
        {(uint16_t)type,   0, (uint32_t)bytes, ++f->sent},
        {0}
    };

    if (bytes > 0)
        memcpy(frame.body, body, bytes);
    say_raw(f, &frame, sizeof frame.head + bytes, &fd, fd >= 0);
    return f->sent;
}

static inline uint64_t
say_text(struct fake *f, enum keeper_type type, const char *text, int fd)
{
    return say(f, type, text, strlen(text) + 1, fd);
}

static inline struct heard
hear(struct fake *f)
{
    struct heard h;
    char bytes[sizeof h.head + KEEPER_BODY_MAX + 1];
    ssize_t n = receive(f->link, bytes, sizeof bytes, &h.fd);

    ck_assert_int_ge(n, (ssize_t)sizeof h.head);
    memcpy(&h.head, bytes, sizeof h.head);
    ck_assert_uint_eq(h.head.length, (size_t)n - sizeof h.head);
    memcpy(h.body, bytes + sizeof h.head, h.head.length);
    return h;
}

static inline struct heard
hear_type(struct fake *f, enum keeper_type type)
{
    struct heard h = hear(f);

    ck_assert_int_eq(h.head.type, type);
    return h;
}

static inline int
hear_ack(struct fake *f, uint64_t number)
{
    struct heard h = hear_type(f, KEEPER_ACK);
    struct keeper_ack ack;

    ck_assert_uint_eq(h.head.number, number);
    memcpy(&ack, h.body, sizeof ack);
    return ack.error;
}

static inline struct keeper_obituary
hear_obituary(struct fake *f)
{
    struct heard h = hear_type(f, KEEPER_OBITUARY);
    struct keeper_obituary o;

    memcpy(&o, h.body, sizeof o);
    return o;
}

static inline int
store(struct fake *f, const char *name, int fd)
{
    return hear_ack(f, say_text(f, KEEPER_STORE, name, fd));
}

/* hello - HELLO and all that comes up to END, which is checked to be last. */
static inline struct inheritance
hello(struct fake *f)
{
    struct keeper_hello body = {KEEPER_MAJOR, (uint32_t)f->pid};
    struct inheritance in = {0};
    struct heard h;

    (void)say(f, KEEPER_HELLO, &body, sizeof body, -1);
    h = hear_type(f, KEEPER_WELCOME);
    memcpy(&in.welcome, h.body, sizeof in.welcome);
    for (h = hear(f); h.head.type == KEEPER_GIVE; h = hear(f)) {
        ck_assert_int_lt(in.n_given, SEEN_MAX);
        ck_assert_int_ge(h.fd, 0);
        memcpy(in.given[in.n_given].name, h.body, h.head.length);
        in.given[in.n_given++].fd = h.fd;
    }
    for (; h.head.type == KEEPER_OBITUARY; h = hear(f))
        memcpy(&in.obituaries[in.n_obituaries++], h.body, sizeof in.obituaries[0]);
    ck_assert_int_eq(h.head.type, KEEPER_END);
    return in;
}

static inline int
given(const struct inheritance *in, const char *name)
{
    for (int i = 0; i < in->n_given; i++)
        if (strcmp(in->given[i].name, name) == 0)
            return in->given[i].fd;
    ck_abort_msg("'%s' was not given", name);
    return -1;
}

static inline void
fake_close(struct fake *f)
{
    f->command = fd_close(f->command);
    f->link = fd_close(f->link);
}

static inline void
master_exits(struct fake *f, int status)
{
    char text[16];

    (void)snprintf(text, sizeof text, "x %d", status);
    send_text(f->command, text, -1);
    fake_close(f);
}

static inline void
leave(struct fake *f, int status)
{
    struct keeper_leaving leaving = {.status = status};

    (void)say(f, KEEPER_LEAVING, &leaving, sizeof leaving, -1);
    master_exits(f, status);
}

static inline int
world_main(int argc, char **argv, Suite *(*suite)(void))
{
    int trial;

    if (getenv(TEST_MUTE) && argc == 2) /* NOLINT(concurrency-mt-unsafe): one thread */
        return pause();                 /* a trial that nobody answers */
    trial = keeper_answer_trial(argc, argv);
    if (trial >= 0)
        return trial;
    if (keeper_started_us(argc, argv))
        return play_master(argc, argv);
    if (argc > 1 && strcmp(argv[1], "run") == 0)
        return play_keeper(argc, argv);
    return unit_main(suite());
}

#endif
