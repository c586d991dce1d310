/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/capture_kept.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

void
capture_keep(struct capture_kept *k, const char *line, size_t n)
{
    unsigned keep = (unsigned)(n < CAPTURE_KEEP_EACH ? n : CAPTURE_KEEP_EACH);
    size_t at;

    if (!k->lines)
        k->lines = calloc(CAPTURE_KEEP, sizeof(*k->lines));
    if (!k->lines)
        return;
    at = k->n++ % CAPTURE_KEEP;
    if (keep >
        k->lines[at].room) { /* what is there is used again: a chatty worker costs no churn */
        free(k->lines[at].text);
        k->lines[at].text = malloc(keep);
        k->lines[at].room = k->lines[at].text ? keep : 0;
    }
    k->lines[at].bytes = keep < k->lines[at].room ? keep : k->lines[at].room;
    if (k->lines[at].bytes > 0)
        memcpy(k->lines[at].text, line, k->lines[at].bytes);
}

void
capture_kept_text(const struct capture_kept *k, struct text *out)
{
    size_t n = k->n < CAPTURE_KEEP ? k->n : CAPTURE_KEEP;

    for (size_t i = k->n - n; i < k->n; i++) {
        size_t at = i % CAPTURE_KEEP;

        text_addn(out, k->lines[at].text ? k->lines[at].text : "", k->lines[at].bytes);
        if (i + 1 < k->n)
            text_add(out, "\n");
    }
}

void
capture_kept_finish(struct capture_kept *k)
{
    for (size_t i = 0; k->lines && i < CAPTURE_KEEP; i++)
        free(k->lines[i].text);
    free(k->lines);
}
