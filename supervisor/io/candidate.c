/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/candidate.h"

#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/units.h"
#include "config/spec.h"
#include "supervisor/io/look.h"
#include "supervisor/io/watch.h"

#define PATIENCE_US (60 * US_PER_S)
#define TURNS_MOST  4096 /* each takes a burst of what the kernel's queue holds */
#define TAG         1

struct candidate {
    const struct service_spec *spec; /* borrowed */
    char *exe;                       /* owned; absolute */
    const char **inputs;             /* owned array of the spec's own */
    size_t n_inputs;
    struct ev_loop *loop; /* owned; of the watch alone: it is run in candidate_again() only */
    struct watch *watch;  /* owned */
    int64_t youngest_us;  /* of the first look */
    bool stirred;         /* a hint came */
    char what[256];       /* … for this entry; "": nobody knows */
};

struct answer {
    const struct service_spec *spec;
    struct digest digest;
    int64_t youngest_us;
    struct error *reterr;
    int r;
};

static void
on_looked(void *env, struct look_answer *look)
{
    struct answer *a = env;

    a->r = look->result == LOOK_OK
               ? 0
               : error_say(a->reterr, look->error ? look->error : -EIO, "%s", look->reason);
    a->youngest_us = look->youngest_us;
    a->digest =
        digest_mix(service_spec_launch_digest(a->spec), look->digest); /* as the core does */
}

static int
look_now(const struct candidate *c, struct answer *a)
{
    struct look_request rq = {.executable = c->exe,
                              .inputs = c->inputs,
                              .n_inputs = c->n_inputs,
                              .watch_binary = true,
                              .deadline_us = mono_now_us() + PATIENCE_US};
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct look *look = NULL;
    int r = loop ? look_start(loop, &rq, on_looked, a, &look) : -ENOMEM;

    if (r == 0)
        (void)ev_run(loop, 0); /* until nothing is left to wait for: the answer came */
    if (loop)
        ev_loop_destroy(loop);
    return r < 0 ? error_set(a->reterr, r, "look at the inputs") : a->r;
}

/* ---- who touches it ---------------------------------------------------------------------------- */

static void
on_hint(void *env, uint32_t tag, const char *path)
{
    struct candidate *c = env;

    (void)tag;
    c->stirred = true;
    if (path && !c->what[0])
        (void)snprintf(c->what, sizeof(c->what), "%s", path);
}

/* Before the first look. What cannot be watched is polled by the watch, and told by ctime alone. */
static int
watch_it(struct candidate *c, struct error *reterr)
{
    auto_free const char **paths = calloc(c->n_inputs + 1, sizeof(*paths));
    int r = 0;

    c->loop = ev_loop_new(EVFLAG_AUTO);
    if (!paths || !c->loop)
        return error_set(reterr, -ENOMEM, "watch the candidate");
    memcpy(paths, c->inputs, c->n_inputs * sizeof(*paths));
    paths[c->n_inputs] = c->exe;
    r = watch_create(c->loop, on_hint, c, &c->watch, reterr);
    return r == 0 ? watch_set(c->watch, TAG, paths, c->n_inputs + 1, reterr) : r;
}

/* All that the kernel has for it by now. */
static void
hear(struct candidate *c)
{
    uint64_t before;
    unsigned turns = 0;

    do {
        before = watch_stats(c->watch).events;
        (void)ev_run(c->loop, EVRUN_NOWAIT);
        (void)ev_run(c->loop, EVRUN_NOWAIT); /* what is left of a burst waits for the next turn */
    } while (!c->stirred && watch_stats(c->watch).events != before && ++turns < TURNS_MOST);
}

/* ---- hold, and look again ---------------------------------------------------------------------- */

/* "/srv/./web", of "./web" in /srv, is what people know as /srv/web. */
static void
tidy(char *path)
{
    for (char *dot; (dot = strstr(path, "/./")) != NULL;)
        memmove(dot, dot + 2, strlen(dot + 2) + 1);
}

static int
find(struct candidate *c, const char *binary, struct error *reterr)
{
    const struct service_spec *spec = c->spec;

    c->inputs = calloc(spec->watch_paths.n + 2, sizeof(*c->inputs));
    for (size_t i = 0; c->inputs && i < spec->watch_paths.n; i++)
        c->inputs[c->n_inputs++] = spec->watch_paths.items[i];
    if (c->inputs && spec->env_file)
        c->inputs[c->n_inputs++] = spec->env_file;
    if (!c->inputs || (binary && !(c->exe = strdup(binary))))
        return error_set(reterr, -ENOMEM, "look at the inputs");
    if (!binary) {
        int r = look_resolve_command(spec, &c->exe, reterr);

        if (r < 0)
            return r;
    }
    tidy(c->exe);
    return 0;
}

int
candidate_hold(const struct service_spec *spec, const char *binary, struct candidate **ret,
               struct digest *ret_digest, char **ret_path, struct error *reterr)
{
    struct answer a = {.spec = spec, .reterr = reterr, .r = -EIO};
    struct candidate *c = calloc(1, sizeof(*c));
    auto_free char *path = NULL;
    int r;

    if (!c)
        return error_set(reterr, -ENOMEM, "look at the candidate");
    c->spec = spec;
    r = find(c, binary, reterr);
    if (r == 0)
        r = watch_it(c, reterr);
    if (r == 0)
        r = look_now(c, &a);
    if (r == 0 && !(path = c->exe ? strdup(c->exe) : NULL))
        r = error_set(reterr, -ENOMEM, "look at the candidate");
    if (r < 0) {
        candidate_release(c);
        return r;
    }
    c->youngest_us = a.youngest_us;
    *ret = c;
    *ret_digest = a.digest;
    *ret_path = steal(path);
    return 0;
}

int
candidate_again(struct candidate *c, struct digest *ret, struct error *reterr)
{
    struct answer a = {.spec = c->spec, .reterr = reterr, .r = -EIO};
    int r = look_now(c, &a);

    if (r < 0)
        return r;
    hear(c); /* after the look: what it has read was there all the time, or it is told here */
    *ret = a.digest;
    if (c->stirred)
        return error_say(reterr, -ESTALE, "'%s' was replaced or written to",
                         c->what[0] ? c->what : c->exe);
    if (a.youngest_us != c->youngest_us)
        return error_say(reterr, -ESTALE, "'%s' or one of its inputs was replaced or written to",
                         c->exe);
    return 0;
}

void
candidate_release(struct candidate *c)
{
    if (!c)
        return;
    watch_destroy(c->watch);
    if (c->loop)
        ev_loop_destroy(c->loop);
    free(c->inputs);
    free(c->exe);
    free(c);
}
