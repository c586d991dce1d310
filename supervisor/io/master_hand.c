/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/core/event.h"
#include "supervisor/io/capture.h"
#include "supervisor/io/cgroup.h"
#include "supervisor/io/channel.h"
#include "supervisor/io/edge.h"
#include "supervisor/io/environment.h"
#include "supervisor/io/fdstore.h"
#include "supervisor/io/forget.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_logs.h"
#include "supervisor/io/master_spans.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/notify.h"
#include "supervisor/io/preload.h"
#include "supervisor/io/ready.h"
#include "supervisor/io/spawn.h"
#include "supervisor/probe/proc.h"
#include "supervisor/probe/registry.h"

extern char **environ;

struct hand *
hand_find(const struct master *m, uint64_t worker)
{
    struct table_node *n = table_find(&m->hand_by_worker, worker);

    return n ? container_of(n, struct hand, by_worker) : NULL;
}

struct hand *
hand_of_pid(const struct master *m, pid_t pid)
{
    struct table_node *n = table_find(&m->hand_by_pid, (uint64_t)pid);

    return n ? container_of(n, struct hand, by_pid) : NULL;
}

struct hand *
hand_create(struct master *m, const struct worker *w)
{
    struct hand *h = calloc(1, sizeof(*h));

    if (!h)
        return NULL;
    h->master = m;
    h->worker = w->id;
    h->generation = w->generation->number;
    h->born = w->born;
    h->slot = w->slot;
    h->uid = getuid();
    h->pidfd = h->exec_fd = h->registry_fd = -1;
    list_init(&h->gate);
    (void)snprintf(h->service, sizeof(h->service), "%s", w->generation->service->name);
    memcpy(h->trace, w->generation->trace, sizeof(h->trace));
    hand_log_open(h);
    list_add(&m->hands, &h->node);
    table_add(&m->hand_by_worker, &h->by_worker, h->worker);
    return h;
}

void
hand_destroy(struct hand *h)
{
    if (!h)
        return;
    leaks_hand_gone(h);
    keep_drop_hand(h->master, h);
    list_del(&h->gate);
    forget_io(h->master->loop, &h->dies);
    forget_io(h->master->loop, &h->execs);
    list_del(&h->node);
    table_remove(&h->master->hand_by_worker, &h->by_worker);
    table_remove(&h->master->hand_by_pid, &h->by_pid);
    ready_stop(h->ready);
    channel_destroy(h->channel);
    notify_close(h->notify);
    capture_close(h->capture);
    hand_log_close(h);
    listener_unref(h->probe);
    service_spec_unref(h->spec);
    strv_finish(&h->environment);
    free(h->outdated.files);
    fd_close(h->registry_fd);
    fd_close(h->exec_fd);
    fd_close(h->pidfd);
    free(h);
}

void
hand_watch(struct hand *h)
{
    table_add(&h->master->hand_by_pid, &h->by_pid, (uint64_t)h->pid);
    ev_io_init(&h->dies, hand_on_dead, h->pidfd, EV_READ);
    ev_io_start(h->master->loop, &h->dies);
}

/* Which process it is, beyond its number. One that is dead already keeps it until it is reaped. */
static void
hand_identify(struct hand *h)
{
    struct proc_stat st;

    h->start_time = proc_stat_read(h->pid, &st) == 0 ? st.start_time : 0;
}

void
hand_adopt(struct master *m, const struct worker *w, int pidfd)
{
    struct hand *h = hand_create(m, w);

    if (!h) {
        fd_close(pidfd);
        return; /* the next scan finds it again */
    }
    h->pid = w->pid;
    h->pidfd = pidfd;
    h->snapshot = snapshot_find(m, w->generation->snapshot); /* its cgroup is its worker's */
    hand_identify(h);
    hand_watch(h);
    keep_hand(m, h);
    save_hand(m, h); /* committed with the next step: until then the orphan would be found again */
}

/* ---- starting ------------------------------------------------------------------------------- */

/* What is made for one start and given away or closed at its end. */
struct start {
    struct hand *hand;
    const struct service_spec *spec;              /* borrowed from the hand */
    struct strv argv;                             /* owned; the command of its slot */
    int channel_theirs, ready_ours, ready_theirs; /* owned */
};

