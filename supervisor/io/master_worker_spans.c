/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/master_worker_spans.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/plain.h"
#include "base/units.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/spans.h"
#include "supervisor/probe/registry.h"

/*
 * Workers that link libstint write the spans that they have finished into rings, which are emptied every so often,
 * and once more when the worker is dead. Only with `export` are there rings. Where the next master would begin is noted
 * in the ring itself, once the exporter has what came before that: it may get some twice, with the same ids, and
 * misses none that is still there.
 */
#define ROOM     256U             /* spans copied at a time */
#define PER_TURN 1024U            /* … and in one turn of the loop, of all workers */
#define IDLE_US  INT64_C(1000000) /* how often a ring is looked at … */
#define BUSY_US  INT64_C(50000)   /* … and one that was a quarter full by then */
#define MORE_US  INT64_C(5000)    /* … and one that was not emptied: 50,000 spans a second */
#define TELL_US  (60 * US_PER_S)  /* of losses, at most so often */

static void
plain(char *to, size_t room, const char *from, size_t size)
{
    size_t n = strnlen(from, size < room ? size : room - 1);

    memcpy(to, from, n);
    to[n < room ? n : room - 1] = '\0';
    plain_text(to);
}

#define PLAIN(to, from) plain((to), sizeof(to), (from), sizeof(from))

static uint64_t
number_of(const uint8_t id[8])
{
    uint64_t n = 0;

    for (int i = 0; i < 8; i++)
        n = n << 8 | id[i];
    return n;
}

/* False: it is all zero. */
static bool
hex_of(const uint8_t id[16], char to[33])
{
    static const char digits[] = "0123456789abcdef";
    unsigned any = 0;

    for (size_t i = 0; i < 16; i++) {
        to[2 * i] = digits[id[i] >> 4];
        to[2 * i + 1] = digits[id[i] & 15];
        any |= id[i];
    }
    to[32] = '\0';
    return any != 0;
}

static const char *
cause_name(uint32_t cause)
{
    static const char *const names[] = {NULL,       "signal",    "relieved", "stopped", "rejected",
                                        "deadline", "cancelled", "closed",   "retired"};

    return cause < ARRAY_LEN(names) ? names[cause] : NULL;
}

static const char *
of_name(uint16_t of)
{
    static const char *const names[] = {
        [STINT_SPAN_OF_PROGRAM] = "program", [STINT_SPAN_OF_THREAD] = "thread",
        [STINT_SPAN_OF_TASK] = "task",       [STINT_SPAN_OF_SCOPE] = "scope",
        [STINT_SPAN_OF_REQUEST] = "request", [STINT_SPAN_OF_CALL] = "call",
        [STINT_SPAN_OF_PROCESS] = "process"};

    return of < ARRAY_LEN(names) ? names[of] : NULL;
}

/* Two clocks at one moment. */
struct moment {
    int64_t wall_ns, mono_ns;
};

static struct moment
moment_now(void)
{
    return (struct moment){wall_now_us() * 1000, mono_now_us() * 1000};
}

/* A time that a worker claims: not later than now, and not before 1970. */
static int64_t
wall_of(const struct moment *now, int64_t mono_ns)
{
    if (mono_ns < 0)
        mono_ns = 0;
    return now->wall_ns - (mono_ns < now->mono_ns ? now->mono_ns - mono_ns : 0);
}

static void
take_attributes(struct span *span, const struct stint_registry_span *s)
{
    const char *key, *value;
    size_t at = 0;

    _Static_assert(sizeof(span->attributes) == sizeof(s->attributes), "as they are");
    memcpy(span->attributes, s->attributes, sizeof(span->attributes));
    span->attributes[sizeof(span->attributes) - 1] = '\0';
    while (span_attribute(span, &at, &key, &value)) {
        plain_text(span->attributes + (key - span->attributes));
        plain_text(span->attributes + (value - span->attributes));
    }
}

