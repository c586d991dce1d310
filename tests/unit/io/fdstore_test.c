/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The beginning: HELLO, what is given, END. */
#include "supervisor/io/fdstore.h"

#include "base/mem.h"
#include "tests/unit/io/fdstore_fixture.h"

START_TEST(it_says_hello_and_takes_what_is_given_by_name)
{
    int null = open("/dev/null", O_RDONLY), zero = open("/dev/zero", O_RDONLY);
    const struct keeper_hello *hello;
    struct message m;
    int fd;

    said_welcome(KEEPER_MAJOR);
    gave("pidfd.7", null);
    gave("listener.1", zero);
    said(KEEPER_END, NULL, 0, -1);
    open_it();
    ck_assert(heard(&m));
    hello = (const void *)m.body;
    ck_assert_uint_eq(m.frame.type, KEEPER_HELLO);
    ck_assert_uint_eq(m.frame.number, 1);
    ck_assert_uint_eq(hello->major, KEEPER_MAJOR);
    ck_assert_uint_eq(hello->pid, (uint32_t)getpid());
    ck_assert_uint_eq(fdstore_welcome(at.fs)->masters, 2);
    ck_assert_uint_eq(fdstore_counts(at.fs).kept, 2);
    fd = fdstore_take(at.fs, "listener.1");
    ck_assert_same_file(fd, zero);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    (void)close(fd);
    ck_assert_int_eq(fdstore_take(at.fs, "listener.1"), -1); /* it stays kept, but was given once */
    ck_assert_int_eq(fdstore_take(at.fs, "listener.2"), -1);
    ck_assert_uint_eq(fdstore_counts(at.fs).kept, 2);
    fd = fdstore_take(at.fs, "pidfd.7");
    ck_assert_same_file(fd, null);
    (void)close(fd);
    (void)close(null);
    (void)close(zero);
}
END_TEST

START_TEST(what_was_not_taken_is_listed_in_its_order)
{
    static const char *const names[] = {"pidfd.3", "listener.9", "pidfd.1", "pidfd.22"};

    said_welcome(KEEPER_MAJOR);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        gave(names[i], at.keeper);
    said(KEEPER_END, NULL, 0, -1);
    open_it();
    ck_assert_str_eq(fdstore_next(at.fs, ""), "pidfd.3");
    ck_assert_str_eq(fdstore_next(at.fs, "listener."), "listener.9");
    ck_assert_ptr_null(fdstore_next(at.fs, "state"));
    ck_assert_str_eq(fdstore_after(at.fs, "pidfd.", "pidfd.3"), "pidfd.1"); /* without taking any */
    ck_assert_str_eq(fdstore_after(at.fs, "pidfd.", "pidfd.1"), "pidfd.22");
    ck_assert_ptr_null(fdstore_after(at.fs, "pidfd.", "pidfd.22"));
    (void)close(fdstore_take(at.fs, "pidfd.3"));
    ck_assert_str_eq(fdstore_next(at.fs, "pidfd."), "pidfd.1");
    fdstore_drop(at.fs, "pidfd.1");
    ck_assert_str_eq(fdstore_next(at.fs, "pidfd."), "pidfd.22");
    fdstore_drop(at.fs, "pidfd.22");
    ck_assert_ptr_null(fdstore_next(at.fs, "pidfd."));
    expect(KEEPER_HELLO, 1, NULL, false);
    expect(KEEPER_DROP, 2, "pidfd.1", false);
    expect(KEEPER_DROP, 3, "pidfd.22", false);
    ck_assert_uint_eq(fdstore_counts(at.fs).kept, 2);
}
END_TEST

START_TEST(a_name_given_twice_is_the_later_one)
{
    int null = open("/dev/null", O_RDONLY), fd;

    said_welcome(KEEPER_MAJOR);
    gave("state", at.keeper);
    gave("state", null);
    said(KEEPER_END, NULL, 0, -1);
    open_it();
    ck_assert_uint_eq(fdstore_counts(at.fs).kept, 1);
    fd = fdstore_take(at.fs, "state");
    ck_assert_same_file(fd, null);
    (void)close(fd);
    (void)close(null);
}
END_TEST

static void
refuses(const char *words)
{
    ck_assert_int_lt(fdstore_open(steal_fd(at.master), &at.fs, &error), 0);
    ck_assert_ptr_null(at.fs);
    ck_assert_msg(strstr(error.text, words) != NULL, "said: %s", error.text);
}

START_TEST(a_keeper_of_another_version_is_refused)
{
    said_welcome(KEEPER_MAJOR + 1);
    gave("state", at.keeper);
    said(KEEPER_END, NULL, 0, -1);
    refuses("the keeper speaks version 2, this master version 1");
}
END_TEST

START_TEST(one_that_never_said_welcome_is_refused)
{
    said(KEEPER_END, NULL, 0, -1);
    refuses("the keeper speaks version 0");
}
END_TEST

START_TEST(a_keeper_that_goes_in_the_middle_is_an_error)
{
    if (_i > 0)
        said_welcome(KEEPER_MAJOR);
    if (_i > 1)
        gave("state", STDIN_FILENO); /* and not its own end, which then stayed open */
    at.keeper = fd_close(at.keeper);
    refuses("take over from the keeper");
}
END_TEST

