/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A line that looks like one before: what is found in it is what would be found by taking it apart. */
#include "supervisor/io/lint_shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define T "0af7651916cd43dd8448eb211c80319c"
#define S "b7ad6b7169203331"
#define Z "0000000000000000"

static const struct lint_keys usual = {TRACE_AUTO, NULL, NULL};
static struct lint_shapes shapes;

static void
up(void)
{
    shapes = (struct lint_shapes){.hits = 0};
}

/* Return: it was learnt from. */
static bool
learn(const char *line)
{
    size_t n = strlen(line);
    struct lint_found found;

    if (lint_find_ids(&usual, line, n, &found) || found.trace != LINT_GOOD ||
        found.span != LINT_GOOD)
        return false;
    lint_shapes_learn(&shapes, line, n, &found);
    return true;
}

/* Return: it fits, and then what it says is right. */
static bool
finds_in(const char *line, size_t n)
{
    struct lint_found found, right;

    if (!lint_shapes_find(&shapes, line, n, &found))
        return false;
    (void)lint_find_ids(&usual, line, n, &right);
    ck_assert_int_eq(right.trace, LINT_GOOD);
    ck_assert_int_eq(right.span, LINT_GOOD);
    ck_assert_msg(found.trace_id == right.trace_id && found.span_id == right.span_id, "%.*s",
                  (int)n, line);
    ck_assert_int_eq(found.trace, LINT_GOOD);
    ck_assert_int_eq(found.span, LINT_GOOD);
    return true;
}

static bool
finds(const char *line)
{
    return finds_in(line, strlen(line));
}

#define TAIL " msg=\"GET /a/path 200\" and more"

START_TEST(the_next_line_of_a_program_is_known_by_its_look)
{
    ck_assert(!finds("time=10:00:01 level=info trace_id=" T " span_id=" S TAIL));
    ck_assert(learn("time=10:00:01 level=info trace_id=" T " span_id=" S TAIL));
#ifdef __SSE2__
    ck_assert(finds("time=10:00:01 level=info trace_id=" T " span_id=" S TAIL));
    ck_assert(finds("time=23:59:59 level=warn trace_id=1" Z "000000000000000 span_id=" S TAIL));
#endif
    ck_assert(!finds("time=10:00:01 level=error trace_id=" T " span_id=" S TAIL));
    ck_assert(!finds("time=10:00:01 level=info trace_id=" Z Z " span_id=" S TAIL));
    ck_assert(!finds("time=10:00:01 level=info trace_id=" T " span_id=" Z TAIL));
    ck_assert(!finds("time=10:00:01 level=info trace_id=X" Z "000000000000000 span_id=" S TAIL));
    ck_assert(!finds("time=10:00:01 level=info trace_iX=" T " span_id=" S TAIL));
    ck_assert(!finds("time=10:00:01,level=info trace_id=" T " span_id=" S TAIL));
    ck_assert(!finds("time=10:00:01 level=\"nfo trace_id=" T " span_id=" S TAIL));
    ck_assert(!finds("time=10:00:01 level=info trace_id=" T " span_id=" S));
    ck_assert(!finds("time=10:00:01 level=info trace_id=" T " span_id=" S "0" TAIL));
}
END_TEST

START_TEST(two_looks_are_known_at_a_time)
{
    static const char *const lines[] = {"level=info trace_id=" T " span_id=" S TAIL,
                                        "level=error trace_id=" T " span_id=" S TAIL,
                                        "[span_id=" S " trace_id=" T "] level=fatal" TAIL};

    ck_assert(learn(lines[0]));
    shapes.wait = 0;
    ck_assert(learn(lines[1]));
#ifdef __SSE2__
    for (int i = 0; i < 10; i++)
        ck_assert(finds(lines[i % 2]));
#endif
    shapes.wait = 0;
    ck_assert(learn(lines[2]));
#ifdef __SSE2__
    ck_assert(finds(lines[2]));
#endif
    ck_assert(!finds(lines[0])); /* the one that fitted last has stayed */
}
END_TEST

START_TEST(where_no_line_looks_like_another_little_is_learnt)
{
    char line[400];
    unsigned learnt = 0;

    for (unsigned i = 0; i < 1000; i++) {
        unsigned before = shapes.wait;

        (void)snprintf(line, sizeof(line), "key%u=%u trace_id=" T " span_id=" S TAIL, i, i);
        ck_assert(learn(line));
        learnt += before == 0;
    }
#ifdef __SSE2__
    ck_assert_uint_gt(learnt, 3);
    ck_assert_uint_lt(learnt, 20);
#endif
}
END_TEST

START_TEST(whatever_is_changed_in_a_line_it_is_not_misread)
{
    static const char *const lines[] = {
        "level=info trace_id=" T " span_id=" S TAIL,
        "2026-11-27T02:10:11.123456Z [span_id=" S " trace_id=" T "] x=y went on" TAIL,
        "a=1,b=[2],tid=77;traceId=" T "|spanId=" S "|thread=main" TAIL,
        "GET /x?trace_id=5 (trace_id=" T ") (span_id=" S ") \xc3\xa4\xc3\xb6" TAIL,
        "parent_span_id=" S " span_id=" S " trace_id=" T " tail of it" TAIL,
    };
    static const char alphabet[] = "{}[]()\",;|:=+! \\-0af_tracesidp.\t\r\xff";
    unsigned seed = 1, hits = 0;

    for (size_t k = 0; k < sizeof(lines) / sizeof(lines[0]); k++) {
        size_t n = strlen(lines[k]);

        up();
        ck_assert_msg(learn(lines[k]), "%s", lines[k]);
        for (int round = 0; round < 300000; round++) {
            char *line = strdup(lines[k]); /* its end is one that a sanitizer knows */

            for (int changes = 1 + round % 3; changes > 0; changes--) {
                size_t at = (seed = seed * 1103515245 + 12345) / 65536 % n;

                line[at] =
                    alphabet[(seed = seed * 1103515245 + 12345) / 65536 % (sizeof(alphabet) - 1)];
            }
            hits += finds_in(line, n - (size_t)(round % 7 == 0) * (seed / 65536 % n));
            free(line);
        }
    }
#ifdef __SSE2__
    ck_assert_uint_gt(hits, 100000);
#endif
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("lint_shape");
    TCase *t = tcase_create("lint_shape");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, up, NULL);
    tcase_add_test(t, the_next_line_of_a_program_is_known_by_its_look);
    tcase_add_test(t, two_looks_are_known_at_a_time);
    tcase_add_test(t, where_no_line_looks_like_another_little_is_learnt);
    tcase_add_test(t, whatever_is_changed_in_a_line_it_is_not_misread);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
