/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/preflight/cage.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "config/spec.h"
#include "supervisor/probe/proc.h"

#define STOP_SLACK_US  (5 * US_PER_S)
#define INTERRUPTED_US (2 * US_PER_S) /* who pressed Ctrl-C does not wait for a drain */
#define NAMED_MOST     4

void
cage_progress(const struct cage *c, const char *fmt, ...)
{
    char line[256];
    va_list args;

    if (!c->hooks->progress)
        return;
    va_start(args, fmt);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): the caller starts it */
    (void)vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    c->hooks->progress(c->hooks->env, line);
}

/* ---- the directory ---------------------------------------------------------------------------- */

static int64_t
stop_budget_us(const struct service_spec *s)
{
    return s->announce_delay_us + s->drain_timeout_us + s->leak_grace_us + STOP_SLACK_US;
}

/*
 * Its canonical text has every key, also those that a file must not say of a service of its kind. As
 * defaults they may stand there, and are passed over; what it runs and where it listens is its own.
 */
static void
add_service(const struct service_spec *s, struct text *out)
{
    auto_text struct text all = TEXT_INIT, own = TEXT_INIT;
    const char *line;

    service_spec_canonical(s, &all);
    line = text_str(&all) + strcspn(text_str(&all), "\n"); /* its name */
    text_add(out, "defaults:\n");
    while (*line == '\n' && line[1]) {
        size_t n = strcspn(++line, "\n");
        bool of_its_own =
            strncmp(line, "  command: ", 11) == 0 || strncmp(line, "  listen: ", 10) == 0;

        text_addf(of_its_own ? &own : out, "%s%.*s\n", of_its_own ? "  " : "", (int)n, line);
        line += n;
    }
    text_addf(out, "services:\n  \"%s\":\n%s", s->name, text_str(&own));
    out->failed = out->failed || all.failed || own.failed;
}

static int
write_config(const struct cage *c, struct error *reterr)
{
    auto_text struct text t = TEXT_INIT, path = TEXT_INIT;
    char budget[32];

    text_addf(&t,
              "version: 1\nruntime_dir: \"%s/run\"\nstate_dir: \"%s/state\"\ncgroup: \"off\"\n"
              "log: {format: json}\nstop_budget: %s\n",
              c->directory, c->directory,
              duration_format(stop_budget_us(c->spec), budget, sizeof(budget)));
    add_service(c->spec, &t);
    text_addf(&path, "%s/stint.yaml", c->directory);
    if (t.failed || path.failed)
        return error_set(reterr, -ENOMEM, "write the configuration of the rehearsal");
    return file_replace(text_str(&path), text_str(&t), t.bytes, 0600, reterr);
}

static int
make_directory(struct cage *c, struct error *reterr)
{
    const char *base = getenv("TMPDIR");
    bool others = c->options->spec->user != NULL && geteuid() == 0;

    if (!base || base[0] != '/')
        base = "/tmp";
    if (asprintf(&c->directory, "%s/stint-preflight-XXXXXX", base) < 0)
        return error_set(reterr, -ENOMEM, "make a cage");
    if (!mkdtemp(c->directory)) {
        (void)error_set(reterr, -errno, "make the directory '%s'", c->directory);
        free(steal(c->directory));
        return reterr->code;
    }
    if (asprintf(&c->work, "%s/work", c->directory) < 0 ||
        asprintf(&c->control, "%s/run/control.sock", c->directory) < 0)
        return error_set(reterr, -ENOMEM, "make a cage");
    if (mkdir(c->work, 0700) == -1 || /* … and for whom it runs as, when that is another */
        (others && (chmod(c->work, 01777) == -1 || chmod(c->directory, 0711) == -1)))
        return error_set(reterr, -errno, "make the directory '%s'", c->work);
    return 0;
}

int
cage_open(struct cage *c, const struct preflight_options *options,
          const struct preflight_hooks *hooks, const char *program, struct error *reterr)
{
    int r;

    *c = (struct cage){.options = options, .hooks = hooks, .program = program};
    r = make_directory(c, reterr);
    if (r == 0)
        r = cage_sockets(c, reterr);
    if (r == 0)
        r = cage_spec(c, reterr);
    return r == 0 ? write_config(c, reterr) : r;
}

/* ---- the supervisor --------------------------------------------------------------------------- */

