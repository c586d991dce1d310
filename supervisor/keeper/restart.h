/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_KEEPER_RESTART_H
#define STINT_KEEPER_RESTART_H

/* When a master died: how long to wait for the next, whether to trust the state, when to give up. Pure. */
#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"

#define RESTART_YOUNG_US (10 * US_PER_S) /* who died before that has "died young" */
#define RESTART_CALM_US  (30 * US_PER_S) /* who lived that long makes the back-off begin anew */
#define RESTART_MIN_US   (100 * US_PER_MS)
#define RESTART_MAX_US   (10 * US_PER_S)
#define RESTART_DISTRUST 5 /* died young one after the other: the next does not get our trust */
#define RESTART_GIVE_UP  5 /* died young one after the other, and none ever stored a descriptor */

struct restart {
    uint32_t backoff;    /* deaths that count for the wait */
    uint32_t young;      /* died young, one after the other */
    uint32_t unfinished; /* died before END, one after the other; a fork that failed counts */
    bool stored;         /* some master has stored something: this installation works */
    bool reserved[3];
};

/* restart_died - @lived_us; @finished: it got as far as END. Return: how long to wait for the next, in µs. */
int64_t restart_died(struct restart *r, int64_t lived_us, bool finished);
bool restart_distrust(const struct restart *r);
bool restart_give_up(const struct restart *r);

#endif
