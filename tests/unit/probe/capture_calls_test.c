/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a thread waits for in a system call that is no lock: which descriptor, what is behind it, how long. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "tests/unit/probe/capture_fixture.h"

static int silent[2]; /* a pipe nobody writes to */

#define FAR_MS 3600000

static void *
reads(void *arg)
{
    char c;

    (void)!read(silent[0], &c, 1);
    return arg;
}

static void *
writes(void *arg)
{
    static char much[1 << 20];
    int full[2];

    if (pipe(full) == 0)
        (void)!write(full[1], much, sizeof(much));
    return arg;
}

static int
listener(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)bind(s, (struct sockaddr *)&at, sizeof(at));
    (void)listen(s, 1);
    return s;
}

static void *
accepts(void *arg)
{
    (void)accept(listener(), NULL, NULL);
    return arg;
}

static void *
polls(void *arg)
{
    struct pollfd fds[] = {
        {silent[0], POLLIN, 0        },
        {-1,        POLLIN, 0        },
        {eventfd(0, 0),     POLLIN,    0},
        {silent[1],         POLLPRI,       0}
    };

    stage->fds[0] = fds[2].fd;
    (void)poll(fds, 4, FAR_MS);
    return arg;
}

static void *
selects(void *arg)
{
    fd_set in;

    FD_ZERO(&in);
    FD_SET(silent[0], &in);
    (void)select(silent[0] + 1, &in, NULL, NULL, NULL);
    return arg;
}

static void *
epolls(void *arg)
{
    int e = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};

    (void)epoll_ctl(e, EPOLL_CTL_ADD, silent[0], &event);
    (void)epoll_wait(e, &event, 1, -1);
    return arg;
}

static void *
watches(void *arg)
{
    int i = inotify_init1(0);
    char buf[64];

    (void)inotify_add_watch(i, "/", IN_DELETE_SELF);
    (void)!read(i, buf, sizeof(buf));
    return arg;
}

static void *
ticks(void *arg)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec at = {
        .it_value = {3600, 0}
    };
    uint64_t n;

    (void)timerfd_settime(fd, 0, &at, NULL);
    (void)!read(fd, &n, sizeof(n));
    return arg;
}

static void *
naps(void *arg)
{
    struct timespec t = {10000, 0};

    (void)nanosleep(&t, NULL);
    return arg;
}

static void *
naps_until(void *arg)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += 10000;
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    return arg;
}

static void *
sigwaits(void *arg)
{
    sigset_t set;
    int sig;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR2);
    (void)sigwait(&set, &sig);
    return arg;
}

static void *
waits_for_a_child(void *arg)
{
    pid_t child = fork();

    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        rest();
    }
    (void)waitpid(child, NULL, 0);
    return arg;
}

static void *
flocks(void *arg)
{
    int a = memfd_create("guarded", 0), b;
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", a);
    b = open(path, O_RDWR);
    (void)flock(a, LOCK_EX);
    (void)flock(b, LOCK_EX);
    return arg;
}

static void *
spins(void *arg)
{
    for (volatile unsigned i = 0;; i++)
        ;
    return arg;
}

/* Its limit is none: the kernel looks at it when a datagram came. */
static void *
batches(void *arg)
{
    struct timespec limit = {.tv_nsec = 1000000};
    struct mmsghdr message = {0};
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) == 0)
        (void)recvmmsg(pair[0], &message, 1, 0, &limit);
    return arg;
}

static const struct wait {
    void *(*play)(void *);
    enum wait_class wait;
    unsigned n_fds;
    const char *target; /* in fd_target */
    int64_t timeout_us; /* at most, and not much less; INT64_MAX: never */
} script[] = {
    {NULL,              WAIT_SLEEP,   0, "",                     3600 * US_PER_S  }, /* 0: the first thread */
    {reads,             WAIT_READ,    0, "pipe:[",               INT64_MAX        },
    {writes,            WAIT_WRITE,   0, "pipe:[",               INT64_MAX        },
    {accepts,           WAIT_ACCEPT,  0, "tcp 127.0.0.1:",       INT64_MAX        },
    {polls,             WAIT_POLL,    3, "→ eventfd (0), fd ", FAR_MS *US_PER_MS},
    {selects,           WAIT_POLL,    1, "→ pipe:[",           INT64_MAX        },
    {epolls,            WAIT_EPOLL,   1, "epoll of fd ",         INT64_MAX        },
    {watches,           WAIT_READ,    0, "inotify (1 watches)",  INT64_MAX        },
    {ticks,             WAIT_READ,    0, "timerfd (in 3",        INT64_MAX        },
    {naps,              WAIT_SLEEP,   0, "",                     10000 * US_PER_S },
    {naps_until,        WAIT_SLEEP,   0, "",                     10000 * US_PER_S },
    {sigwaits,          WAIT_SIGNAL,  0, "",                     INT64_MAX        },
    {waits_for_a_child, WAIT_CHILD,   0, "",                     INT64_MAX        },
    {flocks,            WAIT_FLOCK,   0, "guarded",              INT64_MAX        },
    {spins,             WAIT_RUNNING, 0, "",                     INT64_MAX        },
    {batches,           WAIT_READ,    0, "unix",                 INT64_MAX        },
};

static void
set_the_scene(void)
{
    if (pipe(silent) != 0)
        _exit(95);
    for (unsigned i = 1; i < ARRAY_LEN(script); i++)
        (void)start(i, script[i].play);
}

START_TEST(each_call_is_told_with_what_it_waits_for)
{
    const struct wait *w = &script[_i];
    const struct thread_facts *t;

    actor_start(set_the_scene);
    t = await((unsigned)_i, w->wait);
    ck_assert_msg(strstr(t->fd_target, w->target), "'%s' is not in '%s'", w->target, t->fd_target);
    ck_assert_uint_eq(t->n_fds, w->n_fds);
    if (w->timeout_us == INT64_MAX) {
        ck_assert_int_eq(t->timeout_us, INT64_MAX);
    } else {
        ck_assert_int_le(t->timeout_us, w->timeout_us);
        ck_assert_int_gt(t->timeout_us, w->timeout_us - 100 * US_PER_S);
    }
}
END_TEST

/* After SIGSTOP and SIGCONT a sleep is gone on with, and the kernel calls that by another number. */
START_TEST(a_sleep_that_was_interrupted_by_a_stop_is_still_a_sleep)
{
    const struct thread_facts *t;

    actor_start(set_the_scene);
    (void)await(9, WAIT_SLEEP);
    ck_assert_int_eq(kill(actor, SIGSTOP), 0);
    t = await(9, WAIT_STOPPED);
    ck_assert_int_eq(t->state, 'T');
    ck_assert_str_ne(t->call_name, ""); /* it is said where, too */
    ck_assert_int_eq(kill(actor, SIGCONT), 0);
    (void)await(9, WAIT_SLEEP);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("capture_calls");
    TCase *t = tcase_create("capture_calls");

    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, each_call_is_told_with_what_it_waits_for, 0, (int)ARRAY_LEN(script));
    tcase_add_test(t, a_sleep_that_was_interrupted_by_a_stop_is_still_a_sleep);
    suite_add_tcase(s, t);
    return unit_main(s);
}
