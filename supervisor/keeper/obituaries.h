/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_KEEPER_OBITUARIES_H
#define STINT_KEEPER_OBITUARIES_H

/* Who died and is not buried yet: a ring of fixed size. When it is full the oldest goes, counted. */
#include <stdint.h>

#include "supervisor/keeper/wire.h"

#define OBITUARIES_MAX 4096

struct obituaries {
    uint64_t first,
        next; /* counted from the first ever; entry number n is in slot n % OBITUARIES_MAX */
    uint32_t lost;
    uint32_t reserved;
    struct keeper_obituary ring[OBITUARIES_MAX]; /* pid 0: buried */
};

void obituaries_add(struct obituaries *o, const struct keeper_obituary *of);
void obituaries_bury(struct obituaries *o, int32_t pid, uint64_t start_time); /* unknown is fine */

/* obituaries_from - the first one that is not buried, from number *@cursor on, which is moved to it. NULL: none. */
const struct keeper_obituary *obituaries_from(const struct obituaries *o, uint64_t *cursor);

#endif
