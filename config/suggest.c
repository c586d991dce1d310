/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "config/reader.h"

enum { SUGGEST_MAX = 64 };

static size_t
least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein, restricted: insert, delete, replace, and swap of two neighbours cost one. */
static size_t
edit_distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t rows[3][SUGGEST_MAX + 1]; /* the row before the last is what a swap looks back to */
    size_t *before = rows[0], *last = rows[1], *now = rows[2];

    for (size_t j = 0; j <= nb; j++) {
        before[j] = 0;
        last[j] = j;
    }
    for (size_t i = 1; i <= na; i++) {
        size_t *spare = before;

        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t swap = last[j - 1] + (a[i - 1] != b[j - 1]);

            now[j] = least(swap, least(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        before = last;
        last = now;
        now = spare;
    }
    return last[nb];
}

void
suggest(struct suggestion *s, const char *candidate)
{
    size_t na = strlen(s->wanted), nb = strlen(candidate), distance;
    size_t allowed = least(3, (na + 2) / 3); /* a third of the letters may be wrong */

    if (na == 0 || na > SUGGEST_MAX || nb > SUGGEST_MAX)
        return;
    if (strcasecmp(s->wanted, candidate) == 0)
        distance = 0;
    else if (na >= 3 && strncmp(s->wanted, candidate, na) == 0)
        distance = 1; /* "warn" for "warning" */
    else
        distance = edit_distance(s->wanted, na, candidate, nb);
    /* Replacing every letter is no likeness: "ab" is not a misspelt "cd". */
    if (distance > allowed || distance >= nb || (s->best && distance >= s->distance))
        return;
    s->best = candidate;
    s->distance = distance;
}
