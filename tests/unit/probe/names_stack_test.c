/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/probe/names_fixture.h"

/* Every way of building a program, times every way of waiting. */

static const struct {
    const char *name;
    bool symbols, lines;
} variants[] = {
    {"O0",       true,  true },
    {"O2",       true,  true },
    {"omit",     true,  true },
    {"keep",     true,  true },
    {"nopie",    true,  true },
    {"bare",     true,  false},
    {"stripped", false, false},
    {"exported", true,  false},
    {"static",   true,  true },
    {"asan",     true,  true },
    {"tsan",     true,  true },
};

static const char *const shapes[] = {"cond", "read", "sleep", "poll", "sem"};

static bool
is_sanitized(const char *variant)
{
    return !strcmp(variant, "asan") || !strcmp(variant, "tsan");
}

/* TSan has a thread of its own. */
static size_t
threads_of(const char *variant)
{
    return strcmp(variant, "tsan") != 0 ? 2 : 3;
}

static struct seen *
worker(void)
{
    for (size_t i = 0; i < n_seen; i++) {
        if (seen[i].tid != subject && seen[i].business >= 0)
            return &seen[i];
    }
    return thread();
}

START_TEST(the_first_business_frame_is_named_however_it_was_built)
{
    const char *variant = variants[(size_t)_i / ARRAY_LEN(shapes)].name;
    const char *shape = shapes[(size_t)_i % ARRAY_LEN(shapes)];
    bool symbols = variants[(size_t)_i / ARRAY_LEN(shapes)].symbols;
    bool lines = variants[(size_t)_i / ARRAY_LEN(shapes)].lines;
    char expected[64];
    struct seen *s;

    begin(variant, shape);
    look(threads_of(variant));
    s = worker();
    (void)snprintf(expected, sizeof(expected), "business_%s", shape);

    ck_assert_msg(s->business >= 0, "%s %s: none%s", variant, shape, describe(s));
    if (symbols) {
        ck_assert_msg(!strcmp(s->places[s->business].function, expected), "%s %s:%s", variant,
                      shape, describe(s));
        ck_assert_msg(has_frame(s, "business_run", lines ? "subject.c" : NULL), "%s %s:%s", variant,
                      shape, describe(s));
        if (!is_sanitized(variant)) /* whose runtime starts threads by a routine of its own */
            ck_assert_str_eq(s->start.function, "business_run");
    }
    if (lines)
        ck_assert_msg(has_frame(s, expected, "subject.c"), "%s %s:%s", variant, shape, describe(s));
    ck_assert_msg(!strncmp(s->places[s->business].module, "names-subject-", 14), "%s",
                  s->places[s->business].module);
    ck_assert_uint_gt(s->places[s->business].offset, 0);
    ck_assert_msg(has_frame(s, "main", NULL) == false, "another thread's%s", describe(s));
    end();
}
END_TEST

START_TEST(frames_go_on_to_where_the_thread_began)
{
    struct seen *s;

    begin(variants[_i].name, "cond");
    look(threads_of(variants[_i].name));
    s = worker();

    /* Two of business, start_thread and clone3, and what waits above them. */
    ck_assert_msg(s->n >= 5, "%s:%s", variants[_i].name, describe(s));
    ck_assert_msg(!s->frames[s->n - 1].guessed, "%s:%s", variants[_i].name, describe(s));
    end();
}
END_TEST

START_TEST(a_frame_whose_size_is_in_no_table_is_found_by_looking)
{
    struct seen *s;

    begin(_i ? "keep" : "O0", "alloca");
    look(2);
    s = thread();

    ck_assert_msg(s->business >= 0 && !strcmp(s->places[s->business].function, "business_alloca"),
                  "%s", describe(s));
    ck_assert_msg(has_frame(s, "business_room", "subject.c"), "%s", describe(s));
    end();
}
END_TEST

START_TEST(a_start_routine_that_is_on_no_stack_is_known_by_libc)
{
    struct seen *s;

    begin("O2", "tail");
    look(2);
    s = thread();

    ck_assert_int_eq(s->business, -1);
    ck_assert_str_eq(s->start.function, "business_tail");
    ck_assert(s->start.business);
    end();
}
END_TEST

START_TEST(whom_a_signal_interrupted_is_behind_its_handler)
{
    struct seen *s;

    begin(_i ? "O2" : "O0", "signal");
    look(2);
    s = thread();

    ck_assert_msg(!strcmp(s->places[s->business].function, "on_signal"), "%s", describe(s));
    ck_assert_msg(has_frame(s, "business_interrupted", "subject.c"), "%s", describe(s));
    end();
}
END_TEST

