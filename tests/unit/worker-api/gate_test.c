/* SPDX-License-Identifier: MIT */
/* Listeners that come by the channel, once the supervisor lets the worker have clients. */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

static void
environment(const char *gated)
{
    char pid[16];

    (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
    ck_assert_int_eq(setenv("LISTEN_PID", pid, 1), 0);
    ck_assert_int_eq(setenv("STINT_GATED", gated, 1), 0);
}

static int
listening_socket(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    return fd;
}

static unsigned
port_of(int fd)
{
    struct sockaddr_in name = {0};
    socklen_t size = sizeof(name);

    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&name, &size), 0);
    return ntohs(name.sin_port);
}

/* One LISTENERS frame: @names is "http" and such, each with its NUL. */
static void
hand_over(struct master *m, const char *names, uint32_t names_bytes, uint16_t count, bool more,
          const int *fds, size_t n)
{
    struct stint_listeners head = {.count = count, .more = more};
    struct stint_frame frame = {.type = STINT_FRAME_LISTENERS,
                                .length = (uint32_t)sizeof(head) + names_bytes,
                                .sequence = ++m->sequence};
    union {
        char bytes[CMSG_SPACE(8 * sizeof(int))];
        struct cmsghdr head;
    } control = {.bytes = {0}};
    char bytes[512];
    struct iovec part = {bytes, sizeof(frame) + frame.length};
    struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};

    memcpy(bytes, &frame, sizeof(frame));
    memcpy(bytes + sizeof(frame), &head, sizeof(head));
    memcpy(bytes + sizeof(frame) + sizeof(head), names, names_bytes);
    if (n > 0) {
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(&control.head), fds, n * sizeof(int));
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
    }
    ck_assert_int_eq(sendmsg(m->channel, &msg, MSG_NOSIGNAL), (ssize_t)part.iov_len);
}

static unsigned
open_fds(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) != -1;
    return n;
}

START_TEST(before_they_come_they_are_said_to_be_on_their_way)
{
    struct master m = master_start();

    environment("http:admin");
    ck_assert_int_eq(stint_init(NULL), 0);
    master_hello(&m);
    ck_assert_int_eq(stint_listen_fd("http"), -EAGAIN);
    ck_assert_int_eq(stint_listen_fd(NULL), -EAGAIN);
    ck_assert_int_eq(stint_listen_fd("tls"), -ENOENT);
    ck_assert_int_eq(stint_listen_wait(NULL, "admin", stint_now_us() + 1000), -ETIMEDOUT);
    ck_assert_int_eq(stint_listen_wait(NULL, "tls", STINT_NEVER), -ENOENT);
}
END_TEST

START_TEST(whoever_waits_gets_them_when_they_come)
{
    struct master m = master_start();
    int one = listening_socket(), two = listening_socket();

    environment("http:admin");
    ck_assert_int_eq(stint_init(NULL), 0);
    master_hello(&m);
    hand_over(&m, "http", 5, 1, true, &one, 1);
    hand_over(&m, "admin", 6, 1, false, &two, 1);

    int admin = stint_listen_wait(stint_root(), "admin", soon());
    int http = stint_listen_fd(NULL);

    ck_assert_int_ge(admin, 0);
    ck_assert_int_ge(http, 0);
    ck_assert_uint_eq(port_of(http), port_of(one));
    ck_assert_uint_eq(port_of(admin), port_of(two));
    ck_assert_int_ne(fcntl(http, F_GETFD) & FD_CLOEXEC, 0);
}
END_TEST

static void *
waits(void *ret)
{
    *(int *)ret = stint_listen_wait(NULL, "http", soon());
    return NULL;
}

START_TEST(it_does_not_matter_which_thread_reads_the_channel)
{
    struct master m = master_start();
    int one = listening_socket(), got[3] = {0};
    pthread_t threads[3];

    environment("http");
    ck_assert_int_eq(stint_init(NULL), 0);
    master_hello(&m);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, waits, &got[i]), 0);
    hand_over(&m, "http", 5, 1, false, &one, 1);
    while (stint_listen_fd("http") == -EAGAIN)
        (void)stint_dispatch();
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(got[i], stint_listen_fd("http"));
    }
}
END_TEST

