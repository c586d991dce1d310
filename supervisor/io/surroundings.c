/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/surroundings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/spec.h"
#include "supervisor/io/environment.h"
#include "supervisor/io/report_internal.h"
#include "supervisor/io/surroundings_internal.h"

/*
 * Descriptors of a worker: pidfd, exec pipe, two output pipes, notify socket, channel, registry, and
 * one of readiness or probe; the keeper keeps the same ones. Of a generation: pin and cgroup.
 */
#define FDS_WORKER     8
#define FDS_GENERATION 3
#define FDS_FIXED      64 /* loop, journal, inotify, control connections, looks and checks under way */

#define WATCHES_LOW    1024 /* fs.inotify.max_user_watches is shared by all of a user */

void
judge_find(struct judge *j, const char *word, bool ok, const char *fmt, ...)
{
    struct surrounding *items = realloc(j->found.items, (j->found.n + 1) * sizeof *j->found.items);
    char *sentence = NULL;
    va_list args;

    if (items)
        j->found.items = items;
    va_start(args, fmt);
    if (!items || vasprintf(&sentence, fmt, args) == -1)
        j->failed = true;
    else
        items[j->found.n++] = (struct surrounding){word, ok, sentence};
    va_end(args);
}

static const char *
words(int code)
{
    const char *text = strerrordesc_np(-code);

    return text ? text : "unknown error";
}

/* ---- who we are ---------------------------------------------------------------------------------- */

/* foreign - the first service that runs as somebody, or NULL. */
static const struct service_spec *
foreign(const struct spec *spec)
{
    for (size_t i = 0; i < spec->n_services; i++)
        if (spec->services[i]->user || spec->services[i]->group)
            return spec->services[i];
    return NULL;
}

/* silent - the first service whose workers do not name us to Yama, or NULL. */
static const struct service_spec *
silent(const struct spec *spec)
{
    for (size_t i = 0; i < spec->n_services; i++)
        if (!environment_names_tracer(spec->services[i]))
            return spec->services[i];
    return NULL;
}

static void
judge_user(struct judge *j)
{
    const struct surroundings_facts *f = j->facts;
    const struct service_spec *s = f->may_become_others ? NULL : foreign(j->spec);

    if (s)
        judge_find(j, "user", false,
                   "stint runs as uid %u and may not become another user, as service %s wants it",
                   (unsigned)f->uid, s->name);
    else
        judge_find(j, "user", true, "stint runs as uid %u%s", (unsigned)f->uid,
                   f->may_become_others ? " and may start services as other users" : "");
    if (f->no_new_privs)
        judge_find(j, "no_new_privs", false,
                   "no_new_privs is set: set-user-ID programs and file capabilities do nothing in "
                   "services");
    if (f->filtered)
        judge_find(j, "seccomp", true, "a seccomp filter decides which system calls work");
}

static void
judge_place(struct judge *j)
{
    const struct surroundings_facts *f = j->facts;

    if (f->pid == 1)
        judge_find(j, "pid1", true, "stint is PID 1: every orphan comes to it");
    else if (!f->reaper)
        judge_find(j, "reaper", false,
                   "stint is no sub-reaper: processes that outlive their worker are not seen");
    if (f->container)
        judge_find(j, "container", true, "this is a container (%s)", f->container);
    if (f->cgroup)
        judge_find(j, "cgroup", f->cgroup_works, "cgroups: %s%s", f->cgroup,
                   f->cgroup_works
                       ? ""
                       : "; a process that leaves its worker's session is only found once it "
                         "is an orphan");
}

static void
judge_evidence(struct judge *j)
{
    const struct surroundings_facts *f = j->facts;
    const struct service_spec *s = f->may_trace ? NULL : foreign(j->spec);
    const struct service_spec *hush = f->may_trace || f->ptrace_scope != 1 ? NULL : silent(j->spec);

    if (!f->syscalls)
        judge_find(j, "evidence", false,
                   "/proc does not tell here what a thread waits in: evidence names threads only");
    else if (f->ptrace_scope >= 3)
        judge_find(
            j, "evidence", false,
            "kernel.yama.ptrace_scope is 3: nobody may see what a thread of a worker waits in");
    else if (!f->may_trace && f->ptrace_scope == 2)
        judge_find(j, "evidence", false,
                   "kernel.yama.ptrace_scope is 2 and CAP_SYS_PTRACE is missing: what a thread of "
                   "a worker "
                   "waits in cannot be seen");
    else if (hush)
        judge_find(j, "evidence", false,
                   "kernel.yama.ptrace_scope is 1 and CAP_SYS_PTRACE is missing: what a thread of "
                   "service %s waits in cannot be seen; with `libstint` or `preload` its workers "
                   "permit it",
                   hush->name);
    else if (s)
        judge_find(
            j, "evidence", false,
            "CAP_SYS_PTRACE is missing: what a thread of service %s, another user, waits in cannot "
            "be seen",
            s->name);
    else
        judge_find(j, "evidence", true, "what a thread of a worker waits in can be seen");
}

