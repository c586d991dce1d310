/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/cli/cli_internal.h"

/* ---- Answers: one line for each service -------------------------------------------------- */

/* Who serves after something was rejected. */
static void
say_survivor(const json_t *s, bool restored, struct text *out)
{
    int64_t generation = json_number(s, "generation");

    if (generation <= 0)
        text_add(out, "nothing serves");
    else
        text_addf(out, "generation %" PRId64 " %s", generation,
                  restored ? "was started again" : "still serves");
}

/* Another one serves than before, whichever run brought it. */
static bool
is_another(const json_t *s)
{
    return json_number(s, "before") > 0 && json_number(s, "before") != json_number(s, "generation");
}

static void
say_serving(const json_t *s, struct text *out)
{
    char took[32];

    text_addf(out, "generation %" PRId64 " serves", json_number(s, "generation"));
    if (is_another(s))
        text_addf(out, " (was %" PRId64 ")", json_number(s, "before"));
    if (json_number(s, "duration_ms") > 0)
        text_addf(out, ", %s", json_duration(s, "duration_ms", took, sizeof(took)));
}

/* The end of the sentence: ": reason", or the cause when there is no reason. */
static void
say_reason(const json_t *s, struct text *out)
{
    const char *reason = json_text(s, "reason");

    if (!reason[0])
        reason = json_text(s, "cause");
    if (reason[0])
        text_addf(out, ": %s", reason);
}

static void
say_unchanged(const json_t *s, struct text *out)
{
    bool completed = strcmp(json_text(s, "state"), "completed") == 0;

    text_addf(out, "unchanged, generation %" PRId64 " %s", json_number(s, "generation"),
              completed ? "has completed" : "serves");
    if (completed && json_text(s, "reason")[0])
        say_reason(s, out);
}

static enum paint
say_outcome(const json_t *s, const char *outcome, struct text *out)
{
    char took[32];

    if (strcmp(outcome, "serving") == 0 || (strcmp(outcome, "unchanged") == 0 && is_another(s))) {
        say_serving(s, out);
        if (json_text(s, "cause")[0])
            text_addf(out, ": %s", json_text(s, "cause"));
        if (json_text(s, "reason")[0] && strcmp(outcome, "serving") == 0)
            text_addf(out, "; %s", json_text(s, "reason"));
        return strcmp(json_text(s, "evidence"), "assumed") == 0 ? PAINT_WARN : PAINT_GOOD;
    }
    if (strcmp(outcome, "unchanged") == 0) {
        say_unchanged(s, out);
        return PAINT_PLAIN;
    }
    if (strcmp(outcome, "rejected") == 0 || strcmp(outcome, "restored") == 0) {
        text_add(out, "REJECTED, ");
        say_survivor(s, strcmp(outcome, "restored") == 0, out);
        say_reason(s, out);
        return PAINT_BAD;
    }
    if (strcmp(outcome, "pending") == 0) {
        if (json_text(s, "state")[0])
            text_addf(out, "no answer yet, it is %s", json_text(s, "state"));
        if (json_text(s, "why")[0])
            text_addf(out, ": %s", json_text(s, "why"));
        return PAINT_WARN;
    }
    text_add(out, outcome);
    if (strcmp(outcome, "completed") == 0 && json_number(s, "generation") > 0)
        text_addf(out, ", generation %" PRId64, json_number(s, "generation"));
    if (json_flag(s, "ok") && json_has(s, "duration_ms"))
        text_addf(out, ", %s", json_duration(s, "duration_ms", took, sizeof(took)));
    say_reason(s, out);
    return json_flag(s, "ok") ? PAINT_PLAIN : PAINT_BAD;
}

/* What the failed one printed, set off from our own words. */
static void
print_last_lines(struct cli *cli, const char *lines)
{
    while (*lines) {
        int n = (int)strcspn(lines, "\n");

        paintf(cli, PAINT_FAINT, "    | %.*s\n", n, lines);
        lines += n + (lines[n] == '\n');
    }
}

static void
print_relieved(struct cli *cli, const json_t *s)
{
    size_t i;
    json_t *r;

    json_array_foreach(json_object_get(s, "relieved"), i, r) if (json_flag(r, "gone"))
        paintf(cli, json_number(r, "leaks") > 0 ? PAINT_BAD : PAINT_PLAIN,
               "  generation %" PRId64 " is gone, leaks: %" PRId64 "\n",
               json_number(r, "generation"), json_number(r, "leaks"));
    json_array_foreach(json_object_get(s, "leaks"), i, r)
        paintf(cli, PAINT_BAD, "  LEAK in generation %" PRId64 ", pid %" PRId64 ": %s\n",
               json_number(r, "generation"), json_number(r, "pid"), json_text(r, "text"));
}

enum paint
render_hook(const json_t *h, struct text *out)
{
    const char *outcome = json_text(h, "outcome");
    char took[32];

    text_addf(out, "hook %s of generation %" PRId64 ": %s, %s", json_text(h, "hook"),
              json_number(h, "generation"), outcome,
              json_duration(h, "duration_ms", took, sizeof(took)));
    if (json_number(h, "tries") > 1)
        text_addf(out, ", maybe run %" PRId64 " times", json_number(h, "tries"));
    if (json_text(h, "text")[0])
        text_addf(out, ": %s", json_text(h, "text"));
    return strcmp(outcome, "done") == 0 ? PAINT_FAINT : PAINT_BAD;
}

