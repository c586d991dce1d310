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
    json_array_foreach(json_object_get(s, "lost"), i, lost) if (json_is_string(lost))
        paintf(cli, PAINT_WARN, "not to be had here: %s\n", json_string_value(lost));
}
