/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

#define ID    "0af7651916cd43dd8448eb211c80319c"
#define TRACE "00-" ID "-b7ad6b7169203331-01"

static int out[2];
static char line[PIPE_BUF + 1];

/* A packet pipe keeps each write apart, so that a line in two writes is seen. */
static void
to_pipe(enum stint_log_form form)
{
    ck_assert_int_eq(pipe2(out, O_DIRECT | O_CLOEXEC), 0);
    stint_log_to(out[1], form);
}

static const char *
next_line(void)
{
    ssize_t n = read(out[0], line, sizeof(line) - 1);

    ck_assert_int_gt(n, 0);
    ck_assert_int_le(n, PIPE_BUF);
    line[n] = '\0';
    ck_assert_msg(strchr(line, '\n') == line + n - 1, "one line: %s", line);
    return line;
}

static void
up(void)
{
    ck_assert_int_eq(setenv("TRACEPARENT", TRACE, 1), 0);
    forget_checks_sigterm();
    ck_assert_int_eq(stint_init(NULL), 0);
}

static void *
raw_thread(void *arg)
{
    (void)arg;
    ck_assert_int_eq(stint_log(STINT_LOG_INFO, "nobody knows me"), 0);
    return NULL;
}

START_TEST(a_line_has_both_ids_or_the_reason_why_not)
{
    char trace[33], span[17], want[128];
    pthread_t thread;

    to_pipe(STINT_LOG_LOGFMT);
    ck_assert_int_eq(stint_log(STINT_LOG_ERROR, "before"), 0);
    ck_assert_ptr_nonnull(strstr(next_line(), " level=error trace=none reason=startup thread="));
    up();
    ck_assert_int_eq(stint_log(STINT_LOG_WARNING, "%d of %s", 2, "them"), 0);
    (void)next_line();
    ck_assert_int_eq(stint_trace_ids(NULL, trace, span), 1);
    (void)snprintf(want, sizeof(want),
                   " level=warning trace_id=" ID
                   " span_id=%s thread=main tid=%d msg=\"2 of them\"\n",
                   span, (int)gettid());
    ck_assert_msg(strstr(line, want) != NULL, "%s", line);
    ck_assert_int_eq(pthread_create(&thread, NULL, raw_thread, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_ptr_nonnull(strstr(next_line(), " trace=none reason=unregistered thread="));
}
END_TEST

START_TEST(a_process_without_a_traceparent_says_so_and_a_request_of_it_has_ids)
{
    struct stint_token *token;

    forget_checks_sigterm();
    ck_assert_int_eq(unsetenv("TRACEPARENT"), 0);
    ck_assert_int_eq(stint_init(NULL), 0);
    to_pipe(STINT_LOG_LOGFMT);
    ck_assert_int_eq(stint_log(STINT_LOG_INFO, "x"), 0);
    ck_assert_ptr_nonnull(strstr(next_line(), " trace=none reason=no-traceparent "));
    token = stint_token_new(NULL, "request");
    ck_assert_int_eq(stint_token_trace(token, TRACE), 0);
    ck_assert_int_eq(stint_log_for(token, STINT_LOG_INFO, "x"), 0);
    ck_assert_ptr_nonnull(strstr(next_line(), " trace_id=" ID " span_id="));
    stint_token_unref(token);
}
END_TEST

START_TEST(what_is_in_the_text_cannot_make_a_second_line_or_a_field)
{
    up();
    to_pipe(STINT_LOG_LOGFMT);
    ck_assert_int_eq(stint_log(STINT_LOG_INFO, "%s", "a\n\"b\" trace_id=\\\x01\tü\x7f"), 0);
    ck_assert_ptr_nonnull(
        strstr(next_line(), " msg=\"a\\n\\\"b\\\" trace_id=\\\\\\u0001\\tü\\u007f\"\n"));
    stint_log_to(out[1], STINT_LOG_JSON);
    ck_assert_int_eq(stint_log((enum stint_log_level)77, "%s", "a\n\"b\""), 0);
    (void)next_line();
    ck_assert_int_eq(strncmp(line, "{\"time\":\"20", 11), 0);
    ck_assert_ptr_nonnull(
        strstr(line, "\",\"level\":\"info\",\"trace_id\":\"" ID "\",\"span_id\":\""));
    ck_assert_ptr_nonnull(strstr(line, "\"thread\":\"main\",\"tid\":"));
    ck_assert_ptr_nonnull(strstr(line, ",\"msg\":\"a\\n\\\"b\\\"\"}\n"));
}
END_TEST

START_TEST(a_long_line_is_cut_to_one_atomic_write_and_never_within_a_character)
{
    static char text[3 * PIPE_BUF];
    size_t n;

    up();
    to_pipe(STINT_LOG_LOGFMT);
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', shift);
        for (n = shift; n + 2 < sizeof(text); n += 2)
            memcpy(text + n, "ü", 3);
        ck_assert_int_eq(stint_log(STINT_LOG_INFO, "%s", text), 0);
        n = strlen(next_line());
        ck_assert_uint_gt(n, PIPE_BUF - 24);
        ck_assert_str_eq(line + n - 7, "ü…\"\n");
    }
    memset(text, '\x01', sizeof(text) - 1);
    ck_assert_int_eq(stint_log_signal(STINT_LOG_INFO, text), 0);
    n = strlen(next_line());
    ck_assert_str_eq(line + n - 11, "\\u0001…\"\n");
}
END_TEST

START_TEST(a_line_that_cannot_be_written_is_an_error_and_errno_stays)
{
    to_pipe(STINT_LOG_LOGFMT);
    ck_assert_int_eq(fcntl(out[1], F_SETFL, O_NONBLOCK), 0);
    errno = ENOENT;
    while (stint_log(STINT_LOG_INFO, "x") == 0) /* a shorter one might still have room */
        ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(stint_log(STINT_LOG_INFO, "x"), -EAGAIN);
    ck_assert_int_eq(errno, ENOENT);
    stint_log_to(-1, STINT_LOG_LOGFMT);
    ck_assert_int_eq(stint_log(STINT_LOG_INFO, "x"), -EBADF);
}
END_TEST

#define THREADS 8L
#define EACH    500L

static void
write_many(void *arg)
{
    (void)arg;
    for (long i = 0; i < EACH; i++)
        if (stint_log(STINT_LOG_INFO, "%ld %0300ld", i, i) < 0)
            abort();
}

START_TEST(lines_of_many_threads_do_not_mix_in_a_pipe)
{
    struct stint_thread *thread[THREADS];
    FILE *in;
    long lines = 0;

    up();
    ck_assert_int_eq(pipe(out), 0);
    stint_log_to(out[1], STINT_LOG_LOGFMT);
    for (long i = 0; i < THREADS; i++)
        ck_assert_int_eq(stint_thread_spawn(&thread[i], stint_root(), "writer", write_many, NULL),
                         0);
    in = fdopen(out[0], "r");
    while (lines < THREADS * EACH && fgets(line, sizeof(line), in)) {
        size_t n = strlen(line);

        ck_assert_msg(strncmp(line, "time=20", 7) == 0 && strcmp(line + n - 2, "\"\n") == 0 &&
                          strstr(line + 7, "time=20") == NULL &&
                          strstr(line, " trace_id=" ID " span_id=") != NULL,
                      "%s", line);
        lines++;
    }
    ck_assert_int_eq(lines, THREADS * EACH);
    for (long i = 0; i < THREADS; i++)
        ck_assert_int_eq(stint_thread_join(thread[i], NULL, soon()), 0);
    (void)fclose(in);
}
END_TEST

START_TEST(the_time_is_that_of_the_clock)
{
    char want[40];
    time_t before, after;
    struct tm tm;

    to_pipe(STINT_LOG_LOGFMT);
    do {
        before = time(NULL);
        ck_assert_int_eq(stint_log(STINT_LOG_INFO, "x"), 0);
        after = time(NULL);
        (void)next_line();
    } while (before != after);
    ck_assert_ptr_nonnull(gmtime_r(&before, &tm));
    ck_assert_uint_gt(strftime(want, sizeof(want), "time=%Y-%m-%dT%H:%M:%S.", &tm), 0);
    ck_assert_msg(strncmp(line, want, strlen(want)) == 0, "%s, not %s", line, want);
    ck_assert_int_eq(line[strlen("time=2026-01-01T00:00:00.000000")], 'Z');
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("log");
    TCase *t = tcase_create("log");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_line_has_both_ids_or_the_reason_why_not);
    tcase_add_test(t, a_process_without_a_traceparent_says_so_and_a_request_of_it_has_ids);
    tcase_add_test(t, what_is_in_the_text_cannot_make_a_second_line_or_a_field);
    tcase_add_test(t, a_long_line_is_cut_to_one_atomic_write_and_never_within_a_character);
    tcase_add_test(t, a_line_that_cannot_be_written_is_an_error_and_errno_stays);
    tcase_add_test(t, lines_of_many_threads_do_not_mix_in_a_pipe);
    tcase_add_test(t, the_time_is_that_of_the_clock);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
