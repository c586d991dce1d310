/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/wait.h>

#include "tests/unit/worker-api/span_ring.h"

/* What is told of spans when they are over: threads, scopes, tasks, requests, and those of the program. */
static void
work(void *out)
{
    char trace[33];

    (void)stint_trace_ids(NULL, trace, out);
}

START_TEST(threads_scopes_and_tasks_are_told_of_when_they_end)
{
    char trace[33], main_span[17], thread_span[17];
    const struct stint_registry_span *scope, *thread, *task;
    struct stint_scope *s;
    uint8_t at_start;

    (void)up(SAMPLED, 1);
    (void)stint_trace_ids(NULL, trace, main_span);
    ck_assert_uint_eq(begun(), 0);
    s = stint_scope_open(NULL, "http");
    ck_assert_int_eq(stint_scope_spawn(s, "reader", work, thread_span), 0);
    ck_assert_int_eq(stint_scope_close(s, SOON_US, NULL, 0), 0);
    ck_assert_int_eq(stint_task_begin(NULL, "a task"), 0);
    stint_task_end();
    ck_assert_uint_eq(begun(), 3);
    thread = named("reader");
    scope = named("http");
    task = named("a task");
    ck_assert_str_eq(hex(scope->parent_id, 8), main_span);
    ck_assert_str_eq(hex(task->parent_id, 8), main_span);
    ck_assert_str_eq(hex(thread->span_id, 8), thread_span);
    ck_assert_str_eq(hex(thread->parent_id, 8), main_span); /* who made it */
    check_below(thread, task->parent_id);
    ck_assert_uint_eq(thread->of, STINT_SPAN_OF_THREAD);
    ck_assert_uint_eq(scope->of, STINT_SPAN_OF_SCOPE);
    ck_assert_uint_eq(task->of, STINT_SPAN_OF_TASK);
    ck_assert_str_eq(thread->thread, "reader");
    ck_assert_str_eq(thread->creator_name, "main");
    ck_assert_str_eq(thread->scope, "http");
    ck_assert_str_eq(scope->thread, "main");
    ck_assert_str_eq(scope->scope, "root");
    ck_assert_uint_eq(scope->cause, STINT_CAUSE_CLOSED); /* that is how scopes end */
    ck_assert_uint_eq(scope->failed, 0);
    at_start = task->span_id[0];
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(at_start, task->span_id[0]); /* what was told stays as it is */
}
END_TEST

START_TEST(a_request_is_told_of_once_below_its_caller)
{
    const struct stint_header headers[] = {stint_header_of("traceparent", SAMPLED)};
    const struct stint_registry_span *request, *task;
    struct stint_token *token;

    (void)up("00-11111111111111111111111111111111-2222222222222222-01", 1);
    token = stint_token_new(stint_root(), "GET /");
    ck_assert_int_eq(stint_trace_extract(token, headers, 1), 1);
    ck_assert_int_eq(stint_task_begin(token, NULL), 0);
    stint_token_unref(token);
    ck_assert_uint_eq(begun(), 0); /* the task has it */
    stint_task_end();
    ck_assert_uint_eq(begun(), 2);
    task = told(0);
    request = told(1);
    ck_assert_str_eq(request->name, "GET /");
    ck_assert_str_eq(hex(request->parent_id, 8), PARENT);
    ck_assert_uint_eq(request->of, STINT_SPAN_OF_REQUEST);
    ck_assert_uint_eq(request->kind, STINT_SPAN_SERVER);
    ck_assert_uint_eq(request->cause, 0);
    ck_assert_int_eq(request->deadline_us, STINT_NEVER);
    check_below(task, request->span_id);
    ck_assert_str_eq(task->name, "GET /"); /* it said none of its own */
}
END_TEST

