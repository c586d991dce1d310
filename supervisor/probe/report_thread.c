/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/text.h"
#include "supervisor/probe/report_parts.h"

json_t *
report_place(const struct place *p)
{
    struct json_made o = json_begin();

    json_put_text(&o, "function", p->function);
    json_put_text(&o, "file", p->file);
    if (p->line != 0)
        json_put_number(&o, "line", p->line);
    json_put_text(&o, "module", p->module);
    json_put_hex(&o, "offset", p->offset);
    json_put_hex(&o, "pc", p->pc);
    json_put_true(&o, "business", p->business);
    json_put_true(&o, "unmapped", p->unmapped);
    return json_end(&o);
}

/* ---- what it claims --------------------------------------------------------------------------- */

static json_t *
creator_of(const struct claim *c)
{
    struct json_made o = json_begin();

    json_put_text(&o, "file", c->creator_file);
    if (c->creator_line != 0)
        json_put_number(&o, "line", c->creator_line);
    json_put_text(&o, "function", c->creator_function);
    json_put_text(&o, "thread", c->creator_name);
    if (c->creator_tid != 0)
        json_put_number(&o, "tid", c->creator_tid);
    json_put_hex(&o, "pc", c->creator_pc);
    return json_end(&o);
}

static json_t *
cause_of(const struct claim *c)
{
    struct json_made o = json_begin();

    json_put_number(&o, "code", c->cause);
    json_put_text(&o, "text", c->cause_text);
    json_put_text(&o, "who", c->cause_who);
    return json_end(&o);
}

static json_t *
site_of(const struct claim *c)
{
    struct json_made o = json_begin();

    json_put_text(&o, "text", c->wait_text);
    json_put_text(&o, "file", c->wait_file);
    if (c->wait_line != 0)
        json_put_number(&o, "line", c->wait_line);
    json_put_hex(&o, "object", c->wait_object);
    return json_end(&o);
}

static void
put_excuses(struct json_made *o, const struct claim *c, int64_t at_us)
{
    json_put_true(o, "exempt", c->exempt);
    if (c->exempt && c->exempt_until_us != INT64_MAX)
        json_put_number(o, "exempt_for_us", facts_span(at_us, c->exempt_until_us));
    if (c->shield_until_us != 0)
        json_put_number(o, "shield_for_us", facts_span(at_us, c->shield_until_us));
    json_put_text(o, "reason", c->reason);
}

json_t *
report_claim(const struct process_facts *facts, const struct claim *c)
{
    struct json_made o = json_begin();
    int64_t at_us = facts->at_us;

    json_put(&o, "creator", creator_of(c));
    json_put_text(&o, "token", c->token);
    json_put_text(&o, "scope", c->scope);
    if (c->generation != 0)
        json_put_number(&o, "generation", (int64_t)c->generation);
    if (c->cancelled_us != 0) {
        json_put_number(&o, "cancelled_for_us", facts_span(c->cancelled_us, at_us));
        json_put(&o, "cause", cause_of(c));
    }
    if (c->deadline_us != INT64_MAX && c->deadline_us != 0)
        json_put_number(&o, "deadline_in_us", facts_span(at_us, c->deadline_us));
    json_put_span(&o, "grace_us", c->grace_us);
    json_put_number(&o, "beats", (int64_t)(c->beats & INT64_MAX));
    if (c->beats_before_us != 0)
        json_put_number(
            &o, "beats_since",
            c->beats > c->beats_before ? (int64_t)((c->beats - c->beats_before) & INT64_MAX) : 0);
    if (c->vital_every_us >= 0)
        json_put_number(&o, "vital_every_us", c->vital_every_us);
    put_excuses(&o, c, at_us);
    json_put_true(&o, "task", c->task);
    json_put_true(&o, "preload", c->preload);
    json_put_text(&o, "trace_id", c->trace_id);
    if (c->wait_text[0] != '\0' || c->wait_file[0] != '\0')
        json_put(&o, "wait_site", site_of(c));
    return json_end(&o);
}

/* ---- what is seen of it ------------------------------------------------------------------------- */

static void
put_object(struct json_made *o, const struct thread_facts *f)
{
    json_put_hex(o, "object", f->object);
    if (f->object_place.function[0] != '\0') {
        json_put_text(o, "symbol", f->object_place.function);
        json_put_hex(o, "symbol_offset", f->object_place.offset);
    }
    json_put_text(o, "object_note", f->object_note);
    json_put_true(o, "shared", f->shared);
    json_put_true(o, "owner_gone", f->owner_gone);
}