static int
start_environment(struct start *st, struct error *reterr)
{
    struct hand *h = st->hand;
    const char *names[INHERITED_MAX];
    char spawn_id[24];
    auto_free char *preload = NULL;
    struct environment_request rq = {
        .spec = st->spec,
        .env_file = &h->snapshot->env_file,
        .own = environ,
        .identity = &h->snapshot->identity,
        .listen_names = names,
        .notify_path = h->notify ? notify_path(h->notify) : NULL,
        .generation = h->born,
        .slot = h->slot,
        .spawn_id = spawn_id,
        .trace_id = h->trace,
        .span_id = master_span_of_worker(h->trace, h->worker),
        .tracer = fdstore_run_pid(h->master->fdstore),
    };

    /* They were there when the generation was made; else this worker goes without. */
    preload = preload_for(st->spec, h->snapshot->exe_fd, &h->snapshot->exe_stat);
    rq.preload = preload;
    (void)snprintf(spawn_id, sizeof(spawn_id), "%" PRIu64, h->worker);
    rq.n_listen = hand_inherits_names(h, names);
    if (slot_argv(&st->spec->command, h->slot, &st->argv) < 0)
        return error_set(reterr, -ENOMEM, "build the command of '%s'", h->service);
    return environment_build(&rq, &h->environment, reterr);
}

void
hand_notify_path(const struct hand *h, char *buf, size_t room)
{
    (void)snprintf(buf, room, "%s/notify/%" PRIu64 ".sock", h->master->runtime_dir, h->worker);
}

static int
start_plumbing(struct start *st, struct error *reterr)
{
    struct hand *h = st->hand;
    struct notify_hooks hooks = hand_notify_hooks;
    char path[4096];
    auto_fd int ours = -1;
    int r;

    hooks.env = h;
    hand_notify_path(h, path, sizeof(path));
    r = capture_open(h->master->loop, hand_on_line, h, &h->capture, reterr);
    if (r == 0)
        capture_kept_by(h->capture, &hand_capture_keeper);
    if (r == 0 && service_spec_speaks(st->spec))
        r = notify_open(h->master->loop, path, &hooks, &h->notify, reterr);
    if (r == 0 && st->spec->libstint) {
        r = channel_pair(&ours, &st->channel_theirs);
        if (r == 0)
            r = channel_open(h->master->loop, ours, hand_channel_events(h), h, &h->channel);
        if (r < 0)
            return error_set(reterr, r, "open the channel");
        (void)steal_fd(ours); /* the channel's now */
        h->leaks.channel_inode = held_inode(st->channel_theirs);
    }
    if (r == 0 && (st->spec->libstint || st->spec->preload))
        r = worker_spans_registry(h, st->spec->libstint, reterr);
    if (r == 0 && st->spec->ready.mode == READY_FD) {
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) == -1)
            return error_set(reterr, -errno, "open the readiness pipe");
        st->ready_ours = ends[0];
        st->ready_theirs = ends[1];
        r = fd_nonblock(st->ready_ours);
    }
    if (r == 0 && h->snapshot->probe)
        h->probe = listener_ref(h->snapshot->probe);
    return r;
}

static int
start_process(struct start *st, struct spawned *ret, struct error *reterr)
{
    struct hand *h = st->hand;
    struct snapshot *snap = h->snapshot;
    struct spawn_request rq = SPAWN_REQUEST_INIT;
    struct spawn_fd fds[3];
    int listen_fds[INHERITED_MAX];

    rq.n_listen = hand_inherits_fds(h, listen_fds);
    if (st->channel_theirs >= 0)
        fds[rq.n_fds++] = (struct spawn_fd){st->channel_theirs, -1, "STINT_CHANNEL"};
    if (h->registry_fd >= 0)
        fds[rq.n_fds++] = (struct spawn_fd){h->registry_fd, -1, "STINT_REGISTRY"};
    if (st->ready_theirs >= 0)
        fds[rq.n_fds++] = (struct spawn_fd){st->ready_theirs, st->spec->ready.fd, NULL};
    rq.argv = st->argv.items;
    rq.envp = h->environment.items;
    rq.exe_fd = snap->exe_fd;
    rq.exe_path = snap->exe_path;
    rq.directory = st->spec->directory;
    rq.identity = &snap->identity;
    rq.umask = st->spec->umask;
    rq.limits = st->spec->limits;
    rq.n_limits = st->spec->n_limits;
    rq.gated = true;
    rq.stdout_fd = capture_stdout_fd(h->capture);
    rq.stderr_fd = capture_stderr_fd(h->capture);
    rq.cgroup_fd = cgroup_leaf_fd(leaf_of(h));
    rq.listen_fds = listen_fds;
    rq.fds = fds;
    return spawn_start(&rq, ret, reterr);
}

int
hand_probe(struct hand *h, int ready_fd, struct error *reterr)
{
    auto_text struct text address = TEXT_INIT;
    struct ready_request rq = {
        .spec = &h->spec->ready,
        .slot = h->slot,
        .pid = h->pid,
        .spawned_us = h->spawned_us,
        .fd = ready_fd,
        .directory = h->spec->directory,
        .envp = h->environment.items,
        .identity = &h->snapshot->identity,
        .on_ready = hand_on_ready,
        .on_failed = hand_on_not_ready,
        .env = h,
    };

    if (h->probe) {
        listener_address(h->probe, &address);
        rq.address = text_str(&address);
    }
    return ready_start(h->master->loop, &rq, &h->ready, reterr);
}

