/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_KILL_MATRIX_H
#define STINT_TESTS_KILL_MATRIX_H

/* What matrix.c (the plan), pool.c (playing cells side by side) and table.c (saying how it went) share. */
#include <stdint.h>

#include "cell.h"

#define EDGES_MAX   400
#define STORIES_MAX 64

struct edge {
    char name[96];
    uint64_t stories; /* a bit for each story that comes by */
    bool excused;     /* in the list of those that are not reached */
    bool sometimes;   /* … or only on a machine that is quick enough */
};

enum result {
    CELL_NOT_PLAYED,
    CELL_OK,
    CELL_NOBODY, /* there is no such worker then */
    CELL_FAILED,
    CELL_MISSED /* the story did not come by */
};

struct cell {
    const struct edge *edge; /* NULL: the story as it is */
    enum victim victim;
    bool again; /* the place has a cell of its own in another story */
    const struct story *story;
    enum result verdict;
    unsigned tries;
    struct strike *outcome; /* shared with the process that plays it */
    char why[200];
    double seconds;
};

struct options {
    int jobs;
    bool quick, markdown, list, all_stories, keep;
    const char *edge, *victim, *story; /* parts of names; NULL: all */
    const char *logs;                  /* a folder */
    const char *not_reached;           /* the list of those that are excused */
};

extern struct edge edges[EDGES_MAX];
extern size_t n_edges;

void edges_name(void);
struct edge *edge_named(const char *name);

/* pool_play - all @n of them, @jobs at a time. */
void pool_play(struct cell *cells, size_t n, const struct options *o);
void cell_path(const struct cell *c, const struct options *o, const char *ending, char *buf,
               size_t room);

/* table_say - Return: exit status. */
int table_say(const struct cell *cells, size_t n, const struct options *o, double seconds);

#endif
