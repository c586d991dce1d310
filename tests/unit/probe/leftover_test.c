/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/leftover.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "tests/unit/unit.h"

/*
 * A family: the child is called "stint-parent", has a child that is left, which has the write end of
 * `out` and one end of `channel`, and nothing else of ours.
 */
static int out[2], channel[2], told[2];
static pid_t parent, child;

static void __attribute__((noreturn)) be_left(void)
{
    pid_t me = getpid();

    (void)setsid();
    (void)dup2(out[1], 21);
    (void)dup2(channel[1], 22);
    (void)close_range(3, 20, 0);
    (void)close_range(23, ~0U, 0);
    (void)signal(SIGTERM, SIG_IGN);
    if (write(21, &me, sizeof(me)) != sizeof(me))
        _exit(1);
    for (;;)
        (void)pause();
}

static void
set_up(void)
{
    ck_assert_int_eq(pipe(out), 0);
    ck_assert_int_eq(pipe(told), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, channel), 0);
    parent = fork();
    ck_assert_int_ge(parent, 0);
    if (parent == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)prctl(PR_SET_NAME, "stint-parent");
        if (fork() == 0)
            be_left();
        for (;;)
            (void)pause();
    }
    ck_assert_int_eq(read(out[0], &child, sizeof(child)), sizeof(child));
}

static void
tear_down(void)
{
    (void)kill(child, SIGKILL);
    (void)kill(parent, SIGKILL);
    (void)waitpid(parent, NULL, 0);
}

static uint64_t
inode(int fd)
{
    struct stat st;

    ck_assert_int_eq(fstat(fd, &st), 0);
    return (uint64_t)st.st_ino;
}

static void
held_by_us(struct held held[4])
{
    memset(held, 0, 4 * sizeof(*held));
    held[0] = (struct held){inode(told[0]), false, "listener http"};
    held[1] = (struct held){inode(out[0]), true, "stdout of worker 7"};
    held[2] = (struct held){inode(channel[1]), true, "channel of worker 7"};
}

START_TEST(who_is_left_is_told_with_its_parents_and_what_it_holds)
{
    struct held held[4];
    const struct leftover_look look = {
        .held = held, .n_held = 4, .fds = LEFTOVER_FDS, .top = {getpid(), 0}
    };
    struct leftover l;
    struct text words = TEXT_INIT;
    char want[160];

    held_by_us(held);
    ck_assert_int_eq(leftover_read(child, &look, &l), 0);
    ck_assert_int_eq(l.ppid, parent);
    ck_assert_int_eq(l.session, child);
    ck_assert_int_ge(l.age_us, 0);
    ck_assert_int_lt(l.age_us, INT64_C(60000000));
    ck_assert(l.exe[0] == '/' && l.command[0] != '\0');
    ck_assert_uint_eq(l.n_chain, 1);
    ck_assert_int_eq(l.chain[0].pid, parent);
    ck_assert_str_eq(l.chain[0].comm, "stint-parent");
    ck_assert_uint_eq(l.n_holds, 2);
    leftover_tell(&l, held, &words);
    (void)snprintf(want, sizeof(want), "child of %d (stint-parent), holds ", (int)parent);
    ck_assert_msg(strstr(text_str(&words), want) != NULL, "%s", text_str(&words));
    ck_assert(strstr(text_str(&words), "stdout of worker 7 (fd 21)") != NULL);
    ck_assert(strstr(text_str(&words), "channel of worker 7 (fd 22)") != NULL);
    ck_assert(strstr(text_str(&words), "listener http") == NULL);
    text_finish(&words);
}
END_TEST

START_TEST(what_else_it_has_is_counted)
{
    struct held held[4] = {
        {0, false, ""}
    };
    const struct leftover_look look = {.held = held, .n_held = 4, .fds = LEFTOVER_FDS};
    struct leftover l;
    uint64_t inodes[32];
    size_t n, found = 0;

    ck_assert_int_eq(leftover_read(child, &look, &l), 0);
    ck_assert_uint_eq(l.n_holds, 0);
    ck_assert_uint_ge(l.pipes, 1);
    ck_assert_uint_ge(l.sockets, 1);
    held[0] = (struct held){inode(channel[1]), false, "listener http"};
    ck_assert_int_eq(leftover_read(child, &look, &l), 0);
    ck_assert_uint_eq(l.n_holds, 1);
    n = leftover_inodes(child, inodes, 32);
    for (size_t i = 0; i < n; i++)
        found += inodes[i] == inode(out[0]) || inodes[i] == inode(channel[1]);
    ck_assert_uint_eq(found, 2);
    ck_assert_uint_eq(leftover_inodes(child, inodes, 1), 1);
}
END_TEST

START_TEST(the_json_of_it_has_all_of_that)
{
    struct held held[4];
    const struct leftover_look look = {
        .held = held, .n_held = 4, .fds = LEFTOVER_FDS, .top = {getpid(), 0}
    };
    struct leftover l;
    json_t *o, *parents, *holds;

    held_by_us(held);
    ck_assert_int_eq(leftover_read(child, &look, &l), 0);
    o = leftover_json(&l, held);
    ck_assert_ptr_nonnull(o);
    ck_assert_int_eq(json_integer_value(json_object_get(o, "pid")), child);
    ck_assert_int_gt(json_integer_value(json_object_get(o, "start_time")), 0);
    parents = json_object_get(o, "parents");
    ck_assert_uint_eq(json_array_size(parents), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(parents, 0), "pid")),
                     parent);
    holds = json_object_get(o, "holds");
    ck_assert_uint_eq(json_array_size(holds), 2);
    ck_assert_ptr_nonnull(json_string_value(json_object_get(o, "text")));
    json_decref(o);
}
END_TEST

START_TEST(bounds_are_kept_and_the_dead_are_not_told)
{
    struct held held[4];
    struct leftover_look look = {.held = held, .n_held = 4, .fds = 1};
    struct leftover l;

    held_by_us(held);
    ck_assert_int_eq(leftover_read(child, &look, &l), 0);
    ck_assert(l.cut);
    ck_assert_int_eq(kill(parent, SIGKILL), 0);
    ck_assert_int_eq(waitid(P_PID, (id_t)parent, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
    ck_assert_int_eq(leftover_read(parent, &look, &l), -ESRCH); /* a zombie */
    ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
    ck_assert_int_eq(leftover_read(parent, &look, &l), -ESRCH);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("leftover");
    TCase *t = tcase_create("leftover");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, who_is_left_is_told_with_its_parents_and_what_it_holds);
    tcase_add_test(t, what_else_it_has_is_counted);
    tcase_add_test(t, the_json_of_it_has_all_of_that);
    tcase_add_test(t, bounds_are_kept_and_the_dead_are_not_told);
    suite_add_tcase(s, t);
    return unit_main(s);
}
