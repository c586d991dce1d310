/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/pack.h"
#include "supervisor/core/event.h"
#include "supervisor/io/channel.h"
#include "supervisor/io/fdstore.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_logs.h"
#include "supervisor/io/master_reload.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/notify.h"
#include "supervisor/io/peek.h"
#include "supervisor/io/state.h"
#include "supervisor/probe/proc.h"

/* Workers of a master before us: their pidfds, pipes and sockets are the keeper's to give back. */

static int
take(const struct hand *h, const char *kind)
{
    char name[KEEPER_NAME_MAX];

    return fdstore_take(h->master->fdstore, fdstore_name(name, kind, h->worker));
}

/*
 * Its pidfd was not kept. The number alone says nothing, so a pidfd is opened first and only then it
 * is looked whether that is the process.
 */
static int
pidfd_again(const struct hand *h)
{
    auto_fd int fd = pidfd_open(h->pid, 0);
    struct proc_stat st;

    if (fd < 0 || h->start_time == 0 || proc_stat_read(h->pid, &st) < 0 ||
        st.start_time != h->start_time)
        return -1;
    return steal_fd(fd);
}

static int
restore_capture(struct hand *h, struct error *reterr)
{
    auto_fd int out = take(h, "out"), err = take(h, "err");
    int r;

    if (out < 0 && err < 0)
        return 0;
    r = capture_adopt(h->master->loop, out, err, hand_on_line, h, &h->capture, reterr);
    if (r < 0)
        return r;
    (void)steal_fd(out);
    (void)steal_fd(err);
    for (unsigned i = 0; i < 2; i++)
        if (!journal_told(h->master->journal, hand_stream_key(h, (enum capture_stream)i)))
            capture_none_again(h->capture, (enum capture_stream)i);
    capture_kept_by(h->capture, &hand_capture_keeper);
    return 0;
}

static int
restore_notify(struct hand *h, struct error *reterr)
{
    auto_fd int fd = take(h, "notify");
    struct notify_hooks hooks = hand_notify_hooks;
    char path[4096];
    int r;

    if (fd < 0)
        return 0;
    hooks.env = h;
    hand_notify_path(h, path, sizeof(path));
    r = notify_adopt(h->master->loop, fd, path, &hooks, &h->notify, reterr);
    if (r < 0)
        return r;
    (void)steal_fd(fd);
    notify_expect(h->notify, h->pid, h->uid);
    return 0;
}

static int
restore_channel(struct hand *h, const struct worker *w, bool managed, struct error *reterr)
{
    auto_fd int fd = take(h, "channel");
    int r;

    h->registry_fd = take(h, "registry");
    worker_spans_adopt(h);
    if (fd < 0)
        return 0;
    r = channel_adopt(h->master->loop, fd, hand_channel_events(h), h, managed,
                      fdstore_welcome(h->master->fdstore)->masters, &h->channel);
    if (r < 0)
        return error_set(reterr, r, "take over a channel");
    (void)steal_fd(fd);
    if (worker_open(w)) /* whether they were sent before that master died nobody knows */
        hand_give_listeners(h);
    return 0;
}

static int
restore_ready(struct hand *h, const struct worker *w, struct error *reterr)
{
    auto_fd int fd = take(h, "ready");
    int r;

    if (w->reloading == RELOADING_ASKED && h->spec)
        hand_watch_rewrite(h, w, true);
    if (w->state != WORKER_STARTING || !h->spec || (h->spec->ready.mode == READY_FD && fd < 0))
        return 0;
    r = hand_probe(h, fd, reterr);
    if (r == 0)
        (void)steal_fd(fd);
    return r;
}

static int
restore_hand_fields(struct hand *h, struct unpack *in, bool *ret_managed)
{
    struct master *m = h->master;
    uint64_t number;

    h->pid = (pid_t)unpack_i64(in);
    h->start_time = unpack_u64(in);
    h->uid = (uid_t)unpack_u64(in);
    number = unpack_u64(in);
    h->spec = number ? specs_of(m, number) : NULL;
    h->snapshot = snapshot_find(m, unpack_u64(in));
    number = unpack_u64(in);
    h->probe = number ? restore_listener_numbered(m, number) : NULL;
    if (h->probe)
        (void)listener_ref(h->probe);
    *ret_managed = unpack_bool(in);
    h->spawned_us = unpack_i64(in);
    h->outdated.told = unpack_bool(in);
    unpack_strv(in, &h->environment);
    return unpack_done(in) && h->pid > 0 ? 0 : -EBADMSG;
}

