/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/preflight/sample.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/probe/proc.h"

struct tree {
    pid_t *pids;
    size_t n, most;
};

static bool
add_child(void *env, const struct proc_stat *child)
{
    struct tree *t = env;

    if (child->state != 'Z' && t->n < t->most)
        t->pids[t->n++] = child->pid;
    return t->n < t->most;
}

size_t
tree_of(const pid_t *pids, size_t n, pid_t *ret, size_t most)
{
    struct tree t = {.pids = ret, .most = most};

    for (size_t i = 0; i < n && t.n < most; i++)
        ret[t.n++] = pids[i];
    for (size_t i = 0; i < t.n; i++) /* grows meanwhile: whole generations of children */
        (void)proc_children(ret[i], NULL, add_child, &t);
    return t.n;
}

static unsigned
entries(const char *path)
{
    DIR *d = opendir(path);
    unsigned n = 0;
    struct dirent *e;

    while (d && (e = readdir(d)) != NULL)
        n += e->d_name[0] != '.';
    if (d)
        (void)closedir(d);
    return n;
}

/* "RssAnon:	     1234 kB" */
static uint64_t
anonymous(pid_t pid)
{
    auto_free char *text = NULL;
    char path[64];
    const char *line;
    size_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    if (file_read(path, 16384, &text, &n, NULL) < 0)
        return 0;
    line = strstr(text, "\nRssAnon:");
    return line ? strtoull(line + strlen("\nRssAnon:"), NULL, 10) * 1024 : 0;
}

/* A script is read by its interpreter, by the name that is an argument; relative to where that is. */
static bool
has_argument(pid_t pid, const struct stat *file)
{
    auto_free char *text = NULL;
    char path[64];
    size_t n = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    if (file_read(path, 1 << 20, &text, &n, NULL) < 0)
        return false;
    for (const char *at = text; at < text + n; at += strlen(at) + 1) {
        char name[4200];
        struct stat st;

        (void)snprintf(name, sizeof(name), "/proc/%d/%s%.4096s", (int)pid,
                       at[0] == '/' ? "root" : "cwd/", at);
        if (stat(name, &st) == 0 && st.st_dev == file->st_dev && st.st_ino == file->st_ino)
            return true;
    }
    return false;
}

enum tree_runs
tree_runs(const pid_t *tree, size_t n, const struct stat *file)
{
    enum tree_runs runs = RUNS_ANOTHER;
    struct stat st;
    char path[64];

    for (size_t i = 0; i < n; i++) {
        (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)tree[i]);
        if (stat(path, &st) == 0 && st.st_dev == file->st_dev && st.st_ino == file->st_ino)
            return RUNS_IT;
        if (has_argument(tree[i], file))
            runs = READS_IT;
    }
    return runs;
}

void
sample_take(const pid_t *tree, size_t n, struct sample *ret)
{
    char path[64];

    for (size_t i = 0; i < n; i++) {
        (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)tree[i]);
        ret->threads += entries(path);
        (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)tree[i]);
        ret->fds += entries(path);
        ret->memory_bytes += anonymous(tree[i]);
        ret->processes++;
    }
}

json_t *
sample_json(const struct sample *s)
{
    return json_pack("{s:I, s:i, s:i, s:i, s:I}", "generation", (json_int_t)s->generation,
                     "processes", (int)s->processes, "threads", (int)s->threads, "fds", (int)s->fds,
                     "memory_bytes", (json_int_t)s->memory_bytes);
}

double
sample_memory(const struct sample *s)
{
    return (double)s->memory_bytes;
}

double
sample_threads(const struct sample *s)
{
    return s->threads;
}

double
sample_fds(const struct sample *s)
{
    return s->fds;
}

/* Of all pairs, those that rise less those that fall: 1 is up and up, 0 no order at all (Kendall's tau). */
static double
order_of(const struct sample *s, size_t n, size_t from, double (*value)(const struct sample *))
{
    double pairs = 0, sum = 0;

    for (size_t i = from; i < n; i++)
        for (size_t k = i + 1; k < n; k++) {
            double d = value(&s[k]) - value(&s[i]);

            pairs++;
            sum += d > 0 ? 1 : d < 0 ? -1 : 0;
        }
    return pairs > 0 ? sum / pairs : 0;
}

struct trend
trend_of(const struct sample *s, size_t n, size_t from, double (*value)(const struct sample *))
{
    struct trend t = {0};
    double sum_x = 0, sum_y = 0, sum_xx = 0, sum_xy = 0, points, spread;

    if (n < from + 2)
        return t;
    t.points = (unsigned)(n - from);
    points = t.points;
    for (size_t i = from; i < n; i++) {
        double x = (double)(i - from), y = value(&s[i]);

        sum_x += x;
        sum_y += y;
        sum_xx += x * x;
        sum_xy += x * y;
    }
    spread = points * sum_xx - sum_x * sum_x;
    t.per_reload = spread > 0 ? (points * sum_xy - sum_x * sum_y) / spread : 0;
    t.total = value(&s[n - 1]) - value(&s[from]);
    t.order = order_of(s, n, from, value);
    if (t.total > 0) {
        size_t middle = from + t.points / 2;
        double steps = (double)(n - 1 - middle);

        t.late = steps > 0
                     ? (value(&s[n - 1]) - value(&s[middle])) / steps / (t.total / (points - 1))
                     : 1;
    }
    return t;
}
