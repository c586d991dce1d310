/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/journal_kept.h"

#include <string.h>

#include "base/units.h"
#include "supervisor/io/journal_line.h"
#include "supervisor/io/journal_ring.h"

#define LATEST_US (INT64_C(253402300800) * US_PER_S) /* the year 10000 */

void
kept_show(const struct journal_slot *slot, const char *service, const char *record,
          struct text *out)
{
    struct kept_head head;
    char trace[sizeof(head.trace) + 1] = "";
    struct journal_line l = {.level = LOG_LEVEL_INFO, .event = "output", .service = service};

    if (!kept_is_raw(record, slot->json)) {
        text_addn(out, record, slot->json);
        return;
    }
    memcpy(&head, record, sizeof(head));
    memcpy(trace, head.trace, sizeof(head.trace));
    l.wall_us = head.wall_us >= 0 && head.wall_us < LATEST_US ? head.wall_us : 0;
    l.generation = slot->generation;
    l.has_slot = true;
    l.slot = head.slot;
    l.pid = slot->pid;
    l.trace = trace;
    journal_line_add(&l, FIELD_TEXT("stream", head.flags & KEPT_STDERR ? "stderr" : "stdout"));
    if (head.flags & KEPT_CUT)
        journal_line_add(&l, FIELD_BOOL("cut", true));
    if (head.flags & KEPT_LAST)
        journal_line_add(&l, FIELD_BOOL("unfinished", true));
    if (head.flags & KEPT_AGAIN)
        journal_line_add(&l, FIELD_NUMBER("repeated", 1));
    l.msg = record + sizeof(head);
    l.msg_bytes = slot->json - sizeof(head);
    journal_line_json(&l, slot->seq, out);
}
