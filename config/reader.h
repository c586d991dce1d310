/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CONFIG_READER_H
#define STINT_CONFIG_READER_H

/* Private to config/: the context of one run, and how it says what is wrong. */
#include <stdbool.h>
#include <stddef.h>

#include "config/node.h"

struct diagnostics;
struct key;

struct reader {
    struct diagnostics *diags; /* borrowed */
    size_t first;              /* findings before this one are of earlier runs */
    struct node_pool nodes;    /* of all files */
    unsigned weight;           /* sum over the trees: the node cap is one for the run */
    const struct key *limit;   /* the row whose soft and hard values are being read */
    bool failed;               /* something was found, whether it was kept or not */
    bool no_memory;            /* sticks; the run then ends with -ENOMEM */
};

/**
 * finding - append "what near 'text', did you mean 'meant'?" at the place of @n.
 * @meant: NULL or "" when there is nothing to suggest
 *
 * The same finding twice (a default is read once for each service) is kept once.
 * Return: -EINVAL, so that readers write `return finding(r, n, NULL, …)`.
 */
__attribute__((format(printf, 4, 5))) int finding(struct reader *r, const struct node *n,
                                                  const char *meant, const char *fmt, ...);

/* finding_at - the same at a place that has no node; line 0 is the file as a whole. */
__attribute__((format(printf, 5, 6))) int finding_at(struct reader *r, const struct source *source,
                                                     unsigned line, unsigned column,
                                                     const char *fmt, ...);

/* finding_file - about a file that could not be read. */
__attribute__((format(printf, 3, 4))) int finding_file(struct reader *r, const char *name,
                                                       const char *fmt, ...);

/* findings_full - no more findings are kept: their text need not be made. */
bool findings_full(const struct reader *r);

/* findings_sort - those of this run by file (in the order of @sources), line and column. */
void findings_sort(struct reader *r, struct source *const *sources, size_t n);

int no_memory(struct reader *r); /* Return: -ENOMEM */

/* reader_result - 0, -EINVAL or -ENOMEM (then it also says so in a finding). */
int reader_result(struct reader *r, const char *name);

/* The nearest of several names, fed one by one: struct suggestion s = {.wanted = "comand"}. */
struct suggestion {
    const char *wanted;
    const char *best; /* borrowed from the candidates; NULL while none is near enough */
    size_t distance;
};

void suggest(struct suggestion *s, const char *candidate);

#endif
