/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "config/config.h"
#include "supervisor/io/cgroup.h"
#include "supervisor/io/edge.h"
#include "supervisor/io/fdstore.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_metrics.h"
#include "supervisor/io/master_outdated.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/operator.h"
#include "supervisor/io/state.h"

/* From a master that has a loop to one that serves: the first of all, or the next one. */

extern char **environ;

/* The configuration decides where we live, so it is read once before anything else is there. */
int
master_paths(struct master *m, struct error *reterr)
{
    struct diagnostics diags = {0};
    auto_text struct text words = TEXT_INIT;
    struct spec *spec = NULL;
    struct error why = {0};
    int r = config_load(m->config_path, CONFIG_CHECK_SYSTEM, &spec, NULL, &diags);

    if (r < 0) {
        diagnostics_render(&diags, &words);
        (void)fputs(text_str(&words), stderr); /* in full: an error has room for one sentence */
        m->exit_status = EX_CONFIG;
        r = error_say(reterr, r, "%s is not valid; nothing was started", m->config_path);
    } else {
        m->runtime_dir = strdup(spec->runtime_dir);
        m->state_dir = strdup(spec->state_dir);
        m->first_cgroup = spec->cgroup;
        r = m->runtime_dir && m->state_dir ? 0 : error_set(reterr, -ENOMEM, "start");
        journal_configure(m->journal, spec->log_format, spec->log_level);
        if (dir_make(spec->state_dir, 0755, &why) < 0)
            journal_say(m->journal, LOG_LEVEL_WARNING, "no_state_dir",
                        "state_dir: %s: generation numbers begin anew with each start", why.text);
    }
    spec_destroy(spec);
    diagnostics_finish(&diags);
    return r;
}

/* Where the workers' notify sockets go. After the control socket: it looks at the folder. */
static int
master_notify_dir(const struct master *m, struct error *reterr)
{
    const size_t room = sizeof(((struct sockaddr_un *)0)->sun_path) - sizeof("/4294967295.sock");
    auto_text struct text path = TEXT_INIT;

    text_addf(&path, "%s/notify", m->runtime_dir);
    if (path.bytes > room)
        return error_say(reterr, -ENAMETOOLONG,
                         "runtime_dir '%s' is too long for the names of unix sockets in it: %zu "
                         "bytes are the limit",
                         m->runtime_dir, room - strlen("/notify"));
    return dir_make(text_str(&path), 0755, reterr);
}

static void
on_submit(void *env, const struct event *ev)
{
    master_post(env, ev);
}

static int
on_config_reload(void *env, const char *cause, struct error *reterr)
{
    return config_reload(env, cause, reterr);
}

static void
on_desk_changed(void *env)
{
    struct master *m = env;

    m->desk_stale = true;
}

static int
on_upgrade_wanted(void *env, const char *path, struct error *reterr)
{
    return upgrade_begin(env, path, reterr);
}

static bool
on_look(void *env)
{
    return outdated_look(env);
}

static bool
on_reopen(void *env, const char *service)
{
    struct master *m = env;

    return logs_reopen(m->logs, service) > 0;
}

/* The control socket is also the lock that keeps two masters apart, so it comes first. */
static int
begin_desk(struct master *m, struct error *reterr)
{
    struct operator_options options = {
        .loop = m->loop,
        .runtime_dir = m->runtime_dir,
        .state_dir = m->state_dir,
        .journal = m->journal,
        .spans = m->spans,
        .env = m,
        .submit = on_submit,
        .config_reload = on_config_reload,
        .changed = on_desk_changed,
        .look = on_look,
        .threads = leaks_threads,
        .profile = leaks_profile,
        .upgrade = m->fdstore ? on_upgrade_wanted : NULL,
        .metrics = metrics_of_stint,
        .metrics_service = metrics_of_service,
        .reopen = on_reopen,
        .listen_fd = steal_fd(m->control_fd),
        .lock_fd = steal_fd(m->control_lock_fd),
        .pid = m->fdstore ? getppid() : 0,
    };
    int r;

    sources_fill(m, &options.sources);
    r = operator_create(&options, &m->desk, reterr);
    if (r < 0)
        return r;
    if (fdstore_put(m->fdstore, "control", operator_listen_fd(m->desk)) < 0 ||
        fdstore_put(m->fdstore, "control-lock", operator_lock_fd(m->desk)) < 0)
        return error_set(reterr, -ENOMEM, "keep the control socket");
    return 0;
}

