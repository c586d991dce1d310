/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When there is no point in going on, what stint exits with then, and who is given up for it. */
#include "base/mem.h"
#include "tests/unit/core/rim.h"

static struct rim rim;
static struct rim *const r = &rim;

static void
setup(void)
{
    rim_init(r);
}

static void
teardown(void)
{
    rim_finish(r);
}

static int
spent(void)
{
    char why[256] = "";
    int status = core_spent(r->core, why, sizeof(why));

    ck_assert_msg(status < 0 || why[0] != '\0', "nobody knows why");
    return status;
}

/* Of a service whose first candidate dies so until it is rejected. */
static int
spent_after(int wait_status)
{
    r->ready = false;
    rim_config(r, service_new("web"));
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(spent(), -1);
        rim_dies(r, r->core->last_worker_id, wait_status);
        rim_wait(r, i < 4 ? 2 * US_PER_S : 0);
    }
    ck_state(r, "web", "failed");
    return spent();
}

START_TEST(a_service_that_cannot_run_ends_with_the_status_of_its_process)
{
    ck_assert_int_eq(spent_after(42 << 8), 42);
}
END_TEST

START_TEST(a_signal_counts_from_128)
{
    ck_assert_int_eq(spent_after(SIGSEGV), 128 + SIGSEGV);
}
END_TEST

START_TEST(a_success_is_no_success_when_it_was_to_serve)
{
    ck_assert_int_eq(spent_after(0), 1);
}
END_TEST

START_TEST(a_program_that_cannot_be_executed_says_so_as_in_a_shell)
{
    static const struct {
        int error, status;
    } cases[] = {
        {-ENOENT,  127},
        {-EACCES,  126},
        {-ENOEXEC, 126}
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        r->ready = false;
        rim_config(r, service_new("web"));
        rim_exec_error(r, r->core->last_worker_id, cases[i].error);
        ck_assert_int_eq(spent(), cases[i].status);
        rim_finish(r);
        rim_init(r);
    }
}
END_TEST

START_TEST(inputs_that_are_broken_are_told_apart)
{
    struct event ev;

    r->look = false;
    rim_config(r, service_new("web"));
    ev = rim_answer_of(r, EVENT_LOOKED, "web");
    ev.looked.result = LOOK_BROKEN;
    ev.looked.error = -ENOENT; /* its interpreter */
    rim_step(r, ev);
    ck_assert_int_eq(spent(), 127);
    rim_ask(r, EVENT_RELOAD, "web", false);
    ck_assert_int_eq(spent(), -1); /* it may have been repaired */
    rim_looked_not(r, "web", LOOK_BROKEN);
    ck_assert_int_eq(spent(), 1);
}
END_TEST

START_TEST(a_check_that_fails_counts_as_one)
{
    struct service_spec *web = service_new("web");

    r->check = false;
    must_add(&web->check, "/bin/check");
    rim_config(r, web);
    rim_checked(r, "web", false);
    ck_assert_int_eq(spent(), 1);
}
END_TEST

START_TEST(a_start_that_takes_too_long_counts_as_one)
{
    r->ready = false;
    rim_config(r, service_new("web"));
    rim_wait(r, 10 * US_PER_S);
    ck_assert_int_eq(spent(), 1);
}
END_TEST

START_TEST(what_serves_has_not_failed_whatever_was_rejected)
{
    rim_config(r, service_new("web"));
    r->ready = false;
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_exec_error(r, r->core->last_worker_id, -ENOEXEC);
    ck_said(r, "rejected");
    ck_assert_int_eq(spent(), -1);
    rim_dies(r, 1, SIGSEGV); /* respawned for ever */
    for (int i = 0; i < 20; i++) {
        rim_wait(r, 40 * US_PER_S);
        rim_dies(r, r->core->last_worker_id, SIGSEGV);
        ck_assert_int_eq(spent(), -1);
    }
}
END_TEST

START_TEST(one_that_failed_is_enough_and_the_worst_is_told)
{
    r->ready = false;
    rim_config(r, service_new("a"), service_new("b"), service_new("c")); /* w1 w2 w3 */
    rim_ready(r, 3);
    rim_exec_error(r, 2, -ENOENT);
    ck_assert_int_eq(spent(), 127);
    rim_exec_error(r, 1, -ENOEXEC);
    ck_assert_int_eq(spent(), 127);
}
END_TEST

START_TEST(when_all_were_stopped_nothing_has_failed)
{
    struct service_spec *web = service_new("web");

    must_add(&web->depends_on, "db");
    rim_config(r, service_new("db"), web);
    rim_ask(r, EVENT_STOP, "web", false);
    ck_assert_int_eq(spent(), -1);
    r->exit = false;
    rim_ask(r, EVENT_STOP, "db", false);
    ck_assert_int_eq(spent(), -1); /* it is on its way out */
    rim_dies(r, 1, 0);
    ck_assert_int_eq(spent(), 0);
    rim_ask(r, EVENT_START, "web", false); /* which waits for one that nobody will start */
    ck_assert_int_eq(spent(), 0);
    rim_ask(r, EVENT_START, "db", false);
    ck_assert_int_eq(spent(), -1);
}
END_TEST

