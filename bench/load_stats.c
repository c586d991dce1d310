// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/load_stats.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const char *const failure_names[LOAD_FAILURE_COUNT] = {
    [LOAD_REFUSED] = "refused",
    [LOAD_CONNECT] = "connect",
    [LOAD_RESET] = "reset",
    [LOAD_EOF_FRESH] = "eof_fresh",
    [LOAD_LOST_ON_REUSED] = "lost_on_reused",
    [LOAD_SHORT] = "short",
    [LOAD_WRONG] = "wrong",
    [LOAD_TIMEOUT] = "timeout",
    [LOAD_QUEUED_OUT] = "queued_out",
};

const char *
load_failure_name(enum load_failure kind)
{
    return failure_names[kind];
}

struct load_stats *
load_stats_create(int64_t now_us)
{
    struct load_stats *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->begun_us = now_us;
    s->last_answer_us = now_us;
    return s;
}

void
load_stats_destroy(struct load_stats *s)
{
    if (!s)
        return;
    free(s->marks);
    free(s->generations);
    free(s);
}

/* Room for one more in an array that doubles at powers of two. */
static int
grow(void **array, size_t n, size_t size)
{
    void *larger;

    if ((n & (n - 1)) != 0)
        return 0;
    larger = reallocarray(*array, n == 0 ? 1 : n * 2, size);
    if (!larger)
        return -ENOMEM;
    *array = larger;
    return 0;
}

static int
generation_seen(struct load_stats *s, const char *name, int64_t now_us)
{
    struct load_generation *g;
    void *array = s->generations;

    for (size_t i = s->n_generations; i > 0; i--) { /* the newest are asked for most */
        g = &s->generations[i - 1];
        if (strcmp(g->name, name) == 0) {
            g->last_us = now_us;
            g->answers++;
            return 0;
        }
    }
    if (grow(&array, s->n_generations, sizeof(*s->generations)) < 0)
        return -ENOMEM;
    s->generations = array;
    g = &s->generations[s->n_generations++];
    memset(g, 0, sizeof(*g));
    strncpy(g->name, name, sizeof(g->name) - 1);
    g->first_us = g->last_us = now_us;
    g->answers = 1;
    return 0;
}

/* The marks whose window [at, at + 1 s) the span [from, to] touches, newest first. */
#define for_each_touched(mark, s, from, to)                                               \
    for (size_t i_ = (s)->n_marks;                                                        \
         i_ > 0 && ((mark) = &(s)->marks[i_ - 1])->at_us + LOAD_WINDOW_US > (from); i_--) \
        if ((mark)->at_us <= (to))

static void
gap(struct load_stats *s, int64_t from_us, int64_t to_us)
{
    struct load_mark *mark;

    if (to_us - from_us > s->longest_gap_us) {
        s->longest_gap_us = to_us - from_us;
        s->longest_gap_at_us = from_us;
    }
    for_each_touched(mark, s, from_us, to_us)
    {
        if (to_us - from_us > mark->longest_gap_us)
            mark->longest_gap_us = to_us - from_us;
    }
}

int
load_stats_answer(struct load_stats *s, int64_t scheduled_us, int64_t now_us,
                  const char *generation)
{
    struct load_mark *mark;
    bool touched = false;

    s->requests++;
    s->answers++;
    for_each_touched(mark, s, scheduled_us, now_us)
    {
        mark->requests++;
        touched = true;
    }
    histogram_add(&s->all, now_us - scheduled_us);
    histogram_add(touched ? &s->reload : &s->steady, now_us - scheduled_us);
    gap(s, s->last_answer_us, now_us);
    s->last_answer_us = now_us;
    return generation[0] != '\0' ? generation_seen(s, generation, now_us) : 0;
}

void
load_stats_failure(struct load_stats *s, enum load_failure kind, int64_t scheduled_us,
                   int64_t now_us)
{
    struct load_mark *mark;

    s->requests++;
    s->failed[kind]++;
    for_each_touched(mark, s, scheduled_us, now_us)
    {
        mark->requests++;
        mark->failed++;
    }
    if (s->n_kept < LOAD_FAILURES_KEPT)
        s->kept[s->n_kept++] = (struct load_failed){now_us, scheduled_us, kind};
}

int
load_stats_mark(struct load_stats *s, int64_t now_us)
{
    void *array = s->marks;

    if (grow(&array, s->n_marks, sizeof(*s->marks)) < 0)
        return -ENOMEM;
    s->marks = array;
    s->marks[s->n_marks++] = (struct load_mark){.at_us = now_us};
    return 0;
}

void
load_stats_end(struct load_stats *s, int64_t stopped_us)
{
    s->ended_us = stopped_us;
    if (stopped_us > s->last_answer_us)
        gap(s, s->last_answer_us, stopped_us);
}

uint64_t
load_stats_failed(const struct load_stats *s)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < ARRAY_LEN(s->failed); i++)
        sum += s->failed[i];
    return sum;
}
