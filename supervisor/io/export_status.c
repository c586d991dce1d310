/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/export_state.h"
#include "supervisor/io/journal_line.h"
#include "supervisor/io/metrics.h"
#include "supervisor/io/report_internal.h"

/* How it is: docs/api.md, `export` of the status. */

static void
add_time(struct object *o, const char *key, int64_t wall_us)
{
    char ts[RFC3339_TEXT];

    if (wall_us > 0)
        object_text(o, key, rfc3339(wall_us, ts));
}

static json_t *
dropped_of(const struct export_lane *kept)
{
    struct object o = object_new();

    for (unsigned i = 0; i < EXPORT_REASONS; i++)
        object_number(&o, export_reason_name((enum export_reason)i),
                      (int64_t)atomic_load(&kept->dropped[i]));
    return object_take(&o);
}

static json_t *
lane_of(const struct exporter *x, const struct lane *l)
{
    const struct export_lane *kept = &x->queue.shared->lane[l->signal];
    struct object o = object_new();
    size_t rows, bytes = export_queue_waiting(&x->queue, l->signal, &rows);

    object_text(&o, "state", x->failed[0] ? "failed" : l->failing_us > 0 ? "waiting" : "ok");
    object_number(&o, "sent", (int64_t)atomic_load(&kept->sent));
    object_number(&o, "requests", (int64_t)atomic_load(&kept->requests));
    object_number(&o, "retries", (int64_t)atomic_load(&kept->retries));
    object_number(&o, "waiting", (int64_t)rows);
    object_number(&o, "waiting_bytes", (int64_t)bytes);
    object_set(&o, "dropped", dropped_of(kept));
    add_time(&o, "last_success", (int64_t)atomic_load(&kept->success_us));
    object_text_unless_empty(&o, "last_error", l->error);
    if (l->error[0])
        add_time(&o, "last_error_at", l->error_wall_us);
    return object_take(&o);
}

json_t *
exporter_status(const struct exporter *x)
{
    struct object o;

    if (!x || !x->on)
        return NULL;
    o = object_new();
    object_text(&o, "endpoint", x->settings.endpoint);
    if (sender_pid(x) > 0)
        object_number(&o, "pid", sender_pid(x));
    object_number(&o, "starts", (int64_t)x->starts);
    for (unsigned s = 0; s < OTLP_SIGNALS; s++)
        object_set(&o, otlp_signal_name((enum otlp_signal)s), lane_of(x, &x->lane[s]));
    return object_take(&o);
}

void
exporter_metrics(const struct exporter *x, struct metrics *ret)
{
    ret->n_lanes = x && x->on ? OTLP_SIGNALS : 0;
    for (size_t s = 0; s < ret->n_lanes; s++) {
        const struct lane *l = &x->lane[s];
        const struct export_lane *kept = &x->queue.shared->lane[s];
        struct metrics_lane *to = &ret->lanes[s];
        size_t rows = 0;

        to->waiting_bytes = export_queue_waiting(&x->queue, l->signal, &rows);
        to->waiting = rows;
        to->working = !x->failed[0] && l->failing_us == 0;
        to->sent = atomic_load(&kept->sent);
        to->requests = atomic_load(&kept->requests);
        to->retries = atomic_load(&kept->retries);
        to->success_wall_us = (int64_t)atomic_load(&kept->success_us);
        for (unsigned i = 0; i < EXPORT_REASONS; i++)
            to->dropped[i] = atomic_load(&kept->dropped[i]);
    }
}
