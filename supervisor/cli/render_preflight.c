/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/cli/render_preflight.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "supervisor/cli/cli_internal.h"
#include "supervisor/preflight/preflight.h"

/* ---- for people -------------------------------------------------------------------------------- */

static const struct {
    const char *word;
    enum paint colour;
} results[] = {
    [CHECK_SKIPPED] = {"  -   ", PAINT_FAINT},
    [CHECK_PASSED] = {"  ok  ", PAINT_GOOD },
    [CHECK_FAILED] = {"FAILED", PAINT_BAD  },
};

static const char *
verdict(const struct preflight_report *r)
{
    return r->interrupted         ? "interrupted"
           : !preflight_passed(r) ? "failed"
           : r->rehearsed         ? "passed"
                                  : "passed what needs no start; it was not rehearsed";
}

static unsigned
failures(const struct preflight_report *r)
{
    unsigned n = 0;

    for (enum check c = 0; c < CHECK_COUNT; c++)
        n += r->checks[c].result == CHECK_FAILED;
    return n;
}

static unsigned
skips(const struct preflight_report *r)
{
    unsigned n = 0;

    for (enum check c = 0; c < CHECK_COUNT; c++)
        n += r->checks[c].result == CHECK_SKIPPED;
    return n;
}

void
render_preflight(struct cli *cli, const char *service, const struct preflight_report *r)
{
    char took[32];

    for (enum check c = 0; c < CHECK_COUNT; c++) {
        const struct check_report *one = &r->checks[c];

        paint(cli, results[one->result].colour, results[one->result].word);
        paintf(cli, PAINT_BOLD, " %-10s", check_name(c));
        paint(cli, PAINT_PLAIN, text_str(&one->evidence));
        (void)fputc('\n', cli->out);
        if (one->result == CHECK_FAILED && one->fix.bytes)
            paintf(cli, PAINT_PLAIN, "                 what to do: %s\n", text_str(&one->fix));
    }
    if (r->notes.bytes) {
        auto_text struct text lines = TEXT_INIT;

        text_add(&lines, text_str(&r->notes));
        for (char *rest = lines.data, *line; rest && (line = strsep(&rest, "\n")) != NULL;)
            if (line[0])
                paintf(cli, PAINT_FAINT, "rehearsed otherwise: %s\n", line);
    }
    paintf(cli, failures(r) || r->interrupted ? PAINT_BAD : PAINT_GOOD, "%s: %s", service,
           verdict(r));
    paintf(cli, PAINT_PLAIN, ", %u of %d checks failed, %u not made, %s\n", failures(r),
           CHECK_COUNT, skips(r), duration_human(r->duration_us, took, sizeof(took)));
    if (r->recorded == 1)
        paintf(cli, PAINT_PLAIN, "%s; now: stint reload %s\n", text_str(&r->recorded_text),
               service);
    if (r->cage)
        paintf(cli, PAINT_PLAIN, "the cage is kept: %s\n", r->cage);
}

/* ---- for programs ------------------------------------------------------------------------------ */

static json_t *
check_json(const struct preflight_report *r, enum check c)
{
    const struct check_report *one = &r->checks[c];
    json_t *o = json_pack("{s:s, s:s, s:s, s:o*}", "check", check_name(c), "about", check_about(c),
                          "result", check_result_name(one->result), "evidence",
                          json_string(text_str(&one->evidence)));

    if (o && one->fix.bytes)
        (void)json_object_set_new(o, "fix",
                                  json_string(text_str(&one->fix))); /* or it is missing */
    return o;
}

static json_t *
notes_json(const struct preflight_report *r)
{
    auto_text struct text lines = TEXT_INIT;
    json_t *all = json_array();

    text_add(&lines, text_str(&r->notes));
    for (char *rest = lines.data, *line; rest && (line = strsep(&rest, "\n")) != NULL;)
        if (line[0])
            (void)json_array_append_new(all, json_string(line)); /* or it is missing */
    return all;
}

void
render_preflight_json(struct cli *cli, const char *service, const struct preflight_report *r)
{
    char digest[DIGEST_TEXT];
    json_t *checks = json_array(), *whole;

    for (enum check c = 0; c < CHECK_COUNT; c++)
        (void)json_array_append_new(checks, check_json(r, c)); /* or it is missing */
    whole = json_pack("{s:s, s:s, s:b, s:b, s:b, s:s, s:o*, s:I, s:o, s:o, s:b, s:o*, s:O*, s:o*}",
                      "schema", "stint.preflight/1", "service", service, "ok", preflight_passed(r),
                      "rehearsed", r->rehearsed, "interrupted", r->interrupted, "candidate",
                      digest_none(r->candidate) ? "" : digest_format(r->candidate, digest),
                      "executable", r->executable ? json_string(r->executable) : NULL,
                      "duration_ms", (json_int_t)(r->duration_us / US_PER_MS), "checks", checks,
                      "notes", notes_json(r), "recorded", r->recorded == 1, "recorded_text",
                      json_string(text_str(&r->recorded_text)), "samples", r->samples, "cage",
                      r->cage ? json_string(r->cage) : NULL);
    (void)json_dumpf(whole, cli->out, JSON_INDENT(2)); /* a full disk shows at the last flush */
    (void)fputc('\n', cli->out);
    json_decref(whole);
}

/* ---- for CI ------------------------------------------------------------------------------------ */

/* Characters that no XML may have become '?'; the others are escaped. */
static void
add_xml(struct text *t, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;

        if (c == '&')
            text_add(t, "&amp;");
        else if (c == '<')
            text_add(t, "&lt;");
        else if (c == '>')
            text_add(t, "&gt;");
        else if (c == '"')
            text_add(t, "&quot;");
        else if (c >= 0x80)
            text_addf(t, "&#%u;", c); /* of what encoding it was nobody knows */
        else
            text_addn(t, c < ' ' ? "?" : s, 1);
    }
}

static void
add_case(struct text *t, const char *service, const struct preflight_report *r, enum check c)
{
    const struct check_report *one = &r->checks[c];

    text_add(t, "  <testcase classname=\"preflight.");
    add_xml(t, service);
    text_addf(t, "\" name=\"%s\">", check_name(c));
    if (one->result == CHECK_PASSED) {
        text_add(t, "<system-out>");
        add_xml(t, text_str(&one->evidence));
        text_add(t, "</system-out>");
    } else {
        text_addf(t, "<%s message=\"", one->result == CHECK_FAILED ? "failure" : "skipped");
        add_xml(t, text_str(&one->evidence));
        text_add(t, "\">");
        add_xml(t, text_str(&one->fix));
        text_addf(t, "</%s>", one->result == CHECK_FAILED ? "failure" : "skipped");
    }
    text_add(t, "</testcase>\n");
}

void
render_preflight_junit(struct cli *cli, const char *service, const struct preflight_report *r)
{
    auto_text struct text t = TEXT_INIT;

    text_addf(&t,
              "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"stint preflight\" "
              "tests=\"%d\" failures=\"%u\" errors=\"%d\" skipped=\"%u\" time=\"%" PRId64
              ".%03" PRId64 "\">\n",
              CHECK_COUNT, failures(r), r->interrupted ? 1 : 0, skips(r), r->duration_us / US_PER_S,
              r->duration_us % US_PER_S / US_PER_MS);
    for (enum check c = 0; c < CHECK_COUNT; c++)
        add_case(&t, service, r, c);
    text_add(&t, "</testsuite>\n");
    (void)fputs(text_str(&t), cli->out);
}
