/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/config.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/state.h"

/* Specs are shared by services, reloads, generations, snapshots and workers; the state has each once. */

struct known_spec {
    struct list node;                        /* in master.specs */
    struct table_node by_pointer, by_number; /* in master.spec_by_… */
    struct service_spec *spec;               /* one reference, so the pointer is nobody else's */
    uint64_t number;
};

static void
known_save(struct master *m, const struct known_spec *k)
{
    auto_text struct text text = TEXT_INIT;

    service_spec_canonical(k->spec, &text);
    if (text.failed)
        m->state_torn = true;
    else
        state_put(m->state, STATE_SPEC, k->number, text_str(&text), text.bytes);
}

static struct known_spec *
known_make(struct master *m, struct service_spec *spec, uint64_t number)
{
    struct known_spec *k = calloc(1, sizeof(*k));

    if (!k)
        return NULL;
    k->spec = service_spec_ref(spec);
    k->number = number;
    list_add(&m->specs, &k->node);
    table_add(&m->spec_by_pointer, &k->by_pointer, (uint64_t)(uintptr_t)spec);
    table_add(&m->spec_by_number, &k->by_number, number);
    if (number > m->last_spec)
        m->last_spec = number;
    return k;
}

static void
known_free(struct master *m, struct known_spec *k)
{
    list_del(&k->node);
    table_remove(&m->spec_by_pointer, &k->by_pointer);
    table_remove(&m->spec_by_number, &k->by_number);
    service_spec_unref(k->spec);
    free(k);
}

uint64_t
specs_number(void *master, struct service_spec *spec)
{
    struct master *m = master;
    struct table_node *n = table_find(&m->spec_by_pointer, (uint64_t)(uintptr_t)spec);
    struct known_spec *k = n ? container_of(n, struct known_spec, by_pointer) : NULL;

    if (k)
        return k->number;
    k = known_make(m, spec, m->last_spec + 1);
    if (!k) {
        m->state_torn = true; /* a number that is not known when it is restored */
        return UINT64_MAX;
    }
    known_save(m, k);
    return k->number;
}

struct service_spec *
specs_of(void *master, uint64_t number)
{
    struct master *m = master;
    struct table_node *n = table_find(&m->spec_by_number, number);

    return n ? service_spec_ref(container_of(n, struct known_spec, by_number)->spec) : NULL;
}

void
specs_save_all(struct master *m)
{
    list_for_each (n, &m->specs)
        known_save(m, container_of(n, struct known_spec, node));
}

void
specs_sweep(struct master *m)
{
    if (!m->specs_stale)
        return;
    m->specs_stale = false;
    list_for_each_safe (n, &m->specs) {
        struct known_spec *k = container_of(n, struct known_spec, node);

        if (k->spec->references > 1)
            continue;
        state_drop(m->state, STATE_SPEC, k->number);
        known_free(m, k);
    }
}

void
specs_finish(struct master *m)
{
    list_for_each_safe (n, &m->specs)
        known_free(m, container_of(n, struct known_spec, node));
    table_finish(&m->spec_by_pointer);
    table_finish(&m->spec_by_number);
}

/* ---- restoring ---------------------------------------------------------------------------------- */

static int
restore_spec(void *env, uint64_t number, const void *bytes, size_t n)
{
    struct master *m = env;
    struct diagnostics found = {0};
    struct service_spec *spec = NULL;
    int r = spec_parse_canonical(bytes, n, &spec, &found);

    diagnostics_finish(&found);
    if (r < 0)
        return r;
    r = known_make(m, spec, number) ? 0 : -ENOMEM;
    service_spec_unref(spec);
    return r;
}

int
specs_restore(struct master *m, struct error *reterr)
{
    int r = state_each(m->state, STATE_SPEC, restore_spec, m);

    return r < 0 ? error_set(reterr, r, "a service's spec in the state") : 0;
}
