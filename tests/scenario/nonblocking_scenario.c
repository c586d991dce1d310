/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `nonblocking`: for programs that count on it; every worker finds it so, also after a takeover. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "tests/scenario/harness.h"

#define SERVICE                                                           \
    "  web:\n"                                                            \
    "    command: [/bin/sleep, '1000']\n"                                 \
    "    listen:\n"                                                       \
    "      usual: {address: 'unix:%1$s/usual.sock'}\n"                    \
    "      hasty: {address: 'unix:%1$s/hasty.sock', nonblocking: %2$s}\n" \
    "    ready: {assume_after: 10ms}\n"                                   \
    "    watch: {binary: false}\n"

/* Whether accept() waits on @pid's descriptor @fd, as the kernel has it now. */
static bool
blocks(pid_t pid, int fd)
{
    auto_free char *info = NULL;
    char path[64];
    const char *flags;

    (void)snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)pid, fd);
    ck_assert_int_eq(file_read(path, 4096, &info, NULL, NULL), 0);
    flags = strstr(info, "flags:");
    ck_assert_ptr_nonnull(flags);
    return (strtol(flags + strlen("flags:"), NULL, 8) & O_NONBLOCK) == 0;
}

static pid_t
next_worker(const char *words)
{
    return (pid_t)scn_field(scn_await(words, 10000), "pid");
}

START_TEST(a_socket_does_not_block_for_whoever_asked_for_that)
{
    pid_t first, second;

    scn_config(SERVICE, scn_dir(), "true");
    scn_start();
    first = next_worker("event=worker_ready gen=1");
    ck_assert(blocks(first, 3));
    ck_assert(!blocks(first, 4));

    (void)scn_kill_master(); /* who uses the sockets does not notice */
    ck_assert(blocks(first, 3));
    ck_assert(!blocks(first, 4));
    ck_assert_int_eq(kill(first, SIGKILL), 0);
    (void)scn_await("event=worker_exit service=web", 5000);
    second = next_worker("event=worker_ready gen=1");
    ck_assert(blocks(second, 3));
    ck_assert(!blocks(second, 4));
}
END_TEST

START_TEST(asked_for_later_it_holds_for_the_next_generation)
{
    pid_t worker;

    scn_config(SERVICE, scn_dir(), "false");
    scn_start();
    worker = next_worker("event=worker_ready gen=1");
    ck_assert(blocks(worker, 4));
    scn_config(SERVICE, scn_dir(), "true");
    worker = next_worker("event=worker_ready gen=2");
    ck_assert(blocks(worker, 3));
    ck_assert(!blocks(worker, 4));
}
END_TEST

scn_main("nonblocking", a_socket_does_not_block_for_whoever_asked_for_that,
         asked_for_later_it_holds_for_the_next_generation)