static int
restore_hand_fds(struct hand *h, const struct worker *w, bool managed, struct error *reterr)
{
    int r;

    h->pidfd = take(h, "pidfd");
    if (h->pidfd < 0)
        h->pidfd = pidfd_again(h);
    if (h->pidfd >= 0) {
        hand_watch(h);
    } else { /* gone, and if the keeper knows how, it tells */
        table_add(&h->master->hand_by_pid, &h->by_pid, (uint64_t)h->pid);
        h->dead = h->master->deaths = true;
    }
    r = restore_capture(h, reterr);
    if (r == 0)
        r = restore_notify(h, reterr);
    if (r == 0)
        r = restore_channel(h, w, managed, reterr);
    if (r == 0)
        r = restore_ready(h, w, reterr);
    return r;
}

static int
restore_hand(void *env, uint64_t key, const void *bytes, size_t n)
{
    struct master *m = env;
    const struct worker *w = core_worker(m->core, key);
    struct unpack in = UNPACK_INIT(bytes, n);
    struct error err = {0};
    bool managed;
    struct hand *h;

    if (!w || w->pid == 0) { /* buried already, or never released: a gated child ends by itself */
        state_drop(m->state, STATE_HAND, key);
        return 0;
    }
    h = hand_create(m, w);
    if (!h)
        return -ENOMEM;
    h->adopted = true;
    if (restore_hand_fields(h, &in, &managed) < 0)
        return -EBADMSG;
    if (restore_hand_fds(h, w, managed, &err) < 0)
        journal_say(m->journal, LOG_LEVEL_ERROR, "not_taken_over", "%s/%u: %s", h->service, h->slot,
                    err.text);
    return 0;
}

static int
restore_rest(void *env, uint64_t key, const void *bytes, size_t n)
{
    struct master *m = env;
    const struct hand *h = hand_find(m, key / 2);
    struct unpack in = UNPACK_INIT(bytes, n);
    bool continued = unpack_bool(&in);
    size_t rest;
    const char *line = unpack_bytes(&in, &rest);

    if (!h || !h->capture || !unpack_done(&in)) {
        state_drop(m->state, STATE_REST, key);
        return 0;
    }
    return capture_set_rest(h->capture, (enum capture_stream)(key % 2), line, rest, continued);
}

/* The piece was about to be taken out of its pipe, and all of it told: is it there still? */
static int
restore_piece(void *env, uint64_t key, const void *bytes, size_t n)
{
    struct master *m = env;
    const struct hand *h = hand_find(m, key / 2);
    enum capture_stream stream = (enum capture_stream)(key % 2);
    int fd = h && h->capture ? capture_fd(h->capture, stream) : -1;
    struct unpack in = UNPACK_INIT(bytes, n);
    static char piece[CAPTURE_TOLD_BYTES]; /* one thread */
    uint64_t length = unpack_u64(&in);
    struct digest was = {0}, is;

    was.high = unpack_u64(&in);
    was.low = unpack_u64(&in);
    state_drop(m->state, STATE_PIECE, key);
    if (!unpack_done(&in) || length > sizeof(piece))
        return -EBADMSG;
    if (fd < 0)
        return 0;
    capture_none_again(h->capture, stream);
    if (peek_pipe(fd, piece, length) != (ssize_t)length)
        return 0;
    is = digest_of(piece, length);
    return digest_equal(is, was) ? peek_take(fd, length) : 0;
}

/* Who is in the core's books has a process here, or the state contradicts itself. */
static int
find_all_workers(struct master *m, struct error *reterr)
{
    list_for_each (n, &m->core->services) {
        list_for_each (g, &container_of(n, struct service, node)->generations) {
            list_for_each (k, &container_of(g, struct generation, node)->workers) {
                const struct worker *w = container_of(k, struct worker, node);

                if (w->pid > 0 && !hand_find(m, w->id))
                    return error_say(reterr, -EBADMSG,
                                     "worker %" PRIu64 " of the state has no process", w->id);
            }
        }
    }
    return 0;
}

int
restore_hands(struct master *m, struct error *reterr)
{
    int r = state_each(m->state, STATE_HAND, restore_hand, m);

    if (r == 0)
        r = state_each(m->state, STATE_REST, restore_rest, m);
    if (r == 0)
        r = state_each(m->state, STATE_PIECE, restore_piece, m);
    if (r < 0)
        return error_set(reterr, r, "a worker of the state");
    return find_all_workers(m, reterr);
}
