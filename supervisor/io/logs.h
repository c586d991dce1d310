/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_LOGS_H
#define STINT_IO_LOGS_H

/*
 * Where the lines of each service go, and what happens when they come faster than that takes them:
 *
 *   capture ── log_has_room()? ──▶ log_line() ──▶ journal: its queue (to: stderr, to: journal)
 *                    │ no                   └───▶ spool ──▶ writer ──▶ file (to: file)
 *                    ▼                      └───▶ rings of `stint logs`, always
 *        the pipe is left alone, at most `block`; then whole lines are dropped and counted until half
 *        of the room is free, and a line in their place says how many
 *
 * One thread: the master's.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "config/spec.h"
#include "supervisor/io/capture.h"
#include "supervisor/io/journal.h"

struct error;
struct ev_loop;
struct lint;
struct log;
struct logs;

struct logs_options {
    struct ev_loop *loop;
    struct journal *journal; /* borrowed */
    /* As in struct spools_hooks. */
    int (*keep)(void *env, uint64_t id, int fd);
    void (*drop)(void *env, uint64_t id);
    /* The memory of what is counted of lines. NULL: it ends with us. */
    void (*keep_lint)(void *env, int fd);
    void *env;
};

int logs_create(const struct logs_options *options, struct logs **ret);
void logs_destroy(struct logs *ls); /* NULL is fine */

/* logs_adopt - the memory of a master before us. @fd: taken over. Before the first logs_get(). */
void logs_adopt(struct logs *ls, uint64_t id, int fd);

/* logs_keep_lint - what is counted of lines outlives this process. @fd: what a master before us counted, taken over;
 * -1: there is none. Before the first logs_configure(). */
void logs_keep_lint(struct logs *ls, int fd);

/* logs_configure - the configuration in force. Logs that are not in it go when nobody uses them. */
void logs_configure(struct logs *ls, struct service_spec *const *services, size_t n);

/* logs_get - that of a service, made when it is new: NULL: no memory. One reference. */
struct log *logs_get(struct logs *ls, const char *service);
void log_unref(struct log *l); /* NULL is fine */

/* logs_reopen - the files of @service (NULL: all) are closed and opened again. Return: how many. */
unsigned logs_reopen(struct logs *ls, const char *service);

/* logs_flush - before the process ends. */
void logs_flush(struct logs *ls, int64_t budget_us);

/* Somebody who waits for room. The caller's memory; all zero but `go` at first. */
struct log_waiter {
    struct list node;
    void (*go)(struct log_waiter *w); /* from the loop; it is in no list any more */
};
void log_waiter_init(struct log_waiter *w, void (*go)(struct log_waiter *w));
void log_waiter_finish(struct log_waiter *w);

/* log_has_room - for a line, or piece of one, of @n bytes; else @w is told when to ask again. */
bool log_has_room(struct log *l, struct log_waiter *w, size_t n);

/* A line, or a piece of one, as a worker printed it. All borrowed for the call. */
struct printed {
    const struct journal_origin *from;
    uint64_t worker; /* the core's id */
    enum capture_stream stream;
    const char *bytes;
    size_t n;
    unsigned flags;  /* enum capture_flag */
    int registry_fd; /* of a worker with libstint; else -1 */
};
void log_line(struct log *l, const struct printed *p); /* without room it is dropped and counted */

/*
 * log_lines - many at once, where nothing has to be done for each of them: @p->bytes are whole lines, each with
 * its newline. As struct capture_keeper's on_lines().
 */
size_t log_lines(struct log *l, const struct printed *p, unsigned *lines);

struct log_status {
    enum service_log_to to;
    const char *file;      /* NULL unless LOG_TO_FILE; borrowed until the loop turns */
    const char *state;     /* "ok", "waiting", "dropping", "failed" */
    const char *error;     /* NULL: none; borrowed, too */
    uint64_t lines, bytes; /* taken in since this master began */
    uint64_t dropped_lines, dropped_bytes;
    uint64_t waiting;   /* bytes, of a file */
    uint64_t size;      /* … of it */
    uint64_t rotations; /* … since its memory was made */
};
/* logs_lint - NULL: its lines are not looked at, or there is no log of that name. */
const struct lint *logs_lint(const struct logs *ls, const char *service);
/* logs_status - false: there is no log of that name. */
bool logs_status(const struct logs *ls, const char *service, struct log_status *ret);

#endif
