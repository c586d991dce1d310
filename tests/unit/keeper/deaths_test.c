/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/keeper/masters.h"

#include <sys/prctl.h>

/* start_time - field 22 of the stat of a process that is there. */
static uint64_t
start_time(pid_t pid)
{
    char path[64], text[1024];
    char *p;
    int fd;
    ssize_t n;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = read(fd, text, sizeof text - 1);
    ck_assert_int_gt(n, 0);
    text[n] = '\0';
    (void)close(fd);
    p = strrchr(text, ')') + 1;
    for (int field = 3; field < 22; field++) /* numbered as in proc(5) */
        p = strchr(p + 1, ' ');
    return strtoull(p, NULL, 10);
}

static pid_t
orphan_of(struct fake *m)
{
    return atoi(ask(m, "o")); /* NOLINT(cert-err34-c): our own master said it */
}

static void
bury(struct fake *m, const struct keeper_obituary *o)
{
    struct keeper_buried buried = {.pid = o->pid, .start_time = o->start_time};

    (void)say(m, KEEPER_BURIED, &buried, sizeof buried, -1);
}

START_TEST(an_orphan_that_dies_is_told_at_once)
{
    struct fake m;
    pid_t parent, orphan;
    uint64_t began;
    struct keeper_obituary o;

    world_begin(NULL);
    m = master_comes();
    (void)hello(&m);
    orphan = orphan_of(&m);
    began = start_time(orphan);
    ck_assert_int_eq(kill(orphan, SIGTERM), 0);
    o = hear_obituary(&m);
    ck_assert_int_eq(o.pid, orphan);
    ck_assert_int_eq(o.wait_status, SIGTERM);
    ck_assert_uint_eq(o.start_time, began);
    ck_assert_int_gt(o.at_us, 0);
    ck_assert_int_gt(o.rss_max_kib, 0);
    ck_assert(o.name[0] != '\0');
    parent = atoi(ask(&m, "z 3")); /* NOLINT(cert-err34-c) */
    ck_assert_int_gt(parent, 0);   /* the master's own child is the master's to reap */
    (void)say(&m, KEEPER_ALIVE, NULL, 0, -1);
    ck_assert_int_eq(store(&m, "a", STDIN_FILENO), 0); /* the ACK is next: no obituary before it */
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(who_died_while_there_was_no_master_is_told_until_buried)
{
    struct inheritance in;
    struct fake m;
    pid_t zombie, orphan;
    uint64_t zombie_began, orphan_began;

    world_begin(NULL);
    m = master_comes();
    (void)hello(&m);
    ck_assert_int_eq(store(&m, "a", STDIN_FILENO), 0);
    orphan = orphan_of(&m);
    zombie = atoi(ask(&m, "z 7")); /* NOLINT(cert-err34-c): our own master said it */
    orphan_began = start_time(orphan);
    zombie_began = start_time(zombie);
    ck_assert_int_eq(kill(m.pid, SIGKILL), 0);
    fake_close(&m);
    (void)log_await("event=master_restart");
    ck_assert_int_eq(kill(orphan, SIGKILL), 0);
    for (int i = 0; i < 2; i++) { /* the second has not buried them */
        bool orphan_told = false;

        m = master_comes();
        in = hello(&m);
        if (in.n_obituaries < 2) /* the orphan was faster than its death: it comes after END */
            in.obituaries[in.n_obituaries++] = hear_obituary(&m);
        ck_assert_int_eq(in.n_obituaries, 2);
        for (int j = 0; j < 2; j++) {
            const struct keeper_obituary *o = &in.obituaries[j];

            orphan_told = orphan_told || o->pid == orphan;
            ck_assert(o->pid == orphan || o->pid == zombie);
            ck_assert_int_eq(o->wait_status, o->pid == orphan ? SIGKILL : 7 << 8);
            ck_assert_uint_eq(o->start_time, o->pid == orphan ? orphan_began : zombie_began);
        }
        ck_assert(orphan_told);
        if (i == 1)
            bury(&m, &in.obituaries[0]);
        master_exits(&m, 1);
    }
    m = master_comes();
    struct inheritance rest = hello(&m);

    ck_assert_int_eq(rest.n_obituaries, 1);
    ck_assert_int_eq(rest.obituaries[0].pid, in.obituaries[1].pid);
    ck_assert_uint_eq(rest.welcome.lost, 0);
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(the_death_of_a_master_is_no_obituary)
{
    struct inheritance in;
    struct fake m;

    world_begin(NULL);
    for (int i = 0; i < 2; i++) {
        m = master_comes();
        in = hello(&m);
        ck_assert_int_eq(in.n_obituaries, 0);
        ck_assert_int_eq(store(&m, "a", STDIN_FILENO), 0);
        master_exits(&m, 1);
    }
}
END_TEST

START_TEST(who_leaves_leaves_other_children_alone)
{
    struct fake m;
    pid_t orphan;
    siginfo_t info;

    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* the orphan comes to us then */
    world_begin(NULL);
    m = master_comes();
    (void)hello(&m);
    orphan = orphan_of(&m);
    leave(&m, 0);
    keeper_exits_with(0);
    ck_assert_int_eq(waitid(P_PID, (id_t)orphan, &info, WEXITED | WNOHANG | WNOWAIT), 0);
    ck_assert_int_eq(info.si_pid, 0); /* ours, and alive */
    ck_assert_int_eq(kill(orphan, SIGKILL), 0);
    ck_assert_int_eq(waitpid(orphan, NULL, 0), orphan);
}
END_TEST

static Suite *
suite(void)
{
    Suite *s = suite_create("deaths");
    TCase *t = tcase_create("deaths");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, NULL, world_end);
    tcase_add_test(t, an_orphan_that_dies_is_told_at_once);
    tcase_add_test(t, who_died_while_there_was_no_master_is_told_until_buried);
    tcase_add_test(t, the_death_of_a_master_is_no_obituary);
    tcase_add_test(t, who_leaves_leaves_other_children_alone);
    suite_add_tcase(s, t);
    return s;
}

int
main(int argc, char **argv)
{
    return world_main(argc, argv, suite);
}
