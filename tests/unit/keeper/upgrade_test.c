/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/keeper/masters.h"

#include <sys/sendfile.h>

/* program - a copy of this one, of that at a path, or a text as an executable. Return: its descriptor. */
static int
program(const char *name, const char *what)
{
    const char *text = what && what[0] != '/' ? what : NULL;
    struct stat st;
    int from = open(what && !text ? what : "/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int to = open(world_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

    ck_assert_int_ge(to, 0);
    if (text) {
        ck_assert_int_eq(write(to, text, strlen(text)), (ssize_t)strlen(text));
    } else {
        ck_assert_int_eq(fstat(from, &st), 0);
        for (off_t left = st.st_size; left > 0;) {
            ssize_t n = sendfile(to, from, NULL, (size_t)left);

            ck_assert_int_gt(n, 0);
            left -= n;
        }
    }
    (void)close(from);
    (void)close(to);
    to = open(world_path(name), O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(to, 0);
    return to;
}

/* runs - is that the program in the keeper's process? */
static bool
runs(const char *name)
{
    char link[64], target[128] = "";

    (void)snprintf(link, sizeof link, "/proc/%d/exe", (int)world.keeper);
    ck_assert_int_gt(readlink(link, target, sizeof target - 1), 0);
    return strcmp(target, world_path(name)) == 0;
}

static int
ask_upgrade(struct fake *m, const char *name, int fd)
{
    return hear_ack(m, say_text(m, KEEPER_UPGRADE, world_path(name), fd));
}

START_TEST(an_upgrade_keeps_the_process_the_descriptors_and_the_deaths)
{
    int one = file_with("one"), two = file_with("two");
    struct keeper_obituary o;
    struct inheritance in;
    struct fake m;
    pid_t orphan;

    world_begin(NULL);
    m = master_comes();
    (void)hello(&m);
    ck_assert_int_eq(store(&m, "one", one), 0);
    ck_assert_int_eq(store(&m, "two", two), 0);
    orphan = atoi(ask(&m, "o")); /* NOLINT(cert-err34-c): our own master said it */
    ck_assert_int_eq(kill(orphan, SIGKILL), 0);
    o = hear_obituary(&m);
    for (unsigned i = 2; i < 4; i++) { /* and from the new one to a newer one */
        const char *name = i == 2 ? "new" : "newer";

        ck_assert_int_eq(ask_upgrade(&m, name, program(name, NULL)), 0);
        ck_assert_int_eq(kill(world.keeper, SIGHUP), 0); /* it is in time for one of the two */
        ck_assert_str_eq(answer(&m), "signal 1");
        master_exits(&m, 0);
        (void)log_await("event=keeper_upgraded");
        m = master_comes();
        in = hello(&m);
        ck_assert(runs(name));
        ck_assert_uint_eq(in.welcome.flags, KEEPER_SUCCEEDS | KEEPER_UPGRADED);
        ck_assert_uint_eq(in.welcome.masters, i);
        ck_assert_int_eq(in.n_given, 2);
        ck_assert(same_file(given(&in, "one"), one));
        ck_assert(same_file(given(&in, "two"), two));
        ck_assert_int_eq(in.n_obituaries, 1);
        ck_assert_int_eq(in.obituaries[0].pid, orphan);
        ck_assert_uint_eq(in.obituaries[0].start_time, o.start_time);
        ck_assert_str_eq(ask(&m, "a"), KEEPER_TITLE " run a.yaml");
        ck_assert_str_eq(ask(&m, "e STINT_KEEPER_IMAGE"), "-");
        ck_assert_int_eq(atoi(strchr(ask(&m, "l"), ' ')), 3 + 1 + 2); /* NOLINT(cert-err34-c) */
    }
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(what_is_no_program_is_refused)
{
    int plain, folder;
    struct fake m;

    world_begin(NULL);
    m = master_comes();
    (void)hello(&m);
    plain = program("new", "text");
    ck_assert_int_eq(fchmod(plain, 0644), 0);
    ck_assert_int_eq(ask_upgrade(&m, "new", plain), -EACCES);
    folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_eq(ask_upgrade(&m, "new", folder), -EACCES);
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

/* end_of_trial - the kernel does not let a program be written while somebody runs it. */
static void
end_of_trial(void)
{
    int fd;

    do
        fd = open(world_path("new"), O_WRONLY | O_CLOEXEC);
    while (fd == -1 && errno == ETXTBSY);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
}

START_TEST(a_program_that_is_none_of_ours_is_refused_before_it_is_too_late)
{
    static const char *const what[] = {"text and no program\n", "#!/bin/sh\nexit 0\n", "/bin/true",
                                       "/bin/sleep"};
    struct fake m;

    world_begin(NULL);
    m = master_comes();
    (void)hello(&m);
    ck_assert_int_eq(ask_upgrade(&m, "new", program("new", what[_i])), -ENOEXEC);
    (void)log_await("event=upgrade_refused");
    ck_assert_int_eq(ask_upgrade(&m, "newer", program("newer", NULL)), 0); /* another is welcome */
    master_exits(&m, 0);
    m = master_comes();
    (void)hello(&m);
    ck_assert(runs("newer"));
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(a_program_that_does_not_answer_is_refused_and_killed)
{
    struct fake m;

    ck_assert_int_eq(setenv(TEST_MUTE, "1", 1), 0);
    world_begin(NULL);
    m = master_comes();
    (void)hello(&m);
    (void)say_text(&m, KEEPER_UPGRADE, "new", program("new", NULL));
    ck_assert_int_eq(ask_upgrade(&m, "new", program("newer", NULL)), -EBUSY); /* one at a time */
    (void)log_await("event=upgrade_refused");
    ck_assert_int_eq(hear_ack(&m, m.sent - 1), -ENOEXEC);
    end_of_trial();
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(a_program_that_cannot_be_executed_changes_nothing)
{
    int one = file_with("one");
    struct inheritance in;
    struct fake m;

    world_begin(NULL);
    m = master_comes();
    (void)hello(&m);
    ck_assert_int_eq(store(&m, "one", one), 0);
    ck_assert_int_eq(ask_upgrade(&m, "new", program("new", NULL)), 0);
    end_of_trial();
    ck_assert_int_eq(truncate(world_path("new"), 100), 0); /* since it was asked */
    master_exits(&m, 0);
    (void)log_await("event=keeper_upgrade_failed");
    m = master_comes();
    in = hello(&m);
    ck_assert_uint_eq(in.welcome.flags, KEEPER_SUCCEEDS);
    ck_assert(same_file(given(&in, "one"), one));
    ck_assert_int_eq(store(&m, "two", one), 0);
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(when_its_masters_die_young_the_program_before_comes_back)
{
    int one = file_with("one");
    struct inheritance in;
    struct fake m;

    world_begin(NULL);
    m = master_comes();
    (void)hello(&m);
    ck_assert_int_eq(store(&m, "one", one), 0);
    ck_assert_int_eq(ask_upgrade(&m, "new", program("new", NULL)), 0);
    master_exits(&m, 0);
    for (int i = 0; i < 2; i++) {
        m = master_comes();
        ck_assert(runs("new"));
        if (i == 1)
            (void)hello(&m); /* that alone is no proof */
        master_exits(&m, 9);
    }
    (void)log_await("event=keeper_reverted");
    m = master_comes();
    in = hello(&m);
    ck_assert(!runs("new"));
    ck_assert_uint_eq(in.welcome.flags, KEEPER_SUCCEEDS);
    ck_assert_int_eq(WEXITSTATUS(in.welcome.wait_status), 9);
    ck_assert(same_file(given(&in, "one"), one));
    for (int i = 0; i < 3; i++) { /* that was it: nothing else to go back to */
        master_exits(&m, 9);
        m = master_comes();
        (void)log_await("event=master_restart");
    }
    ck_assert_ptr_null(strstr(world.log + world.log_at, "keeper_reverted"));
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(a_program_that_cannot_read_the_image_goes_back_at_once)
{
    int one = file_with("one");
    struct inheritance in;
    struct fake m;

    ck_assert_int_eq(setenv(TEST_STRANGE, "1", 1), 0);
    world_begin(NULL);
    m = master_comes();
    (void)hello(&m);
    ck_assert_int_eq(store(&m, "one", one), 0);
    ck_assert_int_eq(ask_upgrade(&m, "new", program("new", NULL)), 0);
    master_exits(&m, 0);
    (void)log_await("event=keeper_reverted");
    m = master_comes();
    in = hello(&m);
    ck_assert(!runs("new"));
    ck_assert_uint_eq(in.welcome.flags, KEEPER_SUCCEEDS);
    ck_assert(same_file(given(&in, "one"), one));
    ck_assert_int_eq(atoi(strchr(ask(&m, "l"), ' ')), 3 + 1 + 2); /* NOLINT(cert-err34-c) */
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(a_program_that_has_proved_itself_stays)
{
    struct fake m;

    world_begin(NULL);
    m = master_comes();
    (void)hello(&m);
    ck_assert_int_eq(store(&m, "one", file_with("one")), 0);
    ck_assert_int_eq(ask_upgrade(&m, "new", program("new", NULL)), 0);
    master_exits(&m, 0);
    m = master_comes();
    (void)hello(&m);
    (void)say(&m, KEEPER_ALIVE, NULL, 0, -1);
    for (int i = 0; i < 3; i++) {
        master_exits(&m, 9);
        m = master_comes();
        (void)hello(&m);
        ck_assert(runs("new"));
    }
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

static Suite *
suite(void)
{
    Suite *s = suite_create("upgrade");
    TCase *t = tcase_create("upgrade");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, NULL, world_end);
    tcase_add_test(t, an_upgrade_keeps_the_process_the_descriptors_and_the_deaths);
    tcase_add_test(t, what_is_no_program_is_refused);
    tcase_add_loop_test(t, a_program_that_is_none_of_ours_is_refused_before_it_is_too_late, 0, 4);
    tcase_add_test(t, a_program_that_does_not_answer_is_refused_and_killed);
    tcase_add_test(t, a_program_that_cannot_be_executed_changes_nothing);
    tcase_add_test(t, when_its_masters_die_young_the_program_before_comes_back);
    tcase_add_test(t, a_program_that_cannot_read_the_image_goes_back_at_once);
    tcase_add_test(t, a_program_that_has_proved_itself_stays);
    suite_add_tcase(s, t);
    return s;
}

int
main(int argc, char **argv)
{
    return world_main(argc, argv, suite);
}
