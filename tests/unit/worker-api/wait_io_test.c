/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <termios.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

#define N_WAITERS 3

/* Threads that wait at one descriptor, all for the same. */
struct waiters {
    struct stint_token *token;
    int fd;
    enum what { ACCEPTS, READS, WRITES } what;
    int64_t until;
    long results[N_WAITERS];
    struct stint_thread *threads[N_WAITERS];
};

struct waiter {
    struct waiters *all;
    int number;
};

static void
wait_at(void *arg)
{
    struct waiter w = *(struct waiter *)arg;
    struct waiters *all = w.all;
    char bytes[8192] = {0};
    long r;

    if (all->what == ACCEPTS)
        r = stint_accept(all->token, all->fd, NULL, NULL, all->until);
    else if (all->what == READS)
        r = stint_read(all->token, all->fd, bytes, sizeof(bytes), all->until);
    else
        r = stint_write(all->token, all->fd, bytes, sizeof(bytes), all->until);
    __atomic_store_n(&all->results[w.number], r, __ATOMIC_RELEASE);
    free(arg);
}

static void
waiters_up(struct waiters *all, int fd, enum what what)
{
    memset(all, 0, sizeof(*all));
    all->token = stint_token_new(NULL, "io");
    all->until = STINT_NEVER;
    all->fd = fd;
    all->what = what;
    for (int i = 0; i < N_WAITERS; i++) {
        struct waiter *w = malloc(sizeof(*w));

        ck_assert_ptr_nonnull(w);
        *w = (struct waiter){all, i};
        all->results[i] = -1000;
        ck_assert_int_eq(stint_thread_spawn(&all->threads[i], NULL, "waiter", wait_at, w), 0);
    }
}

static int
count(const struct waiters *all, bool successes)
{
    int n = 0;

    for (int i = 0; i < N_WAITERS; i++) {
        long r = __atomic_load_n(&all->results[i], __ATOMIC_ACQUIRE);

        n += successes ? r >= 0 : r == -ECANCELED;
    }
    return n;
}

static void
until_one_has_it(const struct waiters *all)
{
    int64_t limit = soon();

    while (count(all, true) == 0)
        ck_assert_int_lt(stint_now_us(), limit);
}

/* One got it; the others leave with the token, and the descriptor is as it was. */
static void
cancel_and_count(struct waiters *all, int flags)
{
    stint_token_cancel(all->token, STINT_CAUSE_USER, NULL);
    for (int i = 0; i < N_WAITERS; i++)
        ck_assert_int_eq(stint_thread_join(all->threads[i], NULL, soon()), 0);
    ck_assert_int_eq(count(all, true), 1);
    ck_assert_int_eq(count(all, false), N_WAITERS - 1);
    ck_assert_int_eq(fcntl(all->fd, F_GETFL), flags);
    stint_token_unref(all->token);
}

static int
listener(struct sockaddr_in *at, int type)
{
    socklen_t size = sizeof(*at);
    int fd = socket(AF_INET, SOCK_STREAM | type, 0);

    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    ck_assert_int_eq(bind(fd, (struct sockaddr *)at, sizeof(*at)), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)at, &size), 0);
    return fd;
}

static int
client(const struct sockaddr_in *at)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(connect(fd, (const struct sockaddr *)at, sizeof(*at)), 0);
    return fd;
}

/* Blocking or not: all are told of one client, one gets it, and the others do not sit in accept(). */
START_TEST(threads_that_accept_leave_with_their_token)
{
    struct sockaddr_in at;
    int fd = listener(&at, _i % 2 ? SOCK_NONBLOCK : 0), flags = fcntl(fd, F_GETFL), one;
    struct waiters all;

    waiters_up(&all, fd, ACCEPTS);
    one = client(&at);
    until_one_has_it(&all);
    cancel_and_count(&all, flags);
    for (int i = 0; i < N_WAITERS; i++)
        if (all.results[i] >= 0) {
            ck_assert_int_eq(fcntl((int)all.results[i], F_GETFD), FD_CLOEXEC);
            (void)close((int)all.results[i]);
        }
    (void)close(one);
    (void)close(fd);
}
END_TEST