/* False: it says nothing that makes sense. */
static bool
translate(const struct hand *h, const struct stint_registry_span *s, const struct moment *now,
          struct span *ret)
{
    *ret = (struct span){.of_worker = true,
                         .id = number_of(s->span_id),
                         .parent = number_of(s->parent_id),
                         .generation = h->generation,
                         .has_slot = true,
                         .slot = h->slot,
                         .pid = h->pid,
                         .start_ns = wall_of(now, s->start_ns),
                         .end_ns = wall_of(now, s->end_ns),
                         .failed = s->failed != 0,
                         .cause = cause_name(s->cause),
                         .of = of_name(s->of)};
    if (!hex_of(s->trace_id, ret->trace) || ret->id == 0 || ret->start_ns > ret->end_ns)
        return false;
    ret->kind = s->kind >= SPAN_INTERNAL && s->kind <= SPAN_CONSUMER ? (enum span_kind)s->kind
                                                                     : SPAN_INTERNAL;
    ret->tid = s->tid <= INT32_MAX ? (pid_t)s->tid : 0;
    if (s->deadline_us > 0 && s->deadline_us < INT64_MAX / 2000)
        ret->deadline_ns = now->wall_ns + (s->deadline_us * 1000 - now->mono_ns);
    memcpy(ret->service, h->service, sizeof(ret->service));
    PLAIN(ret->name, s->name);
    PLAIN(ret->thread, s->thread);
    PLAIN(ret->creator, s->creator_name);
    PLAIN(ret->scope, s->scope);
    PLAIN(ret->text, s->text);
    take_attributes(ret, s);
    return true;
}

static void
tell_lost(struct hand *h, int64_t now_us)
{
    struct worker_spans_mark *mark = &h->spans;

    if (mark->lost == 0 || (mark->told_us > 0 && now_us - mark->told_us < TELL_US && !mark->closed))
        return;
    journal_say(h->master->journal, LOG_LEVEL_WARNING, "spans_lost",
                "%s/%u: %" PRIu64 " spans of process %d were overwritten before they were read, or "
                "made no sense",
                h->service, h->slot, mark->lost, (int)h->pid);
    mark->lost = 0;
    mark->told_us = now_us;
}

/* One look. Return: how many tickets were drawn since the one before; @ret_n: spans that it found. */
static uint64_t
take(struct hand *h, size_t room, struct span_ring_look *look)
{
    struct master *m = h->master;
    struct worker_spans_mark *mark = &h->spans;
    const struct moment now = moment_now();
    struct span span;

    *look = (struct span_ring_look){.n = 0};
    if (!m->worker_spans.room)
        m->worker_spans.room = calloc(ROOM, sizeof(*m->worker_spans.room));
    if (!m->worker_spans.room || !m->spans)
        return 0;
    /* What it says holds also when that failed: no ring, or nonsense, is no spans. */
    (void)span_ring_look(h->registry_fd, &mark->at, mark->closed, m->worker_spans.room, room, look);
    for (size_t i = 0; i < look->n; i++) {
        if (translate(h, &m->worker_spans.room[i], &now, &span)) {
            spans_put(m->spans, &span);
            mark->last = spans_last(m->spans);
        } else {
            look->lost++;
        }
    }
    mark->lost += look->lost;
    spans_lost(m->spans, look->lost);
    if ((look->n > 0 || look->lost > 0) && spans_sent(m->spans) >= mark->last)
        span_ring_taken(h->registry_fd, &mark->at);
    return look->drawn;
}

/* When this one is to be looked at; looks, when that is now. */
static int64_t
take_turn(struct hand *h, int64_t now_us, unsigned *budget)
{
    struct worker_spans_mark *mark = &h->spans;
    struct span_ring_look look;

    if (mark->due_us > now_us || *budget == 0)
        return mark->due_us;
    (void)take(h, *budget < ROOM ? *budget : ROOM, &look);
    h->master->worker_spans.cursor = h->worker;
    *budget -= look.n < *budget ? (unsigned)look.n : *budget;
    mark->due_us = look.more                                       ? now_us + MORE_US
                   : look.count > 0 && look.drawn > look.count / 4 ? now_us + BUSY_US
                                                                   : now_us + IDLE_US;
    tell_lost(h, now_us);
    return mark->due_us;
}

