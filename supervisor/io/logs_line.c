/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/journal_line.h"
#include "supervisor/io/logs_internal.h"

/* One line on its way, and what is done when there is no place for it. */

#define FIELDS_BYTES 512 /* … for what a line of logfmt or JSON has beside the message */
#define ESCAPED      6   /* the most bytes that one becomes in them */
#define STAMP_BYTES  40

/* ---- room -------------------------------------------------------------------------------------- */

static size_t
most_bytes(const struct log *l, size_t n)
{
    return l->format == LOG_LINES_RAW ? n + LOG_MARKS_BYTES
                                      : n * ESCAPED + FIELDS_BYTES + LOG_MARKS_BYTES;
}

static bool
fits(const struct log *l, size_t n)
{
    if (l->spool)
        return logfile_memory_free(spool_memory(l->spool)) >= most_bytes(l, n);
    return journal_output_fits(l->logs->journal, l->service, n);
}

/* It has half of its room again, or soon is told so. */
static void
ask_for_room(struct log *l)
{
    if (l->spool)
        spool_hunger(l->spool);
    else
        journal_want_room(l->logs->journal);
}

static void
drop_from_now(struct log *l)
{
    const struct journal_field fields[] = {
        FIELD_TEXT("service", l->service),
        FIELD_TEXT("msg", l->failed ? "its file cannot be written: lines are dropped and counted"
                                    : "the log is behind: lines are dropped and counted"),
    };

    l->dropping = true;
    l->blocked_us = 0;
    ev_timer_stop(l->logs->loop, &l->patience);
    journal_event(l->logs->journal, LOG_LEVEL_WARNING, "log_behind", fields, ARRAY_LEN(fields));
    ask_for_room(l); /* which may come at once */
}

void
log_go(struct log *l)
{
    struct list due = LIST_INIT(due);

    list_for_each_safe (pos, &l->waiters) { /* who has to wait again is not met twice */
        list_del(pos);
        list_add(&due, pos);
    }
    list_for_each_safe (pos, &due) {
        struct log_waiter *w = container_of(pos, struct log_waiter, node);

        list_del(pos);
        w->go(w);
    }
}

static void
on_patience(EV_P_ ev_timer *t, int revents)
{
    struct log *l = container_of(t, struct log, patience);

    (void)loop;
    (void)revents;
    drop_from_now(l);
    log_go(l);
}

void
log_room(void *log)
{
    struct log *l = log;

    if (!l->dropping && l->blocked_us == 0)
        return;
    l->dropping = false;
    l->blocked_us = 0;
    ev_timer_stop(l->logs->loop, &l->patience);
    log_tell_lost(l);
    log_go(l);
}

bool
log_has_room(struct log *l, struct log_waiter *w, size_t n)
{
    if (l->dropping || (l->blocked_us == 0 && fits(l, n)))
        return true;
    if (l->blocked_us == 0 && l->block_us == 0) {
        drop_from_now(l);
        return true;
    }
    list_del(&w->node);
    list_add(&l->waiters, &w->node);
    if (l->blocked_us == 0) {
        l->blocked_us = mono_now_us();
        ev_now_update(l->logs->loop); /* timers count from the loop's idea of now */
        ev_timer_set(&l->patience, (double)l->block_us / US_PER_S, 0.);
        ev_timer_start(l->logs->loop, &l->patience);
        ask_for_room(l); /* which may come at once */
    }
    return l->blocked_us == 0;
}

void
log_waiter_init(struct log_waiter *w, void (*go)(struct log_waiter *w))
{
    list_init(&w->node);
    w->go = go;
}

void
log_waiter_finish(struct log_waiter *w)
{
    list_del(&w->node);
}

void
log_pressure_init(struct log *l)
{
    list_init(&l->waiters);
    ev_timer_init(&l->patience, on_patience, 0., 0.);
}

void
log_pressure_finish(struct log *l)
{
    ev_timer_stop(l->logs->loop, &l->patience);
    list_for_each_safe (pos, &l->waiters)
        list_del(pos);
}

/* ---- what was dropped --------------------------------------------------------------------------- */

static void
put_text(struct log *l, const struct text *t)
{
    const struct iovec part = {t->data, t->bytes};

    if (!t->failed && t->bytes > 0)
        spool_put(l->spool, &part, 1);
}

/* A line that is not ended yet and never will be here. */
static void
end_open_line(const struct log *l, struct text *out)
{
    const struct logfile_memory *m = spool_memory(l->spool);

    if (!logfile_memory_line_begins(m, atomic_load(&m->shared->put)))
        text_add(out, " …\n");
}

void
log_tell_lost(struct log *l)
{
    const struct journal_field fields[] = {
        FIELD_TEXT("service", l->service),
        FIELD_NUMBER("lines", (int64_t)l->lost_lines),
        FIELD_NUMBER("bytes", (int64_t)l->lost_bytes),
        FIELD_TEXT("msg", "lines of its workers were dropped: the log was behind"),
    };

    if (l->lost_lines == 0)
        return;
    if (l->spool && logfile_memory_free(spool_memory(l->spool)) < LOG_MARKS_BYTES + FIELDS_BYTES)
        return;
    if (l->spool) {
        text_clear(&l->logs->line);
        end_open_line(l, &l->logs->line);
        logfile_note(l->config, LOGFILE_NOTE_DROPPED, l->lost_lines, l->lost_bytes, &l->logs->line);
        put_text(l, &l->logs->line);
    }
    l->lost_lines = l->lost_bytes = 0;
    journal_event(l->logs->journal, LOG_LEVEL_WARNING, "output_lost", fields, ARRAY_LEN(fields));
}

