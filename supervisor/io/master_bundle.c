/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/bundle.h"
#include "supervisor/io/capture.h"
#include "supervisor/io/channel.h"
#include "supervisor/io/journal.h"
#include "supervisor/io/master_leaks.h"
#include "supervisor/io/master_state.h"

/*
 * Before a worker that did not leave is sent SIGKILL, what can be known of it is kept, where its service
 * opted in to profiles. The core kills nobody of whom it has no evidence, so that is held back until the
 * bundle is written, or its time is over. A master that dies meanwhile has told nothing: the next one
 * is asked for the evidence again, and the bundle is written anew under the same name.
 */

#define LEAST_US  (300 * US_PER_MS) /* with less there would be nothing in it */
#define MARGIN_US (100 * US_PER_MS) /* of the time there is, for the answer */

static void
on_kept(void *env, const char *path, const char *words, const struct bundles *all)
{
    struct hand *h = env;
    struct master *m = h->master;
    auto_free char *summary = steal(h->leaks.summary);
    struct journal_field fields[] = {
        FIELD_TEXT("service", h->service), FIELD_NUMBER("gen", (int64_t)h->generation),
        FIELD_NUMBER("slot", h->slot),     FIELD_NUMBER("pid", h->pid),
        FIELD_TEXT("path", path),          FIELD_TEXT("msg", words[0] ? words : NULL),
    };

    h->leaks.bundle = NULL;
    if (all)
        m->leaks.bundles = *all;
    journal_event(m->journal, path ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
                  path ? "bundle" : "bundle_failed", fields, ARRAY_LEN(fields));
    leaks_give(m, h->worker, h->leaks.stragglers, summary ? summary : "");
}

bool
leaks_keep(struct hand *h, unsigned leaked, const char *summary, const json_t *report)
{
    const struct worker *w = core_worker(h->master->core, h->worker);
    const struct service_spec *spec = w ? w->generation->service->spec : NULL;
    auto_text struct text lines = TEXT_INIT;
    struct bundle_request rq = {.state_dir = h->master->state_dir,
                                .report = report,
                                .deadline_us = h->leaks.until_us - MARGIN_US,
                                .on_done = on_kept,
                                .env = h};

    if (!spec || !(spec->profiling.cpu || spec->profiling.heap || spec->profiling.threads) ||
        rq.deadline_us - mono_now_us() < LEAST_US)
        return false;
    if (h->capture)
        capture_last_lines(h->capture, &lines);
    rq.lines = text_str(&lines);
    rq.threads = spec->profiling.threads;
    rq.cpu = spec->profiling.cpu;
    rq.heap = spec->profiling.heap;
    rq.target = (struct profile_target){.pid = h->pid,
                                        .service = h->service,
                                        .generation = h->generation,
                                        .slot = h->slot,
                                        .registry_fd = h->registry_fd,
                                        .channel_fd = h->channel ? channel_fd(h->channel) : -1,
                                        .cancelled_us = w->drain_us,
                                        .grace_us = w->generation->spec->drain_timeout_us};
    h->leaks.summary = strdup(summary);
    h->leaks.stragglers = leaked;
    if (h->leaks.summary && bundle_start(h->master->loop, &rq, &h->leaks.bundle) == 0)
        return true;
    free(steal(h->leaks.summary));
    return false;
}

void
leaks_keep_not(struct hand *h)
{
    bundle_cancel(h->leaks.bundle);
    h->leaks.bundle = NULL;
    free(steal(h->leaks.summary));
}