START_TEST(the_status_is_that_of_the_stop_that_came_first)
{
    rim_config(r, service_new("web"));
    rim_step(r, (struct event){.type = EVENT_STOP_ALL, .request = {.status = 42}});
    rim_ask(r, EVENT_STOP_ALL, NULL, false);
    ck_assert(core_stopped(r->core));
    ck_assert_uint_eq(r->core->exit_status, 42);
}
END_TEST

/* ---- respawn: {give_up: true} -------------------------------------------------------------------- */

static void
crash(uint64_t worker)
{
    ck_assert_int_eq(spent(), -1);
    rim_dies(r, worker, SIGABRT);
}

static struct service_spec *
proud(void)
{
    struct service_spec *web = service_new("web");

    web->give_up = true;
    return web;
}

START_TEST(who_asks_for_it_is_given_up_at_the_limit)
{
    rim_config(r, proud()); /* 5 within 30 s */
    for (int i = 0; i < 4; i++) {
        crash(r->core->last_worker_id);
        rim_wait(r, 2 * US_PER_S);
        ck_state(r, "web", "running");
    }
    crash(r->core->last_worker_id);
    ck_state(r, "web", "failed");
    ck_said(r, "service: web/1 | failed: worker 0 killed by SIGABRT");
    ck_said(r, "certificate: web/1");
    ck_assert_int_eq(spent(), 128 + SIGABRT);
    rim_forget(r);
    rim_wait(r, 3600 * US_PER_S);
    ck_did(r, "");
    rim_ask(r, EVENT_RELOAD, "web", false);
    ck_said(r, "unchanged since it was rejected");
    rim_ask(r, EVENT_START, "web", false);
    ck_state(r, "web", "running");
    ck_assert_int_eq(spent(), -1);
}
END_TEST

START_TEST(a_crash_now_and_then_is_forgiven)
{
    rim_config(r, proud());
    for (int i = 0; i < 20; i++) {
        crash(r->core->last_worker_id);
        rim_wait(r, 40 * US_PER_S);
        ck_state(r, "web", "running");
    }
}
END_TEST

START_TEST(nobody_is_given_up_while_another_worker_serves)
{
    struct service_spec *web = proud();

    web->workers = 2;
    rim_config(r, web); /* w1 w2 */
    for (int i = 0; i < 8; i++) {
        crash(i == 0 ? 2 : r->core->last_worker_id);
        rim_wait(r, 30 * US_PER_S);
    }
    ck_state(r, "web", "running");
    rim_dies(r, r->core->last_worker_id, SIGABRT); /* waits for its next try */
    ck_assert_int_eq(spent(), -1);
    rim_dies(r, 1, SIGABRT);       /* the last one */
    ck_assert_int_eq(spent(), -1); /* its own slot has not failed before */
}
END_TEST

START_TEST(nobody_is_given_up_while_a_candidate_is_on_its_way)
{
    rim_config(r, proud());
    for (int i = 0; i < 4; i++) {
        crash(r->core->last_worker_id);
        rim_wait(r, 2 * US_PER_S);
    }
    r->ready = false;
    rim_ask(r, EVENT_RELOAD, "web", true); /* w6 */
    crash(5);                              /* the fifth */
    ck_state(r, "web", "reloading");
    rim_ready(r, 6);
    ck_state(r, "web", "running");
}
END_TEST

START_TEST(a_new_version_is_tried_though_the_old_one_was_given_up)
{
    rim_config(r, proud());
    for (int i = 0; i < 5; i++) {
        crash(r->core->last_worker_id);
        rim_wait(r, 2 * US_PER_S);
    }
    ck_state(r, "web", "failed");
    rim_edit(r, "web");
    rim_wait(r, US_PER_S);
    ck_state(r, "web", "running");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("spent");
    TCase *tc = tcase_create("spent");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_service_that_cannot_run_ends_with_the_status_of_its_process);
    tcase_add_test(tc, a_signal_counts_from_128);
    tcase_add_test(tc, a_success_is_no_success_when_it_was_to_serve);
    tcase_add_test(tc, a_program_that_cannot_be_executed_says_so_as_in_a_shell);
    tcase_add_test(tc, inputs_that_are_broken_are_told_apart);
    tcase_add_test(tc, a_check_that_fails_counts_as_one);
    tcase_add_test(tc, a_start_that_takes_too_long_counts_as_one);
    tcase_add_test(tc, what_serves_has_not_failed_whatever_was_rejected);
    tcase_add_test(tc, one_that_failed_is_enough_and_the_worst_is_told);
    tcase_add_test(tc, when_all_were_stopped_nothing_has_failed);
    tcase_add_test(tc, the_status_is_that_of_the_stop_that_came_first);
    tcase_add_test(tc, who_asks_for_it_is_given_up_at_the_limit);
    tcase_add_test(tc, a_crash_now_and_then_is_forgiven);
    tcase_add_test(tc, nobody_is_given_up_while_another_worker_serves);
    tcase_add_test(tc, nobody_is_given_up_while_a_candidate_is_on_its_way);
    tcase_add_test(tc, a_new_version_is_tried_though_the_old_one_was_given_up);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
