/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/journal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "supervisor/core/effect.h"
#include "supervisor/io/journal_line.h"
#include "supervisor/io/journal_state.h"

#define EVENTS_BYTES ((size_t)1 << 20)
#define OUTPUTS_MAX  1024 /* services whose output is kept */

static size_t
say_dropped(void *env, uint64_t lines, char *buf, size_t room)
{
    struct journal *j = env;
    struct journal_line l = {
        .wall_us = wall_now_us(), .level = LOG_LEVEL_WARNING, .event = "log_dropped"};
    auto_text struct text t = TEXT_INIT;

    journal_line_add(&l, FIELD_NUMBER("lines", (int64_t)lines));
    l.msg = "the reader of this log was too slow";
    l.msg_bytes = strlen(l.msg);
    if (j->format == LOG_JSON)
        journal_line_json(&l, 0, &t);
    else
        journal_line_logfmt(&l, &t);
    text_add(&t, "\n");
    if (t.failed || t.bytes > room)
        return 0; /* no memory for a line about lines: the counter in `stint status` still says it */
    memcpy(buf, t.data, t.bytes);
    return t.bytes;
}

int
journal_create(struct ev_loop *loop, const struct journal_options *options, struct journal **ret)
{
    struct journal *j = calloc(1, sizeof(*j));
    int r;

    if (!j)
        return -ENOMEM;
    list_init(&j->outputs);
    list_init(&j->watches);
    j->format = options->format;
    j->level = options->level;
    r = journal_sink_init(&j->sink, loop, options->fd,
                          options->buffer_bytes ? options->buffer_bytes : JOURNAL_BUFFER_BYTES);
    if (r < 0) {
        free(j);
        return r;
    }
    j->sink.marker = say_dropped;
    j->sink.env = j;
    r = journal_ring_init(&j->events, JOURNAL_EVENTS_MAX, EVENTS_BYTES, true);
    if (r < 0) {
        journal_destroy(j);
        return r;
    }
    *ret = j;
    return 0;
}

static void
output_free(struct journal *j, struct output *o)
{
    list_del(&o->node);
    journal_ring_finish(&o->ring);
    free(o);
    j->n_outputs--;
}

void
journal_destroy(struct journal *j)
{
    if (!j)
        return;
    list_for_each_safe (pos, &j->outputs)
        output_free(j, container_of(pos, struct output, node));
    list_for_each_safe (pos, &j->watches)
        list_del(pos);
    journal_sink_finish(&j->sink);
    journal_ring_finish(&j->events);
    text_finish(&j->line);
    text_finish(&j->record);
    free(j);
}

void
journal_configure(struct journal *j, enum log_format format, enum log_level level)
{
    j->format = format;
    j->level = level;
}

void
journal_flush(struct journal *j, int64_t budget_us)
{
    journal_sink_flush(&j->sink, budget_us);
}

static void
wake(struct journal *j)
{
    list_for_each_safe (pos, &j->watches) {
        struct journal_watch *w = container_of(pos, struct journal_watch, node);

        w->woken(w);
    }
}

/* The two forms of a line: j->record as kept (JSON with its number), j->line as logged. */
static bool
render(struct journal *j, const struct journal_line *l, uint64_t seq)
{
    text_clear(&j->record);
    text_clear(&j->line);
    journal_line_json(l, seq, &j->record);
    if (j->format == LOG_JSON)
        journal_line_json(l, 0, &j->line);
    else
        journal_line_logfmt(l, &j->line);
    text_add(&j->line, "\n");
    return !j->record.failed && !j->line.failed;
}

static void
keep_event(struct journal *j, const struct journal_line *l)
{
    struct journal_slot slot = {
        .seq = j->last_event + 1, .generation = l->generation, .pid = l->pid};

    if (l->level < j->level || !render(j, l, slot.seq))
        return;
    j->last_event = slot.seq;
    (void)journal_ring_add(&j->events, &slot, l->service ? l->service : "", j->record.data,
                           j->record.bytes); /* a line larger than the ring shows up as lost */
    journal_sink_line(&j->sink, j->line.data, j->line.bytes, true);
    wake(j);
}

void
journal_record(struct journal *j, const struct record *r)
{
    struct journal_line l;
    char scratch[32];

    journal_line_record(&l, r, scratch, sizeof(scratch));
    keep_event(j, &l);
}