START_TEST(an_accept_tells_who_came_and_obeys_time_and_cancel)
{
    struct stint_token *token = stint_token_new(NULL, "accept");
    struct sockaddr_in at, from;
    socklen_t size = sizeof(from);
    int fd = listener(&at, 0), one = client(&at), got;

    got = stint_accept(token, fd, (struct sockaddr *)&from, &size, STINT_NEVER);
    ck_assert_int_ge(got, 0);
    ck_assert_int_eq(from.sin_family, AF_INET);
    ck_assert_int_eq(stint_accept(token, fd, NULL, NULL, stint_now_us() + 1000), -ETIMEDOUT);
    ck_assert_int_eq(stint_accept(token, -1, NULL, NULL, STINT_NEVER), -EBADF);
    ck_assert_int_eq(stint_accept(token, got, NULL, NULL, 0), -EINVAL);
    stint_token_cancel(token, STINT_CAUSE_USER, NULL);
    (void)close(client(&at));
    ck_assert_int_eq(stint_accept(token, fd, NULL, NULL, STINT_NEVER), -ECANCELED);
    stint_token_unref(token);
    (void)close(one);
}
END_TEST

/* Both ends of: a stream socket, a pipe, a terminal, each blocking and not. */
static void
ends(int which, int fds[2])
{
    struct termios raw;

    if (which == 0) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    } else if (which == 1) {
        ck_assert_int_eq(pipe(fds), 0);
    } else {
        fds[1] = posix_openpt(O_RDWR | O_NOCTTY);
        ck_assert_int_ge(fds[1], 0);
        ck_assert_int_eq(grantpt(fds[1]), 0);
        ck_assert_int_eq(unlockpt(fds[1]), 0);
        fds[0] = open(ptsname(fds[1]), O_RDWR | O_NOCTTY); /* NOLINT(concurrency-mt-unsafe) */
        ck_assert_int_ge(fds[0], 0);
        ck_assert_int_eq(tcgetattr(fds[0], &raw), 0);
        cfmakeraw(&raw);
        ck_assert_int_eq(tcsetattr(fds[0], TCSANOW, &raw), 0);
    }
}

START_TEST(threads_that_read_leave_with_their_token)
{
    struct waiters all;
    int fds[2], flags;

    ends(_i % 3, fds);
    if (_i / 3)
        ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_RDWR * (_i % 3 != 1) | O_NONBLOCK), 0);
    flags = fcntl(fds[0], F_GETFL);
    waiters_up(&all, fds[0], READS);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    until_one_has_it(&all);
    cancel_and_count(&all, flags);
}
END_TEST

/* Who writes where nobody reads waits for room, and leaves with the token. */
START_TEST(threads_that_write_leave_with_their_token)
{
    struct stint_token *token = stint_token_new(NULL, "write");
    char bytes[8192] = {0};
    struct waiters all;
    int fds[2], flags;
    ssize_t n, total = 0, left;

    ends(_i % 2, fds);
    flags = fcntl(fds[1], F_GETFL);
    while ((n = stint_write(token, fds[1], bytes, sizeof(bytes), 0)) > 0)
        total += n;
    ck_assert_int_eq(n, -ETIMEDOUT);
    ck_assert_int_gt(total, 0);
    waiters_up(&all, fds[1], WRITES);
    stint_token_cancel(all.token, STINT_CAUSE_USER, NULL);
    for (int i = 0; i < N_WAITERS; i++)
        ck_assert_int_eq(stint_thread_join(all.threads[i], NULL, soon()), 0);
    ck_assert_int_eq(count(&all, false), N_WAITERS);
    ck_assert_int_eq(fcntl(fds[1], F_GETFL), flags);
    for (left = total; left > 0; left -= n) /* what was said to be written is there */
        ck_assert_int_gt(n = stint_read(token, fds[0], bytes, sizeof(bytes), soon()), 0);
    ck_assert_int_eq(left, 0);
    ck_assert_int_eq(stint_read(token, fds[0], bytes, sizeof(bytes), 0), -ETIMEDOUT);
    stint_token_unref(all.token);
    stint_token_unref(token);
}
END_TEST