START_TEST(a_deadline_that_was_missed_is_an_error_and_told_once)
{
    struct stint_deadline_call call = STINT_DEADLINE_CALL("GetUser", "gateway");
    struct stint_token *token, *kept;

    (void)up(SAMPLED, 1);
    call.timeout_us = 1000;
    ck_assert_int_eq(stint_deadline_open(&token, NULL, &call), 0);
    ck_assert_int_eq(stint_token_trace(token, SAMPLED), 0);
    kept = stint_token_ref(token);
    ck_assert_int_eq(stint_token_wait(token, STINT_NEVER), -ETIMEDOUT);
    stint_deadline_close(token);
    ck_assert_uint_eq(begun(), 1);
    ck_assert_uint_eq(told(0)->cause, STINT_CAUSE_DEADLINE);
    ck_assert_uint_eq(told(0)->failed, 1);
    ck_assert_str_eq(told(0)->text, "its deadline was over");
    ck_assert_int_eq(told(0)->deadline_us, stint_token_deadline(kept));
    stint_token_unref(kept);
    ck_assert_uint_eq(begun(), 1); /* the answer was out: that was its end */
}
END_TEST

START_TEST(spans_of_ones_own_lie_in_each_other)
{
    const struct stint_registry_span *outer, *inner, *call;
    char trace[33], ids[17], traceparent[STINT_TRACEPARENT_MAX];
    struct stint_span *a, *b, *forgotten;

    (void)up(SAMPLED, 1);
    a = stint_span_start(NULL, "outer", STINT_SPAN_INTERNAL);
    ck_assert_ptr_nonnull(a);
    b = stint_span_start(NULL, "SELECT users", STINT_SPAN_CLIENT);
    ck_assert_int_eq(stint_span_inject(b, traceparent, NULL, 0), 1);
    ck_assert_int_eq(stint_trace_ids(NULL, trace, ids), 1);
    ck_assert_int_eq(strncmp(traceparent + 36, ids, 16), 0); /* it is what lines say now */
    ck_assert_int_eq(stint_span_attribute(b, "db.rows", "%d", 3), 0);
    ck_assert_int_eq(stint_span_attribute(b, "db.system", "postgresql"), 0);
    ck_assert_int_eq(stint_span_attribute(b, "db.rows", "%d", 14), 0);
    stint_span_error(b, "no such %s", "user");
    stint_span_end(b);
    forgotten = stint_span_start(NULL, "forgotten", STINT_SPAN_INTERNAL);
    ck_assert_ptr_nonnull(forgotten);
    ck_assert_int_eq(stint_trace_inject(NULL, traceparent, NULL, 0), 1);
    stint_span_end(a);
    ck_assert_uint_eq(begun(), 4);
    inner = told(0);
    call = told(1);
    outer = named("outer");
    check_below(inner, outer->span_id);
    check_below(named("forgotten"), outer->span_id);
    check_below(call, named("forgotten")->span_id);
    ck_assert_uint_eq(call->of, STINT_SPAN_OF_CALL);
    ck_assert_int_eq(strncmp(traceparent + 36, hex(call->span_id, 8), 16), 0);
    ck_assert_str_eq(hex(inner->span_id, 8), ids);
    ck_assert_uint_eq(inner->kind, STINT_SPAN_CLIENT);
    ck_assert_uint_eq(inner->failed, 1);
    ck_assert_str_eq(inner->text, "no such user");
    ck_assert_mem_eq(inner->attributes, "db.system\0postgresql\0db.rows\00014\0", 32);
    ck_assert_str_eq(told(3)->name, "outer");
    ck_assert_uint_eq(told(3)->failed, 0);
}
END_TEST

START_TEST(a_task_ends_what_was_begun_in_it_and_nothing_around_it)
{
    struct stint_span *around;
    char trace[33], span[17], now[17];

    (void)up(SAMPLED, 1);
    around = stint_span_start(NULL, "around", STINT_SPAN_INTERNAL);
    (void)stint_trace_ids(NULL, trace, span);
    ck_assert_int_eq(stint_task_begin(NULL, "task"), 0);
    ck_assert_ptr_nonnull(stint_span_start(NULL, "inside", STINT_SPAN_INTERNAL));
    stint_task_end();
    ck_assert_uint_eq(begun(), 2);
    check_below(named("inside"), named("task")->span_id);
    ck_assert_str_eq(hex(named("task")->parent_id, 8), span);
    (void)stint_trace_ids(NULL, trace, now);
    ck_assert_str_eq(now, span);
    stint_span_end(around);
    ck_assert_str_eq(hex(named("around")->span_id, 8), span);
}
END_TEST

static void
end_it(void *span)
{
    stint_span_end(span);
}

