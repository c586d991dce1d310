/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Children at the gate while the keeper has not been told yet what is theirs. */
#include "base/clock.h"
#include "base/units.h"
#include "supervisor/io/master_state.h"
#include "tests/unit/io/fdstore_fixture.h"

static struct master m;
static struct hand h;
static struct spawned child;

static void
start(int64_t waited_us)
{
    struct spawn_request req = SPAWN_REQUEST_INIT;

    req.argv = (char *[]){(char[]){"true"}, NULL};
    req.envp = (char *[]){NULL};
    req.exe_path = "/bin/true";
    req.gated = true;
    ck_assert_msg(spawn_start(&req, &child, &error) == 0, "%s", error.text);
    memset(&m, 0, sizeof(m));
    m.loop = at.loop;
    m.fdstore = at.fs;
    list_init(&m.gated);
    h = (struct hand){
        .master = &m, .exec_fd = child.exec_fd, .spawned_us = mono_now_us() - waited_us};
    list_add(&m.gated, &h.gate);
}

static void
runs(void)
{
    struct spawn_failure failure;

    ck_assert(list_empty(&m.gated));
    ck_assert_int_eq(await_exec(&child, &failure), 0);
    ck_assert_int_eq(await_exit(&child), 0);
    spawned_close(&child);
}

static bool
nothing_waits(void *env)
{
    struct message msg;

    (void)env;
    while (heard(&msg))
        (void)fd_close(msg.fd);
    return fdstore_counts(at.fs).waiting == 0;
}

START_TEST(it_waits_until_the_keeper_has_what_is_its)
{
    struct spawn_failure failure;

    opened();
    begin();
    while (fdstore_counts(at.fs).waiting == 0)
        ck_assert_int_eq(fdstore_put(at.fs, "pidfd.1", STDIN_FILENO), 0);
    start(0);
    hands_release(&m);
    turn();
    hands_release(&m);
    ck_assert(!list_empty(&m.gated)); /* nobody wrote to it: it cannot run */
    ck_assert_int_eq(spawn_exec_result(child.exec_fd, &failure), -EAGAIN);
    ck_assert(loop_until(at.loop, nothing_waits, NULL, PATIENCE_MS * US_PER_MS));
    hands_release(&m);
    runs();
}
END_TEST

START_TEST(without_a_keeper_or_when_it_is_gone_nobody_waits)
{
    if (_i) {
        opened();
        begin();
        while (fdstore_counts(at.fs).waiting == 0)
            ck_assert_int_eq(fdstore_put(at.fs, "pidfd.1", STDIN_FILENO), 0);
        at.keeper = fd_close(at.keeper);
        expect_log("lost ");
    }
    start(0);
    hands_release(&m);
    runs();
}
END_TEST

START_TEST(a_keeper_that_does_not_read_for_long_holds_nobody_back)
{
    opened();
    begin();
    while (fdstore_counts(at.fs).waiting == 0)
        ck_assert_int_eq(fdstore_put(at.fs, "pidfd.1", STDIN_FILENO), 0);
    start(GATE_PATIENCE_US + US_PER_S);
    hands_release(&m);
    runs();
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("release");
    TCase *t = tcase_create("release");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, it_waits_until_the_keeper_has_what_is_its);
    tcase_add_test(t, a_keeper_that_does_not_read_for_long_holds_nobody_back);
    tcase_add_loop_test(t, without_a_keeper_or_when_it_is_gone_nobody_waits, 0, 2);
    suite_add_tcase(s, t);
    return unit_main(s);
}
