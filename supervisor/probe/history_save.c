/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/history_json.h"
#include "supervisor/probe/report_parts.h"

static json_t *
recent_of(const struct history_counts *c)
{
    json_t *list = json_array();

    for (unsigned i = 0; list && i < c->n; i++)
        if (json_array_append_new(list, json_integer(c->recent[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *
sighting_of(const struct history_sighting *s)
{
    struct json_made o = json_begin();

    json_put_number(&o, "generation", (int64_t)(s->generation & INT64_MAX));
    json_put_number(&o, "pid", s->pid);
    json_put_text(&o, "state", history_state_name(s->state));
    json_put_text(&o, "verdict", verdict_name(s->verdict));
    json_put_true(&o, "asked", s->asked);
    json_put_true(&o, "process_gone", s->process_gone);
    json_put_number(&o, "most", s->all.most);
    json_put(&o, "counts", recent_of(&s->all));
    if (s->leaked.n > 0) {
        json_put_number(&o, "leaked_most", s->leaked.most);
        json_put(&o, "leaked_counts", recent_of(&s->leaked));
    }
    json_put_number(&o, "first_wall_us", s->first_wall_us);
    json_put_number(&o, "last_wall_us", s->last_wall_us);
    if (s->leaked_wall_us != 0)
        json_put_number(&o, "leaked_wall_us", s->leaked_wall_us);
    if (s->over_wall_us != 0)
        json_put_number(&o, "over_wall_us", s->over_wall_us);
    return json_end(&o);
}

static json_t *
group_of(const struct history_group *g)
{
    struct json_made o = json_begin();
    json_t *seen = json_array();

    json_put_text(&o, "key", g->key);
    json_put_text(&o, "state", history_state_name(history_state_of(g)));
    json_put_text(&o, "text", g->text ? g->text : "");
    json_put_text(&o, "name", g->name);
    json_put_text(&o, "start", g->start);
    json_put_text(&o, "creator", g->creator);
    json_put_true(&o, "culprit", g->culprit);
    json_put_true(&o, "rising", g->rising);
    if (g->rising)
        json_put_number(&o, "growth_milli", g->growth_milli);
    json_put_number(&o, "first_generation", (int64_t)(g->first_generation & INT64_MAX));
    json_put_number(&o, "last_generation", (int64_t)(g->last_generation & INT64_MAX));
    json_put_number(&o, "first_wall_us", g->first_wall_us);
    json_put_number(&o, "last_wall_us", g->last_wall_us);
    json_put_number(&o, "looks", g->looks);
    for (unsigned i = 0; seen && i < g->n_seen; i++)
        json_append(&o, seen, sighting_of(&g->seen[i]));
    json_put(&o, "seen", seen);
    return json_end(&o);
}

static json_t *
beat_of(const struct history_beat *b)
{
    struct json_made o = json_begin();

    json_put_number(&o, "pid", b->pid);
    json_put_number(&o, "tid", b->tid);
    json_put_number(&o, "start_time", (int64_t)(b->start_time & INT64_MAX));
    json_put_number(&o, "beats", (int64_t)(b->beats & INT64_MAX));
    json_put_number(&o, "since_us", b->since_us);
    return json_end(&o);
}

static json_t *
retained_of(const struct history_retained *r)
{
    struct json_made o = json_begin();

    json_put_number(&o, "generation", (int64_t)(r->generation & INT64_MAX));
    json_put_number(&o, "pid", r->pid);
    json_put_number(&o, "start_time", (int64_t)(r->start_time & INT64_MAX));
    json_put_text(&o, "verdict", verdict_name(VERDICT_PROCESS_RETAINED));
    json_put_text(&o, "state", history_state_name(r->state));
    json_put_text(&o, "comm", r->comm);
    json_put_text(&o, "text", r->text);
    json_put_number(&o, "first_wall_us", r->first_wall_us);
    json_put_number(&o, "last_wall_us", r->last_wall_us);
    if (r->over_wall_us != 0)
        json_put_number(&o, "over_wall_us", r->over_wall_us);
    return json_end(&o);
}

static const char *const hows[CERTIFICATE_HOWS] = {"pids", "cgroup", "fds", "threads"};

static json_t *
hows_of(const struct certificate *c)
{
    struct json_made o = json_begin();

    for (size_t i = 0; i < CERTIFICATE_HOWS; i++)
        json_put_text(&o, hows[i], c->how[i]);
    return json_end(&o);
}

json_t *
certificate_save(const struct certificate *c)
{
    struct json_made o = json_begin();

    json_put_number(&o, "generation", (int64_t)(c->generation & INT64_MAX));
    json_put_number(&o, "at_wall_us", c->at_wall_us);
    json_put_text(&o, "grade", certificate_grade_name(c->grade));
    json_put(&o, "pids_gone", json_boolean(c->pids_gone));
    json_put(&o, "cgroup_empty", json_boolean(c->cgroup_empty));
    json_put(&o, "fds_returned", json_boolean(c->fds_returned));
    if (c->threads_known)
        json_put(&o, "threads_joined", json_boolean(c->threads_joined));
    json_put(&o, "how", hows_of(c));
    json_put_number(&o, "processes", c->processes);
    json_put_number(&o, "leaks", c->leaks);
    json_put_number(&o, "killed", c->killed);
    json_put_number(&o, "escapees", c->escapees);
    if (c->unread > 0)
        json_put_number(&o, "unread", c->unread);
    json_put_text(&o, "text", c->text);
    return json_end(&o);
}

static json_t *
looked_of(uint64_t generation, bool asked)
{
    struct json_made o = json_begin();

    json_put_number(&o, "generation", (int64_t)(generation & INT64_MAX));
    json_put_true(&o, "asked", asked);
    return json_end(&o);
}

json_t *
history_save(const struct history *h)
{
    struct json_made o = json_begin();
    json_t *groups = json_array(), *looked = json_array(), *beats = json_array(),
           *retained = json_array(), *certificates = json_array();

    json_put_text(&o, "schema", HISTORY_SCHEMA);
    json_put_number(&o, "looks", (int64_t)(h->looks & INT64_MAX));
    json_put_number(&o, "dropped", (int64_t)(h->dropped & INT64_MAX));
    for (size_t i = 0; groups && i < h->n_groups; i++)
        json_append(&o, groups, group_of(&h->groups[i]));
    json_put(&o, "groups", groups);
    for (unsigned i = 0; looked && i < h->n_looked; i++)
        json_append(&o, looked, looked_of(h->looked[i].generation, h->looked[i].asked));
    json_put(&o, "looked", looked);
    for (size_t i = 0; beats && i < h->n_beats; i++)
        json_append(&o, beats, beat_of(&h->beats[i]));
    json_put(&o, "beats", beats);
    for (size_t i = 0; retained && i < h->n_retained; i++)
        json_append(&o, retained, retained_of(&h->retained[i]));
    json_put(&o, "retained", retained);
    for (unsigned i = 0; certificates && i < h->n_certificates; i++)
        json_append(&o, certificates, certificate_save(&h->certificates[i]));
    json_put(&o, "certificates", certificates);
    return json_end(&o);
}
