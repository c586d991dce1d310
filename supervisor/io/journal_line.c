/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/journal_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/plain.h"
#include "base/units.h"
#include "supervisor/core/effect.h"
#include "supervisor/io/journal_native.h"

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
    /* Most lines of a flood are of one second. One thread. */
    static time_t last = -1;
    static char day[24];
    time_t seconds = (time_t)(wall_us / US_PER_S);
    int ms = (int)(wall_us / US_PER_MS % 1000);
    size_t n;

    if (seconds != last) {
        struct tm tm = {0};

        (void)gmtime_r(&seconds, &tm);
        (void)strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm); /* always fits */
        last = seconds;
    }
    n = strlen(day);
    memcpy(buf, day, n);
    buf[n] = '.';
    buf[n + 1] = (char)('0' + ms / 100);
    buf[n + 2] = (char)('0' + ms / 10 % 10);
    buf[n + 3] = (char)('0' + ms % 10);
    memcpy(buf + n + 4, "Z", 2);
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
    if (r->grade != GRADE_NONE)
        journal_line_add(l, FIELD_TEXT("evidence", grade_name(r->grade)));
    if (r->kind == RECORD_HOOK) {
        journal_line_add(l, FIELD_TEXT("hook", hook_name(r->hook)));
        journal_line_add(l, FIELD_TEXT("outcome", hook_outcome_name(r->hook_outcome)));
        if (r->count > 1)
            journal_line_add(l, FIELD_NUMBER("tries", r->count));
    }
    if (r->kind == RECORD_EXIT)
        add_exit(l, (int)r->count, scratch, room);
    if (r->kind == RECORD_BUDGET)
        journal_line_add(l, FIELD_NUMBER("over", r->count));
    if (r->kind == RECORD_LEAK || r->kind == RECORD_THREAD_LEAK || r->kind == RECORD_RECOVERED)
        journal_line_add(l, FIELD_NUMBER("stragglers", r->count));
    if (r->kind == RECORD_CERTIFICATE)
        journal_line_add(l, FIELD_NUMBER("leaks", r->count));
    if (r->kind == RECORD_BACKOFF || (r->kind == RECORD_RELIEF && r->duration_us > 0))
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

enum line_form { FORM_LOGFMT, FORM_JSON, FORM_NATIVE };

/* The ways to write one key. JSON asks for a comma before all but the first. */
struct writer {
    struct text *out;
    enum line_form form;
    bool first;
};

#define KEY_MAX 48 /* ours are shorter */

/* There are a dozen in each line that a worker prints, so each is put together first and added once. */
static void
put_key(struct writer *w, const char *key)
{
    char whole[KEY_MAX + 4], *at = whole;
    size_t n = strnlen(key, KEY_MAX);

    if (!w->first)
        *at++ = w->form == FORM_JSON ? ',' : ' ';
    w->first = false;
    if (w->form == FORM_JSON)
        *at++ = '"';
    memcpy(at, key, n);
    at += n;
    if (w->form == FORM_JSON)
        *at++ = '"';
    *at++ = w->form == FORM_JSON ? ':' : '=';
    text_addn(w->out, whole, (size_t)(at - whole));
}

static void
put_text(struct writer *w, const char *key, const char *s, size_t bytes)
{
    if (w->form == FORM_NATIVE) {
        journal_native_field(w->out, key, s, bytes);
        return;
    }
    put_key(w, key);
    if (w->form == FORM_JSON)
        text_add_json(w->out, s, bytes);
    else
        text_add_value(w->out, s, bytes);
}

/* What needs no quotes in any form. */
static void
put_bare(struct writer *w, const char *key, const char *word)
{
    if (w->form == FORM_NATIVE) {
        journal_native_field(w->out, key, word, strlen(word));
        return;
    }
    put_key(w, key);
    text_add(w->out, word);
}

static void
put_number(struct writer *w, const char *key, int64_t number)
{
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    char digits[24] = "", *at = digits + sizeof(digits) - 1;

    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (number < 0)
        *--at = '-';
    put_bare(w, key, at);
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
        put_bare(w, f->key, f->number ? "true" : "false");
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
    if (w->form == FORM_NATIVE)
        journal_native_level(w->out, l->level);
    else
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
    if (l->msg && w->form != FORM_NATIVE)
        put_text(w, "msg", l->msg, l->msg_bytes);
}

void
journal_line_logfmt(const struct journal_line *l, struct text *out)
{
    struct writer w = {.out = out, .form = FORM_LOGFMT, .first = true};

    put_line(&w, l, 0);
}

void
journal_line_json(const struct journal_line *l, uint64_t seq, struct text *out)
{
    struct writer w = {.out = out, .form = FORM_JSON, .first = true};

    text_add(out, "{");
    put_line(&w, l, seq);
    text_add(out, "}");
}

/* What a worker printed may be quoted in it: what would make the whole a blob of bytes is made plain. */
static void
make_readable(char *text)
{
    for (char *end; *text; text = end + 1) {
        char was;

        end = text + strcspn(text, "\n\t");
        was = *end;
        *end = '\0';
        plain_text(text);
        *end = was;
        if (!was)
            return;
    }
}

/* "web, gen 7, slot 1: worker exit: killed by SIGKILL". The fields speak when no sentence does. */
static void
add_sentence(const struct journal_line *l, struct text *out)
{
    struct writer w = {.out = out, .form = FORM_LOGFMT};

    if (l->service && l->service[0]) {
        text_add(out, l->service);
        if (l->generation > 0)
            text_addf(out, ", gen %" PRIu64, l->generation);
        if (l->has_slot)
            text_addf(out, ", slot %u", l->slot);
        text_add(out, ": ");
    }
    for (const char *c = l->event; *c; c++)
        text_addn(out, *c == '_' ? " " : c, 1);
    for (size_t i = 0; i < l->n_fields; i++) {
        const struct journal_field *f = &l->fields[i];

        if (!l->msg)
            put_field(&w, f);
        else if (f->type == JOURNAL_TEXT && f->text && strcmp(f->key, "outcome") == 0)
            text_addf(out, " %s", f->text);
    }
    if (l->msg) {
        text_add(out, ": ");
        text_addn(out, l->msg, l->msg_bytes);
    }
    if (out->data)
        make_readable(out->data);
}

void
journal_line_native(const struct journal_line *l, struct text *out)
{
    struct writer w = {.out = out, .form = FORM_NATIVE};
    auto_text struct text sentence = TEXT_INIT;

    text_add(out, "SYSLOG_IDENTIFIER=stint\n");
    put_line(&w, l, 0);
    if (l->is_output) {
        put_text(&w, "msg", l->msg, l->msg_bytes);
        return;
    }
    add_sentence(l, &sentence);
    out->failed |= sentence.failed;
    put_text(&w, "msg", text_str(&sentence), sentence.bytes);
}
