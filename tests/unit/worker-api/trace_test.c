/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

/* Who is whose span: threads, scopes, tasks, children. */
#define ID     "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"
#define TRACE  "00-" ID "-" PARENT "-03"

struct ids {
    char trace[33], span[17];
};

static struct ids
ids_of(struct stint_token *token)
{
    struct ids ids;

    (void)stint_trace_ids(token, ids.trace, ids.span);
    return ids;
}

static void
up(void)
{
    ck_assert_int_eq(setenv("TRACEPARENT", TRACE, 1), 0);
    ck_assert_int_eq(setenv("TRACESTATE", "foo=1, bar=2", 1), 0);
    forget_checks_sigterm();
    ck_assert_int_eq(stint_init(NULL), 0);
}

static void
look(void *ids)
{
    *(struct ids *)ids = ids_of(NULL);
}

START_TEST(each_thread_is_a_span_of_its_own_in_the_trace_of_its_token)
{
    struct ids main_thread, first, second, request_thread, request;
    struct stint_token *token;
    struct stint_thread *thread[3];

    up();
    main_thread = ids_of(NULL);
    ck_assert_str_eq(main_thread.trace, ID);
    ck_assert_str_ne(main_thread.span, PARENT);
    token = stint_token_new(stint_root(), "request");
    ck_assert_int_eq(stint_trace_extract(token, NULL, 0), 0);
    request = ids_of(token);
    ck_assert_str_ne(request.trace, ID);
    ck_assert_int_eq(stint_thread_spawn(&thread[0], stint_root(), "one", look, &first), 0);
    ck_assert_int_eq(stint_thread_spawn(&thread[1], stint_root(), "two", look, &second), 0);
    ck_assert_int_eq(stint_thread_spawn(&thread[2], token, "three", look, &request_thread), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(stint_thread_join(thread[i], NULL, soon()), 0);
    ck_assert_str_eq(first.trace, ID);
    ck_assert_str_eq(second.trace, ID);
    ck_assert_str_eq(request_thread.trace, request.trace);
    ck_assert_str_ne(first.span, second.span);
    ck_assert_str_ne(first.span, main_thread.span);
    ck_assert_str_ne(request_thread.span, request.span);
    ck_assert_str_eq(ids_of(NULL).span, main_thread.span); /* stays what it is */
    stint_token_unref(token);
}
END_TEST

START_TEST(the_registry_shows_the_span_that_lines_have)
{
    struct master m = master_start();
    struct stint_registry_slot slot;
    char hex[17] = "";
    struct ids ids;

    ck_assert_int_eq(setenv("TRACEPARENT", TRACE, 1), 0);
    ck_assert_int_eq(stint_init(NULL), 0);
    for (int round = 0; round < 2; round++) {
        ids = ids_of(NULL);
        ck_assert_int_eq(master_find(&m, "main", &slot), 1);
        for (size_t i = 0; i < sizeof(slot.span_id); i++)
            (void)snprintf(hex + 2 * i, 3, "%02x", slot.span_id[i]);
        ck_assert_str_eq(ids.span, hex);
        ck_assert_int_eq(stint_task_begin(NULL, "a task"), 0);
        ck_assert_str_ne(ids_of(NULL).span, hex); /* a task is a span, too */
    }
    stint_task_end();
    ck_assert_str_eq(ids_of(NULL).span, hex); /* of the first task again */
    stint_task_end();
}
END_TEST

START_TEST(a_scope_is_a_span_and_what_is_in_it_has_its_trace)
{
    struct stint_scope *scope, *alone;
    struct ids ids, thread;

    alone = stint_scope_open(NULL, "before there is a trace");
    ck_assert_int_eq(stint_trace_ids(stint_scope_token(alone), ids.trace, ids.span), 0);
    ck_assert_str_eq(ids.trace, "");
    up();
    scope = stint_scope_open(NULL, "scope");
    ids = ids_of(stint_scope_token(scope));
    ck_assert_str_eq(ids.trace, ID);
    ck_assert_str_ne(ids.span, ids_of(NULL).span);
    ck_assert_str_eq(ids_of(stint_scope_token(scope)).span, ids.span);
    ck_assert_int_eq(stint_scope_spawn(scope, "within", look, &thread), 0);
    ck_assert_int_eq(stint_scope_close(scope, SOON_US, NULL, 0), 0);
    ck_assert_str_eq(thread.trace, ID);
    ck_assert_str_ne(thread.span, ids.span);
    ck_assert_str_eq(ids_of(stint_scope_token(alone)).trace, ID); /* as the process by now */
    ck_assert_int_eq(stint_scope_close(alone, SOON_US, NULL, 0), 0);
}
END_TEST

START_TEST(a_token_of_the_trace_a_thread_works_for_means_that_threads_span)
{
    struct stint_token *request, *below;
    struct ids task;

    up();
    request = stint_token_new(stint_root(), "request");
    ck_assert_int_eq(stint_token_trace(request, TRACE), 0);
    below = stint_token_new(request, "below");
    ck_assert_str_eq(ids_of(below).span, ids_of(request).span);
    ck_assert_str_ne(ids_of(request).span, PARENT); /* that one is the caller's */
    ck_assert_int_eq(stint_task_begin(request, NULL), 0);
    task = ids_of(NULL);
    ck_assert_str_eq(ids_of(request).span, task.span);
    ck_assert_str_eq(ids_of(below).span, task.span);
    stint_task_end();
    ck_assert_str_ne(ids_of(request).span, task.span);
    stint_token_unref(below);
    stint_token_unref(request);
}
END_TEST

static const char *
entry(char *const *envp, const char *name)
{
    const char *found = NULL;

    for (; *envp; envp++)
        if (strncmp(*envp, name, strlen(name)) == 0 && (*envp)[strlen(name)] == '=') {
            ck_assert_ptr_null(found); /* once */
            found = *envp + strlen(name) + 1;
        }
    return found;
}

START_TEST(each_child_process_gets_a_traceparent_of_its_own)
{
    char stale[] = "TRACEPARENT=" TRACE, again[] = "TRACEPARENT=x", home[] = "HOME=/",
         tail[] = "A=b", state[] = "TRACESTATE=old=1", like[] = "TRACEPARENTS=mine";
    char *envp[] = {stale, home, state, again, like, tail, NULL}, **one, **two;

    one = stint_trace_environ(NULL, envp); /* no trace: none is handed on, either */
    ck_assert_ptr_nonnull(one);
    ck_assert_ptr_null(entry(one, "TRACEPARENT"));
    ck_assert_ptr_null(entry(one, "TRACESTATE"));
    ck_assert_str_eq(entry(one, "HOME"), "/");
    free(one);
    up();
    one = stint_trace_environ(NULL, envp);
    two = stint_trace_environ(NULL, envp);
    ck_assert_ptr_nonnull(one);
    ck_assert_ptr_nonnull(two);
    ck_assert(strncmp(entry(one, "TRACEPARENT"), "00-" ID "-", 36) == 0);
    ck_assert_str_eq(entry(one, "TRACEPARENT") + 52, "-03");
    ck_assert(strncmp(entry(one, "TRACEPARENT"), entry(two, "TRACEPARENT"), 36) == 0);
    ck_assert_str_ne(entry(one, "TRACEPARENT"), entry(two, "TRACEPARENT"));
    ck_assert(strncmp(entry(one, "TRACEPARENT") + 36, PARENT, 16) != 0);
    ck_assert_str_eq(entry(one, "TRACESTATE"), "foo=1,bar=2");
    ck_assert_str_eq(entry(one, "TRACEPARENTS"), "mine");
    ck_assert_str_eq(entry(one, "A"), "b");
    free(one);
    free(two);
    one = stint_trace_environ(NULL, NULL);
    ck_assert_ptr_nonnull(one);
    ck_assert(strncmp(entry(one, "TRACEPARENT"), "00-" ID "-", 36) == 0);
    free(one);
}
END_TEST

static pid_t
fork_by(int way)
{
    if (way == 0)
        return fork();
    if (way == 1)
        return (pid_t)syscall(SYS_fork);
    return (pid_t)syscall(SYS_clone, (unsigned long)SIGCHLD, NULL, NULL, NULL, 0UL);
}

struct report {
    struct ids own;
    char out[4][STINT_TRACEPARENT_MAX];
};

static struct report
report(void)
{
    struct report report = {.own = ids_of(NULL)};

    for (int i = 0; i < 4; i++)
        (void)stint_trace_inject(NULL, report.out[i], NULL, 0);
    return report;
}

START_TEST(a_forked_child_makes_other_ids_than_its_parent_however_it_was_made)
{
    struct ids before;

    up();
    before = ids_of(NULL);
    (void)report(); /* the secret is drawn */
    for (int way = 0; way < 3; way++) {
        struct report of_child = {0}, ours;
        int ends[2], status;
        pid_t pid;

        ck_assert_int_eq(pipe(ends), 0);
        pid = fork_by(way);
        if (pid == 0) {
            struct report mine = report();

            _exit(write(ends[1], &mine, sizeof(mine)) == (ssize_t)sizeof(mine) ? 0 : 1);
        }
        ck_assert_int_gt(pid, 0);
        ours = report();
        ck_assert_int_eq(read(ends[0], &of_child, sizeof(of_child)), (int)sizeof(of_child));
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        close(ends[0]);
        close(ends[1]);
        ck_assert_str_eq(of_child.own.trace, ID);
        ck_assert_str_ne(of_child.own.span, before.span); /* a span below its parent's */
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 4; j++)
                ck_assert_msg(strcmp(of_child.out[i], ours.out[j]) != 0, "way %d: %s", way,
                              ours.out[j]);
    }
    ck_assert_str_eq(ids_of(NULL).span, before.span);
}
END_TEST

