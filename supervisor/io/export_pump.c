/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/export/reply.h"
#include "supervisor/io/edge.h"
#include "supervisor/io/export_state.h"

/* When what is sent, and what an answer means for the rows that it is about. */

static const char *
what(const struct lane *l)
{
    return l->signal == OTLP_TRACES ? "spans" : "lines";
}

static void
say(const struct lane *l, enum log_level level, const char *event, const char *text)
{
    const struct journal_field fields[] = {
        FIELD_TEXT("signal", otlp_signal_name(l->signal)),
        FIELD_TEXT("endpoint", l->exporter->settings.endpoint),
        FIELD_TEXT("msg", text),
    };

    journal_event(l->exporter->options.journal, level, event, fields, ARRAY_LEN(fields));
}

static size_t
waiting(const struct lane *l, size_t *ret_rows)
{
    return export_queue_waiting(&l->exporter->queue, l->signal, ret_rows);
}

/* So much that it is not put off until `every` is over. */
static bool
is_much(const struct lane *l)
{
    size_t rows, bytes = waiting(l, &rows);

    return bytes >= EXPORT_MUCH_BYTES || bytes >= l->exporter->queue.room / 4 ||
           rows >= EXPORT_MUCH_ROWS;
}

/* ---- the timer ------------------------------------------------------------------------------------ */

/* When something has to be done for it; TIME_NEVER: nothing does. */
static int64_t
lane_due_us(const struct lane *l)
{
    const struct exporter *x = l->exporter;
    int64_t due_us;

    if (l->flying)
        return l->late_us;
    if (l->since_us == 0)
        return TIME_NEVER;
    due_us = l->tries > 0 ? l->next_us : is_much(l) ? 0 : l->since_us + x->settings.every_us;
    return !x->sender && due_us < x->start_us ? x->start_us : due_us;
}

static void
arm(struct exporter *x)
{
    int64_t due_us = TIME_NEVER, left_us;

    for (unsigned s = 0; s < OTLP_SIGNALS; s++) {
        int64_t of_lane_us = lane_due_us(&x->lane[s]);

        due_us = of_lane_us < due_us ? of_lane_us : due_us;
    }
    ev_timer_stop(x->loop, &x->pump);
    if (due_us == TIME_NEVER)
        return;
    ev_now_update(x->loop); /* timers count from the loop's idea of now */
    left_us = due_us - mono_now_us();
    ev_timer_set(&x->pump, left_us > 0 ? (double)left_us / US_PER_S + 0.0005 : 0., 0.);
    ev_timer_start(x->loop, &x->pump);
}

void
export_pump_soon(struct exporter *x)
{
    ev_timer_stop(x->loop, &x->pump);
    ev_timer_set(&x->pump, 0., 0.);
    ev_timer_start(x->loop, &x->pump);
}

/* For each line: no system call, but for the first of those that wait and the one that makes it much. */
void
export_came(struct lane *l)
{
    if (l->since_us == 0 && waiting(l, NULL) > 0) {
        l->since_us = mono_now_us();
        arm(l->exporter);
    }
    if ((!l->urgent && !l->flying && l->tries == 0 && is_much(l)) || l->full != l->full_told) {
        if (!l->urgent || l->full != l->full_told)
            export_pump_soon(l->exporter);
        l->urgent = true;
    }
}

/* ---- sending --------------------------------------------------------------------------------------- */

static void
try_later(struct lane *l, const char *why, int64_t retry_after_us)
{
    struct exporter *x = l->exporter;
    int64_t now_us = mono_now_us();
    auto_text struct text words = TEXT_INIT;
    uint32_t chance;

    if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) != (ssize_t)sizeof(chance))
        chance = 512; /* no jitter */
    l->flying = false;
    l->tries++;
    l->last_try = true;
    l->next_us = now_us + reply_backoff_us(l->tries, retry_after_us, chance);
    export_queue_retry(&x->queue, l->signal);
    (void)snprintf(l->error, sizeof(l->error), "%s", why);
    l->error_wall_us = wall_now_us();
    if (l->failing_us > 0)
        return;
    l->failing_us = now_us;
    text_addf(&words, "%s wait for their collector: %s", what(l), why);
    say(l, LOG_LEVEL_WARNING, "export_failed", text_str(&words));
}

static void
send_batch(struct lane *l)
{
    struct exporter *x = l->exporter;
    struct export_order order = {.type = EXPORT_ORDER_SEND,
                                 .signal = l->signal,
                                 .number = ++x->last_number,
                                 .from = atomic_load(&x->queue.shared->lane[l->signal].done)};

    order.to = export_queue_batch(&x->queue, l->signal, l->most_bytes, EXPORT_BATCH_ROWS, &l->rows);
    if (sender_order(x, &order) < 0) {
        if (x->failed[0])
            try_later(l, x->failed, 0);
        return; /* else there will be another process, and it is asked then */
    }
    l->number = order.number;
    l->to = order.to;
    l->flying = true;
    l->urgent = false;
    l->late_us = mono_now_us() + x->settings.timeout_us + EXPORT_GRACE_US;
}

/* Rows have left the queue. */
static void
rows_left(struct lane *l)
{
    struct exporter *x = l->exporter;

    export_queue_take(&x->queue, l->signal, l->to, l->rows);
    l->flying = false;
    l->urgent = false;
    l->deaths = 0;
    l->since_us = waiting(l, NULL) > 0 ? mono_now_us() : 0;
    if (l->full && waiting(l, NULL) < x->queue.room / 2)
        l->full = false;
}

