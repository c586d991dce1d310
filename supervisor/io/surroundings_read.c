/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "config/spec.h"
#include "supervisor/io/environment.h"
#include "supervisor/io/mountinfo.h"
#include "supervisor/io/spawn.h"
#include "supervisor/io/surroundings_internal.h"

extern char **environ;

#define STATUS_MAX (64U << 10)

/* ---- ourselves ----------------------------------------------------------------------------------- */

/* status_value - of a line "Name:\tVALUE"; 0 when it is not there. */
static unsigned long long
status_value(const char *status, const char *name, int base)
{
    const char *line = strstr(status, name);

    return line ? strtoull(line + strlen(name), NULL, base) : 0;
}

static bool
capable(unsigned long long set, unsigned capability)
{
    return set >> capability & 1;
}

static void
read_self(struct surroundings_facts *f)
{
    auto_free char *status = NULL;
    unsigned long long set;
    int reaper = 0;

    f->pid = getpid();
    f->uid = geteuid();
    f->reaper = f->pid == 1 || (prctl(PR_GET_CHILD_SUBREAPER, &reaper, 0, 0, 0) == 0 && reaper);
    f->syscalls = access("/proc/self/syscall", R_OK) == 0;
    f->may_trace = f->may_become_others = f->uid == 0;
    if (file_read("/proc/self/status", STATUS_MAX, &status, NULL, NULL) < 0)
        return;
    set = status_value(status, "\nCapEff:\t", 16);
    f->may_trace = capable(set, CAP_SYS_PTRACE);
    f->may_become_others = capable(set, CAP_SETUID) && capable(set, CAP_SETGID);
    f->no_new_privs = status_value(status, "\nNoNewPrivs:\t", 10) != 0;
    f->filtered = status_value(status, "\nSeccomp:\t", 10) == 2;
}

static const char *
container_of_environment(char *const *envp)
{
    const char *name = environment_get(envp, "container"); /* systemd, podman, lxc */

    if (name && name[0])
        return name;
    if (access("/.dockerenv", F_OK) == 0)
        return "docker";
    if (access("/run/.containerenv", F_OK) == 0)
        return "podman";
    return environment_get(envp, "KUBERNETES_SERVICE_HOST") ? "kubernetes" : NULL;
}

/* ---- limits -------------------------------------------------------------------------------------- */

static int64_t
sysctl(const char *path)
{
    auto_free char *text = NULL;

    return file_read(path, STATUS_MAX, &text, NULL, NULL) == 0 ? strtoll(text, NULL, 10) : 0;
}

void
surroundings_read_limits(struct surroundings_facts *f)
{
    struct rlimit limit;

    f->nofile = INT64_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < INT64_MAX) /* unless infinite */
        f->nofile = (int64_t)limit.rlim_cur;
}

static void
read_inotify(struct surroundings_facts *f)
{
    int fd = inotify_init1(IN_CLOEXEC); /* how many others have is not told anywhere */

    f->inotify = fd == -1 ? -errno : 0;
    (void)fd_close(fd);
    f->max_watches = sysctl("/proc/sys/fs/inotify/max_user_watches");
}

/* One that is not made yet: in the nearest that is there it would have to be. @directory: absolute */
static int
writable(const char *directory)
{
    char path[PATH_MAX];
    int r = snprintf(path, sizeof path, "%s", directory);

    if (r < 0 || (size_t)r >= sizeof path)
        return -ENAMETOOLONG;
    while (access(path, W_OK | X_OK) == -1) {
        char *slash = strrchr(path, '/');

        if (errno != ENOENT || !slash || path[1] == '\0')
            return -errno;
        slash[slash == path] = '\0'; /* "/" stays */
    }
    return 0;
}

/* ---- mounts -------------------------------------------------------------------------------------- */

static bool
holds(const struct strv *v, const char *s)
{
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->items[i], s) == 0)
            return true;
    return false;
}

int
surroundings_mounted(const char *mountinfo, const struct strv *paths, struct strv *ret)
{
    struct mount_entry m;
    int r = 0;

    for (const char *at = mountinfo; r == 0 && (at = mountinfo_next(at, &m));)
        if (holds(paths, m.point) && !holds(ret, m.point))
            r = strv_add(ret, m.point);
    return r;
}

/* add_file - @path, and what it leads to, if they are a regular file. */
static void
add_file(struct strv *files, const char *path)
{
    auto_free char *real = NULL;
    struct stat st;

    if (!path || stat(path, &st) == -1 || !S_ISREG(st.st_mode))
        return;
    (void)strv_add(files, path); /* without memory it is not looked at: as it says in the header */
    real = realpath(path, NULL);
    if (real && strcmp(real, path) != 0)
        (void)strv_add(files, real);
}

void
surroundings_read_mounts(const struct spec *spec, struct surroundings_facts *f)
{
    struct strv files = {NULL, 0};
    auto_free char *text = NULL;

    for (size_t i = 0; i < spec->inputs.n; i++)
        add_file(&files, spec->inputs.items[i]);
    for (size_t i = 0; i < spec->n_services; i++) {
        const struct service_spec *s = spec->services[i];
        auto_free char *program = NULL;

        for (size_t k = 0; k < s->watch_paths.n; k++)
            add_file(&files, s->watch_paths.items[k]);
        add_file(&files, s->env_file);
        if (s->watch_binary && s->command.n > 0 &&
            spawn_find_program(s->command.items[0], s->directory, environment_get(environ, "PATH"),
                               &program, NULL) == 0)
            add_file(&files, program);
    }
    if (file_read(MOUNTINFO_PATH, MOUNTINFO_MAX, &text, NULL, NULL) == 0)
        (void)surroundings_mounted(text, &files, &f->mounted); /* as above */
    strv_finish(&files);
}

/* ---- all of it ----------------------------------------------------------------------------------- */

void
surroundings_read(const struct spec *spec, char *const *envp, struct surroundings_facts *ret)
{
    struct surroundings_facts f = {.nofile = INT64_MAX};

    read_self(&f);
    surroundings_read_limits(&f);
    read_inotify(&f);
    surroundings_read_mounts(spec, &f);
    f.ptrace_scope = (int)sysctl("/proc/sys/kernel/yama/ptrace_scope");
    f.container = container_of_environment(envp);
    f.kubernetes = environment_get(envp, "KUBERNETES_SERVICE_HOST") != NULL;
    f.systemd = environment_get(envp, "NOTIFY_SOCKET") != NULL;
    f.timeout_stop_sec = environment_get(envp, "STINT_TIMEOUT_STOP_SEC");
    f.fdstore_max = environment_get(envp, "FDSTORE");
    if (!f.fdstore_max)
        f.fdstore_max = environment_get(envp, "STINT_FDSTORE_MAX");
    f.runtime_dir = writable(spec->runtime_dir);
    f.state_dir = writable(spec->state_dir);
    *ret = f;
}

void
surroundings_facts_finish(struct surroundings_facts *facts)
{
    strv_finish(&facts->mounted);
}