/* Fields with a place of their own in every line go there. */
static void
place_field(struct journal_line *l, const struct journal_field *f)
{
    if (f->type == JOURNAL_TEXT && strcmp(f->key, "service") == 0)
        l->service = f->text;
    else if (f->type == JOURNAL_TEXT && strcmp(f->key, "trace") == 0)
        l->trace = f->text;
    else if (f->type == JOURNAL_TEXT && strcmp(f->key, "msg") == 0) {
        l->msg = f->text;
        l->msg_bytes = f->text ? strnlen(f->text, JOURNAL_LINE_BYTES) : 0;
    } else if (f->type == JOURNAL_NUMBER && strcmp(f->key, "gen") == 0)
        l->generation = (uint64_t)f->number;
    else if (f->type == JOURNAL_NUMBER && strcmp(f->key, "pid") == 0)
        l->pid = (pid_t)f->number;
    else if (f->type == JOURNAL_NUMBER && strcmp(f->key, "reload") == 0)
        l->reload = (uint64_t)f->number;
    else if (f->type == JOURNAL_NUMBER && strcmp(f->key, "slot") == 0) {
        l->slot = (unsigned)f->number;
        l->has_slot = true;
    } else
        journal_line_add(l, *f);
}

void
journal_event(struct journal *j, enum log_level level, const char *name,
              const struct journal_field *fields, size_t n)
{
    struct journal_line l = {.wall_us = wall_now_us(), .level = level, .event = name};

    for (size_t i = 0; i < n; i++)
        place_field(&l, &fields[i]);
    keep_event(j, &l);
}

void
journal_say(struct journal *j, enum log_level level, const char *name, const char *fmt, ...)
{
    char msg[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(msg, sizeof(msg), fmt, ap); /* a cut sentence is still one */
    va_end(ap);
    journal_event(j, level, name, &FIELD_TEXT("msg", msg), 1);
}

static struct output *
output_get(struct journal *j, const char *service)
{
    struct output *o = journal_output_find(j, service);

    if (o || j->n_outputs == OUTPUTS_MAX)
        return o;
    o = calloc(1, sizeof(*o));
    if (!o)
        return NULL;
    if (journal_ring_init(&o->ring, JOURNAL_OUTPUT_LINES, JOURNAL_OUTPUT_BYTES, false) < 0) {
        free(o);
        return NULL;
    }
    (void)snprintf(o->service, sizeof(o->service), "%s", service); /* names are at most 64 bytes */
    list_add(&j->outputs, &o->node);
    j->n_outputs++;
    return o;
}

static void
keep_output(struct journal *j, const struct journal_line *l)
{
    struct journal_slot slot = {
        .seq = j->last_output + 1, .generation = l->generation, .pid = l->pid};
    struct output *o = output_get(j, l->service);

    if (!render(j, l, slot.seq))
        return;
    j->last_output = slot.seq;
    if (o)
        (void)journal_ring_add(&o->ring, &slot, l->service, j->record.data, j->record.bytes);
    if (LOG_LEVEL_INFO >= j->level)
        journal_sink_line(&j->sink, j->line.data, j->line.bytes, false);
    wake(j);
}

static struct journal_line
origin_line(const struct journal_origin *from, const char *event, enum log_level level)
{
    struct journal_line l = {
        .wall_us = wall_now_us(),
        .level = level,
        .event = event,
        .service = from->service,
        .generation = from->generation,
        .has_slot = true,
        .slot = from->slot,
        .pid = from->pid,
        .trace = from->trace,
    };

    journal_line_add(&l, FIELD_TEXT("stream", from->stream));
    return l;
}

void
journal_output(struct journal *j, const struct journal_origin *from, const char *bytes, size_t n,
               unsigned flags)
{
    struct journal_line l = origin_line(from, "output", LOG_LEVEL_INFO);

    if (n > JOURNAL_LINE_BYTES || (flags & JOURNAL_OUTPUT_CUT))
        journal_line_add(&l, FIELD_BOOL("cut", true));
    if (flags & JOURNAL_OUTPUT_LAST)
        journal_line_add(&l, FIELD_BOOL("unfinished", true));
    if (flags & JOURNAL_OUTPUT_AGAIN)
        journal_line_add(&l, FIELD_BOOL("again", true));
    l.msg = bytes;
    l.msg_bytes = n > JOURNAL_LINE_BYTES ? JOURNAL_LINE_BYTES : n;
    keep_output(j, &l);
}

void
journal_output_lost(struct journal *j, const struct journal_origin *from, uint64_t lines,
                    const char *why)
{
    struct journal_line l = origin_line(from, "output_lost", LOG_LEVEL_WARNING);

    journal_line_add(&l, FIELD_NUMBER("lines", (int64_t)lines));
    l.msg = why;
    l.msg_bytes = strlen(why);
    keep_output(j, &l);
}

void
journal_forget(struct journal *j, const char *service)
{
    struct output *o = journal_output_find(j, service);

    if (o)
        output_free(j, o);
}
