/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/units.h"
#include "harness_launch.h"
#include "harness_log.h"

#define STOP_MS 20000

static struct {
    char dir[64];
    pid_t keeper;
    int port; /* 0: not chosen yet */
} stage;

static const char *
program(const char *variable)
{
    const char *path = getenv(variable);

    ck_assert_msg(path != NULL, "$%s is not set: run this through ctest", variable);
    return path;
}

const char *
scn_dir(void)
{
    return stage.dir;
}

const char *
scn_path(const char *fmt, ...)
{
    static char path[512];
    int n = snprintf(path, sizeof(path), "%s/", stage.dir);
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(path + n, sizeof(path) - (size_t)n, fmt, ap);
    va_end(ap);
    return path;
}

void
scn_begin(void)
{
    stage.keeper = 0;
    stage.port = 0;
    (void)strcpy(stage.dir, "/tmp/stint-scenario-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(stage.dir));
    scn_copy("actor", program("ACTOR_BINARY"), "");
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void
scn_end(void)
{
    if (stage.keeper > 0)
        (void)scn_stop();
    log_close();
    (void)nftw(stage.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- files ------------------------------------------------------------------------------------ */

void
scn_file(const char *name, const char *fmt, ...)
{
    struct error err = {0};
    char *s = NULL;
    va_list ap;

    va_start(ap, fmt);
    ck_assert_int_ge(vasprintf(&s, fmt, ap), 0);
    va_end(ap);
    ck_assert_msg(file_swap(scn_path("%s", name), s, strlen(s), 0755, &err) == 0, "%s", err.text);
    free(s);
}

void
scn_copy(const char *name, const char *from, const char *extra)
{
    auto_free char *data = NULL;
    size_t bytes = 0, more = strlen(extra);
    struct error err = {0};

    ck_assert_msg(file_read(from, (size_t)256 << 20, &data, &bytes, &err) == 0, "%s", err.text);
    data = realloc(data, bytes + more + 1);
    ck_assert_ptr_nonnull(data);
    memcpy(data + bytes, extra, more);
    ck_assert_msg(file_swap(scn_path("%s", name), data, bytes + more, 0755, &err) == 0, "%s",
                  err.text);
}

void
scn_config(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;

    va_start(ap, fmt);
    ck_assert_int_ge(vasprintf(&s, fmt, ap), 0);
    va_end(ap);
    scn_file("stint.yaml",
             "version: 1\nruntime_dir: %s/run\nstate_dir: %s/state\nstop_budget: 5s\nlog: {level: "
             "debug}\n"
             "services:\n%s\n",
             stage.dir, stage.dir, s);
    free(s);
}

/* ---- the master ---------------------------------------------------------------------------------- */

bool
scn_launch(const struct scn_world *world)
{
    const char *stint = program("STINT_BINARY");
    char byte, own[sizeof(stage.dir) + sizeof("/bin/stint")];
    int ends[2], told[2];
    bool ok;

    if (world->uid) { /* who may not be able to reach the project's folder */
        ck_assert_int_eq(mkdir(scn_path("bin"), 0755), 0);
        scn_copy("bin/stint", stint, "");
        (void)snprintf(own, sizeof(own), "%s/bin/stint", stage.dir);
        stint = own;
        ck_assert_int_eq(chown(stage.dir, world->uid, world->uid), 0);
    }
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(told, O_CLOEXEC), 0);
    ck_assert_int_eq(fd_nonblock(ends[0]), 0);
    (void)fcntl(ends[0], F_SETPIPE_SZ, 1 << 20);
    stage.keeper = fork();
    ck_assert_int_ge(stage.keeper, 0);
    if (stage.keeper == 0)
        launch_child(world, stint, ends[1], told[1]);
    fd_close(ends[1]);
    fd_close(told[1]);
    log_open(ends[0]);
    ok = read(told[0], &byte, 1) == 1;
    fd_close(told[0]);
    if (!ok) {
        (void)waitpid(stage.keeper, NULL, 0);
        stage.keeper = 0;
    }
    return ok;
}

bool
scn_possible(const struct scn_world *world)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0)
        _exit(launch_world(world) ? 0 : 1);
    (void)waitpid(pid, &status, 0);
    return status == 0;
}

void
scn_start(void)
{
    ck_assert(scn_launch(&(struct scn_world){0}));
    (void)scn_await("event=started", 10000);
}

pid_t
scn_keeper(void)
{
    return stage.keeper;
}

void
scn_signal(int sig)
{
    ck_assert_int_eq(kill(stage.keeper, sig), 0);
}

/* Wait for an exit with a deadline, reading the log meanwhile so that nothing is held up by a full pipe. */
static int
await_exit(pid_t pid, int timeout_ms)
{
    int64_t deadline_us = mono_now_us() + (int64_t)SCN_PATIENCE * timeout_ms * US_PER_MS;
    int fd = pidfd_open(pid, 0), status = -1;
    struct pollfd p = {.fd = fd, .events = POLLIN};

    ck_assert_int_ge(fd, 0);
    while (poll(&p, 1, 20) == 0 && mono_now_us() < deadline_us)
        (void)log_read(0);
    if (!(p.revents & POLLIN))
        (void)kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    while (log_read(0) && mono_now_us() < deadline_us && (p.revents & POLLIN) && p.fd >= 0) {
        fd_close(p.fd);
        p.fd = -1;
    }
    fd_close(p.fd);
    return status;
}

int
scn_stop(void)
{
    pid_t pid = stage.keeper;
    int status;

    stage.keeper = 0;
    (void)kill(pid, SIGTERM);
    status = await_exit(pid, STOP_MS);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        log_dump();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
scn_cli(char **ret_out, const char *verb, ...)
{
    auto_text struct text out = TEXT_INIT;
    const char *argv[24] = {"stint", verb, NULL};
    bool asks = strcmp(verb, "check") != 0 && strcmp(verb, "run") != 0; /* the master that runs */
    char path[128], buffer[4096];
    int ends[2], status, n = 2;
    va_list ap;
    ssize_t got;
    pid_t pid;

    (void)snprintf(path, sizeof(path), "%s/run/control.sock", stage.dir);
    if (asks) {
        argv[n++] = "--socket";
        argv[n++] = path;
    }
    va_start(ap, verb);
    while (n < 23 && (argv[n] = va_arg(ap, const char *)))
        n++;
    va_end(ap);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)dup2(ends[1], STDERR_FILENO);
        (void)execv(program("STINT_BINARY"), (char *const *)(const void *)argv);
        _exit(127);
    }
    fd_close(ends[1]);
    while ((got = read(ends[0], buffer, sizeof(buffer))) > 0)
        text_addn(&out, buffer, (size_t)got);
    fd_close(ends[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    if (ret_out)
        *ret_out = text_steal(&out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- the service --------------------------------------------------------------------------------------- */

int
scn_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(at);
    int fd;

    if (stage.port == 0) {
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &bytes), 0);
        stage.port = ntohs(at.sin_port);
        fd_close(fd);
    }
    return stage.port;
}

static int
stage_connect(const char *socket_name)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)stage.port)};
    bool tcp = strcmp(socket_name, "tcp") == 0;
    int fd = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(local.sun_path, sizeof(local.sun_path), "%s/%s", stage.dir, socket_name);
    if (tcp ? connect(fd, (const struct sockaddr *)&at, sizeof(at)) == -1
            : connect(fd, (const struct sockaddr *)&local, sizeof(local)) == -1)
        return fd_close(fd);
    return fd;
}

