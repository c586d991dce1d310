/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Workers that know nothing of stint, with `preload: true`. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "harness.h"

static unsigned
guest(const char *command)
{
    scn_copy("guest", getenv("PRELOAD_GUEST"), "");
    scn_config("  web:\n    command: %s\n    directory: %s\n    preload: true\n"
               "    ready: {assume_after: 300ms}\n    drain_timeout: 1s\n    leak_grace: 300ms\n",
               command, scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    return scn_baseline();
}

static void
expect_listed(const char *name)
{
    auto_free char *out = NULL;

    do { /* it is alive before its thread is */
        free(out);
        ck_assert_int_eq(scn_cli(&out, "threads", "web", "--json", NULL), 0);
    } while (!strstr(out, name));
    ck_assert_msg(strstr(out, "\"registered\": 2") != NULL, "%s", out);
}

START_TEST(a_leaked_thread_of_a_program_that_knows_nothing_is_named)
{
    unsigned fds = guest("[./guest]");

    (void)scn_await_any("event=output service=web gen=1 ~up+preloaded", 5000);
    expect_listed("\"stayer\"");
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    (void)scn_await_any("event=worker_leak service=web gen=1 ~stayer", 8000);
    (void)scn_await_any("event=certificate service=web gen=1 leaks=1", 8000);
    scn_after(fds);
}
END_TEST

/* The shell is the worker until it becomes the program; the registry goes along. */
START_TEST(a_program_behind_a_shell_is_registered_and_the_next_master_knows_it)
{
    unsigned fds = guest("[sh, -c, exec ./guest]");

    expect_listed("\"stayer\"");
    (void)scn_kill_master();
    expect_listed("\"stayer\"");
    scn_after(fds);
}
END_TEST

START_TEST(a_program_that_cannot_be_preloaded_is_told_of)
{
    unsigned fds = guest("[./guest]");

    ck_assert_int_eq(chmod(scn_path("guest"), 04755), 0);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    (void)scn_await_any("event=preload_ignored ~set-user-ID", 8000);
    (void)scn_await_any("event=certificate service=web gen=1", 8000);
    scn_after(fds);
}
END_TEST

scn_main("preload", a_leaked_thread_of_a_program_that_knows_nothing_is_named,
         a_program_behind_a_shell_is_registered_and_the_next_master_knows_it,
         a_program_that_cannot_be_preloaded_is_told_of)
