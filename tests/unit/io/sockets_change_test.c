/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens to an open socket: a reload, a shutdown by a worker, the next generation. */
#include "tests/unit/io/sockets_fixture.h"

#include <sys/epoll.h>

START_TEST(a_shutdown_by_a_worker_is_seen_and_undone)
{
    static const char *const addresses[] = {"tcp://127.0.0.1:0", "tcp://127.0.0.1:fixed", "unix"};
    char address[300];
    struct listener *l;
    struct endpoint before;
    int worker;

    (void)snprintf(address, sizeof address, "%s", addresses[_i]);
    if (_i == 1) { /* a fixed port: one that was free a moment ago */
        auto_text struct text free_one = TEXT_INIT;

        l = acquire((char[]){"tcp://127.0.0.1:0"});
        listener_address(l, &free_one);
        (void)snprintf(address, sizeof address, "%s", text_str(&free_one));
        listener_unref(l);
    } else if (_i == 2) {
        (void)snprintf(address, sizeof address, "%s", unix_address("s"));
    }
    l = acquire(address);
    before = l->bound;
    ck_assert(listener_is_listening(l));
    ck_assert_int_eq(listener_relisten(l, &error), 0);
    worker = dup(l->fd);
    ck_assert_int_eq(fcntl(worker, F_SETFL, O_RDWR | O_NONBLOCK),
                     0); /* its generation relies on it */
    ck_assert_int_eq(shutdown(worker, SHUT_RDWR), 0);
    ck_assert(!listener_is_listening(l));
    ck_assert_int_eq(connects(l), -ECONNREFUSED);
    ck_assert_msg(listener_relisten(l, &error) == (_i == 2), "%s", error.text);
    ck_assert(listener_is_listening(l));
    ck_assert_mem_eq(&before.sa, &l->bound.sa, before.bytes);
    ck_assert(fcntl(l->fd, F_GETFL) & O_NONBLOCK);
    ck_assert_connects(l);
    (void)close(worker);
    listener_unref(l);
}
END_TEST

START_TEST(a_socket_file_that_was_removed_does_not_stand_in_the_way_of_a_reload)
{
    char *address = unix_address("s");
    struct listener_spec same = spec_of(address);
    struct listener *l = acquire(address), *again;

    ck_assert_int_eq(unlink(address + 5), 0);
    ck_assert_int_eq(listeners_acquire(&set, &same, LISTENER_OWNER_ANY, &again, &error), 0);
    ck_assert_int_eq(listener_adjust(again, &same, LISTENER_OWNER_ANY, &error), 0);
    listener_unref(again);
    listener_unref(l);
}
END_TEST

START_TEST(what_took_the_place_of_a_socket_file_is_left_alone)
{
    char *address = unix_address("s");
    const char *victim = write_file("victim", "mine\n", 0600);
    struct listener_spec looser = spec_of(address);
    struct listener *l = acquire(address);
    struct stat st;

    looser.mode = 0666;
    for (int i = 0; i < 2; i++) { /* a link to it, or another name of it */
        ck_assert_int_eq(unlink(address + 5), 0);
        ck_assert_int_eq(i == 0 ? symlink(victim, address + 5) : link(victim, address + 5), 0);
        ck_assert_int_eq(listener_adjust(l, &looser, LISTENER_OWNER_ANY, &error), -ESTALE);
        ck_assert_int_eq(stat(victim, &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0600);
        l->mode = 0660; /* as if it was not tried */
    }
    listener_unref(l);
    ck_assert_int_eq(access(address + 5, F_OK), 0);
}
END_TEST

START_TEST(a_closed_listener_leaves_the_set_that_guards_it)
{
    struct listener *l = acquire((char[]){"tcp://127.0.0.1:0"});
    int guard = epoll_create1(EPOLL_CLOEXEC), worker = dup(l->fd);
    struct epoll_event event;

    ck_assert_int_eq(listener_guard(l, guard), 0);
    ck_assert_int_eq(listener_guard(l, guard), 0); /* again: it is in there already */
    ck_assert_int_eq(epoll_wait(guard, &event, 1, 0), 0);
    listener_unref(l);
    ck_assert_int_eq(shutdown(worker, SHUT_RDWR), 0); /* by somebody who has it still */
    ck_assert_int_eq(epoll_wait(guard, &event, 1, 0), 0);
    (void)close(worker);
    (void)close(guard);
}
END_TEST

START_TEST(a_probe_socket_at_a_fixed_port_goes_from_one_generation_to_the_next)
{
    auto_text struct text address = TEXT_INIT;
    struct listener *a = acquire((char[]){"tcp://127.0.0.1:0"}), *b;

    listener_address(a, &address); /* free in a moment */
    listener_unref(a);
    ck_assert_int_eq(listeners_probe(&set, text_str(&address), &a, &error), 0);
    ck_assert_msg(listeners_probe(&set, text_str(&address), &b, &error) == 0, "%s", error.text);
    ck_assert_ptr_eq(a, b);
    listener_unref(a);
    ck_assert_connects(b);
    listener_unref(b);
    ck_assert_ptr_null(listeners_find(&set, text_str(&address)));
}
END_TEST

START_TEST(each_generation_gets_a_probe_socket_of_its_own)
{
    struct listener *a, *b;
    auto_text struct text at_a = TEXT_INIT, at_b = TEXT_INIT;

    ck_assert_int_eq(listeners_probe(&set, "tcp://127.0.0.1:0", &a, &error), 0);
    ck_assert_int_eq(listeners_probe(&set, "tcp://127.0.0.1:0", &b, &error), 0);
    listener_address(a, &at_a);
    listener_address(b, &at_b);
    ck_assert_str_ne(text_str(&at_a), text_str(&at_b));
    ck_assert_connects(a);
    ck_assert_connects(b);
    listener_unref(a);
    listener_unref(b);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("sockets_change");
    TCase *t = tcase_create("sockets_change");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, begin, end);
    tcase_add_loop_test(t, a_shutdown_by_a_worker_is_seen_and_undone, 0, 3);
    tcase_add_test(t, a_socket_file_that_was_removed_does_not_stand_in_the_way_of_a_reload);
    tcase_add_test(t, what_took_the_place_of_a_socket_file_is_left_alone);
    tcase_add_test(t, a_closed_listener_leaves_the_set_that_guards_it);
    tcase_add_test(t, a_probe_socket_at_a_fixed_port_goes_from_one_generation_to_the_next);
    tcase_add_test(t, each_generation_gets_a_probe_socket_of_its_own);
    suite_add_tcase(s, t);
    return unit_main(s);
}
