/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "supervisor/probe/history_json.h"
#include "supervisor/probe/report.h"

/* ---- members that may be missing or anything ---------------------------------------------------- */

static int64_t
number(const json_t *o, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(o, key));

    return n > 0 ? n : 0;
}

static unsigned
small(const json_t *o, const char *key)
{
    int64_t n = number(o, key);

    return n < UINT32_MAX ? (unsigned)n : UINT32_MAX;
}

static pid_t
pid_in(const json_t *o, const char *key)
{
    int64_t n = number(o, key);

    return n <= INT32_MAX ? (pid_t)n : 0;
}

static bool
flag(const json_t *o, const char *key)
{
    return json_is_true(json_object_get(o, key));
}

static void
text(const json_t *o, const char *key, char *to, size_t room)
{
    struct text t = TEXT_INIT;
    const char *s = json_string_value(json_object_get(o, key));

    text_add_line(&t, s ? s : "", room - 1);
    (void)snprintf(to, room, "%s", text_str(&t));
    text_finish(&t);
}

/* NULL: none, or no memory: who needs it leaves the rest out too. */
static char *
owned(const json_t *o, const char *key, size_t most)
{
    struct text t = TEXT_INIT;
    const char *s = json_string_value(json_object_get(o, key));
    char *copy = NULL;

    if (s && s[0] != '\0') {
        text_add_line(&t, s, most);
        copy = text_steal(&t);
    }
    text_finish(&t);
    return copy;
}

static enum verdict
verdict_in(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    for (unsigned v = 0; s && v < VERDICT_COUNT; v++)
        if (strcmp(verdict_name((enum verdict)v), s) == 0)
            return (enum verdict)v;
    return VERDICT_CLEAN;
}

/* ---- the book ----------------------------------------------------------------------------------- */

static enum history_state
state_in(const json_t *o)
{
    const char *s = json_string_value(json_object_get(o, "state"));

    for (unsigned v = 0; s && v < HISTORY_STATE_COUNT; v++)
        if (strcmp(history_state_name((enum history_state)v), s) == 0)
            return (enum history_state)v;
    return HISTORY_SEEN;
}

static void
load_counts(const json_t *o, const char *most, const char *recent, struct history_counts *c)
{
    const json_t *counts = json_object_get(o, recent);

    c->most = small(o, most);
    for (size_t i = 0; i < json_array_size(counts) && c->n < HISTORY_RECENT; i++) {
        json_int_t n = json_integer_value(json_array_get(counts, i));

        c->recent[c->n++] = n > 0 && n < UINT32_MAX ? (unsigned)n : 0;
    }
}

static void
load_sighting(const json_t *o, struct history_sighting *s)
{
    *s = (struct history_sighting){.generation = (uint64_t)number(o, "generation"),
                                   .pid = pid_in(o, "pid"),
                                   .state = state_in(o),
                                   .verdict = verdict_in(o, "verdict"),
                                   .asked = flag(o, "asked"),
                                   .process_gone = flag(o, "process_gone"),
                                   .first_wall_us = number(o, "first_wall_us"),
                                   .last_wall_us = number(o, "last_wall_us"),
                                   .leaked_wall_us = number(o, "leaked_wall_us"),
                                   .over_wall_us = number(o, "over_wall_us")};
    load_counts(o, "most", "counts", &s->all);
    load_counts(o, "leaked_most", "leaked_counts", &s->leaked);
}

static bool
load_group(const json_t *o, struct history_group *g)
{
    const json_t *seen = json_object_get(o, "seen");

    *g = (struct history_group){.key = owned(o, "key", 255),
                                .culprit = flag(o, "culprit"),
                                .rising = flag(o, "rising"),
                                .growth_milli = number(o, "growth_milli"),
                                .first_generation = (uint64_t)number(o, "first_generation"),
                                .last_generation = (uint64_t)number(o, "last_generation"),
                                .first_wall_us = number(o, "first_wall_us"),
                                .last_wall_us = number(o, "last_wall_us"),
                                .looks = small(o, "looks")};
    if (!g->key)
        return false;
    g->text = owned(o, "text", HISTORY_TEXT - 1);
    text(o, "name", g->name, sizeof(g->name));
    text(o, "start", g->start, sizeof(g->start));
    text(o, "creator", g->creator, sizeof(g->creator));
    for (size_t i = 0; i < json_array_size(seen) && g->n_seen < HISTORY_SIGHTINGS; i++)
        load_sighting(json_array_get(seen, i), &g->seen[g->n_seen++]);
    return true;
}

