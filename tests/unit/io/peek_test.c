/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/peek.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "tests/unit/io/process.h"
#include "tests/unit/unit.h"

static int in, out; /* the pipe: written to, read from */
static char seen[1024 * 1024];

static void
setup(void)
{
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    out = ends[0];
    in = ends[1];
    ck_assert_int_eq(fcntl(in, F_SETPIPE_SZ, (int)sizeof(seen)), (int)sizeof(seen));
    ck_assert_int_eq(peek_init(), 0);
}

static void
teardown(void)
{
    (void)fd_close(in);
    (void)fd_close(out);
}

static void
print(const char *bytes, size_t n)
{
    ck_assert_int_eq(write(in, bytes, n), (ssize_t)n);
}

static unsigned
left(void)
{
    int n = -1;

    ck_assert_int_eq(ioctl(out, FIONREAD, &n), 0);
    return (unsigned)n;
}

static void
is_seen(size_t room, const char *want)
{
    memset(seen, '#', room);
    ck_assert_int_eq(peek_pipe(out, seen, room), (ssize_t)strlen(want));
    ck_assert_mem_eq(seen, want, strlen(want));
}

START_TEST(what_was_looked_at_is_still_there_until_it_is_taken_out)
{
    print("one\ntwo\n", 8);
    is_seen(100, "one\ntwo\n");
    is_seen(100, "one\ntwo\n");
    ck_assert_int_eq(peek_take(out, 4), 0); /* a part of it, in the middle of a write */
    is_seen(100, "two\n");
    print("three\n", 6);
    is_seen(100, "two\nthree\n");
    is_seen(5, "two\nt"); /* no more than there is room for */
    ck_assert_int_eq(peek_take(out, 10), 0);
    ck_assert_uint_eq(left(), 0);
}
END_TEST

START_TEST(an_empty_pipe_and_one_that_ended_are_told_apart)
{
    ck_assert_int_eq(peek_pipe(out, seen, 100), -EAGAIN);
    print("last", 4);
    in = fd_close(in);
    is_seen(100, "last");
    ck_assert_int_eq(peek_take(out, 4), 0);
    ck_assert_int_eq(peek_pipe(out, seen, 100), 0);
    ck_assert_int_eq(peek_pipe(out, seen, 100), 0);
}
END_TEST

START_TEST(it_never_waits_though_the_pipe_would)
{
    ck_assert_int_eq(fcntl(out, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_eq(peek_pipe(out, seen, 100), -EAGAIN);
    ck_assert_int_eq(peek_take(out, 1), -EAGAIN);
}
END_TEST

START_TEST(more_than_a_look_shows_comes_in_pieces_byte_by_byte)
{
    static char big[sizeof(seen)];
    size_t got = 0;

    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 31 + i / 4096);
    print(big, sizeof(big));
    while (got < sizeof(big)) {
        ssize_t n = peek_pipe(out, seen, 65536);

        ck_assert_int_gt(n, 0);
        ck_assert_int_le(n, 65536);
        ck_assert_mem_eq(seen, big + got, (size_t)n);
        ck_assert_int_eq(peek_take(out, (size_t)n), 0);
        got += (size_t)n;
    }
    ck_assert_int_eq(peek_pipe(out, seen, 100), -EAGAIN);
}
END_TEST

/* Each write has a buffer of its own, were it of one byte: O_DIRECT keeps them apart. */
START_TEST(many_small_writes_are_seen_as_one_text)
{
    char want[1000];
    size_t got = 0;

    ck_assert_int_eq(fcntl(in, F_SETFL, O_DIRECT), 0);
    for (unsigned i = 0; i < 200; i++) {
        char digits[8];

        (void)snprintf(digits, sizeof(digits), "%04u\n", i);
        memcpy(want + (size_t)5 * i, digits, 5);
        print(digits, 5);
    }
    while (got < sizeof(want)) {
        ssize_t n = peek_pipe(out, seen, 7); /* at odds with where they begin */

        ck_assert_int_gt(n, 0);
        ck_assert_mem_eq(seen, want + got, (size_t)n);
        ck_assert_int_eq(peek_take(out, (size_t)n), 0);
        got += (size_t)n;
    }
    ck_assert_uint_eq(left(), 0);
}
END_TEST

START_TEST(whoever_takes_what_another_reader_took_is_told)
{
    print("one", 3);
    is_seen(100, "one");
    ck_assert_int_eq(read(out, seen, 2), 2);
    ck_assert_int_eq(peek_take(out, 3), -EAGAIN);
    in = fd_close(in);
    ck_assert_int_eq(peek_take(out, 1), -EPIPE);
    ck_assert_int_eq(peek_take(out, 0), 0);
}
END_TEST

START_TEST(a_reader_that_is_killed_after_its_look_leaves_all_to_the_next)
{
    int status;
    pid_t pid;

    print("precious", 8);
    pid = fork();
    if (pid == 0) {
        (void)peek_pipe(out, seen, 100);
        (void)raise(SIGKILL);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    is_seen(100, "precious");
}
END_TEST

START_TEST(what_is_no_pipe_is_an_error)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    ck_assert_int_eq(peek_pipe(null, seen, 100), -EINVAL);
    ck_assert_int_eq(peek_take(null, 100), -EINVAL);
    ck_assert_int_eq(peek_pipe(-1, seen, 100), -EBADF);
    (void)close(null);
    print("x", 1); /* and it goes on */
    is_seen(100, "x");
}
END_TEST

START_TEST(looking_needs_no_further_descriptor)
{
    unsigned before = count_fds();

    for (int i = 0; i < 100; i++) {
        print("line\n", 5);
        is_seen(100, "line\n");
        ck_assert_int_eq(peek_take(out, 5), 0);
    }
    ck_assert_int_eq(peek_init(), 0);
    ck_assert_uint_eq(count_fds(), before);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("peek");
    TCase *t = tcase_create("peek");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, what_was_looked_at_is_still_there_until_it_is_taken_out);
    tcase_add_test(t, an_empty_pipe_and_one_that_ended_are_told_apart);
    tcase_add_test(t, it_never_waits_though_the_pipe_would);
    tcase_add_test(t, more_than_a_look_shows_comes_in_pieces_byte_by_byte);
    tcase_add_test(t, many_small_writes_are_seen_as_one_text);
    tcase_add_test(t, whoever_takes_what_another_reader_took_is_told);
    tcase_add_test(t, a_reader_that_is_killed_after_its_look_leaves_all_to_the_next);
    tcase_add_test(t, what_is_no_pipe_is_an_error);
    tcase_add_test(t, looking_needs_no_further_descriptor);
    suite_add_tcase(s, t);
    return unit_main(s);
}
