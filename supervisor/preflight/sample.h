/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PREFLIGHT_SAMPLE_H
#define STINT_PREFLIGHT_SAMPLE_H

/* Private to preflight/: how much the workers of a generation have, their descendants too. */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct sample {
    uint64_t generation;
    uint64_t memory_bytes; /* anonymous and resident: what a program allocates */
    unsigned processes, threads, fds;
};

#define TREE_MOST 512

/* tree_of - @pids and all their descendants. Return: how many, at most @most. */
size_t tree_of(const pid_t *pids, size_t n, pid_t *ret, size_t most);

enum tree_runs {
    RUNS_ANOTHER,
    RUNS_IT,  /* it is the executable of one of them */
    READS_IT, /* … or an argument, as a script is its interpreter's */
};

/* tree_runs - what one of @tree has to do with @file, by device and inode. */
enum tree_runs tree_runs(const pid_t *tree, size_t n, const struct stat *file);

/* sample_take - of all of @tree. What has just ended counts nothing. */
void sample_take(const pid_t *tree, size_t n, struct sample *ret);
json_t *sample_json(const struct sample *s); /* NULL: no memory */

/* What a number does from reload to reload. */
struct trend {
    double per_reload; /* least squares */
    double total;      /* last less first */
    double order;      /* 1: each is more than all before it, 0: no order, -1: each is less */
    double late; /* slope of the second half, against that of all: 1 is a line; of what rises */
    unsigned points;
};

/* trend_of - pure. @from: samples before it are warm-up, and left out. */
struct trend trend_of(const struct sample *s, size_t n, size_t from,
                      double (*value)(const struct sample *));

double sample_memory(const struct sample *s);
double sample_threads(const struct sample *s);
double sample_fds(const struct sample *s);

#endif