static bool
has_key(const struct history *h, const char *key)
{
    for (size_t i = 0; i < h->n_groups; i++)
        if (strcmp(h->groups[i].key, key) == 0)
            return true;
    return false;
}

static int
load_groups(const json_t *list, struct history *h)
{
    if (json_array_size(list) == 0)
        return 0;
    h->groups = calloc(HISTORY_GROUPS, sizeof(*h->groups));
    if (!h->groups)
        return -ENOMEM;
    for (size_t i = 0; i < json_array_size(list) && h->n_groups < HISTORY_GROUPS; i++) {
        struct history_group g;

        if (!load_group(json_array_get(list, i), &g))
            continue;
        if (has_key(h, g.key)) {
            free(g.key);
            free(g.text);
            continue;
        }
        h->groups[h->n_groups++] = g;
    }
    return 0;
}

static int
load_beats(const json_t *list, struct history *h)
{
    if (json_array_size(list) == 0)
        return 0;
    h->beats = calloc(HISTORY_BEATS, sizeof(*h->beats));
    if (!h->beats)
        return -ENOMEM;
    for (size_t i = 0; i < json_array_size(list) && h->n_beats < HISTORY_BEATS; i++) {
        const json_t *o = json_array_get(list, i);

        h->beats[h->n_beats++] =
            (struct history_beat){.pid = pid_in(o, "pid"),
                                  .tid = pid_in(o, "tid"),
                                  .start_time = (uint64_t)number(o, "start_time"),
                                  .beats = (uint64_t)number(o, "beats"),
                                  .since_us = number(o, "since_us")};
    }
    return 0;
}

int
retained_load(const json_t *saved, uint64_t generation, int64_t at_wall_us, struct history *h)
{
    struct history_retained r = {.generation = generation ? generation
                                                          : (uint64_t)number(saved, "generation"),
                                 .pid = pid_in(saved, "pid"),
                                 .start_time = (uint64_t)number(saved, "start_time"),
                                 .first_wall_us = at_wall_us,
                                 .last_wall_us = at_wall_us};
    auto_free char *words = owned(saved, "text", HISTORY_TEXT - 1);

    if (r.pid == 0)
        return -EINVAL;
    text(saved, "comm", r.comm, sizeof(r.comm));
    r.text = words;
    return history_retain(h, &r);
}

static int
load_retained(const json_t *list, struct history *h)
{
    for (size_t i = 0; i < json_array_size(list) && h->n_retained < HISTORY_RETAINED; i++) {
        const json_t *o = json_array_get(list, i);
        size_t before = h->n_retained;

        if (retained_load(o, 0, number(o, "first_wall_us"), h) == -ENOMEM)
            return -ENOMEM;
        if (h->n_retained == before)
            continue;
        h->retained[before].last_wall_us = number(o, "last_wall_us");
        h->retained[before].over_wall_us = number(o, "over_wall_us");
        h->retained[before].state = state_in(o);
    }
    return 0;
}

static enum certificate_grade
certificate_grade_in(const json_t *o)
{
    const char *s = json_string_value(json_object_get(o, "grade"));

    for (unsigned v = CERTIFICATE_ASSUMED; s && v <= CERTIFICATE_CGROUP; v++)
        if (strcmp(certificate_grade_name((enum certificate_grade)v), s) == 0)
            return (enum certificate_grade)v;
    return CERTIFICATE_ASSUMED;
}

static const char *const hows[CERTIFICATE_HOWS] = {"pids", "cgroup", "fds", "threads"};

/* One of a release that did not say how: what it denies it may just not have known, such as a cgroup. */
static void
load_hows(const json_t *saved, struct certificate *c)
{
    const bool good[] = {c->pids_gone, c->cgroup_empty, c->fds_returned, c->threads_joined};
    const json_t *how = json_object_get(saved, "how");

    for (size_t i = 0; i < CERTIFICATE_HOWS; i++)
        if (json_object_get(how, hows[i]) || good[i])
            text(how, hows[i], c->how[i], sizeof(c->how[i]));
        else
            (void)snprintf(c->how[i], sizeof(c->how[i]), "none");
}

