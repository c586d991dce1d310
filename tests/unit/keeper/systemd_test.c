/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/keeper/masters.h"

#include <stddef.h>

static int manager; /* our end of NOTIFY_SOCKET */

static void
manager_open(bool abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t bytes = sizeof address;
    char text[128];

    world_listen();
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (abstract) {
        (void)snprintf(text, sizeof text, "@stint-test-%d", (int)getpid());
        (void)snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s", text + 1);
        bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(text));
    } else {
        (void)snprintf(text, sizeof text, "%s", world_path("notify"));
        (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", text);
    }
    ck_assert_int_eq(bind(manager, (struct sockaddr *)&address, bytes), 0);
    ck_assert_int_eq(setenv("NOTIFY_SOCKET", text, 1), 0);
}

static void
expect(const char *text, int file)
{
    char buf[1024];
    int fd;

    ck_assert_int_ge(receive(manager, buf, sizeof buf, &fd), 0);
    ck_assert_str_eq(buf, text);
    ck_assert_int_eq(fd >= 0, file >= 0);
    if (file >= 0)
        ck_assert(same_file(fd, file));
    (void)fd_close(fd);
}

START_TEST(texts_are_relayed_as_they_are)
{
    struct inheritance in;
    struct fake m;

    manager_open(_i == 1);
    world_begin(NULL);
    m = master_comes();
    in = hello(&m);
    ck_assert_uint_eq(in.welcome.flags, KEEPER_SYSTEMD);
    ck_assert_uint_eq(in.welcome.listeners, 0);
    ck_assert_str_eq(ask(&m, "e NOTIFY_SOCKET"), "-");
    (void)say_text(&m, KEEPER_NOTIFY, "READY=1\nSTATUS=all is \"well\"", -1);
    expect("READY=1\nSTATUS=all is \"well\"", -1);
    (void)say(&m, KEEPER_NOTIFY, "RELOADING=1", strlen("RELOADING=1"), -1); /* without its NUL */
    expect("RELOADING=1", -1);
    ck_assert_int_eq(store(&m, "listener.a", file_with("a")), 0); /* nobody told of a store */
    (void)say_text(&m, KEEPER_NOTIFY, "STOPPING=1", -1);
    expect("STOPPING=1", -1);
    master_exits(&m, 1);
    expect("STATUS=The master is being replaced; the workers go on", -1);
    m = master_comes();
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(listeners_are_mirrored_into_its_store)
{
    int a = file_with("a"), b = file_with("b");
    struct inheritance in;
    struct fake m;

    manager_open(false);
    ck_assert_int_eq(setenv(_i == 1 ? "STINT_FDSTORE_MAX" : "FDSTORE", "2", 1), 0);
    world_begin(NULL);
    m = master_comes();
    in = hello(&m);
    ck_assert_uint_eq(in.welcome.listeners, 2);
    ck_assert_int_eq(store(&m, "listener.a", a), 0);
    expect("FDSTORE=1\nFDPOLL=0\nFDNAME=listener.a", a);
    ck_assert_int_eq(store(&m, "state", b), 0); /* the first thing to be heard is not about that */
    ck_assert_int_eq(store(&m, "listener.b", b), 0);
    expect("FDSTORE=1\nFDPOLL=0\nFDNAME=listener.b", b);
    ck_assert_int_eq(store(&m, "listener.c", b), -E2BIG);
    ck_assert_int_eq(store(&m, "listener.a", b), 0); /* another one of the same name */
    expect("FDSTOREREMOVE=1\nFDNAME=listener.a", -1);
    expect("FDSTORE=1\nFDPOLL=0\nFDNAME=listener.a", b);
    (void)say_text(&m, KEEPER_DROP, "listener.c", -1); /* was never there */
    (void)say_text(&m, KEEPER_DROP, "listener.b", -1);
    expect("FDSTOREREMOVE=1\nFDNAME=listener.b", -1);
    ck_assert_int_eq(store(&m, "listener.d", a), 0); /* there is room again */
    expect("FDSTORE=1\nFDPOLL=0\nFDNAME=listener.d", a);
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(a_socket_that_is_there_already_stays_there)
{
    int a = socket(AF_UNIX, SOCK_STREAM, 0), b = socket(AF_UNIX, SOCK_STREAM, 0);
    struct fake m;

    ck_assert(a >= 0 && b >= 0);
    manager_open(false);
    ck_assert_int_eq(setenv("FDSTORE", "2", 1), 0);
    world_begin(NULL);
    m = master_comes();
    (void)hello(&m);
    ck_assert_int_eq(store(&m, "listener.a", a), 0);
    expect("FDSTORE=1\nFDPOLL=0\nFDNAME=listener.a", a);
    ck_assert_int_eq(store(&m, "listener.a", a), 0); /* a configuration is read again */
    ck_assert_int_eq(store(&m, "listener.a", b), 0); /* the next thing to be heard is about b */
    expect("FDSTOREREMOVE=1\nFDNAME=listener.a", -1);
    expect("FDSTORE=1\nFDPOLL=0\nFDNAME=listener.a", b);
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(a_listener_beyond_its_store_is_kept_here)
{
    int a = file_with("a"), b = file_with("b");
    struct inheritance in;
    struct fake m;

    manager_open(false);
    ck_assert_int_eq(setenv("FDSTORE", "1", 1), 0);
    world_begin(NULL);
    m = master_comes();
    (void)hello(&m);
    ck_assert_int_eq(store(&m, "listener.a", a), 0);
    ck_assert_int_eq(store(&m, "listener.b", b), -E2BIG);
    master_exits(&m, 1);
    m = master_comes();
    in = hello(&m);
    ck_assert_int_eq(in.n_given, 2);
    ck_assert(same_file(given(&in, "listener.b"), b));
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(after_an_upgrade_it_knows_what_is_in_the_store)
{
    int a = file_with("a");
    struct inheritance in;
    uint64_t number;
    struct fake m;

    manager_open(false);
    ck_assert_int_eq(setenv("FDSTORE", "1", 1), 0);
    world_begin(NULL);
    m = master_comes();
    (void)hello(&m);
    ck_assert_int_eq(store(&m, "listener.a", a), 0);
    expect("FDSTORE=1\nFDPOLL=0\nFDNAME=listener.a", a);
    number = say_text(&m, KEEPER_UPGRADE, "itself", open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    ck_assert_int_eq(hear_ack(&m, number), 0);
    master_exits(&m, 0);
    m = master_comes();
    in = hello(&m);
    ck_assert_uint_eq(in.welcome.flags, KEEPER_SUCCEEDS | KEEPER_UPGRADED | KEEPER_SYSTEMD);
    ck_assert_int_eq(store(&m, "listener.b", a), -E2BIG);
    (void)say_text(&m, KEEPER_DROP, "listener.a", -1);
    expect("FDSTOREREMOVE=1\nFDNAME=listener.a", -1);
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(the_watchdog_hears_of_us_even_without_a_master)
{
    struct fake m;

    manager_open(false);
    ck_assert_int_eq(setenv("WATCHDOG_USEC", "200000", 1), 0);
    world_begin(NULL);
    m = master_comes(); /* it says nothing at all */
    for (int i = 0; i < 5; i++)
        expect("WATCHDOG=1", -1);
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(a_watchdog_that_is_meant_for_another_is_not_ours)
{
    struct fake m;

    manager_open(false);
    ck_assert_int_eq(setenv("WATCHDOG_USEC", "2000", 1), 0);
    ck_assert_int_eq(setenv("WATCHDOG_PID", "1", 1), 0);
    world_begin(NULL);
    m = master_comes();
    (void)hello(&m);
    (void)say_text(&m, KEEPER_NOTIFY, "READY=1", -1);
    expect("READY=1", -1);
    leave(&m, 0);
    keeper_exits_with(0);
    ck_assert_int_eq(recv(manager, &(char){0}, 1, MSG_DONTWAIT), -1);
}
END_TEST

START_TEST(texts_wait_for_a_manager_that_does_not_read)
{
    char text[64];
    struct fake m;

    manager_open(false);
    world_begin(NULL);
    m = master_comes();
    (void)hello(&m);
    for (int i = 0; i < 600; i++) { /* more than net.unix.max_dgram_qlen lets through */
        (void)snprintf(text, sizeof text, "STATUS=%d", i);
        (void)say_text(&m, KEEPER_NOTIFY, text, -1);
    }
    ck_assert_int_eq(store(&m, "a", STDIN_FILENO), 0); /* it is not stuck */
    for (int i = 0; i < 600; i++) {
        (void)snprintf(text, sizeof text, "STATUS=%d", i);
        expect(text, -1);
    }
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

static int passed[5];

/* Before exec, as systemd does it. */
static void
pass_sockets(void)
{
    char pid[16];

    for (int i = 0; i < 5; i++)
        if (dup2(passed[i], 3 + i) == -1)
            _exit(94);
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    (void)setenv("LISTEN_PID", pid, 1); /* NOLINT(concurrency-mt-unsafe): one thread */
    (void)setenv("LISTEN_FDS", "5", 1);
    (void)setenv("LISTEN_FDNAMES", "http:listener.web:listener.web:listener.B!:https", 1);
}

START_TEST(sockets_passed_by_systemd_are_given_to_the_first_master)
{
    static const char *const names[] = {"activated.0", "listener.web", "activated.1", "activated.2",
                                        "activated.3"};
    struct inheritance in;
    struct fake m;

    manager_open(false);
    ck_assert_int_eq(setenv("FDSTORE", "1", 1), 0);
    for (int i = 0; i < 5; i++) { /* above all the numbers that they shall get */
        int fd = file_with("x");

        passed[i] = fcntl(fd, F_DUPFD_CLOEXEC, 20);
        (void)close(fd);
    }
    world_begin(pass_sockets);
    m = master_comes();
    ck_assert_str_eq(ask(&m, "e LISTEN_FDS"), "-");
    ck_assert_int_eq(atoi(strchr(ask(&m, "l"), ' ')), 3 + 1 + 2); /* NOLINT(cert-err34-c) */
    in = hello(&m);
    ck_assert_int_eq(in.n_given, 5);
    for (int i = 0; i < 5; i++)
        ck_assert(same_file(given(&in, names[i]), passed[i]));
    ck_assert_int_eq(store(&m, "listener.new", passed[0]),
                     -E2BIG); /* listener.web is still in there */
    (void)say_text(&m, KEEPER_DROP, "listener.web", -1);
    expect("FDSTOREREMOVE=1\nFDNAME=listener.web", -1);
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

static Suite *
suite(void)
{
    Suite *s = suite_create("systemd");
    TCase *t = tcase_create("systemd");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, NULL, world_end);
    tcase_add_loop_test(t, texts_are_relayed_as_they_are, 0, 2);
    tcase_add_loop_test(t, listeners_are_mirrored_into_its_store, 0, 2);
    tcase_add_test(t, a_socket_that_is_there_already_stays_there);
    tcase_add_test(t, a_listener_beyond_its_store_is_kept_here);
    tcase_add_test(t, after_an_upgrade_it_knows_what_is_in_the_store);
    tcase_add_test(t, the_watchdog_hears_of_us_even_without_a_master);
    tcase_add_test(t, a_watchdog_that_is_meant_for_another_is_not_ours);
    tcase_add_test(t, texts_wait_for_a_manager_that_does_not_read);
    tcase_add_test(t, sockets_passed_by_systemd_are_given_to_the_first_master);
    suite_add_tcase(s, t);
    return s;
}

int
main(int argc, char **argv)
{
    return world_main(argc, argv, suite);
}
