/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_SURROUNDINGS_INTERNAL_H
#define STINT_IO_SURROUNDINGS_INTERNAL_H

/* What the files surroundings*.c share. */
#include "supervisor/io/surroundings.h"

struct judge {
    const struct surroundings_facts *facts;
    const struct spec *spec;
    struct surroundings found;
    bool failed; /* no memory */
};

__attribute__((format(printf, 4, 5))) void judge_find(struct judge *j, const char *word, bool ok,
                                                      const char *fmt, ...);
void judge_stop(struct judge *j);    /* is there time for stop_budget? */
void judge_fdstore(struct judge *j); /* is there room for the listeners? */

/* The parts of surroundings_read() that `stint check` wants, too. */
void surroundings_read_limits(struct surroundings_facts *facts);
void surroundings_read_mounts(const struct spec *spec, struct surroundings_facts *facts);

#endif
