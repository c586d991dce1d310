/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is counted of lines outlives who counts, wherever he is killed. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "supervisor/io/lint.h"
#include "supervisor/io/lint_memory.h"
#include "tests/unit/unit.h"

#define T1 "0af7651916cd43dd8448eb211c80319c"
#define T2 "1af7651916cd43dd8448eb211c80319c"
#define S  "b7ad6b7169203331"

static struct lint_memory *memory;
static unsigned told;

static void
on_found(void *env, const struct lint_finding *f)
{
    (void)env;
    (void)f;
    told++;
}

static void
begin(void)
{
    struct error why = {0};

    told = 0;
    ck_assert_msg(lint_memory_create(&memory, &why) == 0, "%s", why.text);
}

static void
end(void)
{
    lint_memory_close(memory);
}

/* As another process would have it. */
static void
come_again(void)
{
    int fd = fcntl(lint_memory_fd(memory), F_DUPFD_CLOEXEC, 3);
    struct error why = {0};

    lint_memory_close(memory);
    ck_assert_msg(lint_memory_adopt(fd, &memory, &why) == 0, "%s", why.text);
}

static struct lint *
open_lint(const char *service)
{
    const struct lint_keys keys = {TRACE_AUTO, NULL, NULL};
    struct lint *l = lint_create(on_found, NULL);
    struct lint_place place;

    ck_assert_ptr_nonnull(l);
    lint_configure(l, &keys);
    ck_assert(lint_memory_place(memory, service, true, &place));
    lint_count_in(l, &place);
    return l;
}

static void
say(struct lint *l, const char *line)
{
    const struct lint_origin from = {7, 0, -1};

    (void)lint_line(l, &from, line, strlen(line));
}

START_TEST(counts_findings_and_the_traces_of_spans_go_on)
{
    struct lint *l = open_lint("web");
    const struct lint_finding *f;
    size_t n;

    say(l, "trace_id=" T1 " span_id=" S " msg=one");
    say(l, "thread=a span_id=" S);
    say(l, "nothing");
    lint_destroy(l);
    come_again();
    l = open_lint("web");
    ck_assert_uint_eq(lint_counts(l)->lines, 3);
    ck_assert_uint_eq(lint_counts(l)->stamped, 1);
    ck_assert_uint_eq(lint_counts(l)->without_trace, 1);
    say(l, "thread=a span_id=" S);
    ck_assert_uint_eq(told, 1); /* it was, by the one before */
    say(l, "trace_id=" T2 " span_id=" S " thread=b");
    ck_assert_uint_eq(told, 2);
    ck_assert_uint_eq(lint_counts(l)->lines, 5);
    ck_assert_uint_eq(lint_counts(l)->faults[LINT_SPAN_ALONE], 2);
    ck_assert_uint_eq(lint_counts(l)->faults[LINT_TRACE_CHANGED], 1);
    f = lint_findings(l, &n);
    ck_assert_uint_eq(n, 2);
    ck_assert_str_eq(f[0].thread, "a");
    ck_assert_uint_eq(f[0].count, 2);
    ck_assert_uint_eq(f[0].generation, 7);
    ck_assert_str_eq(f[1].line, "trace_id=" T2 " span_id=" S " thread=b");
    lint_destroy(l);
}
END_TEST

START_TEST(who_is_forgotten_leaves_a_clean_place)
{
    struct lint *l = open_lint("web");
    unsigned at = 0;

    say(l, "trace_id=" T1 " span_id=" S);
    say(l, "trace_id=" T2 " span_id=" S);
    lint_destroy(l);
    lint_memory_forget(memory, "web");
    lint_memory_forget(memory, "nobody");
    ck_assert_ptr_null(lint_memory_next(memory, &at));
    l = open_lint("other");
    ck_assert_uint_eq(lint_counts(l)->lines, 0);
    say(l, "trace_id=" T1 " span_id=" S); /* of the other it was another trace */
    ck_assert_uint_eq(lint_counts(l)->faults[LINT_TRACE_CHANGED], 0);
    lint_destroy(l);
    at = 0;
    ck_assert_str_eq(lint_memory_next(memory, &at), "other");
    ck_assert_ptr_null(lint_memory_next(memory, &at));
}
END_TEST

START_TEST(there_are_so_many_places_and_each_is_found_again)
{
    struct lint_place place;
    char name[32];

    for (unsigned i = 0; i < LINT_PLACES; i++) {
        (void)snprintf(name, sizeof(name), "s%u", i);
        ck_assert(lint_memory_place(memory, name, true, &place));
        place.head->counts.lines = i + 1;
    }
    ck_assert(!lint_memory_place(memory, "one too many", true, &place));
    come_again();
    for (unsigned i = 0; i < LINT_PLACES; i++) {
        (void)snprintf(name, sizeof(name), "s%u", i);
        ck_assert(lint_memory_place(memory, name, false, &place));
        ck_assert_uint_eq(place.head->counts.lines, i + 1);
    }
}
END_TEST

