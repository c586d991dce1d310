/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "supervisor/core/event.h"
#include "supervisor/io/cgroup.h"
#include "supervisor/io/child.h"
#include "supervisor/io/held.h"
#include "supervisor/io/ledger.h"
#include "supervisor/io/leftovers.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/orphans.h"
#include "supervisor/probe/proc.h"

/*
 * Processes that are left behind: whose they were is found out, and who they are is told and written
 * into the book before anything ends them.
 */

#define NAMED_MAX 32 /* of a cgroup that is killed: somebody waits */
#define KNOWN_MAX 256

static struct leftover_look
look_for(const struct held held[HELD_MAX])
{
    return (struct leftover_look){
        .held = held, .n_held = HELD_MAX, .fds = LEFTOVER_FDS_FEW, .top = {getpid(), getppid()}
    };
}

static void
enter(const struct master *m, const char *service, uint64_t generation, const struct leftover *left,
      const struct held *held)
{
    json_t *o = leftover_json(left, held);

    ledger_retain(m->leaks.ledger, service, generation, o);
    json_decref(o);
}

/* ---- orphans ------------------------------------------------------------------------------------ */

/* Its cgroup names the generation; which of its workers, when there are several, it does not. */
static struct hand *
owner_by_cgroup(const struct master *m, const struct orphan *o, bool *ret_alive)
{
    struct hand *dead = NULL;

    *ret_alive = false;
    list_for_each (n, &m->snapshots) {
        const struct snapshot *snap = container_of(n, struct snapshot, node);

        if (!snap->leaf || !cgroup_leaf_has(snap->leaf, o->pid))
            continue;
        list_for_each (k, &m->hands) {
            struct hand *h = container_of(k, struct hand, node);

            if (h->snapshot == snap && h->dead)
                dead = h;
            else if (h->snapshot == snap)
                *ret_alive = true;
        }
        return dead;
    }
    return NULL;
}

static bool
holds_own(const struct hand *h, const uint64_t *inodes, size_t n)
{
    struct held ours[HELD_MAX];

    held_of(h->snapshot, h, ours);
    for (size_t i = 0; i < HELD_MAX && ours[i].inode; i++)
        for (size_t k = 0; ours[i].own && k < n; k++)
            if (ours[i].inode == inodes[k])
                return true;
    return false;
}

/* Pipes and channels are one worker's, so whoever has them descends from it. */
static struct hand *
owner_by_held(const struct master *m, const struct orphan *o, bool *ret_alive)
{
    uint64_t inodes[LEFTOVER_FDS_FEW];
    size_t n_inodes = leftover_inodes(o->pid, inodes, LEFTOVER_FDS_FEW);

    list_for_each (n, &m->hands) {
        struct hand *h = container_of(n, struct hand, node);

        if (n_inodes == 0 || !holds_own(h, inodes, n_inodes))
            continue;
        *ret_alive = !h->dead;
        if (h->dead)
            return h;
    }
    return NULL;
}

/* The dead worker that an orphan comes from; NULL: its worker lives, or it is nobody's. */
static struct hand *
orphan_owner(const struct master *m, const struct orphan *o, enum orphan_clue *ret, bool *ret_alive)
{
    struct hand *relative = NULL;

    *ret_alive = false;
    list_for_each (n, &m->hands) {
        struct hand *h = container_of(n, struct hand, node);

        if ((o->spawn_id && h->worker == o->spawn_id) || (o->session && h->pid == o->session)) {
            *ret = o->spawn_id && h->worker == o->spawn_id ? CLUE_SPAWN_ID : CLUE_SESSION;
            *ret_alive = !h->dead;
            return h->dead ? h : NULL;
        }
        if (h->dead && o->generation == h->born && strcmp(o->service, h->service) == 0)
            relative = h; /* its own worker is long gone; a sibling stands in */
    }
    *ret = CLUE_SERVICE;
    if (relative)
        return relative;
    *ret = CLUE_CGROUP;
    relative = owner_by_cgroup(m, o, ret_alive);
    if (relative || *ret_alive)
        return relative;
    *ret = CLUE_HELD;
    relative = owner_by_held(m, o, ret_alive);
    if (relative)
        *ret_alive = false;
    return relative;
}

