/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "supervisor/io/cgroup.h"
#include "supervisor/io/ledger.h"
#include "supervisor/io/master_leaks.h"
#include "supervisor/io/master_state.h"

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
    if (ledger_open(path.failed ? NULL : text_str(&path), say, m, &m->leaks.ledger) < 0)
        journal_say(m->journal, LOG_LEVEL_ERROR, "out_of_memory", "no history of leaks is kept");
}

/* What is not as it should be, in words. */
static void
missing(const struct record *r, const struct ledger_certificate *c, int populated, char *buf,
        size_t room)
{
    auto_text struct text words = TEXT_INIT;

    if (r->toll.handed_to)
        text_addf(&words, "its processes were handed over to generation %" PRIu64,
                  r->toll.handed_to);
    if (c->leaks > 0)
        text_addf(&words, "%s%u past the drain deadline", words.bytes ? ", " : "", c->leaks);
    if (r->toll.killed > 0)
        text_addf(&words, "%s%u killed", words.bytes ? ", " : "", r->toll.killed);
    if (c->escapees > 0)
        text_addf(&words, "%s%u escaped", words.bytes ? ", " : "", c->escapees);
    if (r->toll.threads > 0)
        text_addf(&words, "%s%u threads leaked while it ran", words.bytes ? ", " : "",
                  r->toll.threads);
    if (populated == 1)
        text_addf(&words, "%ssomebody is left in its cgroup", words.bytes ? ", " : "");
    (void)snprintf(buf, room, "%s", text_str(&words));
}

void
leaks_certify(struct master *m, const struct record *r)
{
    const struct snapshot *snap = snapshot_find(m, r->toll.snapshot);
    bool leaf = snap && snap->leaf && !r->toll.handed_to;
    int populated = leaf ? cgroup_leaf_populated(snap->leaf) : -1;
    struct ledger_certificate c = {
        .generation = r->generation,
        .pids_gone = !r->toll.handed_to,
        .cgroup_empty = populated == 0,
        .fds_returned = !r->toll.handed_to && populated != 1,
        .threads_known = snap && snap->spec->libstint,
        .threads_joined = r->count == 0 && r->toll.threads == 0,
        .processes = r->toll.processes,
        .leaks = r->count,
        .killed = r->toll.killed,
        .escapees = r->toll.escapees,
    };

    missing(r, &c, populated, c.text, sizeof(c.text));
    ledger_certify(m->leaks.ledger, r->service, &c);
}

json_t *
leaks_history(void *env, const char *service)
{
    struct master *m = env;

    return deadlines_add(env, service, ledger_report(m->leaks.ledger, service));
}

json_t *
leaks_diff(void *env, const struct service *s, uint64_t generation)
{
    const struct master *m = env;

    return ledger_diff(m->leaks.ledger, s->name, generation);
}