/* What is meant for this process, by whoever started it. */
static void
leave_environment(void)
{
    static const char *const names[] = {"NOTIFY_SOCKET", "LISTEN_FDS",     "LISTEN_FDNAMES",
                                        "LISTEN_PID",    "WATCHDOG_USEC",  "WATCHDOG_PID",
                                        "STINT_SOCKET",  "JOURNAL_STREAM", "STINT_CHANNEL"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        (void)unsetenv(names[i]);
}

static void
become_supervisor(const struct cage *c, pid_t parent)
{
    auto_text struct text log = TEXT_INIT, config = TEXT_INIT;
    int fd, none = open("/dev/null", O_RDWR);
    sigset_t all;

    text_addf(&log, "%s/log", c->directory);
    text_addf(&config, "%s/stint.yaml", c->directory);
    fd = open(text_str(&log), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd == -1 || none == -1 || dup2(none, STDIN_FILENO) == -1 || dup2(fd, STDOUT_FILENO) == -1 ||
        dup2(fd, STDERR_FILENO) == -1)
        _exit(71);
    (void)setpgid(0, 0); /* Ctrl-C is for us: we tell it to stop */
    (void)sigemptyset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(71);
    leave_environment();
    (void)execl("/proc/self/exe", "stint", "run", "-c", text_str(&config), (char *)NULL);
    _exit(71);
}

int
cage_start(struct cage *c, struct error *reterr)
{
    pid_t parent = getpid(), pid;

    (void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* whoever escapes comes to us, and is named */
    pid = fork();
    if (pid == -1)
        return error_set(reterr, -errno, "start the supervisor of the rehearsal");
    if (pid == 0)
        become_supervisor(c, parent);
    c->supervisor = pid;
    return 0;
}

/* ---- the end ---------------------------------------------------------------------------------- */

static void
nap(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

static bool
ended(pid_t pid, int64_t deadline_us)
{
    do {
        pid_t got = waitpid(pid, NULL, WNOHANG);

        if (got == pid || (got == -1 && errno == ECHILD))
            return true;
        nap();
    } while (mono_now_us() < deadline_us);
    return false;
}

/* Killed before, and still on its way out. */
static bool
is_counted(const struct cage *c, const struct proc_stat *child)
{
    for (unsigned i = 0; i < c->left_over && i < CAGE_ENDS; i++)
        if (c->ends[i].pid == child->pid && c->ends[i].start_time == child->start_time)
            return true;
    return false;
}

static bool
same_file(const char *path, const struct stat *own)
{
    struct stat st;

    return stat(path, &st) == 0 && st.st_dev == own->st_dev && st.st_ino == own->st_ino;
}

/* A part of the supervisor that was not done yet is not the candidate's; one that has no program is about to be dead. */
static bool
is_anothers(const struct cage *c, const struct proc_stat *child)
{
    char path[64];
    struct stat own;

    (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)proc_voice(child));
    if (access(path, F_OK) == -1 && errno == ENOENT)
        return false;
    return stat("/proc/self/exe", &own) == -1 || !same_file(path, &own) ||
           (c->program && same_file(c->program, &own));
}

struct pass {
    struct cage *cage;
    bool alive;
};

static bool
kill_child(void *env, const struct proc_stat *child)
{
    struct pass *p = env;
    struct cage *c = p->cage;

    if (proc_is_dead(child))
        return true;
    p->alive = true;
    if (!is_counted(c, child) && is_anothers(c, child)) {
        if (c->left_over < CAGE_ENDS)
            c->ends[c->left_over] = (struct cage_end){child->pid, child->start_time};
        if (c->left_over++ < NAMED_MOST)
            text_addf(&c->left_names, "%spid %d (%s)", c->left_names.bytes ? ", " : "",
                      (int)child->pid, child->comm);
    }
    (void)kill(child->pid, SIGKILL);
    return true;
}

/* Again and again: the children of those who were killed become ours. */
static void
end_children(struct cage *c)
{
    int64_t deadline_us = mono_now_us() + STOP_SLACK_US;
    struct pass p = {.cage = c};

    do {
        p.alive = false;
        (void)proc_children(getpid(), NULL, kill_child, &p);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (p.alive)
            nap();
    } while (p.alive && mono_now_us() < deadline_us);
}

void
cage_stop(struct cage *c)
{
    int64_t patience_us;

    if (c->supervisor <= 0)
        return;
    (void)kill(c->supervisor, SIGTERM);
    patience_us = cage_interrupted(c) ? INTERRUPTED_US : stop_budget_us(c->spec) + STOP_SLACK_US;
    if (!ended(c->supervisor, mono_now_us() + patience_us)) {
        (void)kill(c->supervisor, SIGKILL);
        (void)ended(c->supervisor, TIME_NEVER);
    }
    c->supervisor = 0;
    end_children(c);
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    (void)remove(path); /* what cannot be removed stays, and so does what holds it */
    return 0;
}

void
cage_close(struct cage *c, bool keep)
{
    cage_stop(c);
    if (c->directory && !keep)
        (void)nftw(c->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    for (size_t i = 0; i < c->n_sockets; i++)
        free(c->sockets[i].address);
    free(c->sockets);
    service_spec_unref(c->spec);
    free(c->directory);
    free(c->work);
    free(c->control);
    text_finish(&c->left_names);
    text_finish(&c->notes);
    *c = (struct cage){0};
}