static bool
is_elder(const struct master *m, const struct orphan *o)
{
    for (size_t i = 0; i < m->n_elders; i++)
        if (m->elders[i].pid == o->pid && m->elders[i].start_time == o->start_time)
            return true;
    return false;
}

bool
retained_is_anothers(void *env, pid_t pid)
{
    const struct master *m = env;
    enum orphan_clue clue;
    struct orphan o;
    bool alive;

    if (orphan_read(pid, &o) < 0) {
        const struct hand *h = proc_hidden(pid) ? hand_of_pid(m, getsid(pid)) : NULL;

        return h && !h->dead; /* else it is gone, or may be anybody's */
    }
    if (is_elder(m, &o))
        return true;
    return orphan_owner(m, &o, &clue, &alive) == NULL && alive;
}

void
retained_orphan(void *env, struct orphan *o)
{
    struct master *m = env;
    auto_text struct text words = TEXT_INIT;
    enum orphan_clue clue = CLUE_NONE;
    struct held ours[HELD_MAX] = {{0}};
    const struct leftover_look look = look_for(ours);
    struct leftover left;
    bool alive, read;
    struct hand *owner;
    struct event ev = {
        .type = EVENT_ESCAPEE, .escapee = {o->pid, o->comm, NULL}
    };

    if (is_elder(m, o))
        return; /* a child of the shell that became us: nobody's of ours */
    owner = orphan_owner(m, o, &clue, &alive);
    if (owner) {
        held_of(owner->snapshot, owner, ours);
        read = leftover_read(o->pid, &look, &left) == 0;
        left.worker = owner->pid;
        orphan_tell(o, clue, read ? &left : NULL, ours, &words);
        if (read)
            enter(m, owner->service, owner->generation, &left, ours);
        ev.worker = owner->worker;
        ev.escapee.text = text_str(&words);
        master_post_escapee(m, &ev, steal_fd(o->pidfd));
        return;
    }
    if (alive || o->hidden)
        return; /* a daemon of a worker that lives: it ends with it; or nobody may know */
    m->count.strangers++;
    journal_say(m->journal, LOG_LEVEL_WARNING, "orphan",
                "process %d '%s' came to us and belongs to no worker: SIGTERM", (int)o->pid,
                o->comm);
    (void)child_signal(o->pidfd, SIGTERM); /* -ESRCH: gone by itself */
}

/* ---- cgroups -------------------------------------------------------------------------------------- */

static void
tell(struct master *m, const struct snapshot *snap, const struct leftover *left,
     const struct held *held, const char *why)
{
    auto_text struct text words = TEXT_INIT;

    text_addf(&words, "%s: ", why);
    leftover_tell(left, held, &words);
    journal_event(m->journal, LOG_LEVEL_WARNING, "process_retained",
                  (const struct journal_field[]){
                      FIELD_TEXT("service", snap->spec->name),
                      FIELD_NUMBER("gen", (int64_t)snap->leaf_generation),
                      FIELD_NUMBER("pid", left->pid), FIELD_TEXT("msg", text_str(&words))},
                  4);
    enter(m, snap->spec->name, snap->leaf_generation, left, held);
    ledger_gone(m->leaks.ledger, snap->spec->name, left->pid, true);
}

void
retained_in_leaf(struct master *m, const struct snapshot *snap, const char *why)
{
    pid_t known[KNOWN_MAX];
    struct held held[HELD_MAX] = {{0}};
    struct leftovers left;
    struct leftovers_request rq = {.leaf = cgroup_leaf_path(snap->leaf),
                                   .known = known,
                                   .whole = true,
                                   .look = look_for(held),
                                   .max = NAMED_MAX};

    list_for_each (n, &m->hands) {
        const struct hand *h = container_of(n, struct hand, node);

        if (h->snapshot == snap && h->pid > 0 && rq.n_known < KNOWN_MAX)
            known[rq.n_known++] = h->pid;
    }
    held_of(snap, NULL, held);
    if (!rq.leaf || leftovers_find(&rq, &left) < 0)
        return;
    for (size_t i = 0; i < left.n; i++)
        tell(m, snap, &left.of[i], held, why);
    if (left.total > left.n)
        journal_say(m->journal, LOG_LEVEL_WARNING, "process_retained",
                    "%s, generation %llu: and %zu more", snap->spec->name,
                    (unsigned long long)snap->leaf_generation, left.total - left.n);
    leftovers_finish(&left);
}