START_TEST(a_span_of_a_token_ends_in_any_thread_and_one_of_a_thread_in_that_one)
{
    struct stint_thread *thread;
    struct stint_span *of_token, *of_thread;
    char trace[33], before[17], now[17];

    (void)up(SAMPLED, 1);
    (void)stint_trace_ids(NULL, trace, before);
    of_token = stint_span_start(stint_root(), "upstream", STINT_SPAN_CLIENT);
    (void)stint_trace_ids(NULL, trace, now);
    ck_assert_str_eq(now, before); /* the thread goes on with what it does */
    ck_assert_int_eq(stint_thread_spawn(&thread, NULL, "other", end_it, of_token), 0);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    ck_assert_str_eq(named("upstream")->thread, "other");
    of_thread = stint_span_start(NULL, "mine", STINT_SPAN_INTERNAL);
    ck_assert_int_eq(stint_thread_spawn(&thread, NULL, "thief", end_it, of_thread), 0);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    for (uint64_t i = 0; i < begun(); i++)
        ck_assert_str_ne(told(i)->name, "mine");
    stint_span_end(of_thread);
    ck_assert_str_eq(named("mine")->thread, "main");
}
END_TEST

START_TEST(attributes_have_bounded_room_and_what_does_not_fit_is_left_out)
{
    struct stint_span *span;
    char large[300];

    (void)up(SAMPLED, 1);
    memset(large, 'v', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    span = stint_span_start(NULL, large, STINT_SPAN_INTERNAL);
    ck_assert_int_eq(stint_span_attribute(span, "", "x"), -EINVAL);
    ck_assert_int_eq(stint_span_attribute(span, "k", "%s", large), -ENOSPC);
    ck_assert_int_eq(stint_span_attribute(span, large, "x"), -ENOSPC);
    large[187] = '\0';
    ck_assert_int_eq(stint_span_attribute(span, "k", "%s!", large), 0); /* 2 + 189 */
    ck_assert_int_eq(stint_span_attribute(span, "l", "%s", ""), -ENOSPC);
    ck_assert_int_eq(stint_span_attribute(span, "k", "short"), 0); /* in its place */
    ck_assert_int_eq(stint_span_attribute(span, "l", "%s", ""), 0);
    stint_span_error(span, "%s", large);
    stint_span_end(span);
    ck_assert_uint_eq(strlen(told(0)->name), 63);
    ck_assert_uint_eq(strlen(told(0)->text), 63);
    ck_assert_mem_eq(told(0)->attributes, "k\0short\0l\0\0\0", 12);
}
END_TEST

START_TEST(at_its_end_a_process_tells_of_itself)
{
    struct master m = master_start_sized(STINT_REGISTRY_WITH_SPANS);
    int status;
    pid_t pid;

    ring_look(&m, 1);
    ck_assert_int_eq(setenv("TRACEPARENT", SAMPLED, 1), 0);
    pid = fork();
    if (pid == 0) {
        if (stint_init(NULL) != 0 || !stint_span_start(NULL, "open", STINT_SPAN_INTERNAL))
            _exit(1);
        exit(0); /* NOLINT(concurrency-mt-unsafe) */
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(begun(), 3);
    ck_assert_str_eq(hex(named("web")->parent_id, 8), PARENT); /* the service */
    check_below(named("main"), named("web")->span_id);
    check_below(named("open"), named("main")->span_id);
    ck_assert_uint_eq(named("web")->of, STINT_SPAN_OF_PROCESS);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("span");
    TCase *t = tcase_create("span");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, threads_scopes_and_tasks_are_told_of_when_they_end);
    tcase_add_test(t, a_request_is_told_of_once_below_its_caller);
    tcase_add_test(t, a_deadline_that_was_missed_is_an_error_and_told_once);
    tcase_add_test(t, spans_of_ones_own_lie_in_each_other);
    tcase_add_test(t, a_task_ends_what_was_begun_in_it_and_nothing_around_it);
    tcase_add_test(t, a_span_of_a_token_ends_in_any_thread_and_one_of_a_thread_in_that_one);
    tcase_add_test(t, attributes_have_bounded_room_and_what_does_not_fit_is_left_out);
    tcase_add_test(t, at_its_end_a_process_tells_of_itself);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
