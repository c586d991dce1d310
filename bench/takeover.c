/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * How long is there no master? stint run with many workers; its master is killed; then two clocks: until
 * the next one says event=took_over, and until it answers a status that was asked for at once. Each
 * round is a stint of its own: a keeper makes masters that die again and again wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"

#define ROUNDS_MAX 100
#define START_US   (120 * US_PER_S)
#define TAKEN_US   (30 * US_PER_S)

struct round {
    char dir[64];
    pid_t keeper;
    int log;         /* owned */
    char line[8192]; /* of the log, as far as it was read; `used` bytes */
    size_t used;
    int64_t taken_us, answered_us; /* since the kill */
};

static _Noreturn void
die(const char *what)
{
    (void)fprintf(stderr, "stint-takeover: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void
configure(const struct round *r, unsigned workers)
{
    char path[96], text[1024];
    int n = snprintf(text, sizeof(text),
                     "version: 1\nruntime_dir: %1$s/run\nstate_dir: %1$s/state\ncgroup: off\n"
                     "services:\n  many:\n    command: [/bin/sleep, infinity]\n    workers: %2$u\n"
                     "    ready: {assume_after: 100ms}\n    watch: {binary: false}\n",
                     r->dir, workers);

    (void)snprintf(path, sizeof(path), "%s/stint.yaml", r->dir);
    if (file_swap(path, text, (size_t)n, 0644, NULL) < 0)
        die(path);
}

static void
start(struct round *r, const char *stint)
{
    char path[96];
    int ends[2];

    (void)snprintf(path, sizeof(path), "%s/stint.yaml", r->dir);
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe");
    r->keeper = fork();
    if (r->keeper == -1)
        die("fork");
    if (r->keeper == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        (void)dup2(ends[1], STDERR_FILENO);
        (void)execl(stint, "stint", "run", "-c", path, (char *)NULL);
        _exit(127);
    }
    (void)close(ends[1]);
    r->log = ends[0];
    r->used = 0;
    (void)fcntl(r->log, F_SETPIPE_SZ, 1 << 20);
}

/* Whether a whole line with @word came by in what can be read now. */
static bool
log_says(struct round *r, const char *word)
{
    ssize_t n = read(r->log, r->line + r->used, sizeof(r->line) - 1 - r->used);
    char *end, *from = r->line;
    bool found = false;

    if (n <= 0)
        die("stint has ended");
    r->used += (size_t)n;
    r->line[r->used] = '\0';
    while ((end = strchr(from, '\n'))) {
        *end = '\0';
        found = found || strstr(from, word);
        from = end + 1;
    }
    r->used = strlen(from);
    memmove(r->line, from, r->used);
    if (r->used == sizeof(r->line) - 1)
        r->used = 0; /* a line as long as that is none that we wait for */
    return found;
}

static void
await(struct round *r, const char *word, int64_t budget_us)
{
    int64_t end_us = mono_now_us() + budget_us;
    struct pollfd p = {.fd = r->log, .events = POLLIN};

    while (mono_now_us() < end_us)
        if (poll(&p, 1, 1000) == 1 && log_says(r, word))
            return;
    errno = ETIMEDOUT;
    die(word);
}

/* The keeper's child with the title of a master. */
static pid_t
master_of(pid_t keeper)
{
    char path[64], children[65536] = "", title[32];
    char *rest, *word;
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)keeper, (int)keeper);
    f = fopen(path, "re");
    if (!f || !fgets(children, sizeof(children), f))
        die(path);
    (void)fclose(f);
    for (word = strtok_r(children, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        (void)snprintf(path, sizeof(path), "/proc/%s/cmdline", word);
        f = fopen(path, "re");
        if (f && fgets(title, sizeof(title), f) && strcmp(title, "stint: master") == 0) {
            (void)fclose(f);
            return (pid_t)atoi(word);
        }
        if (f)
            (void)fclose(f);
    }
    errno = ESRCH;
    die("find the master");
}

static int
ask_status(const struct round *r)
{
    static const char request[] =
        "GET /v1/status HTTP/1.1\r\nHost: stint\r\nConnection: close\r\n\r\n";
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s/run/control.sock", r->dir);
    if (fd == -1 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) == -1 ||
        write(fd, request, sizeof(request) - 1) != (ssize_t)sizeof(request) - 1)
        die("ask for the status");
    return fd;
}

