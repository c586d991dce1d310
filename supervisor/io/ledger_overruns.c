/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who of workers that are gone went on past a deadline, and who called them: sums of a service, in the
 * ledger, so that they outlive the master. A worker is added once: a master may be killed over it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "supervisor/io/ledger_internal.h"

#define ROWS_MAX 64 /* of each kind, in a sum and in a line */

/* ---- Sums --------------------------------------------------------------------------------------- */

/* Who is alike, or, when there is no room for another, NULL. */
static struct overrun *
row_for(struct overruns *to, const struct overrun *like)
{
    struct overrun *bigger;

    for (size_t i = 0; i < to->n; i++) {
        struct overrun *o = &to->of[i];

        if (!o->live && strcmp(o->thread, like->thread) == 0 &&
            strcmp(o->creator, like->creator) == 0 && strcmp(o->scope, like->scope) == 0)
            return o;
    }
    if (to->n >= ROWS_MAX)
        return NULL;
    bigger = realloc(to->of, (to->n + 1) * sizeof(*bigger));
    if (!bigger)
        return NULL;
    to->of = bigger;
    to->of[to->n] = (struct overrun){.count = 0};
    return &to->of[to->n++];
}

static void
add_row(struct overruns *to, const struct overrun *from)
{
    struct overrun *row = row_for(to, from);
    uint64_t count;
    int64_t most_us;

    if (!row)
        return; /* it is in the total */
    count = row->count + from->count;
    most_us = row->most_us > from->most_us ? row->most_us : from->most_us;
    if (from->last_us >= row->last_us)
        *row = *from;
    row->live = false;
    row->count = count;
    row->most_us = most_us;
}

static void
add_caller(struct overruns *to, const struct overrun_caller *from)
{
    struct overrun_caller *bigger, *c = NULL;

    for (size_t i = 0; i < to->n_callers && !c; i++)
        if (strcmp(to->callers[i].name, from->name) == 0)
            c = &to->callers[i];
    if (!c && to->n_callers < ROWS_MAX) {
        bigger = realloc(to->callers, (to->n_callers + 1) * sizeof(*bigger));
        if (!bigger)
            return;
        to->callers = bigger;
        c = &to->callers[to->n_callers++];
        *c = (struct overrun_caller){.calls = 0};
        memcpy(c->name, from->name, sizeof(c->name));
    }
    if (!c)
        return;
    c->calls += from->calls;
    c->without += from->without;
    c->malformed += from->malformed;
    c->expired += from->expired;
    c->cut += from->cut;
    c->overruns += from->overruns;
    if (from->least_us > 0 && (c->least_us == 0 || from->least_us < c->least_us))
        c->least_us = from->least_us;
    c->most_us = from->most_us > c->most_us ? from->most_us : c->most_us;
}

void
overruns_add(struct overruns *to, const struct overruns *from)
{
    for (size_t i = 0; i < from->n; i++)
        add_row(to, &from->of[i]);
    for (size_t i = 0; i < from->n_callers; i++)
        add_caller(to, &from->callers[i]);
    to->total += from->total + from->n_live;
    to->unseen_callers += from->unseen_callers;
}

/* ---- Lines -------------------------------------------------------------------------------------- */

static void
put(json_t *o, const char *key, json_t *value)
{
    (void)json_object_set_new(o, key, value); /* no memory: it is missing */
}

static void
put_number(json_t *o, const char *key, uint64_t n)
{
    put(o, key, json_integer((json_int_t)(n > INT64_MAX ? INT64_MAX : n)));
}

static json_t *
row_save(const struct overrun *row, int64_t to_wall_us)
{
    json_t *o = json_object();

    put(o, "thread", json_string(row->thread));
    put(o, "creator", json_string(row->creator));
    put(o, "task", json_string(row->task));
    put(o, "scope", json_string(row->scope));
    put(o, "trace_id", json_string(row->trace_id));
    put_number(o, "count", row->count);
    put(o, "over_us", json_integer(row->over_us));
    put(o, "most_us", json_integer(row->most_us));
    put(o, "last_wall_us", json_integer(row->last_us + to_wall_us));
    return o;
}

