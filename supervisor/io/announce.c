/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/announce.h"

#include <inttypes.h>
#include <string.h>

#include "base/units.h"

#define STATUS_EVERY_US US_PER_S
#define STATUS_BYTES    ((size_t)400) /* systemctl shows one line */
#define EXTEND_EVERY_US (5 * US_PER_S)
#define EXTEND_BY_US    (20 * US_PER_S) /* a few may be late, or get lost */

void
announce_init(struct announce *a)
{
    *a = (struct announce){.extend_us = TIME_NEVER};
}

void
announce_finish(struct announce *a)
{
    text_finish(&a->status);
}

static void
add(struct text *out, const char *line)
{
    if (out->bytes > 0)
        text_add(out, "\n");
    text_add(out, line);
}

void
announce_begin(struct announce *a)
{
    a->open = true;
}

void
announce_reload(struct announce *a, const char *cause, int64_t now_us, struct text *out)
{
    if (a->stopping)
        return;
    a->open = true;
    add(out, "RELOADING=1");
    text_addf(out, "\nMONOTONIC_USEC=%" PRId64,
              now_us); /* without it in one datagram, neither counts */
    add(out, "STATUS=Looking at all inputs: ");
    text_add_line(out, cause, STATUS_BYTES);
    text_clear(&a->status); /* whatever comes next is another one */
    a->status_us = now_us + STATUS_EVERY_US;
}

/* turns - does this turn say more than a status? Then the status goes along whatever the time. */
static bool
turns(const struct announce *a, const struct announce_facts *f)
{
    return (f->stopping && !a->stopping) || (a->open && !f->under_way && !f->stopping);
}

bool
announce_status_due(const struct announce *a, const struct announce_facts *f)
{
    return f->now_us >= a->status_us || turns(a, f);
}

static void
say_status(struct announce *a, const struct announce_facts *f, struct text *out)
{
    auto_text struct text line = TEXT_INIT;

    text_add_line(&line, f->status, STATUS_BYTES);
    if (line.failed || strcmp(text_str(&line), text_str(&a->status)) == 0)
        return;
    add(out, "STATUS=");
    text_add(out, text_str(&line));
    text_clear(&a->status);
    text_add(&a->status, text_str(&line));
    a->status_us = f->now_us + STATUS_EVERY_US;
}

/* Whoever waits for us shall go on to, for as long as we are heard of; never beyond a stop's own end. */
static void
extend(struct announce *a, const struct announce_facts *f, struct text *out)
{
    int64_t by_us = EXTEND_BY_US;

    if (f->now_us < a->extend_us)
        return;
    if (f->stopping && by_us > f->stop_until_us - f->now_us)
        by_us = f->stop_until_us - f->now_us;
    a->extend_us = by_us > 0 ? f->now_us + EXTEND_EVERY_US : TIME_NEVER;
    if (by_us <= 0)
        return;
    add(out, "EXTEND_TIMEOUT_USEC=");
    text_addf(out, "%" PRId64, by_us);
}

int64_t
announce_turn(struct announce *a, const struct announce_facts *f, struct text *out)
{
    bool status = f->status && announce_status_due(a, f);

    if (f->stopping && !a->stopping) {
        a->stopping = true;
        a->open = false;
        a->extend_us = f->now_us;
        add(out, "STOPPING=1");
    }
    if (a->open && !f->under_way) {
        a->open = false;
        add(out, "READY=1");
    }
    if (!a->stopping && !a->open && !f->busy)
        a->extend_us = TIME_NEVER;
    else if (!a->stopping && a->extend_us == TIME_NEVER)
        a->extend_us =
            f->now_us + (a->open ? 0 : EXTEND_EVERY_US); /* most changes are over by then */
    extend(a, f, out);
    if (status)
        say_status(a, f, out);
    if (!f->status && a->status_us < a->extend_us)
        return a->status_us;
    return a->extend_us;
}