static void
kill_and_measure(struct round *r)
{
    pid_t master = master_of(r->keeper);
    int64_t begin_us = mono_now_us();
    struct pollfd p[2] = {
        {.fd = r->log, .events = POLLIN},
        {.events = POLLIN           }
    };
    char byte;

    r->taken_us = r->answered_us = -1;
    if (kill(master, SIGKILL) == -1)
        die("kill the master");
    p[1].fd = ask_status(r);
    while ((r->taken_us < 0 || r->answered_us < 0) && mono_now_us() < begin_us + TAKEN_US) {
        (void)poll(p, 2, 1000);
        if (p[0].revents && log_says(r, " event=took_over ") && r->taken_us < 0)
            r->taken_us = mono_now_us() - begin_us;
        if (p[1].revents) {
            if (read(p[1].fd, &byte, 1) != 1) { /* the old one had it already: it died with it */
                (void)close(p[1].fd);
                p[1].fd = ask_status(r);
                continue;
            }
            r->answered_us = mono_now_us() - begin_us;
            (void)close(p[1].fd);
            p[1].fd = -1;
        }
    }
    if (r->taken_us < 0 || r->answered_us < 0) {
        errno = ETIMEDOUT;
        die("take over");
    }
}

static void
stop(struct round *r)
{
    char command[128];
    char byte[4096];
    int status = 0;

    (void)kill(r->keeper, SIGTERM);
    while (read(r->log, byte, sizeof(byte)) > 0)
        continue;
    (void)close(r->log);
    if (waitpid(r->keeper, &status, 0) != r->keeper || status != 0)
        die("stint did not stop well");
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", r->dir);
    if (system(command) != 0) /* NOLINT(cert-env33-c,concurrency-mt-unsafe): a name of our own */
        die(r->dir);
}

static int
by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void
say(const char *what, int64_t *times_us, unsigned n)
{
    qsort(times_us, n, sizeof(*times_us), by_size);
    (void)printf("  %-34s %7.1f ms  (%.1f..%.1f)\n", what, (double)times_us[n / 2] / 1000.,
                 (double)times_us[0] / 1000., (double)times_us[n - 1] / 1000.);
}

int
main(int argc, char **argv)
{
    static const struct option known[] = {
        {"stint",   required_argument, NULL, 's'},
        {"workers", required_argument, NULL, 'w'},
        {"rounds",  required_argument, NULL, 'r'},
        {NULL,      0,                 NULL, 0  }
    };
    static int64_t taken_us[ROUNDS_MAX], answered_us[ROUNDS_MAX];
    const char *stint = "build/release/bin/stint";
    unsigned workers = 1000, rounds = 9;
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (c == 's')
            stint = optarg;
        else if (c == 'w')
            workers = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'r')
            rounds = (unsigned)strtoul(optarg, NULL, 10);
        else
            return 64;
    }
    if (workers < 1 || workers > 1024 || rounds < 1 || rounds > ROUNDS_MAX) {
        (void)fprintf(stderr,
                      "stint-takeover [--stint PATH] [--workers 1..1024] [--rounds 1..%d]\n",
                      ROUNDS_MAX);
        return 64;
    }
    for (unsigned i = 0; i < rounds; i++) {
        struct round r = {.dir = "/tmp/stint-takeover-XXXXXX"};

        if (!mkdtemp(r.dir))
            die("mkdtemp");
        configure(&r, workers);
        start(&r, stint);
        await(&r, " event=verdict ", START_US);
        kill_and_measure(&r);
        taken_us[i] = r.taken_us;
        answered_us[i] = r.answered_us;
        stop(&r);
    }
    (void)printf("%u workers, %u rounds: median (lowest..highest) from SIGKILL of the master\n",
                 workers, rounds);
    say("to event=took_over in the log", taken_us, rounds);
    say("to the first answer of its socket", answered_us, rounds);
    return 0;
}
