/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a capture tells of threads that nobody registered: the names alone. */
#include "supervisor/probe/capture.h"
#include "tests/unit/probe/names_fixture.h"

static struct process_facts facts;

static void
capture(const char *variant, const char *shape, size_t waiting)
{
    struct probe_request req = {
        .registry_fd = -1, .between_us = PROBE_BETWEEN_US, .deadline_us = mono_now_us() + 30000000};
    struct error error = {0};

    begin(variant, shape);
    unwind_all(waiting);
    req.pid = subject;
    ck_assert_msg(probe_capture(&req, &facts, &error) == 0, "%s", error.text);
}

static const struct thread_facts *
other(void)
{
    for (size_t i = 0; i < facts.n; i++) {
        if (facts.threads[i].tid != subject)
            return &facts.threads[i];
    }
    ck_abort_msg("it has one thread only");
    return NULL;
}

static void
done(void)
{
    process_facts_finish(&facts);
    end();
}

START_TEST(a_blocked_thread_is_told_in_the_words_of_its_source)
{
    const struct thread_facts *t;

    capture(_i ? "O2" : "O0", "cond", 2);
    t = other();

    ck_assert_int_eq(t->wait, WAIT_COND);
    ck_assert_int_ge(t->business, 1);
    ck_assert_str_eq(t->frames[t->business].function, "business_cond");
    ck_assert_ptr_nonnull(strstr(t->frames[t->business].file, "subject.c"));
    ck_assert_uint_gt(t->frames[t->business].line, 0);
    ck_assert_str_eq(t->start.function, "business_run");
    ck_assert_str_eq(t->object_place.function, "jobs");
    ck_assert_uint_eq(t->object_place.offset, 8 + sizeof(pthread_mutex_t));
    ck_assert_str_eq(facts.note, "it has no registry"); /* and nothing about names */
    done();
}
END_TEST

START_TEST(what_was_begun_in_cxx_is_no_routine_of_its_library)
{
    capture(_i ? "cxx-O2" : "cxx-O0", "", 2);

    ck_assert_msg(strstr(other()->start.function, "serve"), "%s", other()->start.function);
    done();
}
END_TEST

START_TEST(the_names_of_a_process_without_its_first_thread_are_found)
{
    capture("O2", "leader", 1);

    ck_assert_msg(other()->business >= 0, "%s", facts.note);
    ck_assert_str_eq(other()->frames[other()->business].function, "business_cond");
    ck_assert_str_eq(other()->object_place.function, "jobs");
    done();
}
END_TEST

START_TEST(a_deadline_that_is_over_costs_the_names)
{
    struct probe_request req = {.registry_fd = -1, .between_us = 0, .deadline_us = 1};
    struct error error = {0};

    begin("O2", "cond");
    unwind_all(2);
    req.pid = subject;
    ck_assert_msg(probe_capture(&req, &facts, &error) == 0, "%s", error.text);

    ck_assert_uint_eq(facts.n_threads, 2);
    ck_assert_str_ne(facts.note, "");
    done();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("probe.names_capture");
    TCase *tc = tcase_create("capture");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, a_blocked_thread_is_told_in_the_words_of_its_source, 0, 2);
    tcase_add_loop_test(tc, what_was_begun_in_cxx_is_no_routine_of_its_library, 0, 2);
    tcase_add_test(tc, the_names_of_a_process_without_its_first_thread_are_found);
    tcase_add_test(tc, a_deadline_that_is_over_costs_the_names);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