/* ---- what there is of it ------------------------------------------------------------------------- */

static void
judge_directories(struct judge *j)
{
    const struct surroundings_facts *f = j->facts;

    if (f->runtime_dir < 0)
        judge_find(j, "runtime_dir", false,
                   "runtime_dir '%s' cannot be written (%s): no control socket and no notify "
                   "sockets there",
                   j->spec->runtime_dir, words(f->runtime_dir));
    if (f->state_dir < 0)
        judge_find(
            j, "state_dir", false,
            "state_dir '%s' cannot be written (%s): generation numbers begin anew after a restart",
            j->spec->state_dir, words(f->state_dir));
}

int64_t
surroundings_fds_needed(const struct spec *spec)
{
    int64_t n = FDS_FIXED;

    for (size_t i = 0; i < spec->n_services; i++) {
        const struct service_spec *s = spec->services[i];
        int64_t generations = service_spec_handoff(s) == HANDOFF_OVERLAP ? 2 : 1;

        n += generations * ((int64_t)s->workers * FDS_WORKER + FDS_GENERATION);
        n += (int64_t)s->n_listen;
        n += generations * (int64_t)s->workers * (s->probe_listener != NULL);
    }
    return n;
}

static void
judge_limits(struct judge *j)
{
    const struct surroundings_facts *f = j->facts;
    int64_t needed = surroundings_fds_needed(j->spec);

    if (needed > f->nofile)
        judge_find(j, "descriptors", false,
                   "this configuration needs about %" PRId64
                   " descriptors while it is reloaded, the limit "
                   "is %" PRId64
                   " (systemd: LimitNOFILE=, docker: --ulimit nofile=, shell: ulimit -n)",
                   needed, f->nofile);
    if (f->inotify < 0)
        judge_find(
            j, "inotify", false,
            "no more inotify instance can be had (%s; fs.inotify.max_user_instances is shared by "
            "all processes of a user): changes are found by polling",
            words(f->inotify));
    if (f->max_watches > 0 && f->max_watches < WATCHES_LOW)
        judge_find(j, "inotify", false,
                   "fs.inotify.max_user_watches is only %" PRId64
                   " for all processes of a user: what finds none is polled",
                   f->max_watches);
}

/* ---- all together -------------------------------------------------------------------------------- */

static void
judge_mounts(struct judge *j)
{
    for (size_t i = 0; i < j->facts->mounted.n; i++)
        judge_find(
            j, "mount", false,
            "'%s' is mounted as a single file: whoever renames a new one over it outside (editors, "
            "deploys, kubelet) is not noticed here; mount its directory instead",
            j->facts->mounted.items[i]);
}

int
surroundings_judge(const struct surroundings_facts *facts, const struct spec *spec,
                   struct surroundings *ret)
{
    static void (*const judges[])(struct judge *) = {
        judge_user,   judge_place, judge_evidence, judge_directories,
        judge_limits, judge_stop,  judge_fdstore,  judge_mounts,
    };
    struct judge j = {.facts = facts, .spec = spec};

    for (size_t i = 0; i < ARRAY_LEN(judges); i++)
        judges[i](&j);
    if (j.failed) {
        surroundings_finish(&j.found);
        return -ENOMEM;
    }
    *ret = j.found;
    return 0;
}

void
surroundings_finish(struct surroundings *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->items[i].sentence);
    free(s->items);
    *s = (struct surroundings){NULL, 0};
}

struct json_t *
surroundings_lost(const struct surroundings *s)
{
    json_t *array = json_array();

    for (size_t i = 0; array && i < s->n; i++) {
        if (s->items[i].ok || array_add(array, report_text(s->items[i].sentence)))
            continue;
        json_decref(array);
        return NULL;
    }
    return array;
}

int
surroundings_check(const struct spec *spec, struct strv *ret)
{
    struct surroundings_facts facts = {.nofile = INT64_MAX};
    struct judge j = {.facts = &facts, .spec = spec};
    int r = 0;

    surroundings_read_limits(&facts);
    surroundings_read_mounts(spec, &facts);
    judge_limits(&j);
    judge_mounts(&j);
    for (size_t i = 0; r == 0 && i < j.found.n; i++)
        r = strv_add(ret, j.found.items[i].sentence);
    if (j.failed)
        r = -ENOMEM;
    surroundings_finish(&j.found);
    surroundings_facts_finish(&facts);
    return r;
}
