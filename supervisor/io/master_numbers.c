/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "supervisor/io/master_state.h"

/*
 * The last generation number of every service that ever was, so that a number is never given
 * twice: one line "NAME NUMBER" each, in state_dir/generations. Losing the file costs the numbers
 * and nothing else, so it is never waited for and never fatal.
 */

#define NUMBERS_MAX_BYTES ((size_t)4 << 20)

static struct text
numbers_path(const struct master *m)
{
    struct text path = TEXT_INIT;

    text_addf(&path, "%s/generations", m->state_dir);
    return path;
}

static char **
numbers_line(struct strv *numbers, const char *service)
{
    size_t n = strlen(service);

    for (size_t i = 0; i < numbers->n; i++)
        if (strncmp(numbers->items[i], service, n) == 0 && numbers->items[i][n] == ' ')
            return &numbers->items[i];
    return NULL;
}

uint64_t
numbers_last(void *master, const char *service)
{
    struct master *m = master;
    char **line = numbers_line(&m->numbers, service);

    return line ? strtoull(*line + strlen(service) + 1, NULL, 10) : 0;
}

void
numbers_note(struct master *m, const char *service, uint64_t generation)
{
    char **line = numbers_line(&m->numbers, service);
    char *text = NULL;

    if (numbers_last(m, service) >= generation)
        return; /* a generation started again keeps its number */
    m->numbers_changed = true;
    if (!line) {
        (void)strv_addf(&m->numbers, "%s %" PRIu64, service, generation); /* no memory: not kept */
        return;
    }
    if (asprintf(&text, "%s %" PRIu64, service, generation) >= 0) {
        free(*line);
        *line = text;
    }
}

void
numbers_load(struct master *m)
{
    auto_text struct text path = numbers_path(m);
    auto_free char *data = NULL;
    struct error err = {0};
    char *line, *rest;
    int r = file_read(text_str(&path), NUMBERS_MAX_BYTES, &data, NULL, &err);

    if (r == -ENOENT)
        return;
    if (r < 0) {
        journal_say(m->journal, LOG_LEVEL_WARNING, "state_not_read",
                    "generation numbers begin anew: %s", err.text);
        return;
    }
    for (line = strtok_r(data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *blank = strchr(line, ' '), *end = NULL;
        uint64_t number = blank ? strtoull(blank + 1, &end, 10) : 0;

        if (number > 0 && *end == '\0') /* a line that is torn or not ours says nothing */
            (void)strv_addf(&m->numbers, "%.*s %" PRIu64, (int)(blank - line), line, number);
    }
}

void
numbers_save(struct master *m)
{
    auto_text struct text path = TEXT_INIT, data = TEXT_INIT;
    struct error err = {0};
    int r;

    if (!m->numbers_changed)
        return;
    m->numbers_changed = false;
    path = numbers_path(m);
    for (size_t i = 0; i < m->numbers.n; i++)
        text_addf(&data, "%s\n", m->numbers.items[i]);
    r = file_swap(text_str(&path), data.data ? data.data : "", data.bytes, 0644, &err);
    if (r < 0)
        journal_say(m->journal, LOG_LEVEL_WARNING, "state_not_written",
                    "generation numbers are not kept: %s", err.text);
}
