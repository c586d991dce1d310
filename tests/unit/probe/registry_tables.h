/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_UNIT_PROBE_REGISTRY_TABLES_H
#define STINT_TESTS_UNIT_PROBE_REGISTRY_TABLES_H

/* The tables of a registry that is written by hand. The magic number is the caller's, last. */
#include "worker-api/wire.h"

static inline void
fixture_header(struct stint_registry_header *h)
{
    h->major = STINT_REGISTRY_MAJOR;
    h->seqs =
        (struct stint_registry_table){sizeof(*h), 4, STINT_REGISTRY_SEQS, STINT_REGISTRY_SEQS};
    h->slots.offset = h->seqs.offset + 4 * STINT_REGISTRY_SEQS;
    h->slots.stride = sizeof(struct stint_registry_slot);
    h->slots.count = STINT_REGISTRY_SLOTS;
    h->scopes.offset = h->slots.offset + h->slots.stride * h->slots.count;
    h->scopes.stride = sizeof(struct stint_registry_scope);
    h->scopes.count = STINT_REGISTRY_SCOPES;
    h->sites.offset = h->scopes.offset + h->scopes.stride * h->scopes.count;
    h->sites.stride = sizeof(struct stint_registry_site);
    h->sites.count = STINT_REGISTRY_SITES;
}

#endif
