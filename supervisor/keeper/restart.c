/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/keeper/restart.h"

int64_t
restart_died(struct restart *r, int64_t lived_us, bool finished)
{
    int64_t wait_us = RESTART_MIN_US;

    r->unfinished = finished ? 0 : r->unfinished + 1;
    if (lived_us >= RESTART_CALM_US)
        r->backoff = 0;
    if (lived_us < RESTART_YOUNG_US) {
        r->young++;
        r->backoff++;
    } else {
        r->young = 0;
    }
    if (r->backoff <= 1)
        return 0;
    for (uint32_t i = 2; i < r->backoff && wait_us < RESTART_MAX_US; i++)
        wait_us *= 2;
    return wait_us < RESTART_MAX_US ? wait_us : RESTART_MAX_US;
}

bool
restart_distrust(const struct restart *r)
{
    return r->young >= RESTART_DISTRUST;
}

bool
restart_give_up(const struct restart *r)
{
    return !r->stored && r->young >= RESTART_GIVE_UP;
}
