// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "bench/scale.h"

#define LISTED_MAX (1 << 20) /* bytes of a file of /proc */
#define MEMFDS_MAX 64

/* Sums over the processes seen so far. */
struct tally {
    const char *worker; /* borrowed */
    struct scale_vitals vitals;
    double shmem_kib; /* of pss_kib: what is mapped of memory files, and is found again as such */
    ino_t memfds[MEMFDS_MAX]; /* counted already */
    unsigned n_memfds;
    double memfds_kib;
};

static int
proc_read(pid_t pid, const char *name, char **ret)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    return file_read(path, LISTED_MAX, ret, NULL, NULL);
}

/* The number behind the line that begins with @key; 0 without one. */
static double
field(const char *text, const char *key)
{
    size_t n = strlen(key);

    for (const char *at = text; at; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, key, n) == 0)
            return strtod(at + n, NULL);
    }
    return 0;
}

/* Pages of a memfd count whether somebody maps them or not, and once. */
static void
tally_memfds(struct tally *t, pid_t pid)
{
    char path[64], target[64];
    DIR *d;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    d = opendir(path);
    for (const struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);
        struct stat st;
        unsigned i = 0;

        if (n <= 0)
            continue;
        target[n] = '\0';
        if (strncmp(target, "/memfd:", 7) != 0 || fstatat(dirfd(d), e->d_name, &st, 0) == -1)
            continue;
        while (i < t->n_memfds && t->memfds[i] != st.st_ino)
            i++;
        if (i < t->n_memfds || i == MEMFDS_MAX)
            continue;
        t->memfds[t->n_memfds++] = st.st_ino;
        t->memfds_kib += (double)st.st_blocks / 2;
    }
    if (d)
        (void)closedir(d);
}

static void
tally_threads(struct tally *t, pid_t pid)
{
    char path[64];
    DIR *d;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    d = opendir(path);
    for (const struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        auto_free char *status = NULL, *sched = NULL;
        char name[300];

        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(name, sizeof(name), "task/%s/status", e->d_name);
        if (proc_read(pid, name, &status) == 0)
            t->vitals.switches += field(status, "voluntary_ctxt_switches:") +
                                  field(status, "nonvoluntary_ctxt_switches:");
        (void)snprintf(name, sizeof(name), "task/%s/schedstat", e->d_name);
        if (proc_read(pid, name, &sched) == 0)
            t->vitals.cpu_ms += strtod(sched, NULL) / 1e6;
    }
    if (d)
        (void)closedir(d);
}

static bool
is_worker(pid_t pid, const char *worker)
{
    char path[64], exe[PATH_MAX];
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    n = readlink(path, exe, sizeof(exe) - 1);
    if (n <= 0)
        return true; /* gone, or a zombie */
    exe[n] = '\0';
    return strcmp(exe, worker) == 0;
}

static int
tally_one(struct tally *t, pid_t pid, struct error *reterr)
{
    auto_free char *smaps = NULL;
    int r = proc_read(pid, "smaps_rollup", &smaps);

    if (r < 0)
        return error_set(reterr, r, "read the memory of process %d", (int)pid);
    t->vitals.processes++;
    t->vitals.pss_kib += field(smaps, "Pss:");
    t->shmem_kib += field(smaps, "Pss_Shmem:");
    tally_memfds(t, pid);
    tally_threads(t, pid);
    return 0;
}

static int
tally_tree(struct tally *t, pid_t pid,
           struct error *reterr) /* NOLINT(misc-no-recursion): as deep as the tree */
{
    auto_free char *children = NULL;
    char name[64], *at;
    int r = tally_one(t, pid, reterr);

    (void)snprintf(name, sizeof(name), "task/%d/children", (int)pid);
    if (r < 0 || proc_read(pid, name, &children) < 0)
        return r;
    at = children;
    for (;;) {
        char *end = NULL;
        pid_t child = (pid_t)strtol(at, &end, 10);

        if (end == at)
            return 0;
        at = end;
        if (is_worker(child, t->worker))
            continue;
        r = tally_tree(t, child, reterr);
        if (r < 0)
            return r;
    }
}

int
scale_vitals_read(pid_t root, bool alone, const char *worker, struct scale_vitals *ret,
                  struct error *reterr)
{
    struct tally t = {.worker = worker};
    int r = alone ? tally_one(&t, root, reterr) : tally_tree(&t, root, reterr);

    if (r < 0)
        return r;
    if (t.memfds_kib > t.shmem_kib)
        t.vitals.pss_kib += t.memfds_kib - t.shmem_kib;
    *ret = t.vitals;
    return 0;
}
