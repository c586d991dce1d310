/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stddef.h>
#include <sys/un.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

/* A notify socket as systemd has it. @name: a path, or '@' and an abstract name. */
static int
notify_socket(const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    memcpy(at.sun_path, name, strlen(name));
    if (name[0] == '@')
        at.sun_path[0] = '\0';
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&at,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                     0);
    ck_assert_int_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

static void
expect(int fd, const char *what)
{
    char text[2048];
    ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

    ck_assert_int_ge(n, 0);
    text[n] = '\0';
    ck_assert_str_eq(text, what);
}

static void
leave(void *arg)
{
    (void)arg;
}

START_TEST(without_a_supervisor_every_call_works)
{
    struct stint_thread *thread;

    forget_checks_sigterm();
    ck_assert_int_eq(stint_init(NULL), 0);
    ck_assert_int_eq(stint_ready(), 0);
    ck_assert_int_eq(stint_status("fine"), 0);
    ck_assert_int_eq(stint_extend(1), 0);
    ck_assert_int_eq(stint_stopping(NULL), 0);
    ck_assert_int_eq(stint_fd(), -1);
    ck_assert_int_eq(stint_dispatch(), 0);
    ck_assert_uint_eq(stint_generation(), 0);
    ck_assert_str_eq(stint_service(), "");
    ck_assert_str_eq(stint_trace_id(), "");
    ck_assert_int_eq(stint_listen_fd(NULL), -ENOENT);
    stint_beat();
    STINT_BLOCK("nowhere", NULL)
    stint_thread_exempt("no reason", STINT_NEVER);
    ck_assert_int_eq(stint_thread_spawn(&thread, stint_root(), "t", leave, NULL), 0);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    (void)raise(SIGTERM);
    ck_assert(stint_token_cancelled(stint_root()));
}
END_TEST

START_TEST(threads_and_tokens_work_before_init)
{
    struct stint_token *t = stint_token_new(stint_root(), "t");
    struct stint_thread *thread;

    ck_assert_int_eq(stint_thread_spawn(&thread, t, "t", leave, NULL), 0);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    stint_token_unref(t);
}
END_TEST

START_TEST(plain_systemd_hears_it_all)
{
    char abstract[64], dir[] = "/tmp/stint-test-XXXXXX", path[64];
    int fd;

    forget_checks_sigterm();
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/notify", dir);
    (void)snprintf(abstract, sizeof(abstract), "@stint-test-%d", getpid());
    fd = notify_socket(_i == 0 ? path : abstract);
    stint_init(NULL);
    ck_assert_int_eq(stint_ready(), 0);
    expect(fd, "READY=1\n");
    ck_assert_int_eq(stint_status("three\nREADY=1"), 0);
    expect(fd, "STATUS=three READY=1");
    ck_assert_int_eq(stint_extend(1500000), 0);
    expect(fd, "EXTEND_TIMEOUT_USEC=1500000\n");
    ck_assert_int_eq(stint_stopping("done"), 0);
    expect(fd, "STOPPING=1\n");
    expect(fd, "STATUS=done");
    unlink(path);
    rmdir(dir);
}
END_TEST

/* A worker that starts while its supervisor dies goes on: READY is no reason to end. */
START_TEST(a_notify_socket_that_nobody_reads_is_nobody_to_tell)
{
    char dir[] = "/tmp/stint-test-XXXXXX", path[64];

    forget_checks_sigterm();
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/notify", dir);
    (void)close(notify_socket(path)); /* as a SIGKILL leaves it */
    if (_i == 1)
        unlink(path);
    stint_init(NULL);
    ck_assert_int_eq(stint_ready(), 0);
    ck_assert_int_eq(stint_status("serving"), 0);
    ck_assert_int_eq(stint_extend(1), 0);
    ck_assert_int_eq(stint_stopping("done"), 0);
    unlink(path);
    rmdir(dir);
}
END_TEST

START_TEST(with_a_channel_only_status_goes_by_notify)
{
    struct master m = master_start();
    char abstract[64];
    char body[STINT_FRAME_MAX];
    int fd;

    (void)snprintf(abstract, sizeof(abstract), "@stint-test-%d", getpid());
    fd = notify_socket(abstract);
    stint_init(NULL);
    ck_assert_int_eq(stint_ready(), 0);
    ck_assert_int_eq(stint_status("serving"), 0);
    expect(fd, "STATUS=serving");
    ck_assert_uint_eq(master_receive(&m, body).type, STINT_FRAME_HELLO);
    ck_assert_uint_eq(master_receive(&m, body).type, STINT_FRAME_READY);
}
END_TEST

