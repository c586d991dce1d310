/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A service that does what its arguments say, one after the other, and then serves: every client
 * of descriptor 3 gets "GENERATION SLOT PID WORD" and a close. Without libstint, on purpose.
 *
 *   ready            READY=1 on NOTIFY_SOCKET
 *   say=TEXT         a line on standard output
 *   part=TEXT        … the beginning of one
 *   word=TEXT        the WORD of the answers; word-from=FILE reads it
 *   exit=N           leave at once
 *   die=SIGNAL       kill itself with that signal number
 *   deaf             ignore SIGTERM
 *   daemonise        fork, leave the child behind as the service, exit 0
 *   litter=SECONDS   leave a grandchild behind that would live so long
 *   never            wait for ever without serving
 *   fail-if=FILE     exit 1 when the file is there
 *   shutdown         shutdown() the shared listener when asked to leave
 *   newline=FD       s6 readiness
 *   pidfile=FILE     write our pid there
 *   eat=MIB          have so much memory resident
 *   map=FILE         as if it were a library
 *   reload=FILE      reload on SIGHUP, see actor_reload.h
 *   count=FOLDER     print a numbered line for each answer, see actor_count.c
 *   orphan           (as the first) ends after two minutes, and not when its parents do
 * and what actor_hostile.c can do.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "actor_count.h"
#include "actor_hostile.h"
#include "actor_reload.h"

static const char *word = "-", *word_path, *pid_path;
static bool deaf, shuts_down;

void
actor_notify(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (!path || fd == -1)
        exit(98);
    (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    if (sendto(fd, text, strlen(text), 0, (const struct sockaddr *)&to, sizeof(to)) == -1)
        exit(97);
    (void)close(fd);
}

static void
litter(unsigned seconds)
{
    if (fork() == 0) {
        if (fork() == 0) {
            (void)signal(SIGTERM, SIG_DFL);
            (void)alarm(seconds);
            for (;;)
                (void)pause();
        }
        _exit(0);
    }
}

static void
read_word(const char *path)
{
    static char buffer[64];
    FILE *f = fopen(path, "re");

    if (!f || fscanf(f, "%63s", buffer) != 1)
        exit(96);
    (void)fclose(f);
    word = buffer;
    word_path = path;
}

void
actor_read_again(void)
{
    if (word_path)
        read_word(word_path);
}

static void
write_pid(const char *path)
{
    FILE *f = fopen(path, "we");

    if (!f)
        exit(95);
    (void)fprintf(f, "%d\n", (int)getpid());
    (void)fclose(f);
    pid_path = path;
}

void
actor_write_pid_again(void)
{
    write_pid(pid_path);
}

static void
eat(size_t bytes)
{
    if (mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1,
             0) == MAP_FAILED)
        exit(92);
}

static void
map_code(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd == -1 || mmap(NULL, 1, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED)
        exit(93);
    (void)close(fd);
}

static void
act(const char *what)
{
    const char *value = strchr(what, '=') ? strchr(what, '=') + 1 : "";

    if (strcmp(what, "ready") == 0)
        actor_notify("READY=1\nSTATUS=on stage");
    else if (strncmp(what, "say=", 4) == 0)
        (void)printf("%s\n", value), (void)fflush(stdout);
    else if (strncmp(what, "part=", 5) == 0)
        (void)printf("%s", value), (void)fflush(stdout);
    else if (strncmp(what, "word=", 5) == 0)
        word = value;
    else if (strncmp(what, "word-from=", 10) == 0)
        read_word(value);
    else if (strncmp(what, "exit=", 5) == 0)
        exit(atoi(value));
    else if (strncmp(what, "die=", 4) == 0)
        (void)signal(atoi(value), SIG_DFL), (void)raise(atoi(value));
    else if (strcmp(what, "deaf") == 0)
        deaf = true;
    else if (strcmp(what, "daemonise") == 0 && fork() > 0)
        _exit(0);
    else if (strncmp(what, "litter=", 7) == 0)
        litter((unsigned)atoi(value));
    else if (strcmp(what, "never") == 0)
        for (;;)
            (void)pause();
    else if (strncmp(what, "fail-if=", 8) == 0 && access(value, F_OK) == 0)
        exit(1);
    else if (strcmp(what, "shutdown") == 0)
        shuts_down = true;
    else if (strncmp(what, "newline=", 8) == 0)
        (void)!write(atoi(value), "\n", 1), (void)close(atoi(value));
    else if (strncmp(what, "pidfile=", 8) == 0)
        write_pid(value);
    else if (strncmp(what, "eat=", 4) == 0)
        eat((size_t)atoi(value) << 20);
    else if (strncmp(what, "map=", 4) == 0)
        map_code(value);
    else if (strncmp(what, "reload=", 7) == 0)
        actor_reload_by(value);
    else if (strncmp(what, "count=", 6) == 0)
        actor_count_begin(value);
    else
        actor_hostile(what, value);
}

static void
answer(int listener)
{
    char text[256];
    const char *generation = getenv("STINT_GENERATION"), *slot = getenv("STINT_SLOT");
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (client == -1)
        return; /* another worker was quicker */
    actor_count_line();
    (void)snprintf(text, sizeof(text), "%s %s %d %s\n", generation ? generation : "0",
                   slot ? slot : "0", (int)getpid(), word);
    (void)!write(client, text, strlen(text));
    (void)close(client);
}

static pid_t keeper;

static void
on_parent_gone(int sig)
{
    if (getppid() != keeper)
        (void)raise(SIGKILL);
    (void)sig;
}

/* A test that fails leaves nobody behind; but a master that dies is followed by another one. */
static void
die_with_the_keeper(void)
{
    char path[64];
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)getppid());
    f = fopen(path, "re");
    if (!f || fscanf(f, "%*d (%*[^)]) %*c %d", &keeper) != 1)
        keeper = 0;
    if (f)
        (void)fclose(f);
    (void)signal(SIGUSR2, on_parent_gone);
    (void)prctl(PR_SET_PDEATHSIG, SIGUSR2);
}

int
main(int argc, char **argv)
{
    const char *fds = getenv("LISTEN_FDS");
    sigset_t term;
    int signals;

    if (argc > 1 && strcmp(argv[1], "orphan") == 0) /* whose parents come and go */
        (void)alarm(120);
    else
        die_with_the_keeper();
    if (fds && atoi(fds) > 0) /* it waits for more than clients, and shares the socket */
        (void)fcntl(3, F_SETFL, fcntl(3, F_GETFL) | O_NONBLOCK);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &term, NULL);
    sigaddset(&term, SIGHUP); /* comes here once it is blocked, too: reload= */
    signals = signalfd(-1, &term, SFD_CLOEXEC);
    for (int i = 1; i < argc; i++)
        act(argv[i]);
    for (;;) {
        struct pollfd p[2] = {
            {.fd = signals,                       .events = POLLIN},
            {.fd = fds && atoi(fds) > 0 ? 3 : -1, .events = POLLIN}
        };
        struct signalfd_siginfo si;

        if (poll(p, 2, -1) == -1 && errno != EINTR)
            return 94;
        if (p[0].revents & POLLIN) {
            (void)!read(signals, &si, sizeof(si));
            if (si.ssi_signo == SIGHUP) {
                actor_reload();
                continue;
            }
            actor_asked_to_leave();
            if (shuts_down)
                (void)shutdown(3, SHUT_RDWR);
            if (!deaf)
                return 0;
        }
        if (p[1].revents & POLLIN)
            answer(3);
    }
}
