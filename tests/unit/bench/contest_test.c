// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "bench/child.h"
#include "bench/table.h"
#include "bench/vitals.h"
#include "tests/unit/unit.h"

START_TEST(vitals_see_descriptors_watches_and_children)
{
    struct vitals before, after;
    struct error error = {0};
    pid_t child;
    int in;

    ck_assert_msg(vitals_read(getpid(), &before, &error) == 0, "%s", error.text);
    in = inotify_init1(IN_CLOEXEC);
    ck_assert_int_ne(in, -1);
    ck_assert_int_ne(inotify_add_watch(in, "/", IN_CREATE), -1);
    ck_assert_int_ne(inotify_add_watch(in, "/proc", IN_CREATE), -1);
    child = fork();
    if (child == 0) {
        (void)pause();
        _exit(0);
    }
    ck_assert_int_eq(vitals_read(getpid(), &after, &error), 0);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    (void)close(in);
    ck_assert_uint_eq(after.fds, before.fds + 1);
    ck_assert_uint_eq(after.watches, before.watches + 2);
    ck_assert_uint_eq(after.children, before.children + 1);
    ck_assert_uint_ge(after.threads, 1);
    ck_assert_int_gt(after.rss_kib, 0);
}
END_TEST

static pid_t
shell(const char *script)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    const struct child_spec spec = {
        .argv = argv, .log = "/dev/null", .uid = (uid_t)-1, .gid = (gid_t)-1};
    struct error error;
    pid_t pid = child_start(&spec, &error);

    ck_assert_int_gt(pid, 0);
    return pid;
}