int
scn_ask(const char *socket_name, struct scn_answer *ret)
{
    struct timeval patience = {.tv_sec = 10};
    char buffer[256] = "";
    size_t used = 0;
    ssize_t n;
    int fd = stage_connect(socket_name);
    char *rest;

    if (fd == -1)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    while (used < sizeof(buffer) - 1 &&
           (n = read(fd, buffer + used, sizeof(buffer) - 1 - used)) > 0)
        used += (size_t)n;
    fd_close(fd);
    buffer[used] = '\0';
    ret->generation = strtol(buffer, &rest, 10);
    ret->slot = strtol(rest, &rest, 10);
    ret->pid = (pid_t)strtol(rest, &rest, 10);
    if (ret->pid <= 0 || *rest != ' ')
        return -1; /* nothing, or cut short */
    (void)snprintf(ret->word, sizeof(ret->word), "%.*s", (int)strcspn(rest + 1, "\n"), rest + 1);
    return 0;
}

bool
scn_alive(pid_t pid)
{
    char path[64];
    auto_free char *stat = NULL;
    const char *state;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (file_read(path, 65536, &stat, NULL, NULL) < 0)
        return false;
    state = strrchr(stat, ')');
    return state && state[2] != 'Z' && state[2] != 'X';
}

bool
scn_await_gone(pid_t pid, int timeout_ms)
{
    int fd = pidfd_open(pid, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    bool gone;

    if (fd == -1)
        return true; /* its number is free */
    gone = poll(&p, 1, SCN_PATIENCE * timeout_ms) == 1;
    fd_close(fd);
    return gone;
}
