/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/preflight/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *about;
} checks[CHECK_COUNT] = {
#define CHECK(id, word, text) [CHECK_##id] = {word, text},
#include "supervisor/preflight/checks.def"
#undef CHECK
};

#define SENTENCE 1600
#define EVIDENCE 4000

const char *
check_name(enum check c)
{
    return checks[c].name;
}

const char *
check_about(enum check c)
{
    return checks[c].about;
}

const char *
check_result_name(enum check_result r)
{
    return r == CHECK_PASSED ? "passed" : r == CHECK_FAILED ? "failed" : "skipped";
}

/* One line, whatever a program had in its words. */
static void
add_sentence(struct text *to, const char *s)
{
    if (strstr(text_str(to), s) || to->bytes > EVIDENCE)
        return;
    if (to->bytes)
        text_add(to, "; ");
    for (; *s; s++)
        text_addn(to, *s == '\n' || *s == '\r' || *s == '\t' ? " " : s, 1);
}

__attribute__((format(printf, 2, 0))) static void
add_formatted(struct text *to, const char *fmt, va_list args)
{
    char buf[SENTENCE];

    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): its callers start it */
    (void)vsnprintf(buf, sizeof(buf), fmt, args);
    add_sentence(to, buf);
}

void
check_pass(struct preflight_report *r, enum check c, const char *evidence, ...)
{
    va_list args;

    if (r->checks[c].result == CHECK_FAILED)
        return;
    if (r->checks[c].result == CHECK_SKIPPED)
        text_clear(&r->checks[c].evidence);
    r->checks[c].result = CHECK_PASSED;
    va_start(args, evidence);
    add_formatted(&r->checks[c].evidence, evidence, args);
    va_end(args);
}

void
check_fail(struct preflight_report *r, enum check c, const char *fix, const char *evidence, ...)
{
    va_list args;

    if (r->checks[c].result != CHECK_FAILED)
        text_clear(&r->checks[c].evidence);
    r->checks[c].result = CHECK_FAILED;
    va_start(args, evidence);
    add_formatted(&r->checks[c].evidence, evidence, args);
    va_end(args);
    add_sentence(&r->checks[c].fix, fix);
}

void
check_skip(struct preflight_report *r, enum check c, const char *why, ...)
{
    va_list args;

    if (r->checks[c].result != CHECK_SKIPPED || r->checks[c].evidence.bytes)
        return;
    va_start(args, why);
    add_formatted(&r->checks[c].evidence, why, args);
    va_end(args);
}

bool
preflight_passed(const struct preflight_report *r)
{
    for (enum check c = 0; c < CHECK_COUNT; c++)
        if (r->checks[c].result == CHECK_FAILED)
            return false;
    return !r->interrupted;
}

void
preflight_report_finish(struct preflight_report *r)
{
    for (enum check c = 0; c < CHECK_COUNT; c++) {
        text_finish(&r->checks[c].evidence);
        text_finish(&r->checks[c].fix);
    }
    text_finish(&r->notes);
    text_finish(&r->recorded_text);
    json_decref(r->samples);
    free(r->executable);
    free(r->cage);
    *r = (struct preflight_report){0};
}
