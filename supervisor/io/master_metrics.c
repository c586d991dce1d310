/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/master_metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "config/deadlines.h"
#include "supervisor/io/export.h"
#include "supervisor/io/fdstore.h"
#include "supervisor/io/ledger.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/metrics.h"
#include "supervisor/io/spans.h"
#include "supervisor/io/watch.h"
#include "supervisor/probe/overruns.h"
#include "supervisor/probe/proc.h"

/* Where each number of the metrics comes from: what status says, without its JSON. */

/* What began at one time has to say so each time it is asked, so the clocks are compared once. */
static int64_t
wall_of(struct master *m, int64_t mono_us)
{
    if (m->wall_less_mono_us == 0)
        m->wall_less_mono_us = wall_now_us() - mono_now_us();
    return mono_us + m->wall_less_mono_us;
}

/* ---- Of stint ------------------------------------------------------------------------------- */

static uint64_t
count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    uint64_t n = 0;

    if (!dir)
        return 0;
    while (readdir(dir)) /* NOLINT(concurrency-mt-unsafe): one thread, and its own stream */
        n++;
    (void)closedir(dir);
    return n > 3 ? n - 3 : 0; /* ".", ".." and the one that reads */
}

static void
own_resources(struct metrics *ret)
{
    struct rlimit limit;
    struct rusage used;

    (void)proc_rss_read(getpid(), &ret->rss_bytes); /* not known: 0 */
    ret->fds = count_fds();
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        ret->max_fds = limit.rlim_cur;
    if (getrusage(RUSAGE_SELF, &used) == 0)
        ret->cpu_us = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * US_PER_S +
                      used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

static void
own_log(const struct master *m, struct metrics *ret)
{
    struct journal_counters n;

    journal_counters(m->journal, &n);
    ret->log_lines = n.written_lines;
    ret->log_dropped = n.dropped_lines;
    ret->log_broken = n.broken;
    ret->events = n.events;
    ret->output_lines = n.output_lines;
}

void
metrics_of_stint(void *env, struct metrics *ret)
{
    struct master *m = env;
    const struct keeper_welcome *w = fdstore_welcome(m->fdstore);
    struct fdstore_counts kept = fdstore_counts(m->fdstore);
    struct watch_stats watched = watch_stats(m->watch);

    ret->stint_wall_us = wall_of(m, m->started_us);
    ret->master_wall_us = wall_of(m, m->master_us);
    ret->up = 1;
    ret->masters = w ? w->masters : 1;
    ret->stopping = m->core->stopping;
    ret->config_valid = m->config_error == NULL;
    ret->loop_stalls = m->count.stalls;
    ret->longest_turn_us = m->count.longest_turn_us;
    ret->steps = m->count.steps;
    ret->lost_effects = m->count.lost_effects;
    ret->strangers = m->count.strangers;
    ret->relistens = m->count.relistens;
    ret->watches = watched.watches;
    ret->watch_overflows = watched.overflows;
    ret->spans_dropped = m->spans ? spans_dropped(m->spans) : 0;
    ret->kept = kept.kept - kept.refused;
    ret->not_kept = kept.refused;
    own_resources(ret);
    own_log(m, ret);
    exporter_metrics(m->exporter, ret);
}

/* ---- Of a service ----------------------------------------------------------------------------- */

static void
of_processes(const struct master *m, const struct service *s, struct metrics_service *ret)
{
    const struct generation *serving = service_serving(s);

    ret->has_resources = true;
    ret->generation = serving ? serving->number : 0;
    list_for_each (n, &s->generations) {
        const struct generation *g = container_of(n, struct generation, node);

        ret->generations[g->state]++;
        list_for_each (k, &g->workers) {
            const struct worker *w = container_of(k, struct worker, node);
            const struct hand *h = hand_find(m, w->id);
            struct proc_stat st = {0};
            uint64_t rss = 0;

            ret->processes[w->state]++;
            ret->workers_ready += g == serving && w->state == WORKER_READY && !w->escapee;
            if (!h || h->pid <= 0 || h->dead || proc_stat_read(h->pid, &st) < 0)
                continue;
            (void)proc_rss_read(h->pid, &rss); /* just gone: 0 */
            ret->threads += st.threads;
            ret->rss_bytes += rss;
        }
    }
}

static void
of_tally(const struct service *s, struct metrics_service *ret)
{
    const struct service_tally *t = &s->tally;

    for (int i = 0; i < OUTCOME_COUNT; i++) {
        ret->verdicts[i] = t->verdicts[i];
        ret->reloads += t->verdicts[i];
    }
    for (int i = 0; i < CERTIFIED_COUNT; i++)
        ret->certificates[i] = t->certificates[i];
    ret->reload_us = t->reload_us;
    ret->unclean = t->unclean;
    ret->spawns = t->spawns;
    ret->exits = t->exits;
    ret->overdue = t->overdue;
    ret->kills = t->kills;
    ret->abandoned = t->abandoned;
    ret->escapees = t->escapees;
    ret->thread_leaks = t->thread_leaks;
    ret->aborted = t->aborted;
    ret->respawns = s->respawns;
}

static void
of_reload(struct master *m, const struct service *s, struct metrics_service *ret)
{
    const struct verdict *v = &s->last;

    ret->reloading = s->reload.state > RELOAD_IDLE;
    ret->rejected = s->input_rejected;
    ret->has_reload = v->reload > 0;
    if (!ret->has_reload)
        return;
    ret->last_good = v->outcome != OUTCOME_REJECTED && v->outcome != OUTCOME_RESTORED;
    ret->last_duration_us = v->duration_us;
    ret->last_wall_us = wall_of(m, v->at_us);
}

static void
of_book(const struct ledger *l, struct metrics_service *ret)
{
    struct ledger_counts counts;

    ret->has_book = ledger_count(l, ret->name, &counts);
    for (int i = 0; i < LEDGER_LEAKS; i++)
        ret->leaked[i] = counts.leaked[i];
    ret->rising = counts.rising;
    ret->retained = counts.retained;
}

static void
of_log(const struct master *m, const struct service *s, struct metrics_service *ret)
{
    const struct lint *l = logs_lint(m->logs, s->name);
    const struct lint_counts *c = l ? lint_counts(l) : NULL;
    struct log_status st;

    ret->has_log = logs_status(m->logs, s->name, &st);
    if (ret->has_log) {
        ret->log_lines = st.lines;
        ret->log_bytes = st.bytes;
        ret->log_dropped_lines = st.dropped_lines;
        ret->log_dropped_bytes = st.dropped_bytes;
        ret->log_waiting = st.waiting;
        ret->log_failed = st.error != NULL;
    }
    ret->has_lint = c != NULL;
    if (!c)
        return;
    ret->lint_lines = c->lines;
    ret->lint_stamped = c->stamped;
    ret->lint_explained = c->explained;
    ret->lint_without = c->without_trace;
    for (int i = 0; i < LINT_FAULTS; i++)
        ret->lint_faults[i] = c->faults[i];
}

/* ---- Deadlines ---------------------------------------------------------------------------------- */

/* "pool-17" is one of "pool-#": threads of a pool are of one kind, however many there are. */
static void
kind_name(const char *thread, char *buf, size_t room)
{
    size_t n = 0;

    for (const char *c = thread; *c && n + 1 < room; c++) {
        char is = *c;

        if (is >= '0' && is <= '9')
            is = '#';
        if (is != '#' || n == 0 || buf[n - 1] != '#')
            buf[n++] = is;
    }
    buf[n] = '\0';
}

/* The label a kind has: the same as long as this master is there, so that no counter ever goes back. */
static struct metrics_kind *
kind_of(struct master *m, struct metrics_service *ret, const struct overrun *row)
{
    struct overrun_book *book = deadlines_book(m, ret->name);
    char thread[sizeof(row->thread)];

    kind_name(row->thread, thread, sizeof(thread));
    for (unsigned i = 0; book && i < METRICS_KINDS; i++) {
        struct overrun_kind *k = &book->kinds[i];

        if (!k->thread[0]) {
            memcpy(k->thread, thread, sizeof(k->thread));
            memcpy(k->creator, row->creator, sizeof(k->creator));
        }
        if (strcmp(k->thread, thread) != 0 || strcmp(k->creator, row->creator) != 0)
            continue;
        memcpy(ret->kinds[i + 1].thread, k->thread, sizeof(k->thread));
        memcpy(ret->kinds[i + 1].creator, k->creator, sizeof(k->creator));
        return &ret->kinds[i + 1];
    }
    return &ret->kinds[0];
}

static void
of_overruns(struct master *m, const struct overruns *sum, struct metrics_service *ret)
{
    const int64_t now_us = mono_now_us();
    uint64_t labelled = 0;
    size_t n = 1;

    ret->kinds = calloc(METRICS_KINDS + 1, sizeof(*ret->kinds));
    if (!ret->kinds)
        return;
    (void)snprintf(ret->kinds[0].thread, sizeof(ret->kinds[0].thread), "other");
    for (size_t i = 0; i < sum->n; i++) {
        const struct overrun *row = &sum->of[i];
        struct metrics_kind *k = row->thread[0] ? kind_of(m, ret, row) : &ret->kinds[0];
        int64_t last_wall_us = row->last_us > 0 ? wall_of(m, row->last_us) : 0;

        if (k == &ret->kinds[0])
            continue; /* they are what remains */
        k->count += row->count;
        labelled += row->count;
        if (last_wall_us <= k->last_wall_us || row->last_us > now_us)
            continue;
        k->last_wall_us = last_wall_us;
        k->over_us = row->over_us;
        memcpy(k->trace_id, row->trace_id, sizeof(k->trace_id));
    }
    ret->kinds[0].count = sum->total > labelled ? sum->total - labelled : 0;
    for (size_t i = 1; i <= METRICS_KINDS; i++)
        if (ret->kinds[i].thread[0])
            ret->kinds[n++] = ret->kinds[i];
    ret->n_kinds = n;
    ret->overruns = sum->total;
}

static void
of_edges(struct master *m, const struct service *s, const struct overruns *seen,
         struct metrics_service *ret)
{
    json_t *rows = deadlines_edges(m, s, seen), *one;
    size_t i;

    ret->edges = calloc(METRICS_EDGES, sizeof(*ret->edges));
    json_array_foreach(rows, i, one)
    {
        const char *caller = json_string_value(json_object_get(one, "caller"));

        if (!caller || !ret->edges || ret->n_edges == METRICS_EDGES)
            break;
        (void)snprintf(ret->edges[ret->n_edges].caller, sizeof(ret->edges[0].caller), "%s", caller);
        ret->edges[ret->n_edges++].fault = json_object_get(one, "fault") != NULL;
    }
    json_decref(rows);
}

static void
of_deadlines(struct master *m, const struct service *s, struct metrics_service *ret)
{
    struct overruns sum = {.n = 0};
    unsigned live = 0;

    deadlines_sum(m, s, &sum, &live);
    ret->has_deadlines =
        deadlines_configured(s->spec) || sum.n_callers > 0 || sum.total > 0 || live > 0;
    if (ret->has_deadlines) {
        ret->overruns_live = live;
        of_overruns(m, &sum, ret);
        of_edges(m, s, &sum, ret);
    }
    overruns_finish(&sum);
}

void
metrics_of_service(void *env, const struct service *s, struct metrics_service *ret)
{
    struct master *m = env;

    memcpy(ret->name, s->name, sizeof(ret->name));
    ret->created_wall_us = wall_of(m, s->tally.since_us);
    ret->state[service_state(s)] = 1;
    ret->wanted = s->want == WANT_UP;
    ret->workers_wanted = s->want == WANT_UP ? s->spec->workers : 0;
    of_processes(m, s, ret);
    of_tally(s, ret);
    of_reload(m, s, ret);
    of_book(m->leaks.ledger, ret);
    of_log(m, s, ret);
    of_deadlines(m, s, ret);
}
