/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/preflight/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "config/spec.h"
#include "supervisor/preflight/cage.h"
#include "supervisor/preflight/fetch.h"

#define ONE_REQUEST_US (10 * US_PER_S)
#define LAST_WORDS     256

/* ---- a command -------------------------------------------------------------------------------- */

static void
set_variables(const struct cage *c)
{
    (void)setenv("STINT_REHEARSAL", "1", 1);
    (void)setenv("STINT_CAGE", c->work, 1);
    for (size_t i = 0; i < c->n_sockets; i++) {
        auto_text struct text name = TEXT_INIT;

        text_addf(&name, "STINT_LISTEN_%s", c->sockets[i].name);
        (void)setenv(text_str(&name), c->sockets[i].address, 1);
    }
}

static void
log_path(const struct cage *c, unsigned round, struct text *out)
{
    text_addf(out, "%s/load.%u.log", c->directory, round);
}

static void
become_command(const struct cage *c, unsigned round, pid_t parent)
{
    auto_text struct text log = TEXT_INIT;
    struct strv argv = {NULL, 0};
    int fd;

    log_path(c, round, &log);
    fd = open(text_str(&log), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    for (size_t i = 0; i < c->spec->preflight.load.n; i++) {
        auto_free char *word = cage_expand(c, c->spec->preflight.load.items[i]);

        if (!word || strv_add(&argv, word) < 0)
            _exit(71);
    }
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (fd == -1 || getppid() != parent || dup2(fd, STDOUT_FILENO) == -1 ||
        dup2(fd, STDERR_FILENO) == -1 || chdir(c->spec->directory) == -1)
        _exit(71);
    set_variables(c);
    (void)execvp(argv.items[0], argv.items);
    (void)dprintf(STDERR_FILENO, "cannot be run: %s\n", strerror(errno));
    _exit(127);
}

/* ---- a URL ------------------------------------------------------------------------------------ */

struct target {
    struct sockaddr_storage to;
    socklen_t bytes;
    char host[128];
    const char *path;
};

/* "http://NAME/PATH" with a private socket for NAME, or any numeric host. */
static bool
find_target(const struct cage *c, const char *url, struct target *t)
{
    const char *host = url + strlen("http://");
    size_t n = strcspn(host, "/");
    auto_text struct text address = TEXT_INIT;

    t->path = host[n] ? host + n : "/";
    for (size_t i = 0; i < c->n_sockets && !address.bytes; i++)
        if (strlen(c->sockets[i].name) == n && strncmp(c->sockets[i].name, host, n) == 0)
            text_add(&address, c->sockets[i].address);
    if (!address.bytes)
        text_addf(&address, "tcp://%.*s%s", (int)n, host, memchr(host, ':', n) ? "" : ":80");
    t->bytes = fetch_address(text_str(&address), &t->to);
    if (strncmp(text_str(&address), "tcp://", 6) == 0)
        (void)snprintf(t->host, sizeof(t->host), "%s", text_str(&address) + 6);
    else
        (void)snprintf(t->host, sizeof(t->host), "localhost");
    return t->bytes > 0;
}

/* Each request is one of a trace of its own, as it would come from outside. */
static void
add_headers(const struct preflight_spec *p, struct text *out)
{
    uint64_t id[3] = {1, 1, 1};

    if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
        id[0] = (uint64_t)mono_now_us(); /* they only have to differ */
    text_clear(out);
    text_addf(out, "traceparent: 00-%016llx%016llx-%016llx-01\r\n", (unsigned long long)id[0] | 1,
              (unsigned long long)id[1], (unsigned long long)id[2] | 1);
    for (size_t i = 0; i < p->n_headers; i++)
        text_addf(out, "%s: %s\r\n", p->headers[i].name, p->headers[i].value);
}

static void
ask_often(const struct preflight_spec *p, const struct target *t, int64_t deadline_us,
          struct load_count *count)
{
    unsigned times = (p->requests + LOAD_CLIENTS - 1) / LOAD_CLIENTS;
    struct text extra = TEXT_INIT;

    for (unsigned i = 0; i < times && mono_now_us() < deadline_us; i++) {
        int64_t one_us = mono_now_us() + ONE_REQUEST_US;
        struct fetched got;
        struct error e = {0};
        int r;

        add_headers(p, &extra);
        count->asked++;
        r = fetch((const struct sockaddr *)&t->to, t->bytes, t->host, t->path, text_str(&extra),
                  one_us < deadline_us ? one_us : deadline_us, &got, &e);
        if (r == 0 && got.status >= 200 && got.status < 400)
            count->answered++;
        else if (!count->wrong[0] && r == 0)
            (void)snprintf(count->wrong, sizeof(count->wrong), "status %d", got.status);
        else if (!count->wrong[0])
            (void)snprintf(count->wrong, sizeof(count->wrong), "%s", e.text);
    }
    text_finish(&extra);
}

static int
start_clients(const struct cage *c, struct load *l, struct error *reterr)
{
    pid_t parent = getpid();
    struct target t = {0};

    if (!find_target(c, c->spec->preflight.url, &t))
        return error_say(reterr, -EINVAL, "'%s' is no address", c->spec->preflight.url);
    l->counts = mmap(NULL, sizeof(*l->counts) * LOAD_CLIENTS, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (l->counts == MAP_FAILED) {
        l->counts = NULL;
        return error_set(reterr, -errno, "start the load");
    }
    while (l->n_pids < LOAD_CLIENTS) {
        pid_t pid = fork();

        if (pid == -1)
            return error_set(reterr, -errno, "start the load");
        if (pid == 0) {
            (void)setpgid(0, 0);
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() == parent)
                ask_often(&c->spec->preflight, &t, l->deadline_us, &l->counts[l->n_pids]);
            _exit(0);
        }
        l->pids[l->n_pids++] = pid;
    }
    return 0;
}

int
load_start(const struct cage *c, unsigned round, struct load *ret, struct error *reterr)
{
    const struct preflight_spec *p = &c->spec->preflight;
    pid_t parent = getpid();

    *ret = (struct load){.deadline_us = mono_now_us() + p->load_timeout_us, .round = round};
    if (p->url)
        return start_clients(c, ret, reterr);
    if (p->load.n == 0)
        return 0;
    ret->pids[0] = fork();
    if (ret->pids[0] == -1)
        return error_set(reterr, -errno, "start the load");
    if (ret->pids[0] == 0)
        become_command(c, round, parent);
    ret->n_pids = 1;
    return 0;
}

/* ---- its end ---------------------------------------------------------------------------------- */

static void
last_words(const struct cage *c, unsigned round, char *buf, size_t room)
{
    auto_text struct text path = TEXT_INIT;
    auto_free char *all = NULL;
    struct error e;
    size_t n = 0, from;

    buf[0] = '\0';
    log_path(c, round, &path);
    if (file_read(text_str(&path), 1 << 20, &all, &n, &e) < 0)
        return;
    while (n > 0 && all[n - 1] == '\n')
        all[--n] = '\0';
    from = n > room - 1 ? n - (room - 1) : 0;
    (void)snprintf(buf, room, "%s", all + from);
}

static void
kill_all(struct load *l)
{
    for (unsigned i = 0; i < l->n_pids; i++) {
        (void)kill(-l->pids[i], SIGKILL);
        (void)kill(l->pids[i], SIGKILL);
        (void)waitpid(l->pids[i], NULL, 0);
    }
    l->n_pids = 0;
}

/* All are done. Return: the status of the worst, or -ETIMEDOUT, -EINTR. */
static int
wait_all(const struct cage *c, struct load *l)
{
    int worst = 0;

    while (l->n_pids > 0) {
        int status = 0;
        pid_t pid = waitpid(l->pids[l->n_pids - 1], &status, WNOHANG);

        if (pid != 0) {
            worst = status != 0 ? status : worst;
            (void)kill(-l->pids[--l->n_pids],
                       SIGKILL); /* what it left in its group is no service */
            continue;
        }
        if (cage_interrupted(c) || mono_now_us() > l->deadline_us + ONE_REQUEST_US / 10) {
            kill_all(l);
            return cage_interrupted(c) ? -EINTR : -ETIMEDOUT;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return worst;
}

static int
judge_counts(const struct load *l, unsigned *answered, unsigned *asked, struct error *reterr)
{
    unsigned good = 0, all = 0;
    const char *wrong = NULL;

    for (unsigned i = 0; i < LOAD_CLIENTS; i++) {
        good += l->counts[i].answered;
        all += l->counts[i].asked;
        if (!wrong && l->counts[i].wrong[0])
            wrong = l->counts[i].wrong;
    }
    *answered += good;
    *asked += all;
    return good == all
               ? 0
               : error_say(reterr, -EIO, "%u of %u requests were not answered well, the first: %s",
                           all - good, all, wrong ? wrong : "not known");
}

int
load_end(const struct cage *c, struct load *l, unsigned *ret_answered, unsigned *ret_asked,
         struct error *reterr)
{
    char words[LAST_WORDS], took[32];
    int r = wait_all(c, l);

    if (r == -ETIMEDOUT)
        r = error_say(reterr, r, "the load took longer than %s",
                      duration_format(c->spec->preflight.load_timeout_us, took, sizeof(took)));
    else if (r > 0 && !l->counts) {
        last_words(c, l->round, words, sizeof(words));
        r = error_say(reterr, -EIO, "the load %s %d%s%s",
                      WIFEXITED(r) ? "exited with status" : "was ended by signal",
                      WIFEXITED(r) ? WEXITSTATUS(r) : WTERMSIG(r), words[0] ? ": " : "", words);
    } else if (r == 0 && l->counts)
        r = judge_counts(l, ret_answered, ret_asked, reterr);
    else if (r > 0)
        r = error_say(reterr, -EIO, "a client of the load died");
    if (l->counts)
        (void)munmap(l->counts, sizeof(*l->counts) * LOAD_CLIENTS);
    l->counts = NULL;
    return r;
}