/* Each of them alone, then all that is right: nothing was understood of it, and no descriptor stayed. */
START_TEST(what_makes_no_sense_is_skipped_and_leaves_nothing_open)
{
    static char much[KEEPER_BODY_MAX + 1];
    const char long_name[KEEPER_NAME_MAX + 1] = "a.name.that.is.one.byte.too.long.for.the.place."
                                                "where.it.has.to.go";
    unsigned before;

    ck_assert_int_eq(send(at.keeper, "x", 1, 0), 1);
    said_frame((struct keeper_frame){KEEPER_GIVE, 0, 7, 1}, "state", 6, at.keeper, 1);
    said_frame((struct keeper_frame){KEEPER_GIVE, 0, UINT32_MAX, 1}, "state", 6, at.keeper, 1);
    said_frame((struct keeper_frame){KEEPER_GIVE, 0, sizeof(much), 1}, much, sizeof(much),
               at.keeper, 1);
    said_frame((struct keeper_frame){KEEPER_GIVE, 0, 6, 1}, "twice", 6, at.keeper, 2);
    said_frame((struct keeper_frame){KEEPER_GIVE, 0, 5, 1}, "four", 5, at.keeper, 4);
    gave("without", -1);
    said(KEEPER_GIVE, "", 0, at.keeper);
    said(KEEPER_GIVE, long_name, sizeof(long_name), at.keeper);
    said(99, "from a later release", 20, at.keeper);
    said(KEEPER_WELCOME, much, 3, -1);
    said(KEEPER_OBITUARY, much, sizeof(struct keeper_obituary) - 1, -1);
    said(KEEPER_ACK, much, sizeof(struct keeper_ack) - 1, -1);
    said_ack(4711, -ENFILE); /* of what was never said */
    said(KEEPER_STORE, "a master's word", 15, at.keeper);
    said_welcome(KEEPER_MAJOR);
    said(KEEPER_END, "with a body", 11, -1);
    before = count_fds();
    open_it();
    ck_assert_uint_eq(count_fds(), before);
    ck_assert_ptr_null(fdstore_next(at.fs, ""));
    ck_assert_uint_eq(fdstore_counts(at.fs).kept, 0);
    begin();
    expect_log("");
    said_frame((struct keeper_frame){KEEPER_OBITUARY, 0, 9, 1}, "x", 1, at.keeper, 1);
    said_obituary(5);
    expect_log("died:5 ");
}
END_TEST

START_TEST(a_datagram_of_nothing_but_a_descriptor_is_not_the_end)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct msghdr m = {.msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    unsigned before;

    control.align.cmsg_level = SOL_SOCKET;
    control.align.cmsg_type = SCM_RIGHTS;
    control.align.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.align), &at.keeper, sizeof(int));
    ck_assert_int_eq(sendmsg(at.keeper, &m, 0), 0);
    said_welcome(KEEPER_MAJOR);
    said(KEEPER_END, NULL, 0, -1);
    before = count_fds();
    open_it();
    ck_assert_uint_eq(count_fds(), before);
}
END_TEST

START_TEST(without_a_keeper_everything_is_allowed_and_does_nothing)
{
    static const struct fdstore_hooks hooks = {on_obituary, on_refused, on_upgrade, on_lost, &at};

    ck_assert_ptr_null(fdstore_welcome(NULL));
    ck_assert_int_eq(fdstore_take(NULL, "state"), -1);
    ck_assert_ptr_null(fdstore_next(NULL, ""));
    ck_assert_ptr_null(fdstore_after(NULL, "", NULL));
    fdstore_begin(NULL, at.loop, &hooks);
    ck_assert_int_eq(fdstore_put(NULL, "state", 0), 0);
    fdstore_drop(NULL, "state");
    fdstore_alive(NULL);
    fdstore_buried(NULL, 1, 1);
    fdstore_notify(NULL, "READY=1");
    ck_assert_int_eq(fdstore_upgrade(NULL, "/bin/stint", 0), -ENOTCONN);
    ck_assert(fdstore_flush(NULL, 0));
    fdstore_leave(NULL, 0, 0);
    ck_assert_uint_eq(fdstore_counts(NULL).kept, 0);
    fdstore_close(NULL);
    expect_log("");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("fdstore");
    TCase *t = tcase_create("fdstore");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, it_says_hello_and_takes_what_is_given_by_name);
    tcase_add_test(t, what_was_not_taken_is_listed_in_its_order);
    tcase_add_test(t, a_name_given_twice_is_the_later_one);
    tcase_add_test(t, a_keeper_of_another_version_is_refused);
    tcase_add_test(t, one_that_never_said_welcome_is_refused);
    tcase_add_loop_test(t, a_keeper_that_goes_in_the_middle_is_an_error, 0, 3);
    tcase_add_test(t, what_makes_no_sense_is_skipped_and_leaves_nothing_open);
    tcase_add_test(t, a_datagram_of_nothing_but_a_descriptor_is_not_the_end);
    tcase_add_test(t, without_a_keeper_everything_is_allowed_and_does_nothing);
    suite_add_tcase(s, t);
    return unit_main(s);
}
