/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/journal.h"
#include "supervisor/io/master_deadlines.h"
#include "supervisor/io/master_state.h"

/* event=overrun: a line for each that is at work past its deadline, and for each that was and has ended. */
#define WINDOW_US \
    (10 * US_PER_S) /* so few lines about a service in this time; the others are counted */
#define LINES_MAX 5

static bool
was_told(const struct deadlines_mark *mark, const struct overrun *o, int64_t since_us)
{
    for (unsigned i = 0; i < DEADLINES_TOLD; i++)
        if (mark->told[i].tid == o->tid && mark->told[i].since_us == since_us)
            return o->tid > 0;
    return false;
}

static void
note_told(struct deadlines_mark *mark, const struct overrun *o)
{
    mark->told[mark->next_told % DEADLINES_TOLD].tid = o->tid;
    mark->told[mark->next_told % DEADLINES_TOLD].since_us = o->since_us;
    mark->next_told++;
}

/* A line more? @book NULL: no memory to count them. */
static bool
may_say(struct overrun_book *book, int64_t now_us, unsigned *ret_left_out)
{
    *ret_left_out = 0;
    if (!book)
        return true;
    if (now_us - book->window_us > WINDOW_US) {
        book->window_us = now_us;
        book->lines = 0;
        *ret_left_out = book->left_out;
        book->left_out = 0;
    }
    if (book->lines++ < LINES_MAX)
        return true;
    book->left_out++;
    return false;
}

static void
say(struct hand *h, const struct overrun *o, unsigned left_out)
{
    char over[32], msg[160];

    (void)snprintf(msg, sizeof(msg),
                   o->live ? "goes on %s past its deadline: nobody waits for the answer any more"
                           : "ended %s past its deadline: nobody waited for the answer any more",
                   duration_human(o->over_us, over, sizeof(over)));
    const struct journal_field fields[] = {
        FIELD_TEXT("service", h->service),
        FIELD_NUMBER("gen", (int64_t)h->generation),
        FIELD_NUMBER("slot", h->slot),
        FIELD_NUMBER("pid", h->pid),
        FIELD_TEXT("trace", o->trace_id[0] ? o->trace_id : NULL),
        FIELD_TEXT("thread", o->thread),
        FIELD_TEXT("creator", o->creator[0] ? o->creator : NULL),
        FIELD_TEXT("task", o->task),
        FIELD_TEXT("scope", o->scope),
        FIELD_NUMBER("over_ms", o->over_us / US_PER_MS),
        FIELD_NUMBER("count", (int64_t)o->count),
        FIELD_BOOL("live", o->live),
        FIELD_TEXT("msg", msg),
        FIELD_NUMBER("left_out", left_out), /* last: only where lines were left out */
    };

    journal_event(h->master->journal, LOG_LEVEL_WARNING, "overrun", fields,
                  ARRAY_LEN(fields) - (left_out == 0));
}

void
deadlines_tell(struct hand *h, const struct overruns *o)
{
    struct deadlines_mark *mark = &h->deadlines;
    struct overrun_book *book = deadlines_book(h->master, h->service);
    const int64_t now_us = mono_now_us();
    const int64_t seen_us = mark->seen_us > 0 ? mark->seen_us : h->master->master_us;
    unsigned left_out;

    for (size_t i = 0; i < o->n; i++) {
        const struct overrun *one = &o->of[i];

        if (one->live ? was_told(mark, one, one->since_us)
                      : one->last_us <= seen_us || was_told(mark, one, one->last_us - one->over_us))
            continue;
        if (one->live)
            note_told(mark, one);
        if (may_say(book, now_us, &left_out))
            say(h, one, left_out);
    }
    mark->seen_us = now_us;
    mark->total = o->total;
}
