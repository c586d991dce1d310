/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/io/forget.h"
#include "tests/unit/unit.h"

/* How many descriptors the epoll instance @epoll holds, as the kernel tells it. */
static int
held(int epoll)
{
    char path[64], line[256];
    FILE *f;
    int n = 0;

    (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", epoll);
    f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof(line), f))
        n += strncmp(line, "tfd:", 4) == 0;
    ck_assert_int_eq(fclose(f), 0);
    return n;
}

static void
on_io(EV_P_ ev_io *io, int revents)
{
    (void)revents;
    (*(int *)io->data)++;
    ev_break(EV_A_ EVBREAK_ALL);
}

START_TEST(what_is_forgotten_is_out_of_the_epoll_set_though_a_copy_is_open)
{
    int first = forget_next(), ends[2], copy, heard = 0;
    struct ev_loop *loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    ev_io io;

    ck_assert_ptr_nonnull(loop);
    forget_init(loop, first);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    copy = fcntl(ends[0], F_DUPFD_CLOEXEC, 3);
    ck_assert_int_ge(copy, 0);
    ev_io_init(&io, on_io, ends[0], EV_READ);
    io.data = &heard;
    ev_io_start(loop, &io);
    (void)ev_run(loop, EVRUN_NOWAIT);
    ck_assert_int_eq(held(first), 1);

    forget_io(loop, &io);
    ck_assert_int_eq(close(ends[0]), 0);
    ck_assert_int_eq(held(first), 0); /* the copy alone would have held it */
    forget_io(loop, &io);             /* and the number, which is another's soon, is not touched */

    ev_io_set(&io, copy, EV_READ); /* the number may come back, too */
    ev_io_start(loop, &io);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    (void)ev_run(loop, 0);
    ck_assert_int_eq(heard, 1);
    ck_assert_int_eq(held(first), 1);
    forget_io(loop, &io);
    ev_loop_destroy(loop);
    ck_assert_int_eq(close(copy), 0);
    ck_assert_int_eq(close(ends[1]), 0);
}
END_TEST

START_TEST(a_loop_that_is_not_known_is_served_as_by_libev)
{
    int ends[2], heard = 0;
    struct ev_loop *loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    ev_io io;

    ck_assert_ptr_nonnull(loop);
    forget_init(loop, STDIN_FILENO); /* no epoll descriptor: not taken for one */
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ev_io_init(&io, on_io, ends[0], EV_READ);
    io.data = &heard;
    ev_io_start(loop, &io);
    forget_io(loop, &io);
    ck_assert(!ev_is_active(&io));
    ck_assert_int_eq(io.fd, -1);
    ev_loop_destroy(loop);
    ck_assert_int_eq(close(ends[0]), 0);
    ck_assert_int_eq(close(ends[1]), 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("forget");
    TCase *t = tcase_create("forget");

    tcase_add_test(t, what_is_forgotten_is_out_of_the_epoll_set_though_a_copy_is_open);
    tcase_add_test(t, a_loop_that_is_not_known_is_served_as_by_libev);
    suite_add_tcase(s, t);
    return unit_main(s);
}
