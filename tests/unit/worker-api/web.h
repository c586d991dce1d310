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

/* What exec_web() needs, made before the fork: clients may run as threads, so the child may not allocate. */
struct web_start {
    char config[96], generation[48], pid[32];
    char *argv[4], *envp[256]; /* ours, and the test's own */
};

static inline void
web_prepare(struct web_start *w, int generation)
{
    static char name[] = "web", option[] = "--config", channel[] = "STINT_CHANNEL=100",
                fds[] = "LISTEN_FDS=1", names[] = "LISTEN_FDNAMES=http";
    size_t n = 0;

    (void)snprintf(w->config, sizeof(w->config), "%s/web.conf", dir);
    (void)snprintf(w->generation, sizeof(w->generation), "STINT_GENERATION=%d", generation);
    (void)snprintf(w->pid, sizeof(w->pid), "LISTEN_PID=%010d", 0);
    w->argv[0] = name;
    w->argv[1] = option;
    w->argv[2] = w->config;
    w->argv[3] = NULL;
    w->envp[n++] = channel; /* ours first: getenv() takes the first of a name */
    w->envp[n++] = w->generation;
    w->envp[n++] = w->pid;
    w->envp[n++] = fds;
    w->envp[n++] = names;
    for (char **e = environ; *e && n < sizeof(w->envp) / sizeof(w->envp[0]) - 1; e++)
        w->envp[n++] = *e;
    w->envp[n] = NULL;
}

/* In the child of a fork, perhaps of many threads: nothing but system calls. */
static inline void
exec_web(const struct master *m, struct web_start *w)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    size_t last = strlen(w->pid) - 1;

    for (pid_t pid = getpid(); pid > 0; pid /= 10)
        w->pid[last--] = (char)('0' + pid % 10);
    if (sigaction(SIGTERM, &plain, NULL) == -1 || dup2(m->theirs, 100) == -1 ||
        dup2(listener, 3) == -1 || fcntl(3, F_SETFD, 0) == -1) /* it may have been 3 before */
        _exit(125);
    (void)execve(WEB_PROGRAM, w->argv, w->envp);
    _exit(126);
}

/* A worker that has said READY. The channel stays open in *@m. */
static inline pid_t
start_web(struct master *m, int generation)
{
    char body[STINT_FRAME_MAX];
    struct web_start w;
    pid_t pid;

    *m = master_start();
    web_prepare(&w, generation);
    pid = fork();
    if (pid == 0)
        exec_web(m, &w); /* before any ck_assert(): a client's may hold Check's lock at the fork */
    ck_assert_int_ge(pid, 0);
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
