/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/journal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/table.h"
#include "base/text.h"
#include "supervisor/core/effect.h"
#include "supervisor/io/journal_line.h"
#include "supervisor/io/journal_state.h"

#define TELLS_NOBODY UINT64_C(1) /* in the memory, where 0 is: who wrote it did not know of this */
#define ESCAPED      6           /* the most bytes that one of a line becomes */
#define FIELDS_BYTES 512         /* … and what a line has beside them */

/* The line for the sink. Return: what it is. */
static enum queue_kind
write_line(struct journal *j, const struct journal_line *l, struct text *out)
{
    bool native = l->native || j->format == LOG_JOURNAL || (j->format == LOG_AUTO && j->here);

    if (native && journal_native_ready(&j->sink.native)) {
        journal_line_native(l, out);
        return QUEUE_NATIVE;
    }
    if (j->format == LOG_JSON)
        journal_line_json(l, 0, out);
    else
        journal_line_logfmt(l, out);
    text_add(out, "\n");
    return QUEUE_TEXT;
}

/* What the sink has to say. What was written twice are lines, and so is the warning. */
static enum queue_kind
write_note(void *env, enum sink_note note, uint64_t number, struct text *out)
{
    struct journal *j = env;
    struct journal_line l = {.wall_us = wall_now_us(), .level = LOG_LEVEL_WARNING};

    if (note == SINK_REPEATED) {
        l.event = "log_repeated";
        l.msg = "the process before was killed while it wrote this log: what follows may be there "
                "already";
        journal_line_add(&l, FIELD_NUMBER("bytes", (int64_t)number));
    } else {
        l.event = "log_dropped";
        l.msg = "the reader of this log was too slow";
        journal_line_add(&l, FIELD_NUMBER("lines", (int64_t)number));
    }
    l.msg_bytes = strlen(l.msg);
    if (note == SINK_DROPPED)
        return write_line(j, &l, out);
    if (j->format == LOG_JSON)
        journal_line_json(&l, 0, out);
    else
        journal_line_logfmt(&l, out);
    text_add(out, "\n");
    return QUEUE_TEXT;
}

static int
open_sink(struct journal *j, struct ev_loop *loop, const struct journal_options *options)
{
    uint64_t doubt;
    int bad = journal_queue_attach(&j->sink.queue, &j->memory.header->queue, j->memory.queue,
                                   j->memory.queue_bytes, &doubt);
    int r = journal_sink_init(&j->sink, loop, options->fd, options->journal_socket, doubt);

    if (r < 0)
        return r;
    j->sink.note = write_note;
    j->sink.env = j;
    j->here = journal_native_here(getenv("JOURNAL_STREAM"), options->fd);
    return bad < 0 ? 1 : 0;
}

int
journal_create(struct ev_loop *loop, const struct journal_options *options, struct journal **ret)
{
    size_t queue_bytes = options->buffer_bytes ? options->buffer_bytes : JOURNAL_BUFFER_BYTES;
    struct journal *j = calloc(1, sizeof(*j));
    struct error err;
    int opened, r;

    if (!j)
        return -ENOMEM;
    list_init(&j->outputs);
    list_init(&j->watches);
    j->shown = &j->show;
    j->settles = &j->late;
    j->format = options->format;
    j->level = options->level;
    opened = journal_memory_open(&j->memory, options->ring_fd > 0 ? options->ring_fd : -1,
                                 queue_bytes, &err);
    if (opened < 0) {
        free(j);
        return opened;
    }
    r = open_sink(j, loop, options);
    if (r < 0) {
        journal_memory_close(&j->memory);
        free(j);
        return r;
    }
    if (journal_keep_attach(j) < 0)
        r = 1;
    j->told = j->memory.adopted ? shared_load(&j->memory.header->telling) : TELLS_NOBODY;
    j->untold = j->told ? j->told : TELLS_NOBODY;
    shared_store(&j->memory.header->telling, j->told);
    journal_sink_start(&j->sink);
    if (opened > 0)
        journal_say(j, LOG_LEVEL_WARNING, "log_memory", "%s", err.text);
    if (r > 0)
        journal_say(j, LOG_LEVEL_WARNING, "log_memory",
                    "some of what the process before kept of this log cannot be read");
    *ret = j;
    return 0;
}

void
journal_destroy(struct journal *j)
{
    if (!j)
        return;
    list_for_each_safe (pos, &j->watches)
        list_del(pos);
    journal_sink_finish(&j->sink);
    journal_keep_finish(j);
    journal_memory_close(&j->memory);
    text_finish(&j->line);
    text_finish(&j->record);
    text_finish(&j->show);
    free(j);
}

/* Until the lines that the one before was at are told, a third process has to know of them, too. */
void
journal_tells(struct journal *j, uint64_t key)
{
    uint64_t now = key + TELLS_NOBODY;

    if (key == 0 && j->again_begun)
        j->untold = TELLS_NOBODY; /* those were they */
    j->again_begun = key > 0 && now == j->untold;
    if (j->untold != TELLS_NOBODY && now != j->untold)
        now = key == 0 ? j->untold : 0;
    shared_store(&j->memory.header->telling, now);
}

