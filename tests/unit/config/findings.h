/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_CONFIG_FINDINGS_H
#define STINT_TESTS_CONFIG_FINDINGS_H

/* What the tests of config/ share: parse a text, and say what must have been found in it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/config.h"
#include "config/spec.h"
#include "tests/unit/unit.h"

/* One wrong text, and the findings it must give: "LINE:COLUMN: text" for each, one to a line. */
struct wrong {
    const char *yaml;
    const char *findings;
};

static inline char *
findings_text(const struct diagnostics *d)
{
    struct text t = TEXT_INIT;

    for (size_t i = 0; i < d->n; i++)
        text_addf(&t, "%s%u:%u: %s", i ? "\n" : "", d->items[i].line, d->items[i].column,
                  d->items[i].text);
    return text_steal(&t);
}

static inline void
assert_findings(const struct wrong *w)
{
    struct diagnostics d = {NULL, 0, 0};
    struct spec *spec = NULL;

    ck_assert_int_eq(config_parse("t.yaml", w->yaml, strlen(w->yaml), &spec, &d), -EINVAL);
    ck_assert_ptr_null(spec);
    auto_free char *found = findings_text(&d);

    ck_assert_str_eq(found, w->findings);
    for (size_t i = 0; i < d.n; i++)
        ck_assert_str_eq(d.items[i].file, "t.yaml");
    diagnostics_finish(&d);
}

/* The spec of a text that is right; says what was found when it is not. spec_destroy() it. */
static inline struct spec *
parse_right(const char *yaml)
{
    struct diagnostics d = {NULL, 0, 0};
    struct spec *spec = NULL;
    int r = config_parse("t.yaml", yaml, strlen(yaml), &spec, &d);
    auto_free char *found = findings_text(&d);

    ck_assert_msg(r == 0 && d.n == 0, "%d\n%s\n%s", r, found, yaml);
    diagnostics_finish(&d);
    return spec;
}

#endif
