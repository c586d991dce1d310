/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/candidate.h"

#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/units.h"
#include "config/spec.h"
#include "supervisor/io/look.h"

#define PATIENCE_US (60 * US_PER_S)

struct answer {
    const struct service_spec *spec;
    struct digest digest;
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
    a->digest =
        digest_mix(service_spec_launch_digest(a->spec), look->digest); /* as the core does */
}

static int
look_now(const struct service_spec *spec, const char *exe, struct answer *a)
{
    auto_free const char **inputs = calloc(spec->watch_paths.n + 2, sizeof(*inputs));
    struct look_request rq = {.executable = exe,
                              .inputs = inputs,
                              .watch_binary = true,
                              .deadline_us = mono_now_us() + PATIENCE_US};
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct look *look = NULL;
    int r = inputs && loop ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < spec->watch_paths.n; i++)
        inputs[rq.n_inputs++] = spec->watch_paths.items[i];
    if (r == 0 && spec->env_file)
        inputs[rq.n_inputs++] = spec->env_file;
    if (r == 0)
        r = look_start(loop, &rq, on_looked, a, &look);
    if (r == 0)
        (void)ev_run(loop, 0); /* until nothing is left to wait for: the answer came */
    if (loop)
        ev_loop_destroy(loop);
    return r < 0 ? error_set(a->reterr, r, "look at the inputs") : a->r;
}

int
candidate_look(const struct service_spec *spec, const char *binary, struct digest *ret,
               char **ret_path, struct error *reterr)
{
    struct answer a = {.spec = spec, .reterr = reterr, .r = -EIO};
    auto_free char *exe = NULL;
    int r = 0;

    if (!binary)
        r = look_resolve_command(spec, &exe, reterr);
    else if (!(exe = strdup(binary)))
        r = error_set(reterr, -ENOMEM, "look at '%s'", binary);
    if (r == 0)
        r = look_now(spec, exe, &a);
    if (r < 0)
        return r;
    *ret = a.digest;
    *ret_path = steal(exe);
    return 0;
}