START_TEST(ends_errors_and_files_are_as_with_read_and_write)
{
    struct stint_token *token = stint_token_new(NULL, "plain");
    int fds[2], file = memfd_create("file", 0), null = open("/dev/null", O_RDWR);
    char bytes[16];

    ends(0, fds);
    (void)close(fds[1]);
    ck_assert_int_eq(stint_read(token, fds[0], bytes, sizeof(bytes), STINT_NEVER), 0);
    ck_assert_int_eq(stint_write(token, fds[0], "x", 1, STINT_NEVER), -EPIPE); /* no SIGPIPE */
    (void)close(fds[0]);
    ck_assert_int_eq(stint_read(token, fds[0], bytes, sizeof(bytes), STINT_NEVER), -EBADF);
    ck_assert_int_eq(stint_write(token, file, "hello", 5, STINT_NEVER), 5);
    ck_assert_int_eq(lseek(file, 0, SEEK_SET), 0);
    ck_assert_int_eq(stint_read(token, file, bytes, sizeof(bytes), STINT_NEVER), 5);
    ck_assert_int_eq(memcmp(bytes, "hello", 5), 0);
    ck_assert_int_eq(stint_read(token, file, bytes, sizeof(bytes), STINT_NEVER), 0);
    ck_assert_int_eq(stint_read(token, null, bytes, sizeof(bytes), STINT_NEVER), 0);
    ck_assert_int_eq(stint_write(token, null, bytes, sizeof(bytes), STINT_NEVER), sizeof(bytes));
    ends(1, fds);
    ck_assert_int_eq(write(fds[1], "y", 1), 1);
    stint_token_cancel(token, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(stint_read(token, fds[0], bytes, 1, STINT_NEVER), -ECANCELED);
    ck_assert_int_eq(stint_read(NULL, fds[0], bytes, 1, STINT_NEVER), 1);
    stint_token_unref(token);
}
END_TEST

static volatile sig_atomic_t caught;

static void catch (int signo)
{
    (void)signo;
    caught = 1;
}

static void
read_one(void *arg)
{
    char byte;

    ck_assert_int_eq(stint_read(stint_root(), *(int *)arg, &byte, 1, soon()), 1);
}

START_TEST(a_signal_in_between_is_not_noticed)
{
    struct sigaction action = {.sa_handler = catch};
    struct stint_thread *thread;
    int fds[2];

    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0); /* without SA_RESTART */
    ends(1, fds);
    ck_assert_int_eq(stint_thread_spawn(&thread, NULL, "reader", read_one, &fds[0]), 0);
    for (int64_t limit = soon(); !caught && stint_now_us() < limit;)
        (void)kill(getpid(), SIGUSR1); /* some of them reach the reader */
    ck_assert(caught);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("wait_io");
    TCase *io = tcase_create("io");

    tcase_set_timeout(io, 100);
    tcase_add_loop_test(io, threads_that_accept_leave_with_their_token, 0, 400);
    tcase_add_test(io, an_accept_tells_who_came_and_obeys_time_and_cancel);
    tcase_add_loop_test(io, threads_that_read_leave_with_their_token, 0, 6);
    tcase_add_loop_test(io, threads_that_write_leave_with_their_token, 0, 2);
    tcase_add_test(io, ends_errors_and_files_are_as_with_read_and_write);
    tcase_add_test(io, a_signal_in_between_is_not_noticed);
    suite_add_tcase(suite, io);
    return unit_main(suite);
}
