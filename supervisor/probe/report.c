/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/report.h"

#include "base/text.h"
#include "supervisor/probe/overruns.h"
#include "supervisor/probe/report_parts.h"

static json_t *
tids_of(const struct process_facts *facts, const struct judgements *js, size_t group)
{
    json_t *tids = json_array();
    size_t n = 0;

    for (size_t i = 0; tids && i < js->n && n < PROBE_REPORT_TIDS; i++) {
        const struct judgement *j = &js->of[i];
        pid_t tid = j->thread < facts->n ? facts->threads[j->thread].tid : facts->dead[j->dead].tid;

        if (j->group != group)
            continue;
        n++;
        if (json_array_append_new(tids, json_integer(tid)) < 0) {
            json_decref(tids);
            return NULL;
        }
    }
    return tids;
}

static json_t *
generations_of(const struct judged_generation *of, size_t n)
{
    struct json_made o = json_begin();
    json_t *list = json_array();

    for (size_t i = 0; list && i < n; i++) {
        struct json_made g = json_begin();

        json_put_number(&g, "generation", (int64_t)(of[i].generation & INT64_MAX));
        json_put_number(&g, "count", (int64_t)of[i].count);
        json_append(&o, list, json_end(&g));
    }
    json_put(&o, "list", list);
    return json_end(&o);
}

static void
put_generations(struct json_made *o, const struct process_facts *facts, const struct judgements *js,
                size_t group)
{
    struct judged_generation of[PROBE_REPORT_TIDS];
    size_t n = judge_generations(facts, js, group, of, PROBE_REPORT_TIDS);
    json_t *made = n > 0 ? generations_of(of, n) : NULL;

    if (n > 0)
        json_put(o, "generations", json_incref(json_object_get(made, "list")));
    json_decref(made);
}

static json_t *
group_of(const struct process_facts *facts, const struct judgements *js, size_t group)
{
    const struct judgement_group *g = &js->groups[group];
    auto_text struct text words = TEXT_INIT;
    struct json_made o = json_begin();

    judge_tell(facts, js, group, &words);
    json_put_text(&o, "verdict", verdict_name(g->verdict));
    json_put(&o, "leak", json_boolean(verdict_is_leak(g->verdict)));
    json_put(&o, "culprit", json_boolean(g->culprit));
    json_put_text(&o, "key", g->key);
    json_put_number(&o, "count", (int64_t)g->count);
    json_put_text(&o, "text", text_str(&words));
    json_put(&o, "tids", tids_of(facts, js, group));
    put_generations(&o, facts, js, group);
    json_put(&o, "first", report_judged(facts, js, g->first));
    o.failed |= words.failed;
    return json_end(&o);
}

static json_t *
groups_of(const struct process_facts *facts, const struct judgements *js)
{
    struct json_made o = json_begin();
    json_t *list = json_array();

    for (size_t g = 0; list && g < js->n_groups; g++)
        json_append(&o, list, group_of(facts, js, g));
    json_put(&o, "groups", list);
    return json_end(&o);
}

static json_t *
cycle_of(const struct process_facts *facts, const struct judgement_cycle *c,
         const struct judgements *js)
{
    struct json_made o = json_begin();
    json_t *members = json_array();

    for (size_t m = 0; members && m < c->n; m++) {
        struct json_made member = json_begin();
        auto_text struct text wait = TEXT_INIT;

        judge_wait(facts, js, c->members[m], &wait);
        json_put_number(&member, "tid", facts->threads[c->members[m]].tid);
        json_put_text(&member, "name", judge_name(facts, c->members[m]));
        json_put_text(&member, "wait", text_str(&wait));
        json_append(&o, members, json_end(&member));
    }
    json_put(&o, "threads", members);
    json_put_true(&o, "concluded", c->concluded);
    return json_end(&o);
}

static const char *
scope_state(const struct scope_facts *s)
{
    if (s->closed)
        return "closed";
    if (s->retired)
        return "retired";
    return s->cancelled_us != 0 ? "cancelled" : "open";
}

static json_t *
scope_of(const struct process_facts *facts, const struct scope_facts *s)
{
    struct json_made o = json_begin();

    json_put_text(&o, "path", s->path);
    if (s->generation != 0)
        json_put_number(&o, "generation", (int64_t)(s->generation & INT64_MAX));
    json_put_text(&o, "state", scope_state(s));
    json_put_number(&o, "threads", s->threads);
    if (s->opened_us != 0)
        json_put_number(&o, "age_us", facts_span(s->opened_us, facts->at_us));
    if (s->cancelled_us != 0)
        json_put_number(&o, "cancelled_for_us", facts_span(s->cancelled_us, facts->at_us));
    json_put_span(&o, "grace_us", s->grace_us);
    json_put_text(&o, "who", s->who);
    json_put_text(&o, "text", s->text);
    return json_end(&o);
}

