/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/io/sockets_fixture.h"

static int
refused(char *address)
{
    struct listener_spec spec = spec_of(address);
    struct listener *l = NULL;
    int r = listeners_acquire(&set, &spec, LISTENER_OWNER_ANY, &l, &error);

    ck_assert_ptr_null(l);
    return r;
}

START_TEST(a_tcp_socket_blocks_as_one_of_systemd_does_and_is_not_inherited)
{
    struct listener *l = acquire((char[]){"tcp://127.0.0.1:0"});
    auto_text struct text where = TEXT_INIT;

    ck_assert(!(fcntl(l->fd, F_GETFL) & O_NONBLOCK));
    ck_assert(fcntl(l->fd, F_GETFD) & FD_CLOEXEC);
    ck_assert_connects(l);
    listener_address(l, &where);
    ck_assert_msg(strncmp(text_str(&where), "tcp://127.0.0.1:", 16) == 0, "%s", text_str(&where));
    ck_assert_str_ne(text_str(&where), "tcp://127.0.0.1:0");
    listener_unref(l);
}
END_TEST

START_TEST(an_address_has_one_socket_until_the_last_reference_goes)
{
    struct listener *a = acquire((char[]){"tcp://127.0.0.1:0"});
    struct listener *b = acquire((char[]){"tcp://127.0.0.1:0"});
    struct endpoint at = a->bound;
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_ptr_eq(a, b);
    listener_unref(a);
    ck_assert_connects(b);
    listener_unref(b);
    ck_assert_ptr_null(listeners_find(&set, "tcp://127.0.0.1:0"));
    ck_assert_int_eq(connect(client, (struct sockaddr *)&at.sa, at.bytes), -1);
    ck_assert_int_eq(errno, ECONNREFUSED);
    (void)close(client);
}
END_TEST

START_TEST(ipv6_is_ipv6_only_so_both_wildcards_share_a_port)
{
    struct listener *four = acquire((char[]){"tcp://0.0.0.0:0"}), *six;
    int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char address[32];

    if (probe == -1) {
        skipped("ipv6_is_ipv6_only_so_both_wildcards_share_a_port", "no IPv6 in this kernel");
        listener_unref(four);
        return;
    }
    (void)close(probe);
    (void)snprintf(address, sizeof address, "tcp://[::]:%u",
                   ntohs(((struct sockaddr_in *)(void *)&four->bound.sa)->sin_port));
    six = acquire(address);
    ck_assert_connects(six);
    listener_unref(six);
    listener_unref(four);
}
END_TEST

START_TEST(a_port_of_somebody_else_is_named_as_in_use)
{
    struct listener *theirs = NULL;
    auto_text struct text where = TEXT_INIT;
    unsigned before = count_fds();

    ck_assert_int_eq(listeners_probe(&set, "tcp://127.0.0.1:0", &theirs, &error), 0);
    listener_address(theirs, &where);
    ck_assert_int_eq(refused(where.data), -EADDRINUSE);
    ck_assert_ptr_nonnull(strstr(error.text, "is in use by another process"));
    listener_unref(theirs);
    ck_assert_uint_eq(count_fds(), before);
}
END_TEST

START_TEST(a_port_of_our_own_is_named_with_the_way_out)
{
    struct listener *first = NULL;
    auto_text struct text one = TEXT_INIT, all = TEXT_INIT;

    ck_assert_int_eq(listeners_probe(&set, "tcp://127.0.0.1:0", &first, &error), 0);
    listener_address(first, &one);
    text_addf(&all, "tcp://0.0.0.0%s", strrchr(text_str(&one), ':'));
    listener_unref(first); /* the port is free again */
    first = acquire(one.data);
    ck_assert_int_eq(refused(all.data), -EADDRINUSE);
    ck_assert_ptr_nonnull(strstr(error.text, "the open 'tcp://127.0.0.1:"));
    ck_assert_ptr_nonnull(strstr(error.text, "another port"));
    listener_unref(first);
}
END_TEST