int
certificate_load(const json_t *saved, struct certificate *ret)
{
    if (!json_is_object(saved) || number(saved, "generation") == 0)
        return -EINVAL;
    *ret = (struct certificate){.generation = (uint64_t)number(saved, "generation"),
                                .at_wall_us = number(saved, "at_wall_us"),
                                .grade = certificate_grade_in(saved),
                                .pids_gone = flag(saved, "pids_gone"),
                                .cgroup_empty = flag(saved, "cgroup_empty"),
                                .fds_returned = flag(saved, "fds_returned"),
                                .threads_known = json_object_get(saved, "threads_joined") != NULL,
                                .threads_joined = flag(saved, "threads_joined"),
                                .processes = small(saved, "processes"),
                                .leaks = small(saved, "leaks"),
                                .killed = small(saved, "killed"),
                                .escapees = small(saved, "escapees"),
                                .unread = small(saved, "unread")};
    text(saved, "text", ret->text, sizeof(ret->text));
    load_hows(saved, ret);
    return 0;
}

static bool
is_schema(const json_t *o, const char *schema)
{
    const char *s = json_string_value(json_object_get(o, "schema"));

    return s && strcmp(s, schema) == 0;
}

int
history_load(const json_t *saved, struct history *ret)
{
    struct history h = {0};
    const json_t *looked = json_object_get(saved, "looked"),
                 *certificates = json_object_get(saved, "certificates");
    int r;

    if (!is_schema(saved, HISTORY_SCHEMA))
        return -EINVAL;
    h.looks = (uint64_t)number(saved, "looks");
    h.dropped = (uint64_t)number(saved, "dropped");
    r = load_groups(json_object_get(saved, "groups"), &h);
    if (r == 0)
        r = load_beats(json_object_get(saved, "beats"), &h);
    if (r == 0)
        r = load_retained(json_object_get(saved, "retained"), &h);
    for (size_t i = 0; i < json_array_size(looked) && h.n_looked < HISTORY_LOOKED; i++) {
        const json_t *o = json_array_get(looked, i);

        h.looked[h.n_looked].generation = (uint64_t)number(o, "generation");
        h.looked[h.n_looked++].asked = flag(o, "asked");
    }
    for (size_t i = 0; i < json_array_size(certificates) && h.n_certificates < HISTORY_CERTIFICATES;
         i++)
        if (certificate_load(json_array_get(certificates, i), &h.certificates[h.n_certificates]) ==
            0)
            h.n_certificates++;
    if (r < 0) {
        history_finish(&h);
        return r;
    }
    *ret = h;
    return 0;
}

/* ---- a report --------------------------------------------------------------------------------- */

static int
read_groups(const json_t *list, struct sight *s)
{
    s->groups = calloc(SIGHT_GROUPS, sizeof(*s->groups));
    if (!s->groups)
        return -ENOMEM;
    for (size_t i = 0; i < json_array_size(list) && s->n_groups < SIGHT_GROUPS; i++) {
        const json_t *o = json_array_get(list, i), *first = json_object_get(o, "first");
        struct sight_group g = {.verdict = verdict_in(o, "verdict"),
                                .culprit = flag(o, "culprit"),
                                .count = small(o, "count"),
                                .key = owned(o, "key", 255)};

        if (!g.key)
            continue;
        if (verdict_is_leak(g.verdict))
            g.text = owned(o, "text", HISTORY_TEXT - 1);
        text(first, "name", g.name, sizeof(g.name));
        text(json_object_get(first, "start"), "function", g.start, sizeof(g.start));
        text(json_object_get(json_object_get(first, "claim"), "creator"), "function", g.creator,
             sizeof(g.creator));
        s->groups[s->n_groups++] = g;
    }
    return 0;
}

static int
read_beats(const json_t *list, struct sight *s)
{
    s->beats = calloc(HISTORY_BEATS, sizeof(*s->beats));
    if (!s->beats)
        return -ENOMEM;
    for (size_t i = 0; i < json_array_size(list) && s->n_beats < HISTORY_BEATS; i++) {
        const json_t *o = json_array_get(list, i);

        s->beats[s->n_beats++] =
            (struct sight_beat){.tid = pid_in(o, "tid"),
                                .start_time = (uint64_t)number(o, "start_time"),
                                .beats = (uint64_t)number(o, "beats")};
    }
    return 0;
}

int
sight_read(const json_t *report, uint64_t generation, pid_t pid, int64_t at_wall_us,
           struct sight *ret)
{
    struct sight s = {.generation = generation,
                      .pid = pid,
                      .at_us = number(report, "at_us"),
                      .at_wall_us = at_wall_us,
                      .asked = json_object_get(report, "asked_for_us") != NULL};
    int r;

    if (!is_schema(report, PROBE_REPORT_SCHEMA))
        return -EINVAL;
    r = read_groups(json_object_get(report, "groups"), &s);
    if (r == 0)
        r = read_beats(json_object_get(report, "beats"), &s);
    if (r < 0) {
        sight_finish(&s);
        return r;
    }
    *ret = s;
    return 0;
}