START_TEST(what_makes_no_sense_is_forgotten_and_the_rest_is_not)
{
    struct lint *l[4] = {open_lint("a"), open_lint("b"), open_lint("c"), open_lint("good")};
    struct lint_place place;
    unsigned at = 0;

    for (int i = 0; i < 4; i++) {
        say(l[i], "thread=a span_id=" S);
        lint_destroy(l[i]);
    }
    ck_assert(lint_memory_place(memory, "a", false, &place));
    memset(place.findings[0].thread, 'x', sizeof(place.findings[0].thread));
    ck_assert(lint_memory_place(memory, "b", false, &place));
    shared_store(&place.head->n_findings, LINT_THREADS + 1);
    ck_assert(lint_memory_place(memory, "c", false, &place));
    memset(place.head->service, 'x', sizeof(place.head->service));
    come_again();
    ck_assert_str_eq(lint_memory_next(memory, &at), "good");
    ck_assert_ptr_null(lint_memory_next(memory, &at));
}
END_TEST

START_TEST(other_memory_is_not_taken_for_it)
{
    struct lint_memory *none = NULL;
    struct error why = {0};
    int fd = fcntl(lint_memory_fd(memory), F_DUPFD_CLOEXEC, 3);
    const uint32_t version = 99;

    ck_assert_int_eq(pwrite(fd, &version, sizeof(version), 8), sizeof(version));
    ck_assert_int_eq(lint_memory_adopt(fd, &none, &why), -EPROTO);
    ck_assert_ptr_nonnull(strstr(why.text, "of version 99, this stint knows 1"));
    fd = memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_eq(lint_memory_adopt(fd, &none, &why), -EBADMSG);
    ck_assert_ptr_null(none);
}
END_TEST

/* ---- killed at any instant -------------------------------------------------------------------------- */

static struct {
    _Atomic uint64_t said, done;
} * progress;

static void __attribute__((noreturn)) count_until_killed(void)
{
    struct lint *l = open_lint("web");

    for (uint64_t i = atomic_load(&progress->said);; i++) {
        char line[96];

        (void)snprintf(line, sizeof(line), "thread=t%u span_id=" S, (unsigned)(i % 100));
        atomic_store(&progress->said, i + 1);
        say(l, line);
        atomic_store(&progress->done, i + 1);
    }
}

START_TEST(who_is_killed_while_he_counts_leaves_what_he_had_counted)
{
    progress = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(progress, MAP_FAILED);
    for (unsigned kills = 0; kills < 60; kills++) {
        uint64_t until = atomic_load(&progress->said) + kills * 7919 % 300;
        int fd = fcntl(lint_memory_fd(memory), F_DUPFD_CLOEXEC, 3);
        const struct lint_finding *f;
        struct error why = {0};
        uint64_t sum = 0, lines;
        struct lint *l;
        pid_t pid = fork();
        size_t n;

        if (pid == 0) { /* a child has no mapping of it */
            if (lint_memory_adopt(fd, &memory, &why) < 0)
                _exit(1);
            count_until_killed();
        }
        ck_assert_int_gt(pid, 0);
        while (atomic_load(&progress->done) <= until)
            ;
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        ck_assert_int_eq(close(fd), 0);
        come_again();
        l = open_lint("web");
        lines = lint_counts(l)->lines;
        ck_assert_uint_ge(lines, atomic_load(&progress->done));
        ck_assert_uint_le(lines, atomic_load(&progress->said));
        f = lint_findings(l, &n);
        ck_assert_uint_le(n, LINT_THREADS);
        for (size_t i = 0; i < n; i++)
            sum += f[i].count;
        ck_assert_uint_le(sum + lint_counts(l)->untold, lines);
        ck_assert_uint_ge(sum + lint_counts(l)->untold + kills + 1, lines); /* one for each kill */
        atomic_store(&progress->said, lines);
        atomic_store(&progress->done, lines);
        lint_destroy(l);
    }
    (void)munmap(progress, 4096);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("lint_memory");
    TCase *c = tcase_create("lint_memory");

    tcase_add_checked_fixture(c, begin, end);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, counts_findings_and_the_traces_of_spans_go_on);
    tcase_add_test(c, who_is_forgotten_leaves_a_clean_place);
    tcase_add_test(c, there_are_so_many_places_and_each_is_found_again);
    tcase_add_test(c, what_makes_no_sense_is_forgotten_and_the_rest_is_not);
    tcase_add_test(c, other_memory_is_not_taken_for_it);
    tcase_add_test(c, who_is_killed_while_he_counts_leaves_what_he_had_counted);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
