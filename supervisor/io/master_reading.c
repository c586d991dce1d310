/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "supervisor/io/identity_ask.h"
#include "supervisor/io/master_state.h"

/*
 * The owners of unix sockets are named in the configuration and needed in a transaction that does
 * not wait, so they are asked for before it. Who a service runs as is asked for by its own look.
 */

struct reading *
reading_create(struct master *m, struct spec *spec, const char *cause)
{
    struct reading *rd = calloc(1, sizeof(*rd));
    size_t total = 0;

    if (!rd) {
        spec_destroy(spec);
        return NULL;
    }
    rd->master = m;
    rd->spec = spec;
    rd->cause = strdup(cause);
    rd->deadline_us = mono_now_us() + NAMES_PATIENCE_US;
    for (size_t i = 0; i < spec->n_services; i++)
        total += spec->services[i]->n_listen;
    rd->wanted = calloc(total + 1, sizeof(*rd->wanted));
    if (!rd->cause || !rd->wanted) {
        reading_destroy(rd);
        return NULL;
    }
    for (size_t i = 0; i < spec->n_services; i++)
        for (size_t j = 0; j < spec->services[i]->n_listen; j++)
            rd->wanted[rd->n_wanted++] = (struct wanted){
                spec->services[i], &spec->services[i]->listen[j], LISTENER_OWNER_ANY};
    return rd;
}

void
reading_destroy(struct reading *rd)
{
    if (!rd)
        return;
    identity_ask_cancel(rd->ask);
    spec_destroy(rd->spec);
    free(rd->wanted);
    free(rd->cause);
    free(rd);
}

/* An owner alone leaves the group as it is. */
static void
owner_take(struct wanted *w, const struct identity *id)
{
    w->owner.uid = w->spec->owner ? id->uid : (uid_t)-1;
    w->owner.gid = w->spec->group ? id->gid : (gid_t)-1;
}

/* Numbers speak for themselves, and one name is not asked for twice. */
static bool
owner_known(const struct reading *rd, struct wanted *w)
{
    uint32_t uid = (uid_t)-1, gid = (gid_t)-1;

    if ((!w->spec->owner || identity_number(w->spec->owner, &uid)) &&
        (!w->spec->group || identity_number(w->spec->group, &gid))) {
        w->owner = (struct listener_owner){uid, gid};
        return true;
    }
    for (const struct wanted *o = rd->wanted; o < w; o++) {
        if (identity_same_name(o->spec->owner, w->spec->owner) &&
            identity_same_name(o->spec->group, w->spec->group)) {
            w->owner = o->owner;
            return true;
        }
    }
    return false;
}

static int
owner_unknown(const struct wanted *w, int r, struct error *err)
{
    return error_wrap(err, r, "service %s, listener %s: '%s'", w->service->name, w->spec->name,
                      w->spec->address);
}

static void
on_identity(void *env, struct identity *id, const struct error *why)
{
    struct reading *rd = env;
    struct wanted *w = &rd->wanted[rd->named];
    struct error err = *why;
    int r;

    rd->ask = NULL;
    if (id) {
        owner_take(w, id);
        rd->named++;
        r = reading_names(rd, &err);
    } else {
        r = owner_unknown(w, why->code, &err);
    }
    if (r != 1)
        config_named(rd, r, &err);
}

int
reading_names(struct reading *rd, struct error *reterr)
{
    struct master *m = rd->master;

    for (; rd->named < rd->n_wanted; rd->named++) {
        struct wanted *w = &rd->wanted[rd->named];
        struct identity id = IDENTITY_KEEP;
        int r;

        if (owner_known(rd, w))
            continue;
        if (m->spec) {
            struct identity_request rq = {w->spec->owner, w->spec->group, rd->deadline_us,
                                          on_identity, rd};

            r = identity_ask(m->loop, &rq, &rd->ask, reterr);
            return r < 0 ? owner_unknown(w, r, reterr) : 1;
        }
        /* at the start there is nothing that could be held up */
        r = identity_resolve(w->spec->owner, w->spec->group, &id, reterr);
        if (r < 0)
            return owner_unknown(w, r, reterr);
        owner_take(w, &id);
        identity_finish(&id);
    }
    return 0;
}
