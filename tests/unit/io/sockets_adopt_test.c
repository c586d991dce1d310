/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listening sockets that somebody else opened: a master before us, or systemd. */
#include "tests/unit/io/sockets_fixture.h"

#include <sys/stat.h>

/* open_at - a socket as another program leaves it behind: bound to @address, blocking. */
static int
open_at(char *address, int type, bool listening)
{
    struct endpoint to;
    int fd, one = 1;

    ck_assert_int_eq(endpoint_parse(address, &to, &error), 0);
    fd = socket(to.sa.ss_family, type, 0);
    ck_assert_int_ge(fd, 0);
    if (to.sa.ss_family == AF_INET6)
        ck_assert_int_eq(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)), 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&to.sa, to.bytes), 0);
    if (listening)
        ck_assert_int_eq(listen(fd, 8), 0);
    return fd;
}

static struct listener *
adopt(int fd, const char *address)
{
    struct listener *l = NULL;

    ck_assert_msg(listener_adopt(fd, address, &l, &error) == 0, "%s", error.text);
    ck_assert_int_eq(l->fd, fd);
    return l;
}

static void
is_refused(int fd, const char *address, const char *words)
{
    struct listener *l = NULL;

    ck_assert_int_eq(listener_adopt(fd, address, &l, &error), -EINVAL);
    ck_assert_ptr_null(l);
    ck_assert_msg(strstr(error.text, words) != NULL, "said: %s", error.text);
    ck_assert_int_eq(close(fd), 0); /* it is the caller's still */
}

static bool
has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool yes = fd >= 0 && bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0;

    (void)fd_close(fd);
    return yes;
}

/* _i: tcp, tcp6, unix. */
START_TEST(a_socket_serves_on_and_is_named_as_it_is_bound)
{
    static char tcp[] = "tcp://127.0.0.1:0", tcp6[] = "tcp://[::1]:0";
    char *addresses[] = {tcp, tcp6, unix_address("a.sock")};
    auto_text struct text bound = TEXT_INIT;
    struct listener *l;
    int waits, fd;

    if (_i == 1 && !has_ipv6()) {
        skipped("a_socket_serves_on_and_is_named_as_it_is_bound", "there is no ::1 here");
        return;
    }
    fd = open_at(addresses[_i], SOCK_STREAM, true);
    l = adopt(fd, NULL);
    listener_address(l, &bound);
    ck_assert_str_eq(l->address, text_str(&bound));
    ck_assert(_i == 2 ? strcmp(l->address, addresses[2]) == 0
                      : strncmp(l->address, addresses[_i], strlen(addresses[_i]) - 1) == 0);
    ck_assert(l->is_unix == (_i == 2));
    ck_assert(listener_is_listening(l));
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0); /* as it came: others use it already */
    waits = connects(l);
    ck_assert_int_ge(waits, 0);
    list_add(&set.all, &l->node);
    ck_assert_ptr_eq(listeners_find(&set, text_str(&bound)), l);
    (void)close(waits);
}
END_TEST

START_TEST(those_who_wait_in_its_queue_are_still_there)
{
    struct listener *first = acquire(unix_address("b.sock")), *l;
    int waits = connects(first), served;
    char byte = 0;

    ck_assert_int_eq(write(waits, "x", 1), 1);
    l = adopt(fcntl(first->fd, F_DUPFD_CLOEXEC, 3), first->address);
    served = accept(l->fd, NULL, NULL);
    ck_assert_int_ge(served, 0);
    ck_assert_int_eq(read(served, &byte, 1), 1);
    ck_assert_int_eq(byte, 'x');
    (void)close(served);
    (void)close(waits);
    listener_unref(l);
}
END_TEST

START_TEST(what_does_not_listen_is_refused)
{
    static char tcp[] = "tcp://127.0.0.1:0";

    is_refused(open_at(tcp, SOCK_STREAM, false), NULL, "it does not listen");
    is_refused(open_at(unix_address("c.sock"), SOCK_STREAM, false), NULL, "it does not listen");
}
END_TEST

/* A worker may have shut it down while there was no master: known by its address, it is taken. */
START_TEST(one_of_ours_that_was_shut_down_is_taken_and_listens_again)
{
    struct listener *first, *l;
    int fd;

    first = acquire(_i ? unix_address("d.sock") : (char[]){"tcp://127.0.0.1:0"});
    fd = fcntl(first->fd, F_DUPFD_CLOEXEC, 3);
    ck_assert_int_eq(shutdown(fd, SHUT_RDWR), 0);
    l = adopt(fd, first->address);
    ck_assert(!listener_is_listening(l));
    l->backlog = 16;
    l->mode = 0600;
    ck_assert_int_eq(listener_relisten(l, &error), _i);
    ck_assert(listener_is_listening(l));
    ck_assert_connects(l);
    listener_unref(l);
}
END_TEST

START_TEST(what_is_no_stream_socket_is_refused)
{
    static char tcp[] = "tcp://127.0.0.1:0";
    const struct sockaddr_un abstract = {AF_UNIX, "\0stint-test-abstract"};
    struct listener *l;
    int ends[2], fd;

    is_refused(open_at(tcp, SOCK_DGRAM, false), NULL, "no stream socket");
    is_refused(open_at(tcp, SOCK_DGRAM, false), "tcp://127.0.0.1:80", "no stream socket");
    is_refused(open_at(unix_address("e.sock"), SOCK_SEQPACKET, true), NULL, "no stream socket");
    is_refused(open("/dev/null", O_RDWR | O_CLOEXEC), NULL, "no stream socket");
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    is_refused(ends[0], NULL, "does not listen");
    (void)close(ends[1]);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&abstract, sizeof(abstract)), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    is_refused(fd, NULL, "without a path");
    l = NULL;
    ck_assert_int_eq(listener_adopt(-1, NULL, &l, &error), -EINVAL);
}
END_TEST

