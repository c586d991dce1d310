/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A log that is full again while its writer still says that there is room: the writer is held within that word. */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "supervisor/io/logfile_writer.h"
#include "tests/unit/io/logs_world.h"

static const char text[] = "a line of some length, so that what there is is full before long";

/* Of the test and of the writer. */
static struct {
    atomic_bool armed; /* the next word that there is room holds the writer … */
    atomic_bool go;    /* … until this */
} * held;
static pid_t test_pid;

/* In the place of libc's: the writer's words pass here. */
ssize_t
send(int fd, const void *bytes, size_t n, int flags)
{
    const struct logfile_message *msg = bytes;
    bool here = held && getpid() != test_pid && n >= LOGFILE_MESSAGE_SHORT &&
                msg->type == LOGFILE_ROOM && atomic_exchange(&held->armed, false);
    ssize_t sent = syscall(SYS_sendto, fd, bytes, n, flags, NULL, 0);

    if (!here)
        return sent;
    while (!atomic_load(&held->go) && getppid() == test_pid)
        (void)sched_yield();
    return sent;
}

static bool
somebody_went(void *env)
{
    (void)env;
    return went > 0;
}

static void
await_room(void)
{
    ck_assert_msg(loop_until(loop, somebody_went, NULL, PATIENCE_US),
                  "nobody was told that there is room: %s, %llu bytes wait", status().state,
                  (unsigned long long)status().waiting);
    went = 0;
}

static void
fill(void)
{
    unsigned n = 0;

    while (log_has_room(web, &waiter, sizeof(text) - 1)) {
        line(text);
        ck_assert_uint_lt(++n, 100000);
    }
    ck_assert_uint_gt(n, 1000);
    ck_assert_uint_eq(went, 0);
}

static void
hold_begin(void)
{
    held = mmap(NULL, sizeof(*held), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(held, MAP_FAILED);
    test_pid = getpid();
    begin();
}

static void
hold_end(void)
{
    atomic_store(&held->go, true);
    end();
    (void)munmap(held, sizeof(*held));
    held = NULL;
}

START_TEST(who_is_full_again_before_the_writer_has_noted_his_last_word_is_told_again)
{
    pid_t writer;

    spec.log.block_us = 2 * PATIENCE_US; /* else that would be an end to it, too */
    configure();
    line("first");
    await_written(); /* it is there, and has nothing to do */
    writer = writer_pid();
    atomic_store(&held->armed, true);
    ck_assert_int_eq(kill(writer, SIGSTOP), 0);
    fill();
    ck_assert_int_eq(kill(writer, SIGCONT), 0);
    await_room();
    ck_assert(!atomic_load(&held->armed));
    fill(); /* it is still within that word */
    atomic_store(&held->go, true);
    await_room();
    await_written();
    ck_assert_uint_eq(status().dropped_lines, 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("logs_hunger");
    TCase *c = tcase_create("logs_hunger");

    tcase_add_checked_fixture(c, hold_begin, hold_end);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, who_is_full_again_before_the_writer_has_noted_his_last_word_is_told_again);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