static json_t *
wait_of(const struct process_facts *facts, const struct judgements *js, size_t i)
{
    const struct thread_facts *f = &facts->threads[i];
    size_t other = js->of[i].waits_for;
    auto_text struct text words = TEXT_INIT;
    struct json_made o = json_begin();

    judge_wait(facts, js, i, &words);
    json_put_text(&o, "class", wait_class_name(f->wait));
    json_put_text(&o, "text", text_str(&words));
    json_put_text(&o, "call", f->call_name);
    put_object(&o, f);
    if (f->fd >= 0)
        json_put_number(&o, "fd", f->fd);
    json_put_text(&o, "target", f->fd_target);
    json_put_text(&o, "peer", f->fd_peer);
    if (f->owner != 0)
        json_put_number(&o, "owner", f->owner);
    if (other < facts->n) {
        json_put_number(&o, "for_tid", facts->threads[other].tid);
        json_put_text(&o, "for", judge_name(facts, other));
    }
    json_put_span(&o, "timeout_us", f->timeout_us);
    o.failed |= words.failed;
    return json_end(&o);
}

static json_t *
frames_of(const struct thread_facts *f)
{
    json_t *frames = json_array();

    for (unsigned k = 0; frames && k < f->n_frames && k < FACTS_FRAMES_MAX; k++)
        if (json_array_append_new(frames, report_place(&f->frames[k])) < 0) {
            json_decref(frames);
            return NULL;
        }
    return frames;
}

static void
put_thread(struct json_made *o, const struct process_facts *facts, const struct judgements *js,
           size_t i)
{
    const struct thread_facts *f = &facts->threads[i];
    bool told = f->claimed && !facts->untrusted;
    const char state[2] = {f->state, '\0'};

    json_put_number(o, "tid", f->tid);
    json_put_number(o, "start_time", (int64_t)(f->start_time & INT64_MAX));
    json_put_text(o, "name", judge_name(facts, i));
    json_put_text(o, "comm", f->comm);
    json_put_true(o, "main", f->main);
    json_put(o, "registered", json_boolean(told));
    json_put_text(o, "state", state);
    json_put_true(o, "fresh", f->fresh);
    json_put_true(o, "still", f->still);
    json_put_number(o, "age_us", facts_span(f->started_us, facts->at_us));
    json_put_number(o, "cpu_us", f->cpu_us);
    json_put_number(o, "cpu_between_us", f->cpu_delta_us);
    if (f->tracer != 0)
        json_put_number(o, "tracer", f->tracer);
    json_put(o, "wait", wait_of(facts, js, i));
    json_put(o, "start", report_place(&f->start));
    if (f->business >= 0 && (unsigned)f->business < f->n_frames && f->business < FACTS_FRAMES_MAX)
        json_put_number(o, "business", f->business);
    json_put(o, "frames", frames_of(f));
    if (told)
        json_put(o, "claim", report_claim(facts, &f->claim));
}

json_t *
report_judged(const struct process_facts *facts, const struct judgements *js, size_t of)
{
    const struct judgement *j = &js->of[of];
    struct json_made o = json_begin();

    json_put_text(&o, "verdict", verdict_name(j->verdict));
    json_put(&o, "leak", json_boolean(verdict_is_leak(j->verdict)));
    json_put(&o, "culprit", json_boolean(j->culprit));
    json_put_text(&o, "conduct", conduct_name(j->conduct));
    json_put_text(&o, "why", j->why);
    json_put_number(&o, "group", (int64_t)j->group);
    if (j->asked_us != 0)
        json_put_number(&o, "asked_for_us", facts_span(j->asked_us, facts->at_us));
    if (j->overdue_us > 0)
        json_put_number(&o, "overdue_us", j->overdue_us);
    if (j->thread < facts->n) {
        put_thread(&o, facts, js, j->thread);
    } else {
        const struct dead_facts *d = &facts->dead[j->dead];

        json_put_number(&o, "tid", d->tid);
        json_put_text(&o, "name", d->claim.name);
        json_put(&o, "ended", json_true());
        json_put_true(&o, "ghost", d->ghost);
        json_put_true(&o, "joinable", d->joinable);
        json_put(&o, "registered", json_true());
        json_put(&o, "claim", report_claim(facts, &d->claim));
    }
    return json_end(&o);
}