/* A keeper holds it too, should we not live to hear the newline. */
static void
start_probe(struct start *st)
{
    struct hand *h = st->hand;
    struct error err = {0};
    char name[KEEPER_NAME_MAX];

    if (st->ready_ours >= 0)
        (void)fdstore_put(h->master->fdstore, fdstore_name(name, "ready", h->worker),
                          st->ready_ours);
    if (hand_probe(h, st->ready_ours, &err) == 0)
        st->ready_ours = -1;
    else
        journal_say(h->master->journal, LOG_LEVEL_ERROR, "probe_failed", "%s/%u: %s", h->service,
                    h->slot, err.text);
}

void
hands_release(struct master *m)
{
    bool waits = fdstore_counts(m->fdstore).waiting > 0; /* killed now, we would take them along */
    int64_t long_ago_us;

    if (list_empty(&m->gated)) /* as after nearly every step */
        return;
    long_ago_us = mono_now_us() - GATE_PATIENCE_US;
    list_for_each_safe (n, &m->gated) {
        struct hand *h = container_of(n, struct hand, gate);

        if (waits && h->spawned_us > long_ago_us)
            return; /* oldest first; a keeper that does not read for longer stops nobody from serving */
        list_del(n);
        (void)spawn_release(h->exec_fd); /* dead already: its pidfd tells */
        EDGE("spawn-released");
    }
}

static int
start_all(struct start *st, struct error *reterr)
{
    struct hand *h = st->hand;
    struct spawned spawned = {0, -1, -1};
    int r = snapshot_untouched(h->snapshot, core_worker(h->master->core, h->worker), reterr);

    if (r == 0)
        r = start_plumbing(st, reterr);
    if (r == 0)
        r = start_environment(st, reterr);
    if (r == 0)
        r = start_process(st, &spawned, reterr);
    if (r < 0)
        return r;
    /* From here on there is a process: its death, not an error, is what tells of further trouble. */
    h->pid = spawned.pid;
    h->pidfd = spawned.pidfd;
    h->exec_fd = spawned.exec_fd;
    hand_identify(h);
    list_add(&h->master->gated, &h->gate);
    EDGE("spawn-cloned");
    if (h->snapshot->identity.uid != IDENTITY_KEEP_UID)
        h->uid = h->snapshot->identity.uid;
    capture_spawned(h->capture);
    if (h->notify)
        notify_expect(h->notify, h->pid, h->uid);
    hand_watch(h);
    ev_io_init(&h->execs, hand_on_exec, h->exec_fd, EV_READ);
    ev_io_start(h->master->loop, &h->execs);
    start_probe(st);
    if (st->spec->ready.mode != READY_EXEC) /* nobody else runs anything with it */
        strv_finish(&h->environment);
    keep_hand(h->master, h);
    EDGE("spawn-kept");
    save_hand(h->master, h); /* committed with SPAWNED */
    return 0;
}

void
hand_start(struct master *m, uint64_t worker)
{
    const struct worker *w = core_worker(m->core, worker);
    struct start st = {.channel_theirs = -1, .ready_ours = -1, .ready_theirs = -1};
    struct error err = {0};
    struct event ev = {.worker = worker};
    int r = -ENOMEM;

    if (!w || w->pid > 0) /* repeated by a master that does not know whether it was done: it was */
        return;
    st.hand = hand_create(m, w);
    if (st.hand)
        st.hand->spawned_us = mono_now_us();
    if (st.hand && w->drain_us > 0) { /* its turn came late: nobody wants it any more */
        r = error_say(&err, -ECANCELED, "it was asked to leave before it was started");
    } else if (st.hand) {
        st.spec = st.hand->spec = service_spec_ref(w->generation->spec);
        st.hand->snapshot = snapshot_find(m, w->generation->snapshot);
        r = st.hand->snapshot ? start_all(&st, &err)
                              : error_say(&err, -ENOENT, "its snapshot is gone");
    }
    strv_finish(&st.argv);
    fd_close(st.channel_theirs);
    fd_close(st.ready_ours);
    fd_close(st.ready_theirs);
    if (r < 0) {
        hand_destroy(st.hand);
        ev.type = EVENT_SPAWN_FAILED;
        ev.spawn_failed.error = r;
        ev.spawn_failed.what = err.text;
    } else {
        ev.type = EVENT_SPAWNED;
        ev.spawned.pid = st.hand->pid;
    }
    master_post(m, &ev);
}
