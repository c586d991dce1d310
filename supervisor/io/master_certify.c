/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/ledger.h"
#include "supervisor/io/master_leaks.h"
#include "supervisor/io/master_state.h"
#include "supervisor/probe/proc.h"

/* The books of what leaked, and the certificate in them that each generation ends with. */

static void
say(void *env, const char *sentence)
{
    struct master *m = env;

    journal_say(m->journal, LOG_LEVEL_WARNING, "leaks_not_kept", "%s", sentence);
}

void
leaks_load(struct master *m)
{
    auto_text struct text path = TEXT_INIT;

    text_addf(&path, "%s/leaks.jsonl", m->state_dir);
    bundles_read(m->state_dir, &m->leaks.bundles);
    if (ledger_open(path.failed ? NULL : text_str(&path), say, m, &m->leaks.ledger) < 0)
        journal_say(m->journal, LOG_LEVEL_ERROR, "out_of_memory", "no history of leaks is kept");
}

static void
add(struct text *words, unsigned n, const char *what)
{
    if (n > 0)
        text_addf(words, "%s%u %s", words->bytes ? ", " : "", n, what);
}

/* What is not as it should be, in words. */
static void
missing(const struct record *r, char *buf, size_t room)
{
    auto_text struct text words = TEXT_INIT;
    const struct survey *s = &r->toll.survey;

    if (r->toll.handed_to)
        text_addf(&words, "its processes were handed over to generation %" PRIu64,
                  r->toll.handed_to);
    add(&words, s->left, s->left == 1 ? "process is left" : "processes are left");
    add(&words, r->count, "past the drain deadline");
    add(&words, r->toll.killed, "killed");
    add(&words, r->toll.escapees, "escaped");
    add(&words, r->toll.threads, "threads leaked while it ran");
    if (!s->good[FINDING_FDS] && !r->toll.handed_to)
        text_addf(&words, "%ssomebody holds what it was given%s%s", words.bytes ? ", " : "",
                  s->holder[0] ? ": " : "", s->holder);
    add(&words, r->toll.unjoined, "threads were not joined");
    (void)snprintf(buf, room, "%s", text_str(&words));
}

void
leaks_certify(struct master *m, const struct record *r)
{
    const struct survey *s = &r->toll.survey;
    struct ledger_certificate c = {
        .generation = r->generation,
        .pids_gone = s->good[FINDING_PIDS],
        .cgroup_empty = s->good[FINDING_CGROUP],
        .fds_returned = s->good[FINDING_FDS],
        .threads_joined = s->good[FINDING_THREADS],
        .threads_known = s->how[FINDING_THREADS] != KNOWN_NOT,
        .how = {known_name(s->how[FINDING_PIDS]), known_name(s->how[FINDING_CGROUP]),
                known_name(s->how[FINDING_FDS]), known_name(s->how[FINDING_THREADS])},
        .processes = r->toll.processes,
        .leaks = r->count,
        .killed = r->toll.killed,
        .escapees = r->toll.escapees,
        .unread = s->unread,
    };

    missing(r, c.text, sizeof(c.text));
    ledger_certify(m->leaks.ledger, r->service, &c);
}

#define COUNTED_MAX 1000 /* in one turn of the loop; each takes some 10 µs */

/* No look is made for it: how many there are is in /proc, and the rest is what the last look found. */
json_t *
leaks_threads_of(void *env, const struct worker *w)
{
    struct master *m = env;
    const struct hand *h = hand_find(m, w->id);
    unsigned turn = ev_iteration(m->loop);
    struct proc_stat now = {0};
    json_t *o;

    if (!h || h->pid <= 0)
        return NULL;
    if (m->leaks.counting != turn)
        m->leaks.counted = 0;
    m->leaks.counting = turn;
    if (m->leaks.counted < COUNTED_MAX) {
        m->leaks.counted++;
        (void)proc_stat_read(h->pid, &now);
    }
    o = json_object();
    if (now.threads > 0)
        (void)json_object_set_new(o, "now", json_integer(now.threads));
    if (h->leaks.seen_us == 0 && w->leaking > 0) /* a master before this one looked */
        (void)json_object_set_new(o, "leaked", json_integer(w->leaking));
    if (h->leaks.seen_us == 0)
        return o;
    if (h->leaks.registry)
        (void)json_object_set_new(o, "known", json_integer(h->leaks.known));
    (void)json_object_set_new(o, "leaked", json_integer(h->leaks.leaked));
    (void)json_object_set_new(o, "looked_ago_ms",
                              json_integer((mono_now_us() - h->leaks.seen_us) / US_PER_MS));
    return o;
}

json_t *
leaks_history(void *env, const char *service)
{
    struct master *m = env;

    json_t *report = deadlines_add(env, service, ledger_report(m->leaks.ledger, service));
    json_t *bundles = bundles_report(&m->leaks.bundles, m->state_dir, service);

    if (report && json_array_size(bundles) > 0)
        (void)json_object_set(report, "bundles", bundles); /* no memory: it is shorter */
    json_decref(bundles);
    return report;
}

json_t *
leaks_diff(void *env, const struct service *s, uint64_t generation)
{
    const struct master *m = env;

    return ledger_diff(m->leaks.ledger, s->name, generation);
}
