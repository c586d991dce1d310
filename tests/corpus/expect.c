/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "expect.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define NOTHING(...)
#define ROW(id, name, origin, registered, bare) {#id, name, origin, registered, bare},
#define FIND                                    NOTHING
#define MAY                                     NOTHING
#define PROC                                    NOTHING
#define SAYS                                    NOTHING
const struct expect_row expect_rows[] = {
#include "goker.def"
#include "rows.def"
};
#undef ROW
#undef FIND
#define ROW NOTHING
#define FIND(id, flavours, verdicts, thread, start, wait, object, frame, creator, count) \
    {#id, flavours, verdicts, thread, start, wait, object, frame, creator, count},
const struct expect_find expect_finds[] = {
#include "goker.def"
#include "rows.def"
};
#undef FIND
#define FIND NOTHING
#undef MAY
#define MAY(id, flavours, word) {#id, flavours, word},
const struct expect_word expect_mays[] = {
#include "goker.def"
#include "rows.def"
};
#undef MAY
#define MAY NOTHING
#undef PROC
#define PROC(id, flavours, word) {#id, flavours, word},
const struct expect_word expect_procs[] = {
#include "goker.def"
#include "rows.def"
};
#undef PROC
#define PROC NOTHING
#undef SAYS
#define SAYS(id, flavours, word) {#id, flavours, word},
const struct expect_word expect_says[] = {
#include "goker.def"
#include "rows.def"
};

const size_t n_expect_rows = ARRAY_LEN(expect_rows), n_expect_finds = ARRAY_LEN(expect_finds),
             n_expect_mays = ARRAY_LEN(expect_mays), n_expect_procs = ARRAY_LEN(expect_procs),
             n_expect_says = ARRAY_LEN(expect_says);

const char *
flavour_name(enum flavour f)
{
    return f == REGISTERED ? "registered" : "bare";
}

enum drive
play_drive(const struct play *p)
{
    return p->flavour == REGISTERED ? p->row->registered : p->row->bare;
}

bool
is_leak(const char *verdicts)
{
    return strncmp(verdicts, "leaked", 6) == 0 || strncmp(verdicts, "deadlock", 8) == 0 ||
           strncmp(verdicts, "orphan-lock", 11) == 0 || strncmp(verdicts, "dead-watcher", 12) == 0;
}

void
complain(struct outcome *out, const char *fmt, ...)
{
    size_t n = strlen(out->why);
    va_list ap;

    if (n > 0 && n + 3 < sizeof(out->why))
        n += (size_t)snprintf(out->why + n, sizeof(out->why) - n, "; ");
    va_start(ap, fmt);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was, one line above */
    (void)vsnprintf(out->why + n, sizeof(out->why) - n, fmt, ap);
    va_end(ap);
}

/* ---- what a report says ------------------------------------------------------------------------ */

static const char *
text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

/* A function that was split or specialised by the compiler is still that function. */
static bool
is_function(const char *said, const char *expected)
{
    size_t n = strlen(expected);

    return strncmp(said, expected, n) == 0 && (said[n] == '\0' || said[n] == '.');
}

static bool
is_one_of(const char *verdict, const char *verdicts)
{
    size_t n = strlen(verdict);

    for (const char *p = verdicts; p; p = strchr(p, '|')) {
        p += *p == '|';
        if (strncmp(p, verdict, n) == 0 && (p[n] == '\0' || p[n] == '|'))
            return true;
    }
    return false;
}

static bool
is_thread(const json_t *first, const char *name)
{
    /* the kernel keeps 15 bytes of it */
    return strcmp(text(first, "name"), name) == 0 ||
           (strlen(name) >= 15 && strncmp(text(first, "name"), name, 15) == 0 &&
            strlen(text(first, "name")) == 15);
}

/* Is it about those threads? A program that is registered has names, any other has functions. */
static bool
is_about(const struct play *p, const struct expect_find *f, const json_t *first)
{
    const char *start = text(json_object_get(first, "start"), "function");
    bool main = json_is_true(json_object_get(first, "main"));

    if (strcmp(f->start, "main") == 0 || (!*f->thread && !*f->start))
        return main == (*f->start != '\0');
    if (*f->start && (p->flavour == BARE || !*f->thread))
        return is_function(start, f->start) ||
               (!*start && *f->thread && is_thread(first, f->thread));
    return is_thread(first, f->thread);
}

static const json_t *
first_business(const json_t *first)
{
    const json_t *at = json_object_get(first, "business");

    return at ? json_array_get(json_object_get(first, "frames"), (size_t)json_integer_value(at))
              : NULL;
}

static void
name_one(struct outcome *out, enum named which, bool right, const char *said, const char *expected)
{
    static const char *const names[] = {"culprit", "wait", "frame", "creator"};

    out->to_name[which]++;
    out->named[which] += right;
    if (!right)
        complain(out, "%s '%s', not '%s'", names[which], said, expected);
}

/* How well is what was found named? */
static void
judge_names(const struct play *p, const struct expect_find *f, const json_t *first,
            struct outcome *out)
{
    const json_t *wait = json_object_get(first, "wait");
    const char *symbol = text(wait, "symbol"), *class = text(wait, "class");
    const char *start = text(json_object_get(first, "start"), "function");
    char said[300], expected[200];

    if (p->flavour == REGISTERED && *f->thread)
        name_one(out, NAMED_CULPRIT, is_thread(first, f->thread), text(first, "name"), f->thread);
    else if (*f->start)
        name_one(out, NAMED_CULPRIT,
                 is_function(start, f->start) || json_is_true(json_object_get(first, "main")),
                 start, f->start);
    if (*f->wait) {
        (void)snprintf(said, sizeof(said), "%s %s", class, symbol);
        (void)snprintf(expected, sizeof(expected), "%s %s", f->wait, f->object);
        name_one(out, NAMED_WAIT,
                 strcmp(class, f->wait) == 0 &&
                     (!*f->object || strncmp(symbol, f->object, strlen(f->object)) == 0),
                 said, expected);
    }
    if (*f->frame) {
        const char *function = text(first_business(first), "function");

        name_one(out, NAMED_FRAME, is_function(function, f->frame), function, f->frame);
    }
    if (*f->creator && p->flavour == REGISTERED) {
        const char *creator =
            text(json_object_get(json_object_get(first, "claim"), "creator"), "function");

        name_one(out, NAMED_CREATOR, is_function(creator, f->creator), creator, f->creator);
    }
}

static void
look_for(const struct play *p, const struct expect_find *f, const json_t *groups, int expected,
         struct outcome *out)
{
    const json_t *g, *best = NULL;
    bool leak = is_leak(f->verdicts);
    long count = 0;
    char instead[200] = "nothing";
    size_t i;

    json_array_foreach(groups, i, g)
    {
        const json_t *first = json_object_get(g, "first");
        long n = (long)json_integer_value(json_object_get(g, "count"));

        if (!is_about(p, f, first))
            continue;
        if (!is_one_of(text(g, "verdict"), f->verdicts)) {
            (void)snprintf(instead, sizeof(instead), "%s x%ld", text(g, "verdict"), n);
            continue;
        }
        out->blamed |= json_is_true(json_object_get(g, "culprit"));
        count += n;
        if (!best)
            best = first;
    }
    if (!leak) {
        out->asked++;
        out->said += count == expected;
    } else if (count != expected) {
        out->found = false;
    }
    if (count != expected)
        complain(out, "%s %s: %ld of %d, instead %s", f->verdicts,
                 *f->thread ? f->thread : f->start, count, expected, instead);
    if (best && leak)
        judge_names(p, f, best, out);
}

static bool
concerns(const struct play *p, const char *row, enum flavour flavours)
{
    return strcmp(row, p->row->id) == 0 && (flavours & p->flavour);
}

/* Is a group that is accused one that may be? */
static bool
is_allowed(const struct play *p, const json_t *g)
{
    const json_t *first = json_object_get(g, "first");
    const char *start = text(json_object_get(first, "start"), "function");

    if (p->twin)
        return false;
    for (size_t i = 0; i < n_expect_mays; i++)
        if (concerns(p, expect_mays[i].row, expect_mays[i].flavours) &&
            (is_function(start, expect_mays[i].word) ||
             (strcmp(expect_mays[i].word, "main") == 0 &&
              json_is_true(json_object_get(first, "main")))))
            return true;
    for (size_t i = 0; i < n_expect_finds; i++)
        if (concerns(p, expect_finds[i].row, expect_finds[i].flavours) &&
            is_leak(expect_finds[i].verdicts) && is_about(p, &expect_finds[i], first))
            return true; /* with another verdict it is not found, which is enough */
    return false;
}

static void
look_for_wrong(const struct play *p, const json_t *groups, struct outcome *out)
{
    const json_t *g;
    size_t i;

    json_array_foreach(groups, i, g)
    {
        if (!json_is_true(json_object_get(g, "leak")) ||
            !json_is_true(json_object_get(g, "culprit")) || is_allowed(p, g))
            continue;
        out->wrong++;
        complain(out, "wrong: %s", text(g, "text"));
    }
}

static void
look_for_words(const struct play *p, const json_t *report, struct outcome *out)
{
    char *all = json_dumps(report, JSON_COMPACT);

    for (size_t i = 0; i < n_expect_procs; i++) {
        bool right = strcmp(text(report, "verdict"), expect_procs[i].word) == 0;

        if (!concerns(p, expect_procs[i].row, expect_procs[i].flavours))
            continue;
        out->asked++;
        out->said += right;
        if (!right)
            complain(out, "process: %s, not %s (%s)", text(report, "verdict"), expect_procs[i].word,
                     text(report, "summary"));
    }
    for (size_t i = 0; i < n_expect_says; i++) {
        bool right = all && strstr(all, expect_says[i].word);

        if (!concerns(p, expect_says[i].row, expect_says[i].flavours))
            continue;
        out->asked++;
        out->said += right;
        if (!right)
            complain(out, "does not say '%s'", expect_says[i].word);
    }
    free(all);
}

void
judge_begin(const struct play *p, struct outcome *out)
{
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < n_expect_finds && !p->twin; i++)
        out->leaks |= concerns(p, expect_finds[i].row, expect_finds[i].flavours) &&
                      is_leak(expect_finds[i].verdicts);
}

void
judge_report(const struct play *p, const json_t *report, int counted, struct outcome *out)
{
    const json_t *groups = json_object_get(report, "groups");

    out->played = true;
    out->found = out->leaks;
    look_for_wrong(p, groups, out);
    if (p->twin)
        return;
    for (size_t i = 0; i < n_expect_finds; i++) {
        const struct expect_find *f = &expect_finds[i];

        if (concerns(p, f->row, f->flavours))
            look_for(p, f, groups, f->count ? f->count : counted, out);
    }
    if (out->found && !out->blamed) { /* seen, and taken for somebody's victim */
        out->to_name[NAMED_CULPRIT]++;
        complain(out, "nobody is the culprit");
    }
    if (report || out->leaks)
        look_for_words(p, report, out);
}
