/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_MUSL_CHECK_H
#define STINT_TESTS_MUSL_CHECK_H

/*
 * As much of Check's interface as libstint's unit tests use, in one header: so that they run, word for
 * word, with a C library that no Check is built for. Each test in a process and a process group of its
 * own, which is killed when it is over; a time limit; and at the end what failed. CK_RUN_CASE=NAME picks.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK_TESTS_MAX 256
#define CHECK_TIMEOUT   4 /* seconds, as Check's */
#define CHECK_POLL_NS   1000000

typedef void check_test(int _i);
typedef void check_fixture(void);

typedef struct TCase {
    const char *name;
    double timeout;
    check_fixture *setup, *teardown;
    struct TCase *next;
    size_t n;
    struct {
        check_test *run;
        const char *name;
        int from, to;
    } tests[CHECK_TESTS_MAX];
} TCase;

typedef struct Suite {
    const char *name;
    TCase *first, **last;
} Suite;

typedef struct SRunner {
    Suite *suite;
    int ran, failed;
} SRunner;

enum print_output { CK_SILENT, CK_MINIMAL, CK_NORMAL };

#define START_TEST(test) static void test(int _i __attribute__((unused)))
#define END_TEST

static inline void *
check_calloc(size_t bytes)
{
    void *p = calloc(1, bytes);

    if (!p)
        abort();
    return p;
}

static inline Suite *
suite_create(const char *name)
{
    Suite *s = check_calloc(sizeof(*s));

    s->name = name;
    s->last = &s->first;
    return s;
}

static inline TCase *
tcase_create(const char *name)
{
    TCase *c = check_calloc(sizeof(*c));

    c->name = name;
    c->timeout = CHECK_TIMEOUT;
    return c;
}

static inline void
suite_add_tcase(Suite *s, TCase *c)
{
    *s->last = c;
    s->last = &c->next;
}

static inline void
tcase_set_timeout(TCase *c, double seconds)
{
    c->timeout = seconds;
}

static inline void
tcase_add_checked_fixture(TCase *c, check_fixture *setup, check_fixture *teardown)
{
    c->setup = setup;
    c->teardown = teardown;
}

static inline void
check_add(TCase *c, check_test *run, const char *name, int from, int to)
{
    if (c->n == CHECK_TESTS_MAX)
        abort();
    c->tests[c->n].run = run;
    c->tests[c->n].name = name;
    c->tests[c->n].from = from;
    c->tests[c->n].to = to;
    c->n++;
}

#define tcase_add_test(c, test)                check_add((c), (test), #test, 0, 1)
#define tcase_add_loop_test(c, test, from, to) check_add((c), (test), #test, (from), (to))

/* ---- running ----------------------------------------------------------------------------------- */

static inline double
check_now(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail */
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static inline void
check_play(const TCase *c, check_test *run, int i)
{
    if (c->setup)
        c->setup();
    run(i);
    if (c->teardown)
        c->teardown();
}

/* Return: NULL it passed, or what happened. */
static inline const char *
check_fork(const TCase *c, check_test *run, int i)
{
    const struct timespec pause = {.tv_nsec = CHECK_POLL_NS};
    double until = check_now() + c->timeout;
    int status = 0;
    pid_t pid, r;

    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        (void)setpgid(0, 0);
        check_play(c, run, i);
        exit(EXIT_SUCCESS);
    }
    if (pid == -1)
        return "it could not be forked";
    (void)setpgid(pid, pid); /* or it did */
    while ((r = waitpid(pid, &status, WNOHANG)) == 0 && check_now() < until)
        (void)nanosleep(&pause, NULL);
    (void)kill(-pid, SIGKILL); /* whoever is left of it */
    if (r == 0) {
        (void)waitpid(pid, &status, 0);
        return "its time was over";
    }
    if (WIFSIGNALED(status))
        return strsignal(WTERMSIG(status));
    return WEXITSTATUS(status) == EXIT_SUCCESS ? NULL : "failed";
}

static inline void
srunner_run_all(SRunner *r, enum print_output verbosity)
{
    const char *only = getenv("CK_RUN_CASE"), *no_fork = getenv("CK_FORK");
    bool forks = !no_fork || strcmp(no_fork, "no") != 0;

    (void)verbosity;
    for (const TCase *c = r->suite->first; c; c = c->next) {
        if (only && strcmp(only, c->name) != 0)
            continue;
        for (size_t t = 0; t < c->n; t++) {
            for (int i = c->tests[t].from; i < c->tests[t].to; i++) {
                const char *why = NULL;

                if (forks)
                    why = check_fork(c, c->tests[t].run, i);
                else
                    check_play(c, c->tests[t].run, i);
                r->ran++;
                r->failed += why != NULL;
                if (why)
                    (void)printf("%s:%s:%d: %s\n", c->name, c->tests[t].name, i, why);
            }
        }
    }
    (void)printf("%s: %d checks, %d failed\n", r->suite->name, r->ran, r->failed);
}