static json_t *
caller_save(const struct overrun_caller *c)
{
    json_t *o = json_object();

    put(o, "name", json_string(c->name));
    put_number(o, "calls", c->calls);
    put_number(o, "without", c->without);
    put_number(o, "malformed", c->malformed);
    put_number(o, "expired", c->expired);
    put_number(o, "cut", c->cut);
    put_number(o, "overruns", c->overruns);
    put(o, "least_us", json_integer(c->least_us));
    put(o, "most_us", json_integer(c->most_us));
    return o;
}

static json_t *
sum_save(const struct overruns *sum)
{
    const int64_t to_wall_us = wall_now_us() - mono_now_us();
    json_t *o = json_object(), *rows = json_array(), *callers = json_array();

    for (size_t i = 0; i < sum->n && i < ROWS_MAX; i++)
        (void)json_array_append_new(rows, row_save(&sum->of[i], to_wall_us));
    for (size_t i = 0; i < sum->n_callers && i < ROWS_MAX; i++)
        (void)json_array_append_new(callers, caller_save(&sum->callers[i]));
    put_number(o, "total", sum->total + sum->n_live);
    put_number(o, "unseen_callers", sum->unseen_callers);
    put(o, "rows", rows);
    put(o, "callers", callers);
    return o;
}

static uint64_t
number(const json_t *o, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(o, key));

    return n > 0 ? (uint64_t)n : 0;
}

static void
word(const json_t *o, const char *key, char *to, size_t room)
{
    const char *s = json_string_value(json_object_get(o, key));

    (void)snprintf(to, room, "%s", s ? s : "");
}

static void
row_load(const json_t *o, int64_t to_wall_us, struct overrun *row)
{
    *row = (struct overrun){.count = number(o, "count"),
                            .over_us = (int64_t)number(o, "over_us"),
                            .most_us = (int64_t)number(o, "most_us"),
                            .last_us = (int64_t)number(o, "last_wall_us") - to_wall_us};
    word(o, "thread", row->thread, sizeof(row->thread));
    word(o, "creator", row->creator, sizeof(row->creator));
    word(o, "task", row->task, sizeof(row->task));
    word(o, "scope", row->scope, sizeof(row->scope));
    word(o, "trace_id", row->trace_id, sizeof(row->trace_id));
}

static void
caller_load(const json_t *o, struct overrun_caller *c)
{
    *c = (struct overrun_caller){.calls = number(o, "calls"),
                                 .without = number(o, "without"),
                                 .malformed = number(o, "malformed"),
                                 .expired = number(o, "expired"),
                                 .cut = number(o, "cut"),
                                 .overruns = number(o, "overruns"),
                                 .least_us = (int64_t)number(o, "least_us"),
                                 .most_us = (int64_t)number(o, "most_us")};
    word(o, "name", c->name, sizeof(c->name));
}

/* Of the array @list at most ROWS_MAX. */
static size_t
few(const json_t *list)
{
    size_t n = json_array_size(list);

    return n < ROWS_MAX ? n : ROWS_MAX;
}

static int
sum_load(const json_t *o, struct overruns *ret)
{
    const int64_t to_wall_us = wall_now_us() - mono_now_us();
    const json_t *rows = json_object_get(o, "rows"), *callers = json_object_get(o, "callers");
    struct overruns sum = {.total = number(o, "total"),
                           .unseen_callers = number(o, "unseen_callers")};

    sum.of = calloc(few(rows) + 1, sizeof(*sum.of));
    sum.callers = calloc(few(callers) + 1, sizeof(*sum.callers));
    if (!sum.of || !sum.callers) {
        overruns_finish(&sum);
        return -1;
    }
    for (; sum.n < few(rows); sum.n++)
        row_load(json_array_get(rows, sum.n), to_wall_us, &sum.of[sum.n]);
    for (; sum.n_callers < few(callers); sum.n_callers++)
        caller_load(json_array_get(callers, sum.n_callers), &sum.callers[sum.n_callers]);
    *ret = sum;
    return 0;
}

