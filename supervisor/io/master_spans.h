/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_MASTER_SPANS_H
#define STINT_IO_MASTER_SPANS_H

/* The spans of the runs, between master*.c alone, like master_state.h. */
#include "supervisor/io/master_state.h"
#include "supervisor/io/spans.h"

void master_spans_open(
    struct master *m); /* with those of a master before us; no memory: there are none */
void master_spans_note(struct master *m); /* after each step: what has ended in it */
void master_spans_certificate(struct master *m, const struct record *r);
/* The span that a worker's own work hangs below: its TRACEPARENT. */
uint64_t master_span_of_worker(const char *trace, uint64_t worker);

#endif