static inline SRunner *
srunner_create(Suite *s)
{
    SRunner *r = check_calloc(sizeof(*r));

    r->suite = s;
    return r;
}

static inline int
srunner_ntests_failed(SRunner *r)
{
    return r->failed;
}

static inline void
srunner_free(SRunner *r)
{
    TCase *c, *next;

    for (c = r->suite->first; c; c = next) {
        next = c->next;
        free(c);
    }
    free(r->suite);
    free(r);
}

/* ---- asserting --------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4), noreturn)) static inline void
check_fail(const char *file, int line, const char *format, ...)
{
    va_list args;

    (void)fflush(stdout);
    (void)fprintf(stderr, "%s:%d: ", file, line);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fprintf(stderr, "\n");
    _exit(EXIT_FAILURE);
}

#define ck_abort_msg(...) check_fail(__FILE__, __LINE__, __VA_ARGS__)
#define ck_assert_msg(expression, ...)                      \
    do {                                                    \
        if (!(expression))                                  \
            check_fail(__FILE__, __LINE__, "" __VA_ARGS__); \
    } while (0)
#define ck_assert(expression) ck_assert_msg(expression, "not so: %s", #expression)

#define CHECK_NUMBERS(type, format, a, operator, b)                                         \
    do {                                                                                    \
        type check_a = (type)(a), check_b = (type)(b);                                      \
                                                                                            \
        ck_assert_msg(check_a operator check_b,                                             \
                      "not so: %s " #operator" %s: %" format ", %" format, #a, #b, check_a, \
                      check_b);                                                             \
    } while (0)
#define ck_assert_int_eq(a, b)  CHECK_NUMBERS(intmax_t, PRIdMAX, a, ==, b)
#define ck_assert_int_ne(a, b)  CHECK_NUMBERS(intmax_t, PRIdMAX, a, !=, b)
#define ck_assert_int_ge(a, b)  CHECK_NUMBERS(intmax_t, PRIdMAX, a, >=, b)
#define ck_assert_int_gt(a, b)  CHECK_NUMBERS(intmax_t, PRIdMAX, a, >, b)
#define ck_assert_int_le(a, b)  CHECK_NUMBERS(intmax_t, PRIdMAX, a, <=, b)
#define ck_assert_int_lt(a, b)  CHECK_NUMBERS(intmax_t, PRIdMAX, a, <, b)
#define ck_assert_uint_eq(a, b) CHECK_NUMBERS(uintmax_t, PRIuMAX, a, ==, b)
#define ck_assert_uint_ne(a, b) CHECK_NUMBERS(uintmax_t, PRIuMAX, a, !=, b)
#define ck_assert_uint_ge(a, b) CHECK_NUMBERS(uintmax_t, PRIuMAX, a, >=, b)
#define ck_assert_uint_gt(a, b) CHECK_NUMBERS(uintmax_t, PRIuMAX, a, >, b)
#define ck_assert_uint_le(a, b) CHECK_NUMBERS(uintmax_t, PRIuMAX, a, <=, b)
#define ck_assert_uint_lt(a, b) CHECK_NUMBERS(uintmax_t, PRIuMAX, a, <, b)
#define ck_assert_double_eq_tol(a, b, within)                                                      \
    do {                                                                                           \
        double check_a = (a), check_b = (b), check_d = check_a - check_b;                          \
                                                                                                   \
        ck_assert_msg(check_d <= (within) && check_d >= -(within), "not so: %s is %s: %g, %g", #a, \
                      #b, check_a, check_b);                                                       \
    } while (0)

#define CHECK_POINTERS(a, operator, b)                                                        \
    do {                                                                                      \
        const void *check_a = (a), *check_b = (b);                                            \
                                                                                              \
        ck_assert_msg(check_a operator check_b, "not so: %s " #operator" %s: %p, %p", #a, #b, \
                      check_a, check_b);                                                      \
    } while (0)
#define ck_assert_ptr_eq(a, b)   CHECK_POINTERS(a, ==, b)
#define ck_assert_ptr_ne(a, b)   CHECK_POINTERS(a, !=, b)
#define ck_assert_ptr_null(a)    CHECK_POINTERS(a, ==, NULL)
#define ck_assert_ptr_nonnull(a) CHECK_POINTERS(a, !=, NULL)

#define CHECK_TEXTS(a, same, b)                                                       \
    do {                                                                              \
        const char *check_a = (a), *check_b = (b);                                    \
                                                                                      \
        ck_assert_msg(check_a &&check_b && (strcmp(check_a, check_b) == 0) == (same), \
                      "%s %s %s: \"%s\", \"%s\"", #a, (same) ? "is not" : "is", #b,   \
                      check_a ? check_a : "(NULL)", check_b ? check_b : "(NULL)");    \
    } while (0)
#define ck_assert_str_eq(a, b) CHECK_TEXTS(a, true, b)
#define ck_assert_str_ne(a, b) CHECK_TEXTS(a, false, b)
#define ck_assert_mem_eq(a, b, n) \
    ck_assert_msg(memcmp((a), (b), (n)) == 0, "%s and %s differ", #a, #b)

#endif