START_TEST(code_made_at_run_time_is_business_in_no_module)
{
    struct seen *s;
    bool made = false;

    begin(_i ? "O2" : "O0", "made");
    look(2);
    s = thread();

    ck_assert_msg(!strcmp(s->places[s->business].function, "business_sleep"), "%s", describe(s));
    for (unsigned k = 0; k < s->n; k++)
        made |= s->places[k].business && !s->places[k].module[0] && !s->places[k].unmapped;
    ck_assert_msg(made && has_frame(s, "business_made", "subject.c"), "%s", describe(s));
    end();
}
END_TEST

START_TEST(a_plugin_that_is_gone_is_told_as_unmapped_code)
{
    struct seen *s;

    begin(_i ? "O2" : "O0", "plugin");
    look(2);
    s = thread();

    ck_assert_msg(s->business >= 0 && s->places[s->business].unmapped, "%s", describe(s));
    ck_assert_str_eq(s->places[s->business].module, "");
    ck_assert(s->start.unmapped || s->start.pc == 0);
    end();
}
END_TEST

START_TEST(a_process_whose_first_thread_ended_is_looked_at_all_the_same)
{
    begin("O2", "leader");
    look(1);

    ck_assert_str_eq(thread()->places[thread()->business].function, "business_cond");
    end();
}
END_TEST

START_TEST(cxx_frames_of_the_standard_library_are_nobodys)
{
    struct seen *s;

    begin(_i ? "cxx-O2" : "cxx-O0", "");
    look(2);
    s = thread();

    ck_assert_msg(s->business >= 0 &&
                      !strcmp(s->places[s->business].function, "_ZN4shop5queue4takeEv"),
                  "%s", describe(s));
    ck_assert_msg(has_frame(s, "_ZN4shop5queue4takeEv", "subject.cc"), "%s", describe(s));
    s = seen[0].tid == subject ? &seen[0] : &seen[1];
    ck_assert_msg(!strcmp(s->places[s->business].function, "main"), "%s", describe(s));
    end();
}
END_TEST

START_TEST(a_thousand_threads_are_named_each)
{
    size_t named = 0, started = 0;
    clock_t begun;

    begin(_i ? "O2" : "O0", "thousand");
    look(1001);
    for (size_t i = 0; i < n_seen; i++) {
        const struct seen *s = &seen[i];

        started += s->tid == subject || !strncmp(s->start.function, "business_", 9);
        named += s->business >= 0 ? !strncmp(s->places[s->business].function, "business_", 9) ||
                                        s->tid == subject
                                  : !strcmp(s->start.function, "business_tail");
    }
    ck_assert_uint_eq(n_seen, 1001);
    ck_assert_uint_eq(named, 1001);
    ck_assert_uint_eq(started, 1001);

    /* What another thread had before is cheap: nothing is read of the process but its stack. */
    begun = clock();
    for (int i = 0; i < 1000; i++) {
        struct proc_syscall call;
        struct seen again;

        ck_assert_int_eq(proc_syscall_read(subject, seen[1].tid, &call), 0);
        walk(&again, seen[1].tid, &call);
        ck_assert_uint_eq(again.n, seen[1].n);
    }
    ck_assert_msg(clock() - begun < CLOCKS_PER_SEC / 4, "%ld us of CPU", clock() - begun);
    end();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("probe.names_stack");
    TCase *tc = tcase_create("stacks");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, the_first_business_frame_is_named_however_it_was_built, 0,
                        ARRAY_LEN(variants) * ARRAY_LEN(shapes));
    tcase_add_loop_test(tc, frames_go_on_to_where_the_thread_began, 0, ARRAY_LEN(variants));
    tcase_add_loop_test(tc, a_frame_whose_size_is_in_no_table_is_found_by_looking, 0, 2);
    tcase_add_test(tc, a_start_routine_that_is_on_no_stack_is_known_by_libc);
    tcase_add_loop_test(tc, whom_a_signal_interrupted_is_behind_its_handler, 0, 2);
    tcase_add_loop_test(tc, code_made_at_run_time_is_business_in_no_module, 0, 2);
    tcase_add_loop_test(tc, a_plugin_that_is_gone_is_told_as_unmapped_code, 0, 2);
    tcase_add_test(tc, a_process_whose_first_thread_ended_is_looked_at_all_the_same);
    tcase_add_loop_test(tc, cxx_frames_of_the_standard_library_are_nobodys, 0, 2);
    tcase_add_loop_test(tc, a_thousand_threads_are_named_each, 0, 2);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
