/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "config/spec.h"
#include "supervisor/io/journal_line.h"
#include "supervisor/io/logfile.h"

static void
raw_note(enum logfile_note note, uint64_t lines, uint64_t bytes, struct text *out)
{
    if (note == LOGFILE_NOTE_DROPPED)
        text_addf(out, "… %" PRIu64 " line%s dropped (%" PRIu64 " bytes) …\n", lines,
                  lines == 1 ? "" : "s", bytes);
    else if (bytes > 0)
        text_addf(out, "… the next %" PRIu64 " bytes may be here twice: stint was killed …\n",
                  bytes);
    else
        text_add(out, "… the next lines may be here twice: stint was killed …\n");
}

void
logfile_note(const struct logfile_config *c, enum logfile_note note, uint64_t lines, uint64_t bytes,
             struct text *out)
{
    struct journal_line l = {
        .wall_us = wall_now_us(),
        .level = LOG_LEVEL_WARNING,
        .event = note == LOGFILE_NOTE_DROPPED ? "output_lost" : "log_repeated",
        .service = c->service,
        .msg = note == LOGFILE_NOTE_DROPPED
                   ? "the log could not be written fast enough"
                   : "stint was killed while it wrote: what follows may be here already",
    };

    if (c->format == LOG_LINES_RAW) {
        raw_note(note, lines, bytes, out);
        return;
    }
    l.msg_bytes = strlen(l.msg);
    if (lines > 0)
        journal_line_add(&l, FIELD_NUMBER("lines", (int64_t)lines));
    if (bytes > 0)
        journal_line_add(&l, FIELD_NUMBER("bytes", (int64_t)bytes));
    if (c->format == LOG_LINES_JSON)
        journal_line_json(&l, 0, out);
    else
        journal_line_logfmt(&l, out);
    text_add(out, "\n");
}