/* A descriptor that was mixed up must not serve under the name of another. */
START_TEST(one_that_is_bound_elsewhere_is_refused)
{
    static char tcp[] = "tcp://127.0.0.1:0", any[] = "tcp://0.0.0.0:0";
    char *here = unix_address("f.sock"), *there = unix_address("g.sock");
    struct listener *l;
    char address[64];
    int fd;

    is_refused(open_at(here, SOCK_STREAM, true), there, "is bound to");
    is_refused(open_at(tcp, SOCK_STREAM, true), "tcp://127.0.0.1:1", "is bound to");
    is_refused(open_at(tcp, SOCK_STREAM, true), "tcp://[::1]:0", "is bound to");
    is_refused(open_at(any, SOCK_STREAM, true), tcp, "is bound to");
    is_refused(open_at(tcp, SOCK_STREAM, true), here, "is bound to");
    is_refused(open_at(unix_address("h.sock"), SOCK_STREAM, true), tcp, "is bound to");
    fd = open_at(tcp, SOCK_STREAM, true);
    l = adopt(fd, tcp); /* a port that the kernel chose is any */
    ck_assert_str_eq(l->address, tcp);
    (void)snprintf(address, sizeof(address), "tcp://localhost:%u",
                   (unsigned)ntohs(((struct sockaddr_in *)(void *)&l->bound.sa)->sin_port));
    fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    listener_unref(l);
    listener_unref(adopt(fd, address)); /* other words for the same */
}
END_TEST

/* ---- whose file it is -------------------------------------------------------------------------- */

static mode_t
mode_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

START_TEST(a_foreign_file_is_neither_changed_nor_removed)
{
    char *address = unix_address("i.sock");
    const char *path = address + strlen("unix:");
    struct listener_spec spec = spec_of(address);
    struct listener_owner owner = {geteuid(), getegid()};
    struct listener *l = adopt(open_at(address, SOCK_STREAM, true), NULL);
    struct stat before, after;

    l->foreign = true;
    ck_assert_int_eq(chmod(path, 0421), 0);
    ck_assert_int_eq(stat(path, &before), 0);
    spec.mode = 0666;
    ck_assert_int_eq(listener_adjust(l, &spec, owner, &error), 0);
    ck_assert_int_eq(l->backlog, 16); /* that is the socket's, not the file's */
    ck_assert_int_eq(stat(path, &after), 0);
    ck_assert(before.st_ino == after.st_ino && before.st_ctim.tv_nsec == after.st_ctim.tv_nsec);
    ck_assert_uint_eq(mode_of(path), 0421);
    listener_unref(l);
    ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(one_of_a_master_before_us_is_ours_with_its_file)
{
    char *address = unix_address("j.sock");
    const char *path = address + strlen("unix:");
    struct listener *first = acquire(address), *l;
    struct listener_spec spec = spec_of(address);

    l = adopt(fcntl(first->fd, F_DUPFD_CLOEXEC, 3), address);
    l->device = first->device;
    l->inode = first->inode;
    l->mode = first->mode;
    spec.mode = 0600;
    ck_assert_int_eq(listener_adjust(l, &spec, LISTENER_OWNER_ANY, &error), 0);
    ck_assert_uint_eq(mode_of(path), 0600);
    listener_unref(l);
    ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

/* Nobody said which file it made: then there is none that is ours for sure. */
START_TEST(a_file_that_is_not_known_to_be_ours_is_not_removed)
{
    char *address = unix_address("k.sock");
    struct listener *l = adopt(open_at(address, SOCK_STREAM, true), NULL);

    listener_unref(l);
    ck_assert_int_eq(access(address + strlen("unix:"), F_OK), 0);
}
END_TEST

START_TEST(descriptors_come_back)
{
    unsigned before = count_fds();

    listener_unref(adopt(open_at((char[]){"tcp://127.0.0.1:0"}, SOCK_STREAM, true), NULL));
    ck_assert_uint_eq(count_fds(), before);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("sockets adopt");
    TCase *t = tcase_create("sockets adopt");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, begin, end);
    tcase_add_loop_test(t, a_socket_serves_on_and_is_named_as_it_is_bound, 0, 3);
    tcase_add_test(t, those_who_wait_in_its_queue_are_still_there);
    tcase_add_test(t, what_does_not_listen_is_refused);
    tcase_add_loop_test(t, one_of_ours_that_was_shut_down_is_taken_and_listens_again, 0, 2);
    tcase_add_test(t, what_is_no_stream_socket_is_refused);
    tcase_add_test(t, one_that_is_bound_elsewhere_is_refused);
    tcase_add_test(t, a_foreign_file_is_neither_changed_nor_removed);
    tcase_add_test(t, one_of_a_master_before_us_is_ours_with_its_file);
    tcase_add_test(t, a_file_that_is_not_known_to_be_ours_is_not_removed);
    tcase_add_test(t, descriptors_come_back);
    suite_add_tcase(s, t);
    return unit_main(s);
}
