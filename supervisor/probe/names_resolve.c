/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/plain.h"
#include "supervisor/probe/names_resolve.h"

/*
 * The names are written into memory that is shared with the child, each as it is found; so whatever
 * becomes of the child, they are there.
 */
#define CHILD_MEMORY_MAX (UINT64_C(3) << 30) /* of address space: big programs have big files */

#define CHILD_DATA_MAX   (UINT64_C(1) << 30)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHADOWED true /* a sanitizer reserves terabytes */
#else
#define SHADOWED false
#endif

static void
limit(int64_t left_us)
{
    rlim_t seconds = (rlim_t)(left_us / 1000000) + 1;
    struct rlimit memory = {.rlim_cur = CHILD_MEMORY_MAX, .rlim_max = CHILD_MEMORY_MAX};
    struct rlimit cpu = {.rlim_cur = seconds, .rlim_max = seconds + 1};
    struct rlimit none = {.rlim_cur = 0, .rlim_max = 0}, data;

    /* The master's helper is narrower in its data, and that is not meant for files. */
    if (getrlimit(RLIMIT_DATA, &data) == 0 && data.rlim_cur < data.rlim_max) {
        data.rlim_cur = data.rlim_max < CHILD_DATA_MAX ? data.rlim_max : CHILD_DATA_MAX;
        (void)setrlimit(RLIMIT_DATA, &data);
    }
    /* Each of them may be narrower already: that is as good. */
    if (!SHADOWED)
        (void)setrlimit(RLIMIT_AS, &memory);
    (void)setrlimit(RLIMIT_CPU, &cpu);
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)setrlimit(RLIMIT_FSIZE, &none);
}

/* wait_for - until @child ended or the deadline. Return: 0, -ETIME, -EIO: it did not end in order. */
static int
wait_for(pid_t child, int64_t deadline_us)
{
    auto_fd int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    int64_t left_us = deadline_us - mono_now_us();
    bool late = true;
    int status;

    while (pidfd >= 0 && left_us > 0) {
        int r = poll(&p, 1, (int)(left_us / 1000 < 1000 ? left_us / 1000 + 1 : 1000));

        if (r > 0)
            late = false;
        if (r > 0 || (r < 0 && errno != EINTR))
            break;
        left_us = deadline_us - mono_now_us();
    }
    if (late)
        (void)kill(child, SIGKILL); /* ours, and not collected yet */
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    if (late)
        return -ETIME;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

/* keep - what the child has found. It may have been led astray: nothing of it is believed to be a text. */
static void
keep(struct names *names, const struct resolving *all)
{
    for (size_t i = 0; i < all->n; i++) {
        struct wanted *w = names->wants[all->first + i];
        struct name *name;

        if (!all->names[i].done || w->name)
            continue;
        name = malloc(sizeof(*name));
        if (!name)
            return;
        *name = all->names[i];
        name->function[sizeof(name->function) - 1] = '\0';
        name->file[sizeof(name->file) - 1] = '\0';
        plain_text(name->function);
        plain_text(name->file);
        w->name = name;
        names->sanitized |= kind_sanitizer(name->function);
    }
}

static void
note(struct names *names, int r, const struct resolving *all)
{
    const char *text = "";

    if (r == -ETIME)
        text = "not all names were found in time";
    else if (r < 0)
        text = "finding names failed half-way: a file of the process is broken";
    else if (all->shared->no_libdw)
        text = "no lines: libdw.so.1 (package libdw1) is not installed";
    else if (all->shared->replaced)
        text = "some modules were replaced on disk: their functions have no names";
    (void)snprintf(names->note, sizeof(names->note), "%s", text);
}

int
names_resolve(struct names *names, int64_t deadline_us)
{
    struct resolving all = {.owner = names, .first = names->n_resolved};
    size_t bytes;
    pid_t child, parent = getpid();
    void *memory;
    int r;

    all.n = names->n_wants - names->n_resolved;
    if (all.n == 0)
        return 0;
    bytes = sizeof(*all.shared) + all.n * sizeof(struct name);
    memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    all.shared = memory;
    all.names = all.shared->names;
    child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        limit(deadline_us - mono_now_us());
        resolve_all(&all);
        _exit(0);
    }
    r = child < 0 ? -errno : wait_for(child, deadline_us);
    keep(names, &all);
    note(names, r, &all);
    names->n_resolved = names->n_wants;
    (void)munmap(memory, bytes);
    return r;
}