START_TEST(a_unix_socket_has_its_mode_and_its_file_goes_with_it)
{
    char *address = unix_address("s");
    struct listener *l = acquire(address);
    struct listener_spec looser = spec_of(address);
    struct listener *again;
    struct stat st;

    ck_assert_int_eq(lstat(address + 5, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0660);
    ck_assert_connects(l);
    looser.mode = 0666;
    ck_assert_int_eq(listeners_acquire(&set, &looser, LISTENER_OWNER_ANY, &again, &error), 0);
    ck_assert_int_eq(lstat(address + 5, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0660); /* the transaction may still fail */
    ck_assert_int_eq(listener_adjust(again, &looser, LISTENER_OWNER_ANY, &error), 0);
    ck_assert_int_eq(lstat(address + 5, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0666);
    listener_unref(again);
    listener_unref(l);
    ck_assert_int_eq(lstat(address + 5, &st), -1);
}
END_TEST

/* A socket of somebody else at that path; listening or not. */
static int
squatter(const char *path, int type, bool listening)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    (void)snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    if (listening)
        ck_assert_int_eq(listen(fd, 0), 0);
    return fd;
}

START_TEST(a_stale_unix_socket_is_replaced)
{
    char *address = unix_address("s");
    struct listener *l;

    (void)close(squatter(address + 5, SOCK_STREAM, true));
    l = acquire(address);
    ck_assert_connects(l);
    listener_unref(l);
}
END_TEST

START_TEST(a_unix_socket_somebody_answers_on_is_left_alone)
{
    char *address = unix_address("s");
    int theirs = squatter(address + 5, SOCK_STREAM, true);
    int full[3];

    ck_assert_int_eq(refused(address), -EADDRINUSE);
    ck_assert_ptr_nonnull(strstr(error.text, "is in use by another process"));
    for (size_t i = 0; i < ARRAY_LEN(full); i++) { /* nor when its queue is full */
        struct sockaddr_un un = {.sun_family = AF_UNIX};

        (void)snprintf(un.sun_path, sizeof un.sun_path, "%s", address + 5);
        full[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(full[i], (struct sockaddr *)&un, sizeof un);
    }
    ck_assert_int_eq(refused(address), -EADDRINUSE);
    ck_assert_int_eq(access(address + 5, F_OK), 0);
    for (size_t i = 0; i < ARRAY_LEN(full); i++)
        (void)close(full[i]);
    (void)close(theirs);
}
END_TEST

START_TEST(a_datagram_socket_or_a_file_is_left_alone)
{
    char *address = unix_address("dgram");
    int theirs = squatter(address + 5, SOCK_DGRAM, false);

    ck_assert_int_eq(refused(address), -EADDRINUSE);
    (void)close(theirs);
    (void)write_file("file", "precious", 0600);
    ck_assert_int_eq(refused(unix_address("file")), -EEXIST);
    ck_assert_int_eq(access(in_folder("file"), F_OK), 0);
}
END_TEST

START_TEST(a_path_that_was_taken_over_is_not_unlinked)
{
    char *address = unix_address("s");
    struct listener *l = acquire(address);
    int theirs;

    ck_assert_int_eq(unlink(address + 5), 0);
    theirs = squatter(address + 5, SOCK_STREAM, true);
    listener_unref(l);
    ck_assert_int_eq(access(address + 5, F_OK), 0);
    (void)close(theirs);
}
END_TEST

START_TEST(an_address_that_is_none_is_refused_in_words)
{
    static const char *const bad[] = {
        "tcp://127.0.0.1",     "tcp://127.0.0.1:65536", "tcp://127.0.0.1:",   "tcp://:80",
        "tcp://[::1:80",       "tcp://example.com:80",  "unix:relative.sock", "udp://127.0.0.1:1",
        "tcp://127.0.0.1:80x", "tcp://[]:80",           "tcp://]:1",          "tcp://",
    };
    struct endpoint a;

    ck_assert_int_eq(endpoint_parse(bad[_i], &a, &error), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error.text, bad[_i]));
}
END_TEST

START_TEST(an_address_reads_back_as_it_was_written)
{
    static const char *const good[] = {"tcp://127.0.0.1:80", "tcp://[::1]:65535", "tcp://[::]:0",
                                       "unix:/run/x.sock"};
    auto_text struct text again = TEXT_INIT;
    struct endpoint a;

    ck_assert_int_eq(endpoint_parse(good[_i], &a, &error), 0);
    endpoint_format(&a, &again);
    ck_assert_str_eq(text_str(&again), good[_i]);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("sockets");
    TCase *t = tcase_create("sockets");

    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, a_tcp_socket_blocks_as_one_of_systemd_does_and_is_not_inherited);
    tcase_add_test(t, an_address_has_one_socket_until_the_last_reference_goes);
    tcase_add_test(t, ipv6_is_ipv6_only_so_both_wildcards_share_a_port);
    tcase_add_test(t, a_port_of_somebody_else_is_named_as_in_use);
    tcase_add_test(t, a_port_of_our_own_is_named_with_the_way_out);
    tcase_add_test(t, a_unix_socket_has_its_mode_and_its_file_goes_with_it);
    tcase_add_test(t, a_stale_unix_socket_is_replaced);
    tcase_add_test(t, a_unix_socket_somebody_answers_on_is_left_alone);
    tcase_add_test(t, a_datagram_socket_or_a_file_is_left_alone);
    tcase_add_test(t, a_path_that_was_taken_over_is_not_unlinked);
    tcase_add_loop_test(t, an_address_that_is_none_is_refused_in_words, 0, 12);
    tcase_add_loop_test(t, an_address_reads_back_as_it_was_written, 0, 4);
    suite_add_tcase(s, t);
    return unit_main(s);
}
