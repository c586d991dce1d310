/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/export.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/export_state.h"

/* On and off, and what a master before us left. */

static void
on_pump(EV_P_ ev_timer *t, int revents)
{
    (void)loop;
    (void)revents;
    export_pump(container_of(t, struct exporter, pump));
}

int
exporter_create(const struct exporter_options *options, struct exporter **ret)
{
    struct exporter *x = calloc(1, sizeof(*x));

    if (!x)
        return -ENOMEM;
    x->loop = options->loop;
    x->options = *options;
    x->queue.fd = -1;
    list_init(&x->lines.node);
    list_init(&x->ends.node);
    ev_timer_init(&x->pump, on_pump, 0., 0.);
    for (unsigned s = 0; s < OTLP_SIGNALS; s++) {
        x->lane[s].exporter = x;
        x->lane[s].signal = (enum otlp_signal)s;
    }
    *ret = x;
    return 0;
}

/* Nothing is under way, and nobody is waited for. */
static void
lanes_anew(struct exporter *x)
{
    for (unsigned s = 0; s < OTLP_SIGNALS; s++) {
        struct lane *l = &x->lane[s];

        l->tries = l->deaths = 0;
        l->next_us = l->failing_us = l->told_refused_us = 0;
        l->flying = l->urgent = l->last_try = false;
        l->most_bytes = EXPORT_BATCH_BYTES;
        l->since_us =
            export_queue_waiting(&x->queue, (enum otlp_signal)s, NULL) > 0 ? mono_now_us() : 0;
    }
}

/* It is sent from now on; `settings` and `queue` are there. */
static void
begin(struct exporter *x, bool all)
{
    x->on = true;
    x->failed[0] = '\0';
    lanes_anew(x);
    export_feed_begin(x, all);
    export_pump_soon(x);
}

void
exporter_destroy(struct exporter *x)
{
    if (!x)
        return;
    ev_timer_stop(x->loop, &x->pump);
    export_feed_end(x);
    sender_end(x);
    export_queue_close(&x->queue);
    export_settings_finish(&x->settings);
    text_finish(&x->row);
    free(x);
}

static void
lost(const struct exporter *x, enum log_level level, const char *event, const char *why)
{
    size_t spans = 0, lines = 0;

    (void)export_queue_waiting(&x->queue, OTLP_TRACES, &spans);
    (void)export_queue_waiting(&x->queue, OTLP_LOGS, &lines);
    if (spans + lines > 0)
        journal_say(x->options.journal, level, event,
                    "%s: %zu spans and %zu lines were not sent to %s", why, spans, lines,
                    x->settings.endpoint);
}

/* ---- configuration --------------------------------------------------------------------------------- */

static void
turn_off(struct exporter *x)
{
    if (!x->on) {
        export_queue_close(&x->queue);
        return;
    }
    x->on = false;
    ev_timer_stop(x->loop, &x->pump);
    export_feed_end(x);
    sender_end(x);
    lost(x, LOG_LEVEL_WARNING, "export_lost", "'export' is not configured any more");
    if (x->options.drop)
        x->options.drop(x->options.env);
    export_queue_close(&x->queue);
    export_settings_finish(&x->settings);
}

/* Memory of that size, with what waited in the one before. */
static int
make_room(struct exporter *x, size_t room, struct error *reterr)
{
    struct export_queue queue;
    int r;

    if (x->queue.shared && x->queue.room == room)
        return 0;
    r = export_queue_create(&queue, room, reterr);
    if (r < 0)
        return r;
    if (x->queue.shared)
        export_queue_move(&queue, &x->queue);
    export_queue_close(&x->queue);
    x->queue = queue;
    return 1;
}

static int
take_settings(struct exporter *x, const struct export_spec *spec, bool *ret_other,
              struct error *reterr)
{
    auto_free char *text = export_settings_text(spec);
    struct export_settings now;
    int r = text ? export_settings_read(text, &now) : -ENOMEM;

    if (r < 0)
        return error_set(reterr, r, "read the settings of 'export'");
    *ret_other = !x->settings.text || strcmp(x->settings.text, text) != 0;
    r = make_room(x, (size_t)spec->queue, reterr);
    if (r >= 0 && !export_queue_set(&x->queue, text))
        r = error_say(reterr, -E2BIG, "the settings of 'export' are longer than there is room for");
    if (r < 0) {
        export_settings_finish(&now);
        return r;
    }
    export_settings_finish(&x->settings);
    x->settings = now;
    if (r > 0 && x->options.keep)
        x->options.keep(x->options.env, x->queue.fd); /* not: said by who keeps */
    *ret_other = *ret_other || r > 0;
    return 0;
}

void
exporter_configure(struct exporter *x, const struct export_spec *spec, bool all)
{
    struct error why = {0};
    bool other = false, was_on = x->on;

    if (!spec->endpoint) {
        turn_off(x);
        return;
    }
    if (take_settings(x, spec, &other, &why) < 0) {
        journal_say(x->options.journal, LOG_LEVEL_ERROR, "export_failed",
                    "nothing is sent to %s: %s", spec->endpoint, why.text);
        turn_off(x);
        return;
    }
    if (!other)
        return;
    sender_end(x); /* another one begins with the new settings */
    begin(x, all || was_on);
}

/* The supervisor's own that nobody was sent are there still; those of workers come again. */
static void
take_up_spans(struct exporter *x)
{
    export_u64 *seen = &x->queue.shared->seen[EXPORT_SPANS];

    if (!x->options.spans || !spans_go_on(x->options.spans))
        atomic_store(seen, 0); /* they are numbered anew */
    else if (atomic_load(seen) > spans_last(x->options.spans))
        atomic_store(seen, spans_last(x->options.spans));
    x->spans_seen = atomic_load(seen);
}

void
exporter_adopt(struct exporter *x, int fd)
{
    struct error why = {0};
    int r = export_queue_adopt(&x->queue, fd, true, &why);

    if (r == 0 && export_settings_read(export_queue_settings(&x->queue), &x->settings) < 0)
        r = error_say(&why, -EBADMSG, "the kept settings of an export are none");
    if (r < 0) {
        if (x->queue.fd != fd)
            (void)fd_close(fd);
        export_queue_close(&x->queue);
        journal_say(x->options.journal, LOG_LEVEL_ERROR, "export_lost",
                    "what waited for a collector is lost: %s", why.text);
        if (x->options.drop)
            x->options.drop(x->options.env);
        return;
    }
    take_up_spans(x);
    begin(x, true);
}

/* ---- the end ---------------------------------------------------------------------------------------- */

void
exporter_flush(struct exporter *x, int64_t budget_us)
{
    int64_t end_us = mono_now_us() + budget_us;

    if (!x || !x->on)
        return;
    x->finishing = true;
    x->start_us = 0;
    for (unsigned s = 0; s < OTLP_SIGNALS; s++)
        x->lane[s].last_try = false;
    while (mono_now_us() < end_us && export_last_tries(x))
        sender_wait(x, end_us);
    export_feed_end(x); /* what is said now has nobody to send it */
    lost(x, LOG_LEVEL_WARNING, "export_lost", "stint ends");
    sender_end(x);
    for (unsigned s = 0; s < OTLP_SIGNALS; s++)
        x->lane[s].flying = false;
    ev_timer_stop(x->loop, &x->pump);
}
