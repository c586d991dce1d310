/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_KEEPER_WORLD_H
#define STINT_TESTS_UNIT_KEEPER_WORLD_H

/* A keeper of our own, the masters it starts, and what it logs. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "tests/unit/keeper/fake_master.h"

#define PATIENCE_MS 20000 /* how long any test waits for what must come */
#define SEEN_MAX    64

struct world {
    char folder[64];
    pid_t keeper; /* 0: it is gone */
    int listener; /* masters connect here */
    int log_fd;
    size_t log_bytes, log_at; /* what was looked at already */
    char log[65536];
};

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

static struct world world;

static inline void
await_readable_for(int fd, const char *what)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int r;

    do
        r = poll(&p, 1, PATIENCE_MS);
    while (r == -1 && errno == EINTR);
    ck_assert_msg(r == 1, "%s did not come; the log: %s", what, world.log);
}

/* receive - one datagram of at most @room - 1 bytes and its descriptor. */
static inline ssize_t
receive(int from, char *buf, size_t room, int *ret_fd)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
    struct iovec part = {buf, room - 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t n;
    struct cmsghdr *c;

    await_readable_for(from, "a datagram");
    n = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
    *ret_fd = -1;
    if (n < 0)
        return n;
    buf[n] = '\0';
    c = CMSG_FIRSTHDR(&message);
    if (c)
        memcpy(ret_fd, CMSG_DATA(c), sizeof *ret_fd);
    return n;
}

/* ---- The keeper --------------------------------------------------------------------------- */

static inline const char *
world_path(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", world.folder, name);
    return path;
}

static inline void
world_listen(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)snprintf(world.folder, sizeof world.folder, "/tmp/stint-keeper-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(world.folder));
    world.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", world_path("masters"));
    ck_assert_int_eq(bind(world.listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(world.listener, 16), 0);
    ck_assert_int_eq(setenv(TEST_SOCKET, address.sun_path, 1), 0);
}

/* world_begin - start it; @before_exec (or NULL) runs in its process. */
static inline void
world_begin(void (*before_exec)(void))
{
    int ends[2];

    if (!world.folder[0])
        world_listen();
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    world.keeper = fork();
    ck_assert_int_ne(world.keeper, -1);
    if (world.keeper == 0) {
        static char words[3][8] = {"stint", "run", "a.yaml"};
        char *argv[] = {words[0], words[1], words[2], NULL};

        (void)dup2(ends[1], STDERR_FILENO);
        if (before_exec)
            before_exec();
        (void)execv("/proc/self/exe", argv);
        _exit(95);
    }
    (void)close(ends[1]);
    world.log_fd = ends[0];
}

/* log_await - read on until a line has @text in it. Return: that line and what is known behind it. */
static inline const char *
log_await(const char *text)
{
    for (;;) {
        char *found = strstr(world.log + world.log_at, text);
        ssize_t n;

        if (found && strchr(found, '\n')) {
            world.log_at = (size_t)(found - world.log) + strlen(text);
            return found;
        }
        await_readable_for(world.log_fd, text);
        n = read(world.log_fd, world.log + world.log_bytes, sizeof world.log - 1 - world.log_bytes);
        ck_assert_msg(n > 0, "the keeper is gone and never said '%s'; it said: %s", text,
                      world.log);
        world.log_bytes += (size_t)n;
    }
}

/* keeper_ends - wait for it. Return: its wait status. */
static inline int
keeper_ends(void)
{
    int status;
    int pidfd = (int)syscall(SYS_pidfd_open, world.keeper, 0);

    await_readable_for(pidfd, "the keeper's end");
    (void)close(pidfd);
    ck_assert_int_eq(waitpid(world.keeper, &status, 0), world.keeper);
    world.keeper = 0;
    return status;
}

static inline void
keeper_exits_with(int exit_status)
{
    int status = keeper_ends();

    if (WIFEXITED(status) && WEXITSTATUS(status) == exit_status)
        return;
    while (world.log_bytes < sizeof world.log - 1) {
        ssize_t n =
            read(world.log_fd, world.log + world.log_bytes, sizeof world.log - 1 - world.log_bytes);
        if (n <= 0)
            break;
        world.log_bytes += (size_t)n;
    }
    ck_abort_msg("the keeper ended with wait status 0x%x, not %d: %s", (unsigned)status,
                 exit_status, world.log);
}

static inline void
world_end(void)
{
    static const char *const names[] = {"masters", "notify", "new", "newer", "kept"};

    if (world.keeper > 0) {
        (void)kill(world.keeper, SIGKILL);
        (void)waitpid(world.keeper, NULL, 0);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unlink(world_path(names[i]));
    (void)rmdir(world.folder);
}

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

static inline bool
same_file(int a, int b)
{
    struct stat x, y;

    return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* file_with - an unlinked file that holds @text: the same one can be told by its text. */
static inline int
file_with(const char *text)
{
    int fd = memfd_create("kept", MFD_CLOEXEC);

    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    return fd;
}

static inline int
world_main(int argc, char **argv, Suite *(*suite)(void))
{
    if (keeper_started_us(argc, argv))
        return play_master(argc, argv);
    if (argc > 1 && strcmp(argv[1], "run") == 0)
        return play_keeper(argc, argv);
    return unit_main(suite());
}

#endif