/* Of a line in pieces all that follow the first dropped one go with it, and it is counted once. */
static void
drop(struct log *l, uint64_t key, size_t n, unsigned flags)
{
    bool counted = l->cut_key == key && flags & CAPTURE_CONTINUED;

    l->cut_key = flags & CAPTURE_CUT ? key : l->cut_key == key ? 0 : l->cut_key;
    l->lost_bytes += n;
    l->dropped_bytes += n;
    if (counted)
        return;
    l->lost_lines++;
    l->dropped_lines++;
}

/* ---- the line ----------------------------------------------------------------------------------- */

static void
put_stamp(struct text *out)
{
    char stamp[RFC3339_TEXT];
    int64_t now_us = wall_now_us();

    (void)rfc3339(now_us, stamp); /* milliseconds and a Z behind the point: microseconds instead */
    text_addf(out, "%.20s%06dZ ", stamp, (int)(now_us % US_PER_S));
}

static void
put_raw(struct log *l, uint64_t key, const char *bytes, size_t n, unsigned flags)
{
    struct logfile_memory *m = spool_memory(l->spool);
    bool begins = logfile_memory_line_begins(m, atomic_load(&m->shared->put));
    bool goes_on = !begins && flags & CAPTURE_CONTINUED && logfile_memory_open_line(m) == key;
    struct text *before = &l->logs->line;
    bool cut = flags & CAPTURE_CUT;

    text_clear(before);
    if (!goes_on) {
        end_open_line(l, before);
        if (flags & CAPTURE_AGAIN && !l->again)
            logfile_note(l->config, LOGFILE_NOTE_REPEATED, 0, 0, before);
        if (l->timestamp)
            put_stamp(before);
        if (flags & CAPTURE_CONTINUED)
            text_add(before, "… ");
    }
    const struct iovec parts[] = {
        {before->data,             before->failed ? 0 : before->bytes},
        {(void *)(uintptr_t)bytes, n                                 },
        {(void *)(uintptr_t) "\n", cut ? 0 : 1                       },
    };
    spool_put(l->spool, parts, ARRAY_LEN(parts));
    if (cut)
        logfile_memory_set_open(m, key);
}

static unsigned
journal_flags(const struct log *l, unsigned flags)
{
    return (flags & CAPTURE_CUT ? JOURNAL_OUTPUT_CUT : 0u) |
           (flags & CAPTURE_UNENDED ? JOURNAL_OUTPUT_LAST : 0u) |
           (flags & CAPTURE_AGAIN ? JOURNAL_OUTPUT_AGAIN : 0u) |
           (l->spool                  ? JOURNAL_OUTPUT_KEPT
            : l->to == LOG_TO_JOURNAL ? JOURNAL_OUTPUT_NATIVE
                                      : 0u);
}

static void
put_line(struct log *l, uint64_t key, const struct printed *p)
{
    struct text *out = &l->logs->line;

    if (l->format == LOG_LINES_RAW) {
        put_raw(l, key, p->bytes, p->n, p->flags);
        return;
    }
    text_clear(out);
    end_open_line(l, out); /* the format was another one */
    journal_output_text(
        p->from, p->bytes, p->n,
        journal_flags(l, p->flags) | (l->format == LOG_LINES_JSON ? JOURNAL_OUTPUT_JSON : 0u), out);
    put_text(l, out);
}

static void
take_line(struct log *l, const struct printed *p)
{
    uint64_t key = p->worker * 2 + (uint64_t)p->stream;
    bool goes_on = p->flags & CAPTURE_CONTINUED;

    if (!goes_on)
        l->lines++;
    l->bytes += p->n;
    if (!l->dropping && !fits(l, p->n)) /* nobody could wait: the last words of a stream */
        drop_from_now(l);
    if (l->dropping || !fits(l, p->n) || (l->cut_key == key && goes_on)) {
        drop(l, key, p->n, p->flags);
        journal_output(l->logs->journal, p->from, p->bytes, p->n,
                       journal_flags(l, p->flags) |
                           JOURNAL_OUTPUT_KEPT); /* `stint logs` shows it */
        return;
    }
    log_tell_lost(l);
    journal_output(l->logs->journal, p->from, p->bytes, p->n, journal_flags(l, p->flags));
    if (l->spool)
        put_line(l, key, p);
    l->again = p->flags & CAPTURE_AGAIN;
}

void
log_line(struct log *l, const struct printed *p)
{
    struct journal_origin from = *p->from;
    struct printed line = *p;
    char buffer[33];
    const char *trace = log_trace_of(l, p->worker * 2 + (uint64_t)p->stream, p, buffer);

    if (trace)
        from.trace = trace;
    line.from = &from;
    take_line(l, &line);
}
