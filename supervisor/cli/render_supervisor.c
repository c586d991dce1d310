/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "supervisor/cli/cli_internal.h"

static const char *
ordinal(int64_t n)
{
    static const char *const ends[] = {"th", "st", "nd", "rd"};

    if (n % 100 >= 11 && n % 100 <= 13)
        return "th";
    return n % 10 <= 3 ? ends[n % 10] : "th";
}

void
render_program(const json_t *program, struct text *out)
{
    const json_t *s = json_object_get(program, "supervisor");
    int64_t masters = json_number(s, "masters");
    int64_t kept = json_number(s, "kept"), all = kept + json_number(s, "not_kept");
    char buf[32];

    text_addf(out, "%s, pid %" PRId64, json_text(program, "version"), json_number(program, "pid"));
    if (json_has(s, "master"))
        text_addf(out, " (master %" PRId64, json_number(s, "master"));
    if (json_has(s, "master") && masters > 1)
        text_addf(out, ", the %" PRId64 "%s, since %s", masters, ordinal(masters),
                  json_duration(s, "since_ms", buf, sizeof(buf)));
    text_addf(out, "%s, up %s", json_has(s, "master") ? ")" : "",
              json_duration(program, "uptime_ms", buf, sizeof(buf)));
    if (all > 0)
        text_addf(out, ", kept %" PRId64 " of %" PRId64 " descriptors", kept, all);
}

static int64_t
dropped_of(const json_t *lane)
{
    const char *reason;
    json_t *value;
    int64_t n = 0;

    json_object_foreach(json_object_get(lane, "dropped"), reason, value) n +=
        json_integer_value(value);
    return n;
}

/* "export to URL: 12 spans, 340 lines sent, 5 wait, 2 dropped" */
static void
render_export(struct cli *cli, const json_t *export)
{
    const json_t *traces = json_object_get(export, "traces");
    const json_t *logs = json_object_get(export, "logs");
    int64_t wait = json_number(traces, "waiting") + json_number(logs, "waiting");
    int64_t dropped = dropped_of(traces) + dropped_of(logs);
    bool ok = strcmp(json_text(traces, "state"), "ok") == 0 &&
              strcmp(json_text(logs, "state"), "ok") == 0;
    const json_t *bad = strcmp(json_text(logs, "state"), "ok") == 0 ? traces : logs;

    if (!export)
        return;
    paintf(cli, ok && dropped == 0 ? PAINT_FAINT : PAINT_WARN,
           "export to %s: %" PRId64 " spans and %" PRId64 " lines sent, %" PRId64 " wait, %" PRId64
           " dropped%s%s\n",
           json_text(export, "endpoint"), json_number(traces, "sent"), json_number(logs, "sent"),
           wait, dropped, ok ? "" : ": ", ok ? "" : json_text(bad, "last_error"));
}

void
render_program_notes(struct cli *cli, const json_t *program)
{
    const json_t *s = json_object_get(program, "supervisor");
    size_t i;
    json_t *lost;

    if (json_text(s, "previous")[0])
        paintf(cli, PAINT_WARN, "the master before: %s\n", json_text(s, "previous"));
    if (json_text(s, "cgroup")[0])
        paintf(cli, PAINT_FAINT, "cgroup: %s\n", json_text(s, "cgroup"));
    render_export(cli, json_object_get(program, "export"));
    json_array_foreach(json_object_get(s, "lost"), i, lost) if (json_is_string(lost))
        paintf(cli, PAINT_WARN, "not to be had here: %s\n", json_string_value(lost));
}
