/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Masters that are wrong, and limits that are reached. */
#include "tests/unit/keeper/masters.h"

#include <dirent.h>

static int
keeper_fds(void)
{
    char path[64];
    DIR *dir;
    int n = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)world.keeper);
    dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    while (readdir(dir)) /* NOLINT(concurrency-mt-unsafe): a DIR of our own */
        n++;
    (void)closedir(dir);
    return n;
}

START_TEST(frames_that_are_none_are_skipped_and_their_descriptors_closed)
{
    struct keeper_frame head = {.type = KEEPER_STORE, .length = 2, .number = 77};
    const int fds[] = {0, 1, 2, 0, 1, 2, 0, 1};
    char bytes[KEEPER_BODY_MAX + 100] = {0};
    struct fake m;
    int before;

    world_begin(NULL);
    m = master_comes();
    (void)say_text(&m, KEEPER_STORE, "early", STDIN_FILENO); /* HELLO comes first */
    (void)hello(&m);
    before = keeper_fds();
    say_raw(&m, "", 0, NULL, 0);
    say_raw(&m, "abc", 3, NULL, 0);
    say_raw(&m, bytes, sizeof bytes, NULL, 0); /* longer than any */
    (void)say_text(&m, KEEPER_ALIVE, "", STDIN_FILENO);
    (void)say(&m, KEEPER_BURIED, "abc", 3, -1);
    (void)say(&m, KEEPER_LEAVING, NULL, 0, -1);
    (void)say(&m, (enum keeper_type)999, "later", 5, -1);
    (void)say_text(&m, KEEPER_DROP, "../../x", -1);
    (void)say(&m, KEEPER_NOTIFY, "a\0b", 4, -1);
    (void)say(&m, KEEPER_HELLO, &(struct keeper_hello){KEEPER_MAJOR, 1}, 8, -1);
    ck_assert_int_eq(store(&m, "UPPER", STDIN_FILENO), -EBADMSG);
    ck_assert_int_eq(store(&m, "", STDIN_FILENO), -EBADMSG);
    ck_assert_int_eq(store(&m, "no.descriptor", -1), -EBADMSG);
    memcpy(bytes, &head, sizeof head);
    memcpy(bytes + sizeof head, "a", 2);
    for (size_t n = 2; n <= 8; n += 3) { /* 5 and 8 are more than it looks at: MSG_CTRUNC */
        say_raw(&m, bytes, sizeof head + 2, fds, n);
        ck_assert_int_eq(hear_ack(&m, 77), -EBADMSG);
    }
    memset(bytes + sizeof head, 'n', KEEPER_NAME_MAX);
    ck_assert_int_eq(hear_ack(&m, say(&m, KEEPER_STORE, bytes + sizeof head, KEEPER_NAME_MAX, 0)),
                     -EBADMSG);
    ck_assert_int_eq(keeper_fds(), before);
    ck_assert_int_eq(store(&m, "good", STDIN_FILENO), 0);
    ck_assert_int_eq(keeper_fds(), before + 1);
    (void)log_await("event=frame_refused");
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

static void
few_descriptors(void)
{
    struct rlimit limit = {80, 80};

    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

START_TEST(when_it_is_full_it_says_so)
{
    struct inheritance in;
    struct fake m;
    char name[32];

    world_begin(few_descriptors);
    m = master_comes();
    in = hello(&m);
    ck_assert_uint_eq(in.welcome.room, 16);
    for (int i = 0; i < 16; i++) {
        (void)snprintf(name, sizeof name, "fd.%d", i);
        ck_assert_int_eq(store(&m, name, STDIN_FILENO), 0);
    }
    ck_assert_int_eq(store(&m, "fd.16", STDIN_FILENO), -ENFILE);
    ck_assert_int_eq(store(&m, "fd.3", STDIN_FILENO), 0); /* replacing needs no room */
    (void)say_text(&m, KEEPER_DROP, "fd.5", -1);
    ck_assert_int_eq(store(&m, "fd.16", STDIN_FILENO), 0);
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(a_master_that_reads_nothing_does_not_stop_it)
{
    enum { MANY = 60 };
    struct keeper_hello body = {.major = KEEPER_MAJOR};
    struct inheritance in;
    char name[KEEPER_NAME_MAX];
    struct fake m;
    pid_t orphan;

    ck_assert_int_eq(setenv(TEST_PATIENCE, "1000000", 1), 0);
    world_begin(NULL);
    m = master_comes();
    (void)hello(&m);
    orphan = atoi(ask(&m, "o")); /* NOLINT(cert-err34-c): our own master said it */
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof name, "fd.%d", i);
        ck_assert_int_eq(store(&m, name, STDIN_FILENO), 0);
    }
    master_exits(&m, 1);
    m = master_comes();
    (void)say(&m, KEEPER_HELLO, &body, sizeof body, -1);
    for (int i = 0; i < 2000; i++) { /* answers pile up until it does not listen either */
        struct keeper_frame drop = {.type = KEEPER_STORE, .number = 5};

        if (send(m.link, &drop, sizeof drop, MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
            break;
    }
    ck_assert_int_eq(kill(orphan, SIGKILL), 0);
    ck_assert_int_eq(kill(world.keeper, SIGQUIT), 0);
    (void)log_await("event=signal_ignored"); /* it still serves others */
    (void)log_await("event=master_stalled");
    fake_close(&m);
    m = master_comes();
    in = hello(&m);
    ck_assert_int_eq(in.n_given, MANY);
    ck_assert_int_eq(in.n_obituaries, 1);
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(who_speaks_another_protocol_is_replaced)
{
    struct keeper_hello body = {.major = KEEPER_MAJOR + 1};
    struct fake m;

    world_begin(NULL);
    m = master_comes();
    (void)say(&m, KEEPER_HELLO, &body, sizeof body, -1);
    (void)log_await("event=master_refused");
    (void)log_await("signal=SIGKILL");
    fake_close(&m);
    m = master_comes();
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(
    a_heap_that_is_used_is_noticed) /* so that the exit status of all others means something */
{
    world.keeper = fork();
    if (world.keeper == 0) {
        void *volatile p; /* else the compiler knows better */

        heap_is_forbidden = true;
        p = malloc(1);
        free(p);
        _exit(0);
    }
    ck_assert_int_eq(keeper_ends(), SIGABRT);
}
END_TEST

static Suite *
suite(void)
{
    Suite *s = suite_create("hostile");
    TCase *t = tcase_create("hostile");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, NULL, world_end);
    tcase_add_test(t, frames_that_are_none_are_skipped_and_their_descriptors_closed);
    tcase_add_test(t, when_it_is_full_it_says_so);
    tcase_add_test(t, a_master_that_reads_nothing_does_not_stop_it);
    tcase_add_test(t, who_speaks_another_protocol_is_replaced);
    tcase_add_test(t, a_heap_that_is_used_is_noticed);
    suite_add_tcase(s, t);
    return s;
}

int
main(int argc, char **argv)
{
    return world_main(argc, argv, suite);
}
