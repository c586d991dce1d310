/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BENCH_TABLE_H
#define STINT_BENCH_TABLE_H

#include "bench/sample.h"

struct text;

#define ENTRIES_MAX 64

/* One line of the table: a rival, all its bouts under one load. */
struct entry {
    const struct rival *rival; /* borrowed */
    struct sample *samples;    /* owned by the caller; one per round */
    unsigned n;                /* as many as there are */
    bool again;                /* the second measurement of the same rival: the A/A control */
    bool broken;               /* it could not be measured, though what it needs is here */
    char why_not[512];         /* it was not measured, or not in every round; "": it was */
};

/* All entries that were measured under one load, in the same rounds. */
struct field {
    const struct load_kind *load; /* borrowed */
    struct entry entries[ENTRIES_MAX];
    unsigned n_entries;
};

/* table_add - the Markdown table of one load. */
void table_add(struct text *out, const struct field *f);

/* table_ratios_add - ours against the limit and against the best peer, with the A/A controls. */
void table_ratios_add(struct text *out, const struct field *f);

#endif
