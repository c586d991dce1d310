/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/preflight/profiles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
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
#include "supervisor/preflight/report.h"

#define PATIENCE_US (30 * US_PER_S)
#define PROFILE_MAX (64U << 20)

static void
become_profiler(const struct cage *c, const char *kind, const char *file, pid_t parent)
{
    auto_text struct text flag = TEXT_INIT, log = TEXT_INIT;
    int fd;

    text_addf(&flag, "--%s", kind);
    text_addf(&log, "%s.log", file);
    fd = open(text_str(&log), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd == -1 || dup2(fd, STDOUT_FILENO) == -1 || dup2(fd, STDERR_FILENO) == -1)
        _exit(71);
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(71);
    (void)execl("/proc/self/exe", "stint", "profile", c->spec->name, text_str(&flag), "--socket",
                c->control, "--seconds", "1", "-o", file, (char *)NULL);
    _exit(71);
}

/* Return: its exit status, -EINTR, or -ETIMEDOUT; it is gone then. */
static int
profiler_ends(const struct cage *c, pid_t pid)
{
    int64_t deadline_us = mono_now_us() + PATIENCE_US;
    int status = 0;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (cage_interrupted(c) || mono_now_us() > deadline_us) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, NULL, 0);
            return cage_interrupted(c) ? -EINTR : -ETIMEDOUT;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What it said last, in one line. */
static void
last_words(const char *file, char *buf, size_t room)
{
    auto_text struct text log = TEXT_INIT;
    auto_free char *all = NULL;
    struct error e;
    size_t n = 0;

    buf[0] = '\0';
    text_addf(&log, "%s.log", file);
    if (file_read(text_str(&log), 1 << 16, &all, &n, &e) == 0)
        (void)snprintf(buf, room, "%s", n > room - 1 ? all + n - (room - 1) : all);
    for (n = strlen(buf); n > 0 && buf[n - 1] == '\n';)
        buf[--n] = '\0';
}

static int
judge_kind(const struct cage *c, const char *kind, struct preflight_report *r)
{
    auto_text struct text file = TEXT_INIT;
    auto_free char *profile = NULL;
    pid_t parent = getpid(), pid;
    char words[256];
    struct error e;
    size_t n = 0;
    int result;

    text_addf(&file, "%s/%s.pb.gz", c->directory, kind);
    pid = fork();
    if (pid == 0)
        become_profiler(c, kind, text_str(&file), parent);
    result = pid == -1 ? -errno : profiler_ends(c, pid);
    if (result == -EINTR)
        return result;
    if (result == 0 && file_read(text_str(&file), PROFILE_MAX, &profile, &n, &e) == 0 && n > 2 &&
        memcmp(profile, "\x1f\x8b", 2) == 0) {
        check_pass(r, CHECK_PROFILING, "stint profile --%s gives %zu bytes", kind, n);
        return 0;
    }
    last_words(text_str(&file), words, sizeof(words));
    check_fail(r, CHECK_PROFILING,
               "'stint profile' has to work where 'profiling' is on: allow what it asks for, or "
               "turn that kind off",
               "stint profile --%s does not work: %s", kind,
               words[0]               ? words
               : result == -ETIMEDOUT ? "it took too long"
                                      : "it said nothing");
    return 0;
}

int
profiles_judge(const struct cage *c, struct preflight_report *r)
{
    const struct {
        const char *kind;
        bool on;
    } kinds[] = {
        {"threads", c->spec->profiling.threads},
        {"cpu",     c->spec->profiling.cpu    },
        {"heap",    c->spec->profiling.heap   }
    };
    bool any = false;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (!kinds[i].on)
            continue;
        any = true;
        if (judge_kind(c, kinds[i].kind, r) == -EINTR)
            return -EINTR;
    }
    if (!any && r->checks[CHECK_PROFILING].result == CHECK_PASSED)
        check_pass(r, CHECK_PROFILING, "'profiling' is off");
    return 0;
}