START_TEST(listeners_are_found_by_name_and_close_on_exec)
{
    char pid[16];

    forget_checks_sigterm();
    for (int fd = 3; fd < 6; fd++)
        ck_assert_int_eq(dup2(0, fd), fd);
    (void)snprintf(pid, sizeof(pid), "%d", getpid());
    (void)setenv("LISTEN_PID", pid, 1);
    (void)setenv("LISTEN_FDS", "3", 1);
    (void)setenv("LISTEN_FDNAMES", "http:admin:tls", 1);
    stint_init(NULL);
    (void)unsetenv("LISTEN_FDNAMES");
    ck_assert_int_eq(stint_listen_fd("http"), 3);
    ck_assert_int_eq(stint_listen_fd("admin"), 4);
    ck_assert_int_eq(stint_listen_fd("tls"), 5);
    ck_assert_int_eq(stint_listen_fd(NULL), 3);
    ck_assert_int_eq(stint_listen_fd("htt"), -ENOENT);
    ck_assert_int_ne(fcntl(4, F_GETFD) & FD_CLOEXEC, 0);
}
END_TEST

START_TEST(listeners_of_another_process_are_not_ours)
{
    forget_checks_sigterm();
    (void)setenv("LISTEN_PID", "1", 1);
    (void)setenv("LISTEN_FDS", "1", 1);
    stint_init(NULL);
    ck_assert_int_eq(stint_listen_fd(NULL), -ENOENT);
}
END_TEST

static const struct {
    const char *parent;
    const char *id;
} traces[] = {
    {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",   "0af7651916cd43dd8448eb211c80319c"},
    {"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
     "0af7651916cd43dd8448eb211c80319c"                                                             },
    {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x", ""                                },
    {"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",   ""                                },
    {"00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",   ""                                },
    {"00-00000000000000000000000000000000-b7ad6b7169203331-01",   ""                                },
    {"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",   ""                                },
    {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",    ""                                },
    {"",                                                          ""                                },
};

START_TEST(only_a_valid_trace_is_taken)
{
    forget_checks_sigterm();
    (void)setenv("TRACEPARENT", traces[_i].parent, 1);
    stint_init(NULL);
    ck_assert_str_eq(stint_trace_id(), traces[_i].id);
}
END_TEST

static const char *const nonsense[] = {"",   "x",  "-1", "99999999999999999999",
                                       "3x", " 3", "0",  "1000000"};

START_TEST(nonsense_in_the_environment_means_unmanaged)
{
    forget_checks_sigterm();
    (void)setenv("STINT_CHANNEL", nonsense[_i], 1);
    (void)setenv("STINT_REGISTRY", nonsense[_i], 1);
    (void)setenv("LISTEN_PID", nonsense[_i], 1);
    (void)setenv("LISTEN_FDS", nonsense[_i], 1);
    (void)setenv("STINT_GENERATION", "12monkeys", 1);
    ck_assert_int_eq(stint_init(NULL), 0);
    ck_assert_int_eq(stint_fd(), -1);
    ck_assert_int_eq(stint_ready(), 0);
    ck_assert_uint_eq(stint_generation(), 0);
    ck_assert_int_ge(fcntl(0, F_GETFD), 0); /* a number that is not ours is not closed */
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("alone");
    TCase *alone = tcase_create("alone");
    TCase *environment = tcase_create("environment");

    tcase_add_test(alone, without_a_supervisor_every_call_works);
    tcase_add_test(alone, threads_and_tokens_work_before_init);
    tcase_add_loop_test(alone, plain_systemd_hears_it_all, 0, 2);
    tcase_add_loop_test(alone, a_notify_socket_that_nobody_reads_is_nobody_to_tell, 0, 2);
    tcase_add_test(alone, with_a_channel_only_status_goes_by_notify);
    tcase_add_test(environment, listeners_are_found_by_name_and_close_on_exec);
    tcase_add_test(environment, listeners_of_another_process_are_not_ours);
    tcase_add_loop_test(environment, only_a_valid_trace_is_taken, 0,
                        (int)(sizeof(traces) / sizeof(*traces)));
    tcase_add_loop_test(environment, nonsense_in_the_environment_means_unmanaged, 0,
                        (int)(sizeof(nonsense) / sizeof(*nonsense)));
    tcase_set_timeout(alone, 60);
    tcase_set_timeout(environment, 60);
    suite_add_tcase(suite, alone);
    suite_add_tcase(suite, environment);
    return unit_main(suite);
}