static void
put_process(struct json_made *o, const struct process_facts *f, const struct judgements *js)
{
    json_put_text(o, "schema", PROBE_REPORT_SCHEMA);
    json_put_number(o, "pid", f->pid);
    json_put_text(o, "exe", f->exe);
    json_put_text(o, "grade", evidence_grade_name(f->grade));
    json_put_text(o, "note", f->note);
    json_put_true(o, "untrusted", f->untrusted);
    json_put_number(o, "torn", f->torn);
    json_put_number(o, "overflow", f->overflow);
    json_put_text(o, "verdict", verdict_name(js->process));
    json_put_text(o, "why", js->process_why);
    json_put_text(o, "notice", js->notice);
    json_put_number(o, "at_us", f->at_us);
    json_put_number(o, "between_us", f->between_us);
    if (f->cancelled_us != 0) {
        json_put_number(o, "asked_for_us", facts_span(f->cancelled_us, f->at_us));
        json_put_number(o, "grace_us", f->grace_us);
    }
    json_put_true(o, "zombie_leader", f->zombie_leader);
    json_put_number(o, "connections", f->connections);
    json_put_text(o, "peers", f->peers);
    json_put_number(o, "listeners", f->listeners);
    json_put_text(o, "listening", f->listening);
}

static void
put_counts(struct json_made *o, const struct process_facts *f, const struct judgements *js)
{
    size_t registered = 0, ghosts = 0;

    for (size_t i = 0; i < f->n; i++)
        registered += f->threads[i].claimed && !f->untrusted;
    for (size_t i = 0; i < f->n_dead; i++)
        ghosts += f->dead[i].ghost;
    json_put_number(o, "total", (int64_t)f->n_threads);
    json_put_number(o, "listed", (int64_t)f->n);
    json_put_number(o, "registered", (int64_t)registered);
    json_put_number(o, "ghosts", (int64_t)ghosts);
    json_put_number(o, "leaked", (int64_t)js->n_leaked);
}

/* For the book that compares looks: who beats, and those who have to first. */
static json_t *
beats_of(const struct process_facts *f)
{
    struct json_made o = json_begin();
    json_t *list = json_array();
    size_t n = 0;

    for (int vital = 1; vital >= 0 && !f->untrusted; vital--)
        for (size_t i = 0; list && i < f->n && n < PROBE_REPORT_BEATS; i++) {
            const struct thread_facts *t = &f->threads[i];
            struct json_made beat;

            if (!t->claimed || (t->claim.vital_every_us > 0) != (vital == 1) ||
                (vital == 0 && t->claim.beats == 0))
                continue;
            n++;
            beat = json_begin();
            json_put_number(&beat, "tid", t->tid);
            json_put_number(&beat, "start_time", (int64_t)(t->start_time & INT64_MAX));
            json_put_number(&beat, "beats", (int64_t)(t->claim.beats & INT64_MAX));
            json_append(&o, list, json_end(&beat));
        }
    json_put(&o, "beats", list);
    return json_end(&o);
}

/* Those that have ended. Who is past a deadline now has `deadline_in_us` below 0 in its claim. */
static void
put_overruns(struct json_made *o, const struct process_facts *f)
{
    json_t *list = f->overruns ? json_array() : NULL;

    if (!f->overruns)
        return;
    for (size_t i = 0; list && i < f->overruns->n; i++) {
        const struct overrun *row = &f->overruns->of[i];
        struct json_made one = json_begin();

        json_put_text(&one, "thread", row->thread);
        json_put_text(&one, "creator", row->creator);
        json_put_text(&one, "task", row->task);
        json_put_text(&one, "scope", row->scope);
        json_put_text(&one, "trace_id", row->trace_id);
        json_put_number(&one, "count", (int64_t)(row->count & INT64_MAX));
        json_put_number(&one, "over_us", row->over_us);
        json_put_number(&one, "most_us", row->most_us);
        json_put_number(&one, "ended_ago_us", facts_span(row->last_us, f->at_us));
        json_append(o, list, json_end(&one));
    }
    json_put(o, "overruns", list);
    json_put_number(o, "overruns_total", (int64_t)(f->overruns->total & INT64_MAX));
}

static void
put_lists(struct json_made *o, const struct process_facts *f, const struct judgements *js, bool all)
{
    json_t *cycles = json_array(), *scopes = json_array(), *groups = groups_of(f, js),
           *beats = beats_of(f);

    json_put(o, "groups", json_incref(json_object_get(groups, "groups")));
    json_decref(groups);
    json_put(o, "beats", json_incref(json_object_get(beats, "beats")));
    json_decref(beats);
    for (size_t k = 0; cycles && k < js->n_cycles; k++)
        json_append(o, cycles, cycle_of(f, &js->cycles[k], js));
    json_put(o, "cycles", cycles);
    for (size_t k = 0; scopes && k < f->n_scopes && !f->untrusted; k++)
        json_append(o, scopes, scope_of(f, &f->scopes[k]));
    json_put(o, "scopes", scopes);
    put_overruns(o, f);
    if (all) {
        json_t *threads = json_array();

        for (size_t i = 0; threads && i < js->n; i++)
            json_append(o, threads, report_judged(f, js, i));
        json_put(o, "threads", threads);
    }
}

json_t *
probe_report(const struct process_facts *facts, const struct judgements *judgements, bool all)
{
    auto_text struct text summary = TEXT_INIT;
    struct json_made o = json_begin();

    put_process(&o, facts, judgements);
    put_counts(&o, facts, judgements);
    judge_summary(facts, judgements, &summary);
    json_put_text(&o, "summary", text_str(&summary));
    put_lists(&o, facts, judgements, all);
    o.failed |= summary.failed;
    return json_end(&o);
}
