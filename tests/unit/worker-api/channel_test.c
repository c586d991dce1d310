/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

START_TEST(init_takes_the_channel_and_says_hello)
{
    struct master m = master_start();
    struct stint_hello hello;
    struct stint_frame frame;

    ck_assert_int_eq(stint_init(NULL), 0);
    ck_assert_int_eq(stint_init(NULL), 0);

    frame = master_receive(&m, &hello);
    ck_assert_uint_eq(frame.type, STINT_FRAME_HELLO);
    ck_assert_uint_eq(frame.sequence, 1);
    ck_assert_uint_eq(hello.major, STINT_WIRE_MAJOR);
    ck_assert_int_eq((pid_t)hello.pid, getpid());
    ck_assert_int_eq(stint_fd(), m.theirs);
    ck_assert_int_ne(fcntl(m.theirs, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_ptr_null(getenv("STINT_CHANNEL"));
    ck_assert_ptr_null(getenv("STINT_REGISTRY"));
    ck_assert_uint_eq(stint_generation(), 7);
    ck_assert_uint_eq(stint_slot(), 3);
    ck_assert_str_eq(stint_service(), "web");
}
END_TEST

START_TEST(an_init_that_failed_can_be_tried_again)
{
    struct master m = master_start();
    struct stint_registry_slot slot;
    struct rlimit before, none;
    char body[STINT_FRAME_MAX];

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(stint_init(NULL), -EMFILE);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(stint_init(NULL), 0);
    ck_assert_uint_eq(master_receive(&m, body).type, STINT_FRAME_HELLO);
    ck_assert_int_eq(stint_thread_adopt(NULL, "again"), -EBUSY); /* it is "main" */
    stint_beat();
    ck_assert_int_eq(master_find(&m, "main", &slot), 1);
    ck_assert_uint_eq(slot.beats, 1);
    ck_assert_uint_gt(slot.alive_ns, 0);
}
END_TEST

/* A helper that the worker runs before its own stint_init() inherits all of its environment. */
START_TEST(a_child_of_the_worker_is_not_the_worker)
{
    struct master m = master_start();
    struct stint_registry_slot slot;
    char body[STINT_FRAME_MAX], pid[16];
    const char *number = getenv("STINT_REGISTRY");
    int registry = number ? (int)strtol(number, NULL, 10) : -1;
    int status;
    pid_t helper;

    (void)snprintf(pid, sizeof(pid), "%d", getpid());
    ck_assert_int_eq(setenv("LISTEN_PID", pid, 1), 0);
    helper = fork();
    ck_assert_int_ge(helper, 0);
    if (helper == 0) {
        if (stint_init(NULL) != 0 || stint_fd() != -1 || getenv("STINT_CHANNEL") ||
            getenv("STINT_REGISTRY"))
            _exit(1);
        _exit((fcntl(m.theirs, F_GETFD) & fcntl(registry, F_GETFD) & FD_CLOEXEC) ? 0 : 2);
    }
    ck_assert_int_eq(waitpid(helper, &status, 0), helper);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    ck_assert_int_eq(stint_init(NULL), 0);
    ck_assert_uint_eq(master_receive(&m, body).type, STINT_FRAME_HELLO);
    ck_assert_int_eq(recv(m.channel, body, sizeof(body), MSG_DONTWAIT), -1);
    ck_assert_int_eq(master_find(&m, "main", &slot), 1);
    ck_assert_int_eq((pid_t)slot.tid, getpid());
}
END_TEST

START_TEST(every_frame_has_the_next_number)
{
    struct master m = master_start();
    struct stint_extend extend;
    char body[STINT_FRAME_MAX];

    stint_init(NULL);
    ck_assert_int_eq(stint_ready(), 0);
    ck_assert_int_eq(stint_extend(5000000), 0);
    ck_assert_int_eq(stint_extend(-1), -EINVAL);
    ck_assert_int_eq(stint_stopping("done"), 0);

    ck_assert_uint_eq(master_receive(&m, body).type, STINT_FRAME_HELLO);
    struct stint_frame frame = master_receive(&m, body);
    ck_assert_uint_eq(frame.type, STINT_FRAME_READY);
    ck_assert_uint_eq(frame.sequence, 2);
    ck_assert_uint_eq(frame.length, 0);
    frame = master_receive(&m, &extend);
    ck_assert_uint_eq(frame.type, STINT_FRAME_EXTEND);
    ck_assert_uint_eq(frame.sequence, 3);
    ck_assert_uint_eq(extend.usec, 5000000);
    frame = master_receive(&m, body);
    ck_assert_uint_eq(frame.type, STINT_FRAME_STOPPING);
    ck_assert_uint_eq(frame.sequence, 4);
}
END_TEST

START_TEST(a_full_queue_is_said_and_costs_no_number)
{
    struct master m = master_start();
    char body[STINT_FRAME_MAX];
    uint64_t sent = 1;
    int r;

    stint_init(NULL);
    while ((r = stint_ready()) == 0)
        sent++;
    ck_assert_int_eq(r, -EAGAIN);
    for (uint64_t i = 1; i <= sent; i++)
        ck_assert_uint_eq(master_receive(&m, body).sequence, i);
    ck_assert_int_eq(stint_ready(), 0);
    ck_assert_uint_eq(master_receive(&m, body).sequence, sent + 1);
}
END_TEST

START_TEST(a_cancel_frame_cancels_the_root_with_the_masters_words)
{
    struct master m = master_start();
    struct stint_cancel_info info = {.size = sizeof(info)};
    struct stint_token *child;

    stint_init(NULL);
    child = stint_token_new(stint_root(), "child");
    master_hello(&m);
    master_cancel(&m, STINT_CAUSE_RELIEVED, "relieved by generation 8", 123456789);
    ck_assert(!stint_token_cancelled(stint_root()));
    ck_assert_int_eq(stint_token_poll(child, NULL, 0, soon()), -ECANCELED);

    ck_assert_int_eq(stint_token_cause(child, &info), STINT_CAUSE_RELIEVED);
    ck_assert_str_eq(info.text, "relieved by generation 8");
    ck_assert_str_eq(info.origin, "root");
    ck_assert(info.leave_by_us == 123456789);
    stint_token_unref(child);
}
END_TEST

START_TEST(a_program_with_its_own_loop_dispatches)
{
    struct master m = master_start();
    struct pollfd p;

    stint_init(NULL);
    p = (struct pollfd){.fd = stint_fd(), .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, 0), 0);
    master_hello(&m);
    master_cancel(&m, STINT_CAUSE_STOPPED, "stopped", INT64_MAX);
    ck_assert_int_eq(poll(&p, 1, SOON_US / 1000), 1);
    ck_assert_int_eq(stint_dispatch(), 2);
    ck_assert(stint_token_cancelled(stint_root()));
    ck_assert_int_eq(stint_dispatch(), 0);
}
END_TEST

START_TEST(after_sigterm_the_pending_frame_explains_it)
{
    struct master m = master_start();
    struct stint_cancel_info info = {.size = sizeof(info)};

    stint_init(NULL);
    master_hello(&m);
    master_cancel(&m, STINT_CAUSE_STOPPED, "web scaled to 1", 42);
    (void)raise(SIGTERM);
    ck_assert(stint_token_cancelled(stint_root()));
    ck_assert_int_eq(stint_token_cause(stint_root(), &info), STINT_CAUSE_STOPPED);
    ck_assert_str_eq(info.text, "web scaled to 1");
    ck_assert(info.leave_by_us == 42);
}
END_TEST

START_TEST(a_later_frame_moves_the_deadline_and_not_the_cause)
{
    struct master m = master_start();
    struct stint_cancel_info info = {.size = sizeof(info)};

    stint_init(NULL);
    master_hello(&m);
    master_cancel(&m, STINT_CAUSE_RELIEVED, "relieved", 1000);
    master_cancel(&m, STINT_CAUSE_STOPPED, "stop", 500);
    stint_dispatch();
    ck_assert_int_eq(stint_token_cause(stint_root(), &info), STINT_CAUSE_RELIEVED);
    ck_assert_str_eq(info.text, "relieved");
    ck_assert(info.leave_by_us == 500);
}
END_TEST

START_TEST(exit_says_bye_and_nothing_after_it)
{
    struct master m = master_start();
    char body[STINT_FRAME_MAX];
    pid_t worker = fork();

    ck_assert_int_ge(worker, 0);
    if (worker == 0) {
        close(m.channel);
        ck_assert_int_eq(stint_init(NULL), 0);
        pid_t child = fork(); /* its exit is not the worker's */
        if (child == 0)
            exit(0);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        exit(stint_ready());
    }
    close(m.theirs);
    ck_assert_uint_eq(master_receive(&m, body).type, STINT_FRAME_HELLO);
    ck_assert_uint_eq(master_receive(&m, body).type, STINT_FRAME_READY);
    struct stint_frame frame = master_receive(&m, body);
    ck_assert_uint_eq(frame.type, STINT_FRAME_BYE);
    ck_assert_uint_eq(frame.sequence, 3);
    ck_assert_int_eq(recv(m.channel, body, sizeof(body), 0), 0);
    ck_assert_int_eq(waitpid(worker, NULL, 0), worker);
}
END_TEST

static const struct malformed {
    const char *what;
    struct stint_frame frame;
    size_t body; /* bytes sent behind the header */
    size_t cut;  /* bytes of it all that are sent; 0 = all */
} malformed[] = {
    {"an empty packet",                 {0},                              0,    SIZE_MAX},
    {"half a header",                   {STINT_FRAME_CANCEL, 0, 0, 2},    0,    7       },
    {"a length beyond the packet",      {STINT_FRAME_CANCEL, 0, 4000, 2}, 144,  0       },
    {"a length short of the packet",    {STINT_FRAME_CANCEL, 0, 100, 2},  144,  0       },
    {"a body too short for its type",   {STINT_FRAME_CANCEL, 0, 100, 2},  100,  0       },
    {"an unknown type",                 {999, 0, 16, 2},                  16,   0       },
    {"a type only workers send",        {STINT_FRAME_READY, 0, 0, 2},     0,    0       },
    {"a number used before",            {STINT_FRAME_CANCEL, 0, 144, 1},  144,  0       },
    {"a cancel without a cause",        {STINT_FRAME_CANCEL, 0, 144, 2},  144,  0       },
    {"a packet larger than any frame",  {STINT_FRAME_CANCEL, 0, 8000, 2}, 8000, 0       },
    {"a second hello of another major", {STINT_FRAME_HELLO, 0, 8, 2},     8,    0       },
};

START_TEST(a_malformed_frame_changes_nothing)
{
    const struct malformed *bad = &malformed[_i];
    struct master m = master_start();
    char bytes[sizeof(bad->frame) + 8000] = {0};
    size_t n = sizeof(bad->frame) + bad->body;

    ck_assert_msg(1, "%s", bad->what);
    stint_init(NULL);
    master_hello(&m);
    memcpy(bytes, &bad->frame, sizeof(bad->frame));
    if (bad->cut != 0)
        n = bad->cut == SIZE_MAX ? 0 : bad->cut;
    ck_assert_int_eq(send(m.channel, bytes, n, 0), (ssize_t)n);

    ck_assert_int_eq(stint_dispatch(), 1); /* the hello */
    ck_assert(!stint_token_cancelled(stint_root()));
    m.sequence = 9;
    master_cancel(&m, STINT_CAUSE_STOPPED, "a good one still counts", INT64_MAX);
    ck_assert_int_eq(stint_dispatch(), 1);
    ck_assert(stint_token_cancelled(stint_root()));
}
END_TEST

START_TEST(a_cancel_before_hello_is_not_obeyed)
{
    struct master m = master_start();

    stint_init(NULL);
    master_cancel(&m, STINT_CAUSE_STOPPED, "who are you", INT64_MAX);
    ck_assert_int_eq(stint_dispatch(), 0);
    ck_assert(!stint_token_cancelled(stint_root()));
}
END_TEST

START_TEST(an_unknown_major_means_no_supervisor)
{
    struct master m = master_start();
    struct stint_hello hello = {STINT_WIRE_MAJOR + 1, 0, 1};

    stint_init(NULL);
    master_send(&m, STINT_FRAME_HELLO, &hello, sizeof(hello));
    ck_assert_int_eq(stint_dispatch(), -EPIPE);
    ck_assert_int_eq(stint_fd(), -1);
    ck_assert_int_eq(stint_ready(), 0);
}
END_TEST

START_TEST(a_master_that_dies_leaves_a_worker_that_works)
{
    struct master m = master_start();

    stint_init(NULL);
    close(m.channel);
    ck_assert_int_eq(stint_dispatch(), -EPIPE);
    ck_assert_int_eq(stint_fd(), -1);
    ck_assert_int_eq(stint_ready(), 0);
    ck_assert_int_eq(stint_token_poll(stint_root(), NULL, 0, stint_now_us() + 1000), 0);
    (void)raise(SIGTERM);
    ck_assert_int_eq(stint_token_poll(stint_root(), NULL, 0, STINT_NEVER), -ECANCELED);
}
END_TEST

/* Unread frames of ours make the kernel say ECONNRESET before it hands out what lies there. */
START_TEST(the_last_words_of_a_master_that_died_are_heard)
{
    struct master m = master_start();
    struct stint_cancel_info info = {.size = sizeof(info)};

    stint_init(NULL); /* its HELLO is not read */
    master_hello(&m);
    master_cancel(&m, STINT_CAUSE_RELIEVED, "relieved by generation 8", INT64_MAX);
    close(m.channel);
    (void)raise(SIGTERM);
    ck_assert_int_eq(stint_token_cause(stint_root(), &info), STINT_CAUSE_RELIEVED);
    ck_assert_str_eq(info.text, "relieved by generation 8");
    ck_assert_int_eq(stint_dispatch(), -EPIPE);
}
END_TEST

START_TEST(the_listener_obeys_without_anyone_waiting)
{
    struct stint_options options = {.size = sizeof(options), .flags = STINT_OPT_LISTENER};
    struct master m = master_start();
    struct stint_registry_slot slot;
    struct pollfd p;

    ck_assert_int_eq(stint_init(&options), 0);
    p = (struct pollfd){.fd = stint_token_fd(stint_root()), .events = POLLIN};
    master_hello(&m);
    master_cancel(&m, STINT_CAUSE_STOPPED, "stopped", INT64_MAX);
    ck_assert_int_eq(poll(&p, 1, SOON_US / 1000), 1);
    ck_assert(stint_token_cancelled(stint_root()));
    ck_assert_int_eq(master_find(&m, "stint-listener", &slot), 1);
    ck_assert_uint_eq(slot.flags & STINT_SLOT_EXEMPT, STINT_SLOT_EXEMPT);
    ck_assert_str_eq(slot.token, "");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("channel");
    TCase *good = tcase_create("a master");
    TCase *bad = tcase_create("a bad master");

    tcase_add_test(good, init_takes_the_channel_and_says_hello);
    tcase_add_test(good, an_init_that_failed_can_be_tried_again);
    tcase_add_test(good, a_child_of_the_worker_is_not_the_worker);
    tcase_add_test(good, every_frame_has_the_next_number);
    tcase_add_test(good, a_full_queue_is_said_and_costs_no_number);
    tcase_add_test(good, a_cancel_frame_cancels_the_root_with_the_masters_words);
    tcase_add_test(good, a_program_with_its_own_loop_dispatches);
    tcase_add_test(good, after_sigterm_the_pending_frame_explains_it);
    tcase_add_test(good, a_later_frame_moves_the_deadline_and_not_the_cause);
    tcase_add_test(good, the_listener_obeys_without_anyone_waiting);
    tcase_add_test(good, exit_says_bye_and_nothing_after_it);
    tcase_set_timeout(good, 60);
    tcase_add_loop_test(bad, a_malformed_frame_changes_nothing, 0,
                        (int)(sizeof(malformed) / sizeof(*malformed)));
    tcase_add_test(bad, a_cancel_before_hello_is_not_obeyed);
    tcase_add_test(bad, an_unknown_major_means_no_supervisor);
    tcase_add_test(bad, a_master_that_dies_leaves_a_worker_that_works);
    tcase_add_test(bad, the_last_words_of_a_master_that_died_are_heard);
    tcase_set_timeout(bad, 60);
    suite_add_tcase(suite, good);
    suite_add_tcase(suite, bad);
    return unit_main(suite);
}
