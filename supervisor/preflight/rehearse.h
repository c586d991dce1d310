/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PREFLIGHT_REHEARSE_H
#define STINT_PREFLIGHT_REHEARSE_H

/* Private to preflight/: the course of a rehearsal, and what was seen in it. */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "supervisor/preflight/load.h"
#include "supervisor/preflight/sample.h"
#include "supervisor/preflight/talk.h"

struct cage;
struct preflight_report;
struct service_spec;

struct rehearsal {
    struct cage *cage; /* borrowed, like the next */
    struct preflight_report *report;
    struct view view;       /* the last look */
    struct sample *samples; /* owned: one before the first reload, one after each */
    size_t n_samples;
    size_t n_ran;        /* … where a process had the executable of the candidate */
    struct stat program; /* that file, as it was before the first start */
    json_t *threads_then,
        *threads_now; /* owned; at the first sample and the last; NULL: not seen */
    json_t *leaks;    /* owned; history and certificates; NULL: not asked */
    struct load load;
    unsigned answered, asked; /* of all rounds of a URL */
    bool ready;               /* it came to serve */
    bool settled;             /* all reloads were made, and what they relieved is gone */
};

/* rehearse - start, load, reload, stop. What goes wrong is in the report. 0, or -EINTR, -ENOMEM. */
int rehearse(struct rehearsal *r);
void rehearsal_finish(struct rehearsal *r);

/* judge_context.c. judge_policy - without a rehearsal. Return: there is one, and there is more to judge. */
void judge_trace(struct rehearsal *r);
void judge_deadlines(struct rehearsal *r);
bool judge_policy(const struct service_spec *s, struct preflight_report *r);
/* judge.c. judge_respawns - did a worker end by itself? As the last look has it. */
void judge_respawns(struct rehearsal *r);
/* judge.c: what it means; after rehearse() and cage_stop(). */
void judge_lifecycle(struct rehearsal *r);
void judge_growth(struct rehearsal *r);

#endif
