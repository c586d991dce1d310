/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_REGISTRY_TOLL_H
#define STINT_PROBE_REGISTRY_TOLL_H

/* What the registry of a dead process says of its threads: were they all joined? */
#include <stdbool.h>

#include "supervisor/probe/registry.h"

struct text;

struct registry_toll {
    unsigned live;     /* had not ended when the process did */
    unsigned unjoined; /* had, and nobody had joined them */
    bool untrusted;    /* it contradicts itself, was just being written, or had no room for all */
};

/**
 * registry_toll - count those that somebody had to join or end: not the first thread, nor who is exempt, nor
 * who was registered by the preload object, which nobody asked.
 * @words: the first of them are appended, by name and birth place
 *
 * Pure and bounded, so it is for a loop, too; whatever is in the copy.
 */
void registry_toll(const struct registry_copy *copy, struct registry_toll *ret, struct text *words);

#endif