/* ---- Who was added ------------------------------------------------------------------------------ */

static bool
was_added(const struct ledger_overruns *o, uint64_t generation, pid_t pid)
{
    for (size_t i = 0; i < LEDGER_ADDED; i++)
        if (o->added[i].pid == pid && o->added[i].generation == generation)
            return pid > 0;
    return false;
}

static void
note_added(struct ledger_overruns *o, uint64_t generation, pid_t pid)
{
    o->added[o->next % LEDGER_ADDED].generation = generation;
    o->added[o->next % LEDGER_ADDED].pid = pid;
    o->next++;
}

static json_t *
added_save(const struct ledger_overruns *o)
{
    json_t *all = json_array();

    for (unsigned i = 0; i < LEDGER_ADDED; i++) { /* the oldest first, as they were added */
        unsigned at = (o->next + i) % LEDGER_ADDED;

        if (o->added[at].pid > 0)
            (void)json_array_append_new(
                all,
                json_pack("[I, i]", (json_int_t)o->added[at].generation, (int)o->added[at].pid));
    }
    return all;
}

json_t *
ledger_overruns_save(const struct ledger_book *b)
{
    if (!b->overruns)
        return NULL;
    return json_pack("{s:s, s:o, s:o}", "service", b->service, "overruns",
                     sum_save(&b->overruns->sum), "of", added_save(b->overruns));
}

void
ledger_overruns_free(struct ledger_book *b)
{
    if (b->overruns)
        overruns_finish(&b->overruns->sum);
    free(b->overruns);
    b->overruns = NULL;
}

/* The whole sum of before, as the file was written anew. */
static void
take_whole(struct ledger_overruns *o, const json_t *line, struct overruns *sum)
{
    const json_t *of = json_object_get(line, "of");
    size_t n = json_array_size(of);

    overruns_finish(&o->sum);
    o->sum = *sum;
    *sum = (struct overruns){.n = 0};
    for (size_t i = n > LEDGER_ADDED ? n - LEDGER_ADDED : 0; i < n; i++) {
        const json_t *one = json_array_get(of, i);

        note_added(o, (uint64_t)json_integer_value(json_array_get(one, 0)),
                   (pid_t)json_integer_value(json_array_get(one, 1)));
    }
}

bool
ledger_overruns_take(struct ledger_book *b, const json_t *line)
{
    const uint64_t generation = number(line, "generation");
    const pid_t pid = (pid_t)number(line, "pid");
    struct overruns sum;

    if (!json_is_object(json_object_get(line, "overruns")))
        return false;
    if (!b->overruns)
        b->overruns = calloc(1, sizeof(*b->overruns));
    if (!b->overruns || sum_load(json_object_get(line, "overruns"), &sum) < 0)
        return true; /* no memory: a part is missing, and the line is fine */
    if (json_object_get(line, "of")) {
        take_whole(b->overruns, line, &sum);
    } else if (!was_added(b->overruns, generation, pid)) {
        overruns_add(&b->overruns->sum, &sum);
        note_added(b->overruns, generation, pid);
    }
    overruns_finish(&sum);
    return true;
}

json_t *
ledger_overruns_line(const struct ledger *l, const char *service, uint64_t generation, pid_t pid,
                     const struct overruns *o)
{
    const struct ledger_book *b = ledger_find(l, service);

    if (!l || (b && b->overruns && was_added(b->overruns, generation, pid)))
        return NULL;
    return json_pack("{s:s, s:I, s:i, s:I, s:o}", "service", service, "generation",
                     (json_int_t)generation, "pid", (int)pid, "at_wall_us",
                     (json_int_t)wall_now_us(), "overruns", sum_save(o));
}

const struct overruns *
ledger_overruns(const struct ledger *l, const char *service)
{
    const struct ledger_book *b = ledger_find(l, service);

    return b && b->overruns ? &b->overruns->sum : NULL;
}