/* ---- answers --------------------------------------------------------------------------------------- */

static void
works_again(struct lane *l)
{
    auto_text struct text words = TEXT_INIT;
    int64_t for_us = mono_now_us() - l->failing_us;

    l->tries = 0;
    l->next_us = 0;
    if (l->failing_us == 0)
        return;
    l->failing_us = 0;
    text_addf(&words, "%s are taken again, after %lld s", what(l), (long long)(for_us / US_PER_S));
    say(l, LOG_LEVEL_INFO, "export_works", text_str(&words));
}

static void
taken(struct lane *l, const struct export_answer *a)
{
    struct exporter *x = l->exporter;
    uint64_t rows = a->rows < l->rows ? a->rows : l->rows;
    uint64_t rejected = a->rejected < rows ? a->rejected : rows;

    EDGE("export-answered");
    export_queue_sent(&x->queue, l->signal, rows - rejected, wall_now_us());
    export_queue_drop(&x->queue, l->signal, EXPORT_REJECTED, rejected);
    export_queue_drop(&x->queue, l->signal, EXPORT_UNREADABLE, l->rows - rows);
    if (a->text[0]) {
        (void)snprintf(l->error, sizeof(l->error), "it took some only: %s", a->text);
        l->error_wall_us = wall_now_us();
    }
    x->dead_told = false;
    l->most_bytes = l->most_bytes < EXPORT_BATCH_BYTES / 2 ? l->most_bytes * 2 : EXPORT_BATCH_BYTES;
    rows_left(l);
    works_again(l);
}

/* It would be refused again: they are lost, and those behind them are not kept waiting. */
static void
refused(struct lane *l, const char *why, enum export_reason reason)
{
    int64_t now_us = mono_now_us();
    auto_text struct text words = TEXT_INIT;

    export_queue_drop(&l->exporter->queue, l->signal, reason, l->rows);
    (void)snprintf(l->error, sizeof(l->error), "%s", why);
    l->error_wall_us = wall_now_us();
    text_addf(&words, "%zu %s are lost: %s", l->rows, what(l), why);
    rows_left(l);
    l->tries = 0;
    l->next_us = 0;
    l->failing_us = 0; /* it answers */
    if (l->told_refused_us > 0 && now_us - l->told_refused_us < EXPORT_TELL_US)
        return;
    l->told_refused_us = now_us;
    say(l, LOG_LEVEL_WARNING, "export_refused", text_str(&words));
}

static void
too_large(struct lane *l, const char *why)
{
    uint64_t from = atomic_load(&l->exporter->queue.shared->lane[l->signal].done);

    if (l->rows <= 1) {
        refused(l, why, EXPORT_REFUSED);
        return;
    }
    l->flying = false;
    l->most_bytes = (size_t)(l->to - from) / 2;
}

void
export_answered(struct exporter *x, const struct export_answer *a)
{
    struct lane *l = a->signal < OTLP_SIGNALS ? &x->lane[a->signal] : NULL;

    if (!l || !l->flying || l->number != a->number)
        return; /* of one that was given up */
    switch ((enum reply_outcome)a->outcome) {
    case REPLY_TAKEN:
        taken(l, a);
        break;
    case REPLY_LATER:
        l->deaths = 0;
        try_later(l, a->text, a->retry_after_us);
        break;
    case REPLY_TOO_LARGE:
        too_large(l, a->text);
        break;
    case REPLY_REFUSED:
        refused(l, a->text, EXPORT_REFUSED);
        break;
    }
    if (!x->finishing)
        export_pump(x);
}

void
export_sender_gone(struct exporter *x, const char *why, bool died)
{
    for (unsigned s = 0; s < OTLP_SIGNALS; s++) {
        struct lane *l = &x->lane[s];

        if (!l->flying)
            continue;
        if (died && ++l->deaths >= EXPORT_DEATHS_MAX)
            refused(l, "the process that sends dies over them", EXPORT_UNREADABLE);
        else
            try_later(l, why, 0);
    }
}

/* ---- what is due ------------------------------------------------------------------------------------ */

static void
tell_full(struct lane *l)
{
    auto_text struct text words = TEXT_INIT;

    if (l->full == l->full_told)
        return;
    l->full_told = l->full;
    if (!l->full)
        return;
    text_addf(&words, "the queue is full: further %s are dropped and counted", what(l));
    say(l, LOG_LEVEL_WARNING, "export_behind", text_str(&words));
}

static bool
is_due(const struct lane *l, int64_t now_us)
{
    return !l->flying && l->since_us > 0 && lane_due_us(l) <= now_us;
}

void
export_pump(struct exporter *x)
{
    int64_t now_us = mono_now_us();

    for (unsigned s = 0; s < OTLP_SIGNALS; s++) {
        struct lane *l = &x->lane[s];

        if (l->flying && l->late_us <= now_us) { /* libcurl has its own deadline, and kept it not */
            sender_end(x);
            export_sender_gone(x, "the process that sends does not answer", false);
        }
        tell_full(l);
        if (is_due(l, now_us))
            send_batch(l);
    }
    arm(x);
}

bool
export_last_tries(struct exporter *x)
{
    bool any = false;

    for (unsigned s = 0; s < OTLP_SIGNALS; s++) {
        struct lane *l = &x->lane[s];

        if (!l->flying && !l->last_try && waiting(l, NULL) > 0)
            send_batch(l);
        any = any || l->flying;
    }
    return any;
}
