/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_EXPORT_H
#define STINT_IO_EXPORT_H

/*
 * What a collector is sent: spans and lines, taken where they come by, put into a bounded queue
 * (supervisor/export/queue.h), and sent from there by a process of its own, `stint-export`, which alone knows the
 * network. Whatever the collector does, nothing here waits for it, but exporter_flush().
 *
 *   spans ──┐                            ┌── order: send these rows ──▶ stint-export ── POST ──▶ collector
 *           ├─▶ queue (memfd, kept) ─────┤
 *   journal ┘                            └◀─ answer: taken, later, refused ─┘
 *
 * At least once: rows leave the queue when the collector has said that it has them. A process that died, a master
 * that was killed, a request that was not answered in time: it is sent again. One thread: the master's.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/spec.h"

struct ev_loop;
struct exporter;
struct journal;
struct metrics;
struct spans;

struct exporter_options {
    struct ev_loop *loop;    /* borrowed, as the next two */
    struct journal *journal; /* its events and the output of the workers */
    struct spans *spans;     /* NULL: there are none */
    /* Keep the memory for the next master, or drop it. NULL: nobody keeps it. */
    void (*keep)(void *env, int fd);
    void (*drop)(void *env);
    void *env;
};

int exporter_create(const struct exporter_options *options, struct exporter **ret);
void exporter_destroy(struct exporter *x); /* what waits stays in the memory; NULL is fine */

/* exporter_adopt - the memory of a master before us, @fd: taken over. It goes on as that one was told to. */
void exporter_adopt(struct exporter *x, int fd);

/**
 * exporter_configure - the configuration in force.
 * @all: also what the journal has kept until now; else from now on
 */
void exporter_configure(struct exporter *x, const struct export_spec *spec, bool all);

/* exporter_flush - before the process ends: one last try, which takes @budget_us at most. */
void exporter_flush(struct exporter *x, int64_t budget_us);

/* exporter_status - how it is, as docs/api.md says. New reference; NULL: nothing is sent to anybody. */
json_t *exporter_status(const struct exporter *x);

/* exporter_metrics - the same in numbers: `lanes` of @ret, none where nothing is sent to anybody. */
void exporter_metrics(const struct exporter *x, struct metrics *ret);

#endif
