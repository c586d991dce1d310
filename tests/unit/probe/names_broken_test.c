/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is told when names cannot be found: everything else. */
#include "supervisor/probe/dw.h"
#include "tests/unit/probe/names_fixture.h"

static enum { AS_IT_IS, MISSING, DIES, HANGS } libdw;

int __real_dw_load(struct dw **ret);
int __wrap_dw_load(struct dw **ret);
int __real_dw_line(struct dw_file *file, uint64_t address, struct dw_line *ret);
int __wrap_dw_line(struct dw_file *file, uint64_t address, struct dw_line *ret);

int
__wrap_dw_load(struct dw **ret)
{
    return libdw == MISSING ? -ELIBACC : __real_dw_load(ret);
}

int
__wrap_dw_line(struct dw_file *file, uint64_t address, struct dw_line *ret)
{
    if (libdw == DIES)
        (void)raise(SIGKILL); /* as a broken file might make it */
    while (libdw == HANGS)
        (void)pause();
    return __real_dw_line(file, address, ret);
}

static void
expect_functions_without_lines(void)
{
    struct seen *s = thread();

    name_all();
    ck_assert_msg(s->business >= 0 && !strcmp(s->places[s->business].function, "business_cond"),
                  "%s", describe(s));
    ck_assert_uint_eq(s->places[s->business].line, 0);
    ck_assert_str_eq(s->places[s->business].file, "");
    ck_assert_str_eq(s->start.function, "business_run");
}

START_TEST(without_libdw_there_are_functions_and_a_word_about_it)
{
    libdw = MISSING;
    begin("O0", "cond");
    unwind_all(2);
    ck_assert_int_eq(names_resolve(names, mono_now_us() + 20000000), 0);

    expect_functions_without_lines();
    ck_assert_ptr_nonnull(strstr(names_note(names), "libdw1"));
    end();
}
END_TEST

START_TEST(with_libdw_the_same_has_lines_and_no_note)
{
    libdw = AS_IT_IS;
    begin("O0", "cond");
    look(2);

    ck_assert(has_frame(thread(), "business_cond", "subject.c"));
    ck_assert_str_eq(names_note(names), "");
    end();
}
END_TEST

START_TEST(a_child_that_dies_of_a_file_leaves_what_it_had_found)
{
    libdw = DIES;
    begin("O0", "cond");
    unwind_all(2);
    ck_assert_int_eq(names_resolve(names, mono_now_us() + 20000000), -EIO);

    expect_functions_without_lines();
    ck_assert_ptr_nonnull(strstr(names_note(names), "half-way"));
    end();
}
END_TEST

START_TEST(a_child_that_hangs_is_ended_at_the_deadline)
{
    int64_t begun_us;

    libdw = HANGS;
    begin("O0", "cond");
    unwind_all(2);
    begun_us = mono_now_us();
    ck_assert_int_eq(names_resolve(names, begun_us + 400000), -ETIME);

    ck_assert_int_ge(mono_now_us() - begun_us, 400000);
    ck_assert_int_lt(mono_now_us() - begun_us, 5000000);
    expect_functions_without_lines();
    ck_assert_ptr_nonnull(strstr(names_note(names), "in time"));
    end();
}
END_TEST

START_TEST(a_deadline_in_the_past_begins_nothing)
{
    libdw = HANGS;
    begin("O0", "cond");
    unwind_all(2);

    ck_assert_int_eq(names_resolve(names, 1), -ETIME);
    ck_assert_uint_gt(thread()->n, 3); /* the pcs are there */
    ck_assert_str_ne(thread()->places[0].module, "");
    end();
}
END_TEST

START_TEST(what_was_wanted_later_is_found_by_another_turn)
{
    struct place place;

    libdw = AS_IT_IS;
    begin("O0", "cond");
    look(2);
    ck_assert_int_eq(names_resolve(names, mono_now_us() + 20000000), 0); /* nothing new: no child */
    names_want(names, thread()->start.pc + 1, false);
    ck_assert_int_eq(names_resolve(names, mono_now_us() + 20000000), 0);
    names_place(names, thread()->start.pc + 1, false, &place);

    ck_assert_str_eq(place.function, "business_run");
    ck_assert_uint_gt(place.line, 0);
    end();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("probe.names_broken");
    TCase *tc = tcase_create("broken");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, without_libdw_there_are_functions_and_a_word_about_it);
    tcase_add_test(tc, with_libdw_the_same_has_lines_and_no_note);
    tcase_add_test(tc, a_child_that_dies_of_a_file_leaves_what_it_had_found);
    tcase_add_test(tc, a_child_that_hangs_is_ended_at_the_deadline);
    tcase_add_test(tc, a_deadline_in_the_past_begins_nothing);
    tcase_add_test(tc, what_was_wanted_later_is_found_by_another_turn);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
