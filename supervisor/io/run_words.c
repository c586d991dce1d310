/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/text.h"
#include "supervisor/io/run.h"

/*
 * Bytes of its output that go into a verdict. When there are more, it is the beginning, which says who
 * speaks, and the end, where a Python says what is wrong after it has told where it came from.
 */
#define HEAD_BYTES 250
#define TAIL_BYTES 600

/* Whole lines, where there are any; in place of what is left out stands "…" on a line of its own. */
static void
add_excerpt(struct text *words, const char *output, size_t n)
{
    size_t head = HEAD_BYTES, tail = n - TAIL_BYTES; /* [0, head) and [tail, n) */
    const char *newline;

    if (n <= HEAD_BYTES + TAIL_BYTES) {
        text_addn(words, output, n);
        return;
    }
    newline = memrchr(output, '\n', head);
    if (newline && newline > output)
        head = (size_t)(newline - output);
    newline = memchr(output + tail, '\n', TAIL_BYTES);
    if (newline && newline + 1 < output + n)
        tail = (size_t)(newline - output) + 1;
    text_addn(words, output, head);
    text_add(words, "\n…\n");
    text_addn(words, output + tail, n - tail);
}

void
run_excerpt(const struct run_result *result, const char *before, struct text *out)
{
    const char *output = result->output;
    size_t n = result->output_bytes;

    while (n > 0 && output[n - 1] == '\n')
        n--;
    for (; n > 0 && *output == '\n'; n--) /* some set themselves off, as Redis does */
        output++;
    if (n == 0)
        return;
    text_add(out, before);
    add_excerpt(out, output, n);
}