/* Who comes behind the last that had his turn, and then the others: a busy one does not starve them. */
static int64_t
serve(struct master *m, bool behind, int64_t now_us, unsigned *budget)
{
    const uint64_t cursor = m->worker_spans.cursor;
    int64_t next_us = TIME_NEVER;

    list_for_each_safe (n, &m->hands) {
        struct hand *h = container_of(n, struct hand, node);
        int64_t due_us;

        if (!h->spans.has_ring || h->dead || (h->worker > cursor) != behind)
            continue;
        due_us = take_turn(h, now_us, budget);
        next_us = due_us < next_us ? due_us : next_us;
    }
    return next_us;
}

static void
on_timer(EV_P_ ev_timer *t, int revents)
{
    struct master *m = container_of(t, struct master, worker_spans.timer);
    int64_t now_us = mono_now_us(), first_us, second_us, next_us;
    unsigned budget = PER_TURN;

    (void)revents;
    first_us = serve(m, true, now_us, &budget);
    second_us = serve(m, false, now_us, &budget);
    next_us = first_us < second_us ? first_us : second_us;
    if (next_us == TIME_NEVER)
        return;
    ev_timer_set(t, next_us > now_us ? (double)(next_us - now_us) / US_PER_S : 0., 0.);
    ev_timer_start(EV_A_ t);
}

static void
wake(struct master *m)
{
    if (ev_is_active(&m->worker_spans.timer))
        return;
    ev_timer_set(&m->worker_spans.timer, 0., 0.);
    ev_timer_start(m->loop, &m->worker_spans.timer);
}

void
worker_spans_init(struct master *m)
{
    ev_timer_init(&m->worker_spans.timer, on_timer, 0., 0.);
}

void
worker_spans_finish(struct master *m)
{
    ev_timer_stop(m->loop, &m->worker_spans.timer);
    free(m->worker_spans.room);
}

static bool
wanted(const struct master *m)
{
    return m->spec && spec_wants_worker_spans(m->spec);
}

int
worker_spans_registry(struct hand *h, bool libstint, struct error *reterr)
{
    int r;

    if (!libstint || !wanted(h->master))
        return registry_create(&h->registry_fd, reterr);
    r = registry_create_spans(&h->registry_fd, reterr);
    if (r < 0)
        return r;
    h->spans.has_ring = true;
    wake(h->master);
    return 0;
}

/* One of before an upgrade has a registry of another size, or none. */
void
worker_spans_adopt(struct hand *h)
{
    if (h->registry_fd < 0 || !span_ring_fits(h->registry_fd))
        return; /* what it was told stays; the configuration is read in a moment */
    h->spans.has_ring = true;
    span_ring_resume(h->registry_fd, &h->spans.at);
    wake(h->master);
}

void
worker_spans_configured(struct master *m)
{
    list_for_each (n, &m->hands) {
        struct hand *h = container_of(n, struct hand, node);

        if (h->spans.has_ring)
            (void)span_ring_want(h->registry_fd, wanted(m)); /* or it goes on as before */
    }
}

void
worker_spans_hand_gone(struct hand *h)
{
    struct span_ring_look look;

    if (!h->spans.has_ring || h->spans.closed)
        return;
    h->spans.closed = true;
    /* A whole ring, and no more: children of it may still write there. */
    for (unsigned i = 0; i <= STINT_REGISTRY_SPANS / ROOM; i++) {
        (void)take(h, ROOM, &look);
        if (!look.more)
            break;
    }
    tell_lost(h, mono_now_us());
}