/* What this place does not allow is said once, and in every status. */
static void
begin_surroundings(struct master *m)
{
    const struct keeper_welcome *w = fdstore_welcome(m->fdstore);
    struct surroundings_facts facts = {0};
    char fdstore_max[16];

    surroundings_read(m->spec, environ, &facts);
    facts.pid = fdstore_run_pid(m->fdstore);
    facts.systemd = w && w->flags & KEEPER_SYSTEMD;
    if (w && w->listeners > 0) { /* the keeper keeps that part of the environment to itself */
        (void)snprintf(fdstore_max, sizeof(fdstore_max), "%u", w->listeners);
        facts.fdstore_max = fdstore_max;
    }
    facts.reaper = true; /* the keeper and we have seen to it */
    facts.cgroup = cgroup_words(m->cgroups);
    facts.cgroup_works = cgroup_tree_works(m->cgroups);
    if (surroundings_judge(&facts, m->spec, &m->surroundings) == 0 &&
        (!w || !(w->flags & KEEPER_SUCCEEDS))) {
        for (size_t i = 0; i < m->surroundings.n; i++)
            if (!m->surroundings.items[i].ok)
                journal_say(m->journal, LOG_LEVEL_INFO, "surroundings", "%s: %s",
                            m->surroundings.items[i].word, m->surroundings.items[i].sentence);
    }
    surroundings_facts_finish(&facts);
}

static int
restore_desk(void *env, uint64_t key, const void *bytes, size_t n)
{
    struct master *m = env;
    struct error err = {0};

    (void)key;
    if (operator_restore(m->desk, bytes, n, &err) < 0)
        journal_say(m->journal, LOG_LEVEL_ERROR, "requests_lost",
                    "whoever waits for an answer has to ask again: %s", err.text);
    return 0;
}

static int
begin_again(struct master *m, struct error *reterr)
{
    const struct keeper_welcome *w = fdstore_welcome(m->fdstore);
    int r = leaves_begin(m, reterr);

    if (r < 0)
        return r;
    leaves_adopted(m);
    logs_configure(m->logs, m->spec->services, m->spec->n_services);
    r = state_one(m->state, STATE_DESK, 0, restore_desk, m);
    if (r < 0 && r != -ENOENT)
        journal_say(m->journal, LOG_LEVEL_ERROR, "requests_lost", "the state cannot be read");
    begin_surroundings(m);
    takeover_begin(m);
    if (operator_upgrading(m->desk))
        operator_upgraded(m->desk, w->flags & KEEPER_UPGRADED,
                          w->flags & KEEPER_UPGRADED
                              ? "stint " STINT_VERSION
                              : "the new program did not hold; the one before goes on");
    (void)config_reload(m, "a master took over", NULL); /* what is wrong is said in every status */
    EDGE("takeover-configured");
    return 0;
}

int
master_begin(struct master *m, struct error *reterr)
{
    int r = begin_desk(m, reterr);

    if (r == 0)
        r = master_notify_dir(m, reterr);
    if (r < 0)
        return r;
    numbers_load(m);
    leaks_load(m);
    announcer_begin(m);
    if (m->spec)
        return begin_again(m, reterr);
    r = leaves_begin(m, reterr);
    if (r < 0)
        return r;
    journal_say(m->journal, LOG_LEVEL_INFO, "started", "stint %s, pid %d, %s", STINT_VERSION,
                (int)fdstore_run_pid(m->fdstore), m->config_path);
    r = config_reload(m, "start", reterr);
    if (r < 0)
        m->exit_status = EX_CONFIG;
    else
        begin_surroundings(m);
    return r;
}