static void
print_service(struct cli *cli, const json_t *s, bool asked_only)
{
    auto_text struct text line = TEXT_INIT;
    enum paint colour;
    size_t i;
    json_t *h;

    if (asked_only && strcmp(json_text(s, "outcome"), "pending") == 0) {
        paintf(cli, PAINT_PLAIN, "%s: asked for\n", json_text(s, "service"));
        return;
    }
    colour = say_outcome(s, json_text(s, "outcome"), &line);
    paint(cli, PAINT_BOLD, json_text(s, "service"));
    (void)fputs(": ", cli->out);
    paint(cli, colour, text_str(&line));
    (void)fputc('\n', cli->out);
    print_last_lines(cli, json_text(s, "last_lines"));
    json_array_foreach(json_object_get(s, "hooks"), i, h)
    {
        auto_text struct text words = TEXT_INIT;

        colour = render_hook(h, &words);
        paintf(cli, colour, "  %s\n", text_str(&words));
    }
    print_relieved(cli, s);
}

void
render_answer(struct cli *cli, const json_t *answer)
{
    const json_t *config = json_object_get(answer, "config");
    bool asked_only = json_flag(answer, "ok");
    char took[32];
    size_t i;
    json_t *s;

    if (config && !json_flag(config, "valid")) {
        paint(cli, PAINT_BAD, "REJECTED: the configuration; nothing was changed\n");
        paint(cli, PAINT_PLAIN, json_text(config, "error"));
        (void)fputc('\n', cli->out);
    }
    json_array_foreach(json_object_get(answer, "services"), i, s) print_service(cli, s, asked_only);
    if (json_flag(answer, "timed_out"))
        paintf(cli, PAINT_WARN, "timed out after %s; what was asked for may still happen\n",
               json_duration(answer, "duration_ms", took, sizeof(took)));
}

void
render_upgrade(struct cli *cli, const json_t *answer)
{
    char took[32];

    if (json_flag(answer, "timed_out"))
        render_answer(cli, answer);
    else if (json_flag(answer, "ok"))
        paintf(cli, PAINT_GOOD, "upgraded: %s, %s\n", json_text(answer, "text"),
               json_duration(answer, "duration_ms", took, sizeof(took)));
    else
        paintf(cli, PAINT_BAD, "NOT UPGRADED: %s\n", json_text(answer, "text"));
}

/* ---- Lines ------------------------------------------------------------------------------- */

/* Keys that have a place of their own in a rendered event. */
static bool
has_place(const char *key)
{
    static const char *const keys[] = {"seq", "ts",   "level", "event", "service",
                                       "gen", "slot", "trace", "msg",   "reload"};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

static void
print_who(struct cli *cli, const json_t *e)
{
    paint(cli, PAINT_BOLD, json_text(e, "service"));
    if (json_has(e, "gen"))
        paintf(cli, PAINT_BOLD, "/%" PRId64, json_number(e, "gen"));
    if (json_has(e, "slot"))
        paintf(cli, PAINT_BOLD, ".%" PRId64, json_number(e, "slot"));
}

/* "2026-01-31T23:59:59.000Z" without its day. */
static const char *
clock_of(const json_t *e)
{
    const char *ts = json_text(e, "ts");

    return strlen(ts) > 11 ? ts + 11 : ts;
}

static void
print_field(struct cli *cli, const char *key, const json_t *value)
{
    if (json_is_string(value))
        paintf(cli, PAINT_PLAIN, " %s=%s", key, json_string_value(value));
    else if (json_is_integer(value))
        paintf(cli, PAINT_PLAIN, " %s=%" JSON_INTEGER_FORMAT, key, json_integer_value(value));
    else if (json_is_boolean(value))
        paintf(cli, PAINT_PLAIN, " %s=%s", key, json_is_true(value) ? "true" : "false");
}

static enum paint
level_colour(const char *level)
{
    if (strcmp(level, "error") == 0)
        return PAINT_BAD;
    return strcmp(level, "warning") == 0 ? PAINT_WARN : PAINT_PLAIN;
}

void
render_event(struct cli *cli, json_t *event)
{
    enum paint colour = level_colour(json_text(event, "level"));
    const char *key;
    json_t *value;

    if (!event)
        return;
    paintf(cli, PAINT_FAINT, "%s ", clock_of(event));
    if (json_text(event, "service")[0]) {
        print_who(cli, event);
        (void)fputc(' ', cli->out);
    }
    paint(cli, colour, json_text(event, "event"));
    json_object_foreach(event, key, value) if (!has_place(key)) print_field(cli, key, value);
    if (json_text(event, "msg")[0])
        paintf(cli, colour, ": %s", json_text(event, "msg"));
    (void)fputc('\n', cli->out);
}

void
render_output(struct cli *cli, json_t *line)
{
    if (strcmp(json_text(line, "event"), "output") != 0) {
        render_event(cli, line);
        return;
    }
    print_who(cli, line);
    paint(cli, strcmp(json_text(line, "stream"), "stderr") == 0 ? PAINT_WARN : PAINT_FAINT, " | ");
    paint(cli, PAINT_PLAIN, json_text(line, "msg"));
    paint(cli, PAINT_FAINT, json_flag(line, "cut") ? " ..." : "");
    (void)fputc('\n', cli->out);
}