static void *
unregistered(void *ids)
{
    *(struct ids *)ids = ids_of(NULL);
    return NULL;
}

START_TEST(what_is_refused)
{
    struct stint_token *token = stint_token_new(NULL, "request"), *below;
    char parent[STINT_TRACEPARENT_MAX], state[8];
    pthread_t thread;
    struct ids ids;

    ck_assert_int_eq(stint_trace_inject(NULL, parent, state, sizeof(state)), 0);
    ck_assert_str_eq(parent, "");
    ck_assert_str_eq(state, "");
    up();
    ck_assert_int_eq(stint_trace_extract(NULL, NULL, 0), -EINVAL);
    ck_assert_int_eq(stint_trace_extract(stint_root(), NULL, 0), -EINVAL);
    ck_assert_int_eq(stint_trace_extract(token, NULL, 0), 0);
    ck_assert_int_eq(stint_trace_extract(token, NULL, 0), -EBUSY);
    stint_token_unref(token);
    token = stint_token_new(NULL, "request");
    below = stint_token_new(token, "below");
    ck_assert_int_eq(stint_trace_extract(token, NULL, 0), -EBUSY);
    stint_token_unref(below);
    stint_token_unref(token);
    ck_assert_int_eq(pthread_create(&thread, NULL, unregistered, &ids), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_str_eq(ids.trace, ""); /* nobody said what it works for */
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("trace");
    TCase *t = tcase_create("trace");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, each_thread_is_a_span_of_its_own_in_the_trace_of_its_token);
    tcase_add_test(t, the_registry_shows_the_span_that_lines_have);
    tcase_add_test(t, a_scope_is_a_span_and_what_is_in_it_has_its_trace);
    tcase_add_test(t, a_token_of_the_trace_a_thread_works_for_means_that_threads_span);
    tcase_add_test(t, each_child_process_gets_a_traceparent_of_its_own);
    tcase_add_test(t, a_forked_child_makes_other_ids_than_its_parent_however_it_was_made);
    tcase_add_test(t, what_is_refused);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