/* Until @pid has become the program of that name; 10 s at most. */
static void
wait_for_name(pid_t pid, const char *name)
{
    int64_t deadline = mono_now_us() + 10 * US_PER_S;
    char path[32];

    (void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    for (;;) {
        auto_free char *now = NULL;

        if (file_read(path, 64, &now, NULL, NULL) == 0 && strcmp(now, name) == 0)
            return;
        ck_assert_int_lt(mono_now_us(), deadline);
        (void)poll(NULL, 0, 1);
    }
}

START_TEST(a_child_that_does_not_listen_is_killed_and_said_so)
{
    pid_t deaf = shell("trap '' TERM; exec sleep 60");
    int status;

    wait_for_name(deaf, "sleep\n");
    ck_assert_int_eq(child_wait(deaf, mono_now_us() + 20 * US_PER_MS, &status), -ETIMEDOUT);
    ck_assert_int_eq(child_end(deaf, SIGTERM, 50 * US_PER_MS), -ETIMEDOUT);
    ck_assert_int_eq(waitpid(deaf, NULL, WNOHANG), -1); /* reaped */
    ck_assert_int_eq(child_end(shell("exec sleep 60"), SIGTERM, 10 * US_PER_S), 0);
}
END_TEST

START_TEST(what_a_child_leaves_behind_is_found_and_ended)
{
    int status = 0;
    pid_t parent;

    ck_assert_int_eq(child_adopt(), 0);
    parent = shell("sleep 60 & exit 3");
    ck_assert_int_eq(child_wait(parent, mono_now_us() + 10 * US_PER_S, &status), 0);
    ck_assert_int_eq(WEXITSTATUS(status), 3);
    ck_assert_int_eq(child_end_orphans(50 * US_PER_MS), 1);
    ck_assert_int_eq(child_end_orphans(0), 0);
}
END_TEST

START_TEST(what_a_killed_orphan_leaves_behind_is_ended_too)
{
    int status = 0;
    pid_t parent;

    ck_assert_int_eq(child_adopt(), 0);
    parent = shell("f=$(mktemp -u); (sleep 60 & sleep 61 & : >$f; wait) & "
                   "until [ -e $f ]; do sleep 0.01; done; rm $f");
    ck_assert_int_eq(child_wait(parent, mono_now_us() + 10 * US_PER_S, &status), 0);
    ck_assert_int_eq(child_end_orphans(20 * US_PER_MS),
                     3); /* the two come when the shell has gone */
    ck_assert_int_eq(child_end_orphans(0), 0);
}
END_TEST

START_TEST(a_program_that_is_not_there_ends_with_127)
{
    const char *const argv[] = {"/no/such/program", NULL};
    const struct child_spec spec = {
        .argv = argv, .log = "/dev/null", .uid = (uid_t)-1, .gid = (gid_t)-1};
    struct error error;

    ck_assert_int_eq(child_run(&spec, 10 * US_PER_S, &error), 127);
}
END_TEST

START_TEST(medians_are_of_odd_even_and_no_values)
{
    ck_assert_double_eq((median_of((double[]){3, 1, 2}, 3)), 2);
    ck_assert_double_eq((median_of((double[]){4, 1, 3, 2}, 4)), 2.5);
    ck_assert_double_eq((median_of(NULL, 0)), 0);
}
END_TEST

static struct sample slow[] = {
    {.requests = 10, .reloads = 2, .gap_ms = 9,  .first_ms = 8 },
    {.requests = 10, .reloads = 2, .gap_ms = 30, .first_ms = 40}
};
static struct sample quick[] = {
    {.requests = 10, .reloads = 2, .gap_ms = 5,  .first_ms = 4 },
    {.requests = 10, .reloads = 2, .gap_ms = 10, .first_ms = 20}
};

static void
render(struct text *out, struct sample *ours, struct sample *theirs)
{
    static struct field f;

    memset(&f, 0, sizeof(f));
    f.load = &load_kinds[0];
    f.n_entries = 3;
    f.entries[0] = (struct entry){.rival = &rival_stint, .samples = ours, .n = 2};
    f.entries[1] = (struct entry){.rival = &rival_limit, .samples = theirs, .n = 2};
    f.entries[2] = (struct entry){.rival = &rival_limit, .samples = theirs, .n = 2, .again = true};
    table_add(out, &f);
    table_ratios_add(out, &f);
}

START_TEST(ratios_are_taken_round_by_round)
{
    auto_text struct text out = TEXT_INIT;

    render(&out, slow, quick); /* twice as slow in each round, though the rounds differ */
    ck_assert_ptr_nonnull(strstr(text_str(&out), "ours over limit-c: x 2.00 (2.00..2.00)"));
    ck_assert_ptr_nonnull(strstr(text_str(&out), "**not met**"));
    ck_assert_ptr_nonnull(strstr(text_str(&out), "band 5.00..10.00: **above**"));
    text_clear(&out);
    render(&out, quick, slow);
    ck_assert_ptr_nonnull(strstr(text_str(&out), "ours over limit-c: x 0.50 (0.50..0.50)"));
    ck_assert_ptr_nonnull(strstr(text_str(&out), "**met**"));
    ck_assert_ptr_nonnull(strstr(text_str(&out), "band 9.00..30.00: **below**"));
}
END_TEST

START_TEST(the_table_names_kinds_of_failure_and_missed_handoffs)
{
    auto_text struct text out = TEXT_INIT;
    struct sample bad[] = {
        {.requests = 10,
         .failed = 3,
         .failed_by_kind = {[LOAD_REFUSED] = 1, [LOAD_SHORT] = 2},
         .reloads = 2,
         .missed = 1},
        {.requests = 10,   .reloads = 2}
    };

    render(&out, bad, quick);
    ck_assert_ptr_nonnull(strstr(text_str(&out), "| stint | stint reload | 3 / 20 | 4 | 0.75 |"));
    ck_assert_ptr_nonnull(
        strstr(text_str(&out), "refused 1, short 2, 1 reloads showed no new generation"));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("bench.contest");
    TCase *tc = tcase_create("servers and tables");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, vitals_see_descriptors_watches_and_children);
    tcase_add_test(tc, a_child_that_does_not_listen_is_killed_and_said_so);
    tcase_add_test(tc, what_a_child_leaves_behind_is_found_and_ended);
    tcase_add_test(tc, what_a_killed_orphan_leaves_behind_is_ended_too);
    tcase_add_test(tc, a_program_that_is_not_there_ends_with_127);
    tcase_add_test(tc, medians_are_of_odd_even_and_no_values);
    tcase_add_test(tc, ratios_are_taken_round_by_round);
    tcase_add_test(tc, the_table_names_kinds_of_failure_and_missed_handoffs);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