START_TEST(the_same_again_changes_nothing_and_costs_no_descriptor)
{
    struct master m = master_start();
    int one = listening_socket(), plain = socket(AF_INET, SOCK_STREAM, 0), fds[3], http;
    unsigned before;

    environment("http");
    ck_assert_int_eq(stint_init(NULL), 0);
    master_hello(&m);
    hand_over(&m, "http", 5, 1, false, &one, 1);
    http = stint_listen_wait(NULL, "http", soon());
    before = open_fds();
    hand_over(&m, "http", 5, 1, false, &one, 1);
    hand_over(&m, "other", 6, 1, false, &one, 1);
    hand_over(&m, "http", 5, 0, false, &one, 1); /* fewer names than descriptors */
    hand_over(&m, "ht", 2, 1, false, &one, 1);   /* a name without its end */
    hand_over(&m, "http", 5, 9, false, NULL, 0); /* names without descriptors */
    fds[0] = fds[1] = fds[2] = plain;
    hand_over(&m, "http\0http\0http", 15, 3, false, fds, 3); /* not even listening */
    for (int i = 0; i < 3; i++)
        (void)stint_dispatch();
    ck_assert_int_eq(stint_listen_fd("http"), http);
    ck_assert_uint_eq(open_fds(), before);
}
END_TEST

START_TEST(what_never_came_is_not_waited_for)
{
    struct master m = master_start();
    int one = listening_socket();

    environment("http:admin");
    ck_assert_int_eq(stint_init(NULL), 0);
    master_hello(&m);
    hand_over(&m, "http", 5, 1, false, &one, 1);
    ck_assert_int_eq(stint_listen_wait(NULL, "admin", STINT_NEVER), -ENOENT);
    ck_assert_int_ge(stint_listen_fd("http"), 0);
}
END_TEST

START_TEST(a_supervisor_that_goes_ends_the_wait)
{
    struct master m = master_start();

    environment("http");
    ck_assert_int_eq(stint_init(NULL), 0);
    master_hello(&m);
    ck_assert_int_eq(close(m.channel), 0);
    ck_assert_int_eq(stint_listen_wait(NULL, "http", STINT_NEVER), -ENOENT);
}
END_TEST

START_TEST(a_cancel_ends_the_wait)
{
    struct master m = master_start();

    environment("http");
    ck_assert_int_eq(stint_init(NULL), 0);
    master_hello(&m);
    master_cancel(&m, STINT_CAUSE_REJECTED, "another worker was not ready", STINT_NEVER);
    ck_assert_int_eq(stint_listen_wait(stint_root(), "http", STINT_NEVER), -ECANCELED);
}
END_TEST

START_TEST(a_child_does_not_wait_for_what_is_its_parents)
{
    struct master m = master_start();
    int status;
    pid_t pid;

    environment("http");
    ck_assert_int_eq(stint_init(NULL), 0);
    master_hello(&m);
    pid = fork();
    if (pid == 0)
        _exit(stint_listen_wait(NULL, "http", STINT_NEVER) == -ENOENT ? 0 : 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(stint_listen_fd("http"), -EAGAIN);
}
END_TEST

START_TEST(gated_without_a_channel_is_no_gate)
{
    forget_checks_sigterm();
    environment("http");
    ck_assert_int_eq(stint_init(NULL), 0);
    ck_assert_int_eq(stint_listen_wait(NULL, "http", STINT_NEVER), -ENOENT);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("gate");
    TCase *tc = tcase_create("gate");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, before_they_come_they_are_said_to_be_on_their_way);
    tcase_add_test(tc, whoever_waits_gets_them_when_they_come);
    tcase_add_test(tc, it_does_not_matter_which_thread_reads_the_channel);
    tcase_add_test(tc, the_same_again_changes_nothing_and_costs_no_descriptor);
    tcase_add_test(tc, what_never_came_is_not_waited_for);
    tcase_add_test(tc, a_supervisor_that_goes_ends_the_wait);
    tcase_add_test(tc, a_cancel_ends_the_wait);
    tcase_add_test(tc, a_child_does_not_wait_for_what_is_its_parents);
    tcase_add_test(tc, gated_without_a_channel_is_no_gate);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
