/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/journal_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/core/effect.h"

static const char *const level_names[] = {
    [LOG_LEVEL_DEBUG] = "debug",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_ERROR] = "error",
};

const char *
log_level_name(enum log_level level)
{
    return (size_t)level < ARRAY_LEN(level_names) ? level_names[level] : "info";
}

char *
rfc3339(int64_t wall_us, char buf[RFC3339_TEXT])
{
    time_t seconds = (time_t)(wall_us / US_PER_S);
    struct tm tm = {0};
    char day[24] = "";

    (void)gmtime_r(&seconds, &tm);
    (void)strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm); /* always fits */
    (void)snprintf(buf, RFC3339_TEXT, "%s.%03dZ", day, (int)(wall_us / US_PER_MS % 1000));
    return buf;
}

void
journal_line_add(struct journal_line *l, struct journal_field field)
{
    if (l->n_fields < LINE_FIELDS_MAX)
        l->fields[l->n_fields++] = field;
}

/* How a process ended, in the words of the shell's user. */
static void
add_exit(struct journal_line *l, int wait_status, char *scratch, size_t room)
{
    if (WIFSIGNALED(wait_status)) {
        const char *abbrev = sigabbrev_np(WTERMSIG(wait_status));

        (void)snprintf(scratch, room, "SIG%s", abbrev ? abbrev : "?");
        journal_line_add(l, FIELD_TEXT("signal", scratch));
        if (WCOREDUMP(wait_status))
            journal_line_add(l, FIELD_BOOL("core", true));
    } else {
        journal_line_add(l, FIELD_NUMBER("status", WEXITSTATUS(wait_status)));
    }
}

static void
add_kind(struct journal_line *l, const struct record *r, char *scratch, size_t room)
{
    int64_t ms = r->duration_us / US_PER_MS;

    if (r->kind == RECORD_VERDICT)
        journal_line_add(l, FIELD_TEXT("outcome", outcome_name(r->outcome)));
    if (r->kind == RECORD_EXIT)
        add_exit(l, (int)r->count, scratch, room);
    if (r->kind == RECORD_LEAK)
        journal_line_add(l, FIELD_NUMBER("stragglers", r->count));
    if (r->kind == RECORD_CERTIFICATE)
        journal_line_add(l, FIELD_NUMBER("leaks", r->count));
    if (r->kind == RECORD_BACKOFF)
        journal_line_add(l, FIELD_NUMBER("wait_ms", ms));
    else if (r->duration_us > 0)
        journal_line_add(l, FIELD_NUMBER("duration_ms", ms));
}

void
journal_line_record(struct journal_line *l, const struct record *r, char *scratch, size_t room)
{
    int64_t ago_us = mono_now_us() - r->at_us;

    *l = (struct journal_line){
        .wall_us = wall_now_us() - (ago_us > 0 && r->at_us > 0 ? ago_us : 0),
        .level = r->kind == RECORD_BUG ? LOG_LEVEL_ERROR
                 : r->warning          ? LOG_LEVEL_WARNING
                                       : LOG_LEVEL_INFO,
        .event = record_kind_name(r->kind),
        .service = r->service,
        .generation = r->generation,
        .has_slot = r->worker != 0,
        .slot = r->slot,
        .pid = r->pid,
        .trace = r->trace,
        .reload = r->reload,
        .msg = r->text[0] ? r->text : NULL,
        .msg_bytes = strlen(r->text),
    };
    add_kind(l, r, scratch, room);
}

/* The two ways to write one key. JSON asks for a comma before all but the first. */
struct writer {
    struct text *out;
    bool json;
    bool first;
};

static void
put_key(struct writer *w, const char *key)
{
    if (!w->first)
        text_add(w->out, w->json ? "," : " ");
    w->first = false;
    text_addf(w->out, w->json ? "\"%s\":" : "%s=", key);
}

static void
put_text(struct writer *w, const char *key, const char *s, size_t bytes)
{
    put_key(w, key);
    if (w->json)
        text_add_json(w->out, s, bytes);
    else
        text_add_value(w->out, s, bytes);
}

static void
put_number(struct writer *w, const char *key, int64_t number)
{
    put_key(w, key);
    text_addf(w->out, "%" PRId64, number);
}

static void
put_field(struct writer *w, const struct journal_field *f)
{
    switch (f->type) {
    case JOURNAL_TEXT:
        if (f->text)
            put_text(w, f->key, f->text, strlen(f->text));
        break;
    case JOURNAL_NUMBER:
        put_number(w, f->key, f->number);
        break;
    case JOURNAL_BOOL:
        put_key(w, f->key);
        text_add(w->out, f->number ? "true" : "false");
        break;
    }
}

static void
put_line(struct writer *w, const struct journal_line *l, uint64_t seq)
{
    char ts[RFC3339_TEXT];

    if (seq > 0)
        put_number(w, "seq", (int64_t)seq);
    rfc3339(l->wall_us, ts);
    put_text(w, "ts", ts, strlen(ts));
    put_text(w, "level", log_level_name(l->level), strlen(log_level_name(l->level)));
    put_text(w, "event", l->event, strlen(l->event));
    if (l->service && l->service[0])
        put_text(w, "service", l->service, strlen(l->service));
    if (l->generation > 0)
        put_number(w, "gen", (int64_t)l->generation);
    if (l->has_slot)
        put_number(w, "slot", l->slot);
    if (l->pid > 0)
        put_number(w, "pid", l->pid);
    if (l->trace && l->trace[0])
        put_text(w, "trace", l->trace, strlen(l->trace));
    if (l->reload > 0)
        put_number(w, "reload", (int64_t)l->reload);
    for (size_t i = 0; i < l->n_fields; i++)
        put_field(w, &l->fields[i]);
    if (l->msg)
        put_text(w, "msg", l->msg, l->msg_bytes);
}

void
journal_line_logfmt(const struct journal_line *l, struct text *out)
{
    struct writer w = {.out = out, .json = false, .first = true};

    put_line(&w, l, 0);
}

void
journal_line_json(const struct journal_line *l, uint64_t seq, struct text *out)
{
    struct writer w = {.out = out, .json = true, .first = true};

    text_add(out, "{");
    put_line(&w, l, seq);
    text_add(out, "}");
}
