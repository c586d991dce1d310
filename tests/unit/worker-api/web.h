/* SPDX-License-Identifier: MIT */
#ifndef STINT_TESTS_WEB_H
#define STINT_TESTS_WEB_H

/* The example worker as a process of the test's own, and clients for it. WEB_PROGRAM is its path. */
#ifndef WEB_PROGRAM
#define WEB_PROGRAM "./web" /* the build says where it really is */
#endif

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "tests/unit/worker-api/master.h"

#define GET "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

static char dir[64];
static int listener;
static struct sockaddr_in address;

static inline void
write_config(const char *text)
{
    char path[96];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/web.conf", dir);
    ck_assert_ptr_nonnull(f = fopen(path, "we"));
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

static inline void
set_up(void)
{
    socklen_t size = sizeof(address);

    (void)snprintf(dir, sizeof(dir), "/tmp/stint-web-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    write_config("threads = 2\ndrain_quiet_ms = 100\n");
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    address = (struct sockaddr_in){.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(listener, 128), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
}

static inline void
tear_down(void)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "%s/web.conf", dir);
    unlink(path);
    rmdir(dir);
    close(listener);
}

static inline void
exec_web(const struct master *m, int generation)
{
    char config[96], pid[16], number[16];

    (void)signal(SIGTERM, SIG_DFL);
    (void)snprintf(config, sizeof(config), "%s/web.conf", dir);
    (void)snprintf(pid, sizeof(pid), "%d", getpid());
    (void)snprintf(number, sizeof(number), "%d", generation);
    if (dup2(m->theirs, 100) == -1 || dup2(listener, 3) == -1)
        _exit(125);
    (void)setenv("STINT_CHANNEL", "100", 1);
    (void)setenv("STINT_GENERATION", number, 1);
    (void)setenv("LISTEN_PID", pid, 1);
    (void)setenv("LISTEN_FDS", "1", 1);
    (void)setenv("LISTEN_FDNAMES", "http", 1);
    execl(WEB_PROGRAM, "web", "--config", config, (char *)NULL);
    _exit(126);
}

/* A worker that has said READY. The channel stays open in *@m. */
static inline pid_t
start_web(struct master *m, int generation)
{
    char body[STINT_FRAME_MAX];
    pid_t pid;

    *m = master_start();
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        exec_web(m, generation);
    close(m->theirs);
    master_hello(m);
    while (master_receive(m, body).type != STINT_FRAME_READY)
        ;
    return pid;
}

static inline int
status_of(pid_t pid)
{
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static inline int
dial(void)
{
    struct timeval limit = {.tv_sec = SOON_US / 1000000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static inline void
say(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* One whole answer into @text, read byte by byte so that none of the next is taken. 0 = the end. */
static inline int
hear(int fd, char *text, size_t size)
{
    size_t n = 0, whole = size;
    const char *length;
    ssize_t r;

    while (n < whole && n + 1 < size) {
        r = recv(fd, text + n, 1, 0);
        if (r == 0 && n == 0)
            return 0;
        if (r != 1)
            return -1;
        text[++n] = '\0';
        if (whole == size && n >= 4 && memcmp(text + n - 4, "\r\n\r\n", 4) == 0) {
            length = strstr(text, "Content-Length: ");
            if (!length)
                return -1;
            whole = n + strtoul(length + 16, NULL, 10);
        }
    }
    return n == whole ? 1 : -1;
}

#endif
