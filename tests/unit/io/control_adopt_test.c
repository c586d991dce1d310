/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/io/control_world.h"
#include "tests/unit/unit.h"

static char path[96], lock[96];

static ino_t
inode_of(const char *file)
{
    struct stat st;

    return stat(file, &st) == 0 ? st.st_ino : 0;
}

/* The master is gone, and somebody kept what it had. */
static struct control_options
leave(void)
{
    struct control_options o = options();

    (void)snprintf(path, sizeof(path), "%s/control.sock", dir);
    (void)snprintf(lock, sizeof(lock), "%s/control.lock", dir);
    o.listen_fd = dup(control_listen_fd(control));
    o.lock_fd = dup(control_lock_fd(control));
    control_leave(control);
    control_destroy(control);
    control = NULL;
    ck_assert_int_gt(o.listen_fd, 0);
    ck_assert_int_gt(o.lock_fd, 0);
    return o;
}

static void
begin(const struct control_options *o)
{
    struct error e = {0};

    ck_assert_msg(control_create(o, &control, &e) == 0, "%s", e.text);
}

static void
is_served(struct client *c)
{
    UNTIL(loop, client_has(c, "\"method\":\"GET\""));
    client_close(c);
}

START_TEST(a_socket_is_taken_over_with_those_who_wait)
{
    struct control_options o = leave();
    ino_t before = inode_of(path);
    struct client c[20], late;

    for (int i = 0; i < 20; i++) {
        client_open(&c[i], dir);
        client_request(&c[i], "GET", "/now", NULL);
    }
    begin(&o);
    ck_assert_int_eq(control_listen_fd(control), o.listen_fd);
    ck_assert_uint_eq(inode_of(path), before);
    client_open(&late, dir);
    client_request(&late, "GET", "/now", NULL);
    for (int i = 0; i < 20; i++)
        is_served(&c[i]);
    is_served(&late);
    ck_assert_uint_eq(n_requests, 21); /* and nothing of our own */
}
END_TEST

/* _i: the file is gone, another socket's that nobody serves, one's that somebody does, no socket. */
START_TEST(a_socket_whose_file_is_another_is_bound_anew)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct control_options o = leave();
    ino_t before;
    struct client old, c;
    int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    client_open(&old, dir); /* came while the file was right */
    client_request(&old, "GET", "/now", NULL);
    (void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    ck_assert_int_eq(unlink(path), 0);
    if (_i == 1 || _i == 2)
        ck_assert_int_eq(bind(other, (struct sockaddr *)&sa, sizeof(sa)), 0);
    if (_i == 2)
        ck_assert_int_eq(listen(other, 4), 0);
    if (_i == 3)
        ck_assert_int_eq(symlink("/dev/null", path), 0);
    before = inode_of(path);
    begin(&o);
    ck_assert_int_ne(control_listen_fd(control), o.listen_fd);
    if (_i == 1 || _i == 2)
        close(other);
    ck_assert(before == 0 || inode_of(path) != before || _i == 1 || _i == 2);
    client_open(&c, dir);
    client_request(&c, "GET", "/now", NULL);
    is_served(&c);
    is_served(&old);
}
END_TEST

START_TEST(what_is_no_listening_unix_socket_is_not_taken_over)
{
    struct control_options o = leave();
    struct client c;

    close(o.listen_fd);
    o.listen_fd = socket(_i == 0 ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_gt(o.listen_fd, 0);
    begin(&o);
    client_open(&c, dir);
    client_request(&c, "GET", "/now", NULL);
    is_served(&c);
}
END_TEST

START_TEST(the_lock_was_held_all_the_time)
{
    struct control_options o = leave(), stranger = options();
    struct control *second = NULL;
    struct error e = {0};
    char pid[32] = "";
    int fd;

    ck_assert_int_eq(control_create(&stranger, &second, &e), -EADDRINUSE);
    o.pid = 4711;
    begin(&o);
    ck_assert_int_eq(control_lock_fd(control), o.lock_fd);
    ck_assert_int_eq(control_create(&stranger, &second, &e), -EADDRINUSE);
    ck_assert_ptr_nonnull(strstr(e.text, "with pid 4711 "));
    fd = open(lock, O_RDONLY | O_CLOEXEC);
    ck_assert_int_gt(read(fd, pid, sizeof(pid) - 1), 0);
    ck_assert_str_eq(pid, "4711\n");
    close(fd);
}
END_TEST

START_TEST(a_lock_whose_file_is_another_is_taken_anew)
{
    struct control_options o = leave();

    if (_i == 0) {
        ck_assert_int_eq(unlink(lock), 0);
    } else {
        close(o.lock_fd); /* nobody kept it */
        o.lock_fd = -1;
    }
    begin(&o);
    ck_assert_uint_ne(inode_of(lock), 0);
    o = options();
    ck_assert_int_eq(control_create(&o, &control, NULL), -EADDRINUSE);
}
END_TEST

START_TEST(descriptors_are_taken_also_when_it_fails)
{
    struct control_options o = leave();
    struct control *second = NULL;
    char open_dir[80];

    (void)snprintf(open_dir, sizeof(open_dir), "%s/open", dir);
    ck_assert_int_eq(mkdir(open_dir, 0755), 0);
    ck_assert_int_eq(chmod(open_dir, 01777), 0);
    o.runtime_dir = open_dir;
    ck_assert_int_eq(control_create(&o, &second, NULL), -EPERM);
    ck_assert_int_eq(fcntl(o.listen_fd, F_GETFD), -1);
    ck_assert_int_eq(fcntl(o.lock_fd, F_GETFD), -1);
    ck_assert_int_eq(rmdir(open_dir), 0);
    o = options();
    begin(&o);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("control");
    TCase *tc = tcase_create("takeover");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_socket_is_taken_over_with_those_who_wait);
    tcase_add_loop_test(tc, a_socket_whose_file_is_another_is_bound_anew, 0, 4);
    tcase_add_loop_test(tc, what_is_no_listening_unix_socket_is_not_taken_over, 0, 2);
    tcase_add_test(tc, the_lock_was_held_all_the_time);
    tcase_add_loop_test(tc, a_lock_whose_file_is_another_is_taken_anew, 0, 2);
    tcase_add_test(tc, descriptors_are_taken_also_when_it_fails);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