bool
journal_told(const struct journal *j, uint64_t key)
{
    return j->told == 0 || j->told == key + TELLS_NOBODY;
}

int
journal_ring_fd(const struct journal *j)
{
    return j->memory.fd;
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

/* The two forms of an event: j->record as kept (JSON with its number), j->line as logged. */
static bool
render(struct journal *j, const struct journal_line *l, uint64_t seq, enum queue_kind *ret_kind)
{
    text_clear(&j->record);
    text_clear(&j->line);
    journal_line_json(l, seq, &j->record);
    *ret_kind = write_line(j, l, &j->line);
    return !j->record.failed && !j->line.failed;
}

static void
take_event(struct journal *j, const struct journal_line *l)
{
    enum queue_kind kind;

    if (l->level < j->level || !render(j, l, j->last_event + 1, &kind))
        return;
    journal_keep_event(j, l);
    journal_sink_put(&j->sink, kind, &j->line, SINK_EVENT);
    wake(j);
}

void
journal_record(struct journal *j, const struct record *r)
{
    struct journal_line l;
    char scratch[32];

    journal_line_record(&l, r, scratch, sizeof(scratch));
    take_event(j, &l);
}

void
journal_record_repeated(struct journal *j, const struct record *r)
{
    struct journal_line l;
    char scratch[32];

    journal_line_record(&l, r, scratch, sizeof(scratch));
    journal_line_add(&l, FIELD_NUMBER("repeated", 1));
    take_event(j, &l);
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
    take_event(j, &l);
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

static void
write_output(struct journal *j, const struct journal_line *l)
{
    enum queue_kind kind;

    if (LOG_LEVEL_INFO < j->level)
        return;
    text_clear(&j->line);
    kind = write_line(j, l, &j->line);
    if (!j->line.failed)
        journal_sink_put(&j->sink, kind, &j->line, table_key(l->service));
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

static struct journal_line
output_line(const struct journal_origin *from, const char *bytes, size_t n, unsigned flags)
{
    struct journal_line l = origin_line(from, "output", LOG_LEVEL_INFO);

    if (n > JOURNAL_LINE_BYTES || (flags & JOURNAL_OUTPUT_CUT))
        journal_line_add(&l, FIELD_BOOL("cut", true));
    if (flags & JOURNAL_OUTPUT_LAST)
        journal_line_add(&l, FIELD_BOOL("unfinished", true));
    if (flags & JOURNAL_OUTPUT_AGAIN)
        journal_line_add(&l, FIELD_NUMBER("repeated", 1));
    l.is_output = true;
    l.native = flags & JOURNAL_OUTPUT_NATIVE;
    l.msg = bytes;
    l.msg_bytes = n > JOURNAL_LINE_BYTES ? JOURNAL_LINE_BYTES : n;
    return l;
}

void
journal_output(struct journal *j, const struct journal_origin *from, const char *bytes, size_t n,
               unsigned flags)
{
    const struct journal_text line = {
        .bytes = bytes,
        .n = (uint32_t)(n > JOURNAL_LINE_BYTES ? JOURNAL_LINE_BYTES : n),
        .flags = flags | (n > JOURNAL_LINE_BYTES ? JOURNAL_OUTPUT_CUT : 0u),
    };

    journal_keep_output(j, from, &line, 1);
    if (!(flags & JOURNAL_OUTPUT_KEPT)) {
        struct journal_line l = output_line(from, bytes, n, flags);

        write_output(j, &l);
    }
    wake(j);
}

void
journal_output_kept(struct journal *j, const struct journal_origin *from,
                    const struct journal_text *lines, size_t n)
{
    for (size_t at = 0, part; at < n; at += part) {
        part = list_empty(&j->watches) ? n : journal_keep_portion(lines + at, n - at);
        journal_keep_output(j, from, lines + at, part);
        wake(j);
    }
}

void
journal_output_text(const struct journal_origin *from, const char *bytes, size_t n, unsigned flags,
                    struct text *out)
{
    struct journal_line l = output_line(from, bytes, n, flags);

    if (flags & JOURNAL_OUTPUT_JSON)
        journal_line_json(&l, 0, out);
    else
        journal_line_logfmt(&l, out);
    text_add(out, "\n");
}

bool
journal_output_fits(const struct journal *j, const char *service, size_t n)
{
    return LOG_LEVEL_INFO < j->level ||
           journal_sink_fits(&j->sink, n * ESCAPED + FIELDS_BYTES, table_key(service));
}

void
journal_want_room(struct journal *j)
{
    journal_sink_want_room(&j->sink);
}

void
journal_on_room(struct journal *j, void (*on_room)(void *env), void *env)
{
    j->sink.on_room = on_room;
    j->sink.room_env = env;
}
