/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_KILL_CELL_H
#define STINT_TESTS_KILL_CELL_H

/*
 * One cell of the matrix: a story, played once on a stage of its own, while one place of the master
 * (supervisor/io/edge.h) strikes at one victim. It is played in a process of its own.
 *
 *   cell_play: stage ─▶ story: … cell_arm(), then what leads to the place … ─▶ cell_verify()
 */
#include <stdbool.h>
#include <stdio.h>

#include "tests/scenario/harness.h"

enum victim {
    VICTIM_MASTER,  /* SIGKILL */
    VICTIM_NEW,     /* SIGKILL to a worker of the newest generation */
    VICTIM_OLD,     /* … of the oldest */
    VICTIM_STOPPED, /* SIGSTOP to the master: the keeper has to notice */
    VICTIM_COUNT,
    VICTIM_NONE = VICTIM_COUNT /* the story as it is, to see which places it comes by */
};

extern const char *const victim_names[VICTIM_COUNT];  /* for the table */
extern const char *const victim_action[VICTIM_COUNT]; /* for STINT_EDGE */

enum story_flag {
    STORY_HTTP = 1, /* the service is the web example */
    STORY_RACY = 2, /* what comes first decides whether it comes by all of its places */
    STORY_EVERY = 4 /* the master dies at each of its places, also at those that others come by */
};

struct story {
    const char *name;
    void (*play)(void);
    const char *first; /* another strike before the cell's own: an edge and its action */
    unsigned losses;   /* requests that the story itself may cost: it kills workers */
    unsigned flags;    /* enum story_flag */
};
extern const struct story stories[];
extern const size_t n_stories;

/* What happened, written by the cell to its parent. */
struct strike {
    bool hit;      /* the place was reached */
    bool nobody;   /* … but there was no such worker there */
    char why[200]; /* what was wrong; "" = nothing */
};

/*
 * cell_play - once per process. @edge: NULL with VICTIM_NONE. @trace_to: a file for the names of all
 * places that were reached, NULL: nobody wants them. Return: whether all is well; words are on stderr.
 */
bool cell_play(const struct story *s, const char *edge, enum victim v, const char *trace_to,
               struct strike *ret);

/* ---- for the stories --------------------------------------------------------------------- */

void cell_start(void); /* scn_launch() with what the cell needs */
/* cell_arm - from here on the place strikes, and is looked for. Load begins, unless it runs. */
void cell_arm(void);
void cell_load(void);     /* begin; who comes later than that is counted */
void cell_load_end(void); /* before a service leaves: every request is answered until then */

/* ---- load.c, verify.c -------------------------------------------------------------------- */

struct load_result {
    unsigned long asked, failed;
    char why[100]; /* the first failure */
};
void load_begin(const char *socket_path, bool http);
bool load_running(void);
struct load_result load_end(void);

/*
 * verify - of the log, when all is over: every numbered line of every worker is there, an obituary of
 * each process, a verdict for each reload, a certificate of each generation; what is there twice says so.
 * Aborts the test.
 */
void verify(void);

#endif
