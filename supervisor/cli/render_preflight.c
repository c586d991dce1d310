/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/cli/render_preflight.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
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

/* The first check that was not made for the same reason; NULL: none. */
static const char *
said_before(const struct preflight_report *r, enum check c)
{
    for (enum check k = 0; k < c && r->checks[c].result == CHECK_SKIPPED; k++)
        if (r->checks[k].result == CHECK_SKIPPED &&
            strcmp(text_str(&r->checks[k].evidence), text_str(&r->checks[c].evidence)) == 0)
            return check_name(k);
    return NULL;
}

void
render_preflight(struct cli *cli, const char *service, const struct preflight_report *r)
{
    char took[32];

    for (enum check c = 0; c < CHECK_COUNT; c++) {
        const struct check_report *one = &r->checks[c];
        const char *like = said_before(r, c);

        paint(cli, results[one->result].colour, results[one->result].word);
        paintf(cli, PAINT_BOLD, " %-10s", check_name(c));
        if (like)
            paintf(cli, PAINT_FAINT, "as of %s", like);
        else
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

/* ---- for CI: what Ant's, Jenkins's and GitLab's readers of JUnit agree on ------------------------ */

/* The character at @s, of at most 4 bytes. Return: its length; 0: it is none that XML may have. */
static size_t
character(const char *s)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)*s;
    size_t n = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
    unsigned code = n == 1 ? first : first & (0x7fU >> n);

    if (n == 0 || first > 0xf7)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)s[i] & 0xc0) != 0x80) /* a NUL is none, either */
            return 0;
        code = code << 6 | ((unsigned char)s[i] & 0x3f);
    }
    if ((code < ' ' && code != '\n' && code != '\t') || code < least[n] || code > 0x10ffff ||
        (code >= 0xd800 && code < 0xe000) || code == 0xfffe || code == 0xffff)
        return 0;
    return n;
}

/* Bytes that no XML may have become '?'. */
static void
add_xml(struct text *t, const char *s)
{
    while (*s) {
        size_t n = character(s);

        if (*s == '&')
            text_add(t, "&amp;");
        else if (*s == '<')
            text_add(t, "&lt;");
        else if (*s == '>')
            text_add(t, "&gt;");
        else if (*s == '"')
            text_add(t, "&quot;");
        else
            text_addn(t, n > 0 ? s : "?", n > 0 ? n : 1);
        s += n > 0 ? n : 1;
    }
}

static void
add_case(struct text *t, const char *service, const struct preflight_report *r, enum check c)
{
    static const char *const elements[] = {
        [CHECK_SKIPPED] = "skipped", [CHECK_PASSED] = NULL, [CHECK_FAILED] = "failure"};
    const struct check_report *one = &r->checks[c];
    const char *element = elements[one->result];

    text_add(t, "  <testcase classname=\"preflight.");
    add_xml(t, service);
    text_addf(t, "\" name=\"%s\" time=\"0\"", check_name(c));
    if (!element) {
        text_add(t, "/>\n");
        return;
    }
    text_addf(t, "><%s%s message=\"", element,
              one->result == CHECK_FAILED ? " type=\"preflight\"" : "");
    add_xml(t, text_str(&one->evidence));
    text_add(t, "\">");
    add_xml(t, one->result == CHECK_FAILED ? text_str(&one->fix) : "");
    text_addf(t, "</%s></testcase>\n", element);
}

/* It is no check: something from without. */
static void
add_interruption(struct text *t, const char *service)
{
    text_add(t, "  <testcase classname=\"preflight.");
    add_xml(t, service);
    text_add(t, "\" name=\"whole\" time=\"0\"><error type=\"interrupted\" "
                "message=\"it was interrupted\"/></testcase>\n");
}

static void
add_property(struct text *t, const char *name, const char *value)
{
    text_addf(t, "    <property name=\"%s\" value=\"", name);
    add_xml(t, value);
    text_add(t, "\"/>\n");
}

static void
add_suite(struct text *t, const char *service, const struct preflight_report *r)
{
    char host[256] = "localhost", at[32] = "", digest[DIGEST_TEXT];
    time_t now = (time_t)((wall_now_us() - r->duration_us) / US_PER_S);
    struct tm utc;

    if (gethostname(host, sizeof(host) - 1) == -1 || !host[0])
        (void)snprintf(host, sizeof(host), "localhost");
    if (gmtime_r(&now, &utc)) /* without a zone, as the format wants it */
        (void)strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%S", &utc);
    text_addf(t,
              "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"stint preflight\" "
              "timestamp=\"%s\" hostname=\"",
              at);
    add_xml(t, host);
    text_addf(t,
              "\" tests=\"%d\" failures=\"%u\" errors=\"%d\" skipped=\"%u\" time=\"%" PRId64
              ".%03" PRId64 "\">\n  <properties>\n",
              CHECK_COUNT + r->interrupted, failures(r), r->interrupted, skips(r),
              r->duration_us / US_PER_S, r->duration_us % US_PER_S / US_PER_MS);
    add_property(t, "service", service);
    if (r->executable)
        add_property(t, "executable", r->executable);
    if (!digest_none(r->candidate))
        add_property(t, "candidate", digest_format(r->candidate, digest));
    text_add(t, "  </properties>\n");
}

/* One case has room for what is wrong; what was seen of those that passed stands behind all of them. */
void
render_preflight_junit(struct cli *cli, const char *service, const struct preflight_report *r)
{
    auto_text struct text t = TEXT_INIT;

    add_suite(&t, service, r);
    for (enum check c = 0; c < CHECK_COUNT; c++)
        add_case(&t, service, r, c);
    if (r->interrupted)
        add_interruption(&t, service);
    text_add(&t, "  <system-out>");
    for (enum check c = 0; c < CHECK_COUNT; c++) {
        if (r->checks[c].result != CHECK_PASSED)
            continue;
        text_addf(&t, "%s: ", check_name(c));
        add_xml(&t, text_str(&r->checks[c].evidence));
        text_add(&t, "\n");
    }
    text_add(&t, "</system-out>\n  <system-err>");
    add_xml(&t, text_str(&r->notes));
    text_add(&t, "</system-err>\n</testsuite>\n");
    (void)fputs(text_str(&t), cli->out);
}
