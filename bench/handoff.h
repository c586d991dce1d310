/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BENCH_HANDOFF_H
#define STINT_BENCH_HANDOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/table.h"

#define FIELDS_MAX 4

/* What was asked for, and what came of it. Texts are borrowed. */
struct game {
    struct arena arena;
    struct measure_options measure;
    unsigned rounds;
    const char *only;  /* comma separated; NULL = all */
    const char *loads; /* comma separated */
    const char *out;   /* NULL: nothing is kept */
    uint64_t chance;
    bool once, endless; /* endless: --long */
    bool list, help;    /* then nothing is measured */
    unsigned n_fields;
    struct field fields[FIELDS_MAX];
};

/* listed - is @name one of the comma-separated words of @list? NULL has none. */
bool listed(const char *list, const char *name);

/* handoff_options - the command line into @g. Return: 0 or negative errno. */
int handoff_options(struct game *g, int argc, char **argv, struct error *reterr);

extern const char handoff_usage[];

#endif
