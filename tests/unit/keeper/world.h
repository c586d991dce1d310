/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_KEEPER_WORLD_H
#define STINT_TESTS_UNIT_KEEPER_WORLD_H

/* A keeper of our own and what it logs. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "tests/unit/keeper/fake_master.h"

#define PATIENCE_MS 20000 /* how long any test waits for what must come */

struct world {
    char folder[64];
    pid_t keeper; /* 0: it is gone */
    int listener; /* masters connect here */
    int log_fd;
    size_t log_bytes, log_at; /* what was looked at already */
    char log[65536];
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

#endif
