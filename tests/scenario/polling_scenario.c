/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A machine without inotify. */
#include <string.h>

#include "base/mem.h"
#include "harness.h"

static const struct scn_world world = {.no_inotify = true};

START_TEST(without_inotify_files_are_polled_and_status_says_so)
{
    auto_free char *out = NULL;

    scn_file("word", "one");
    scn_config(
        "  web:\n    command: [./actor, \"word-from=word\", ready]\n    directory: %s\n"
        "    listen: {main: \"unix:%s/web.sock\"}\n    watch: {paths: [word], settle: 50ms}\n"
        "    drain_timeout: 2s\n",
        scn_dir(), scn_dir());
    ck_assert(scn_launch(&world));
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    ck_assert_int_eq(scn_cli(&out, "status", "--json", NULL), 0);
    ck_assert_msg(strstr(out, "polling: ") != NULL, "%s", out);
    scn_file("word", "two");
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 10000);
    scn_file("stint.yaml", "services: nonsense\n");
    (void)scn_await("event=config_rejected", 10000);
    (void)scn_await_any("event=certificate service=web gen=1", 5000);
    scn_after(scn_baseline());
}
END_TEST

scn_main_in(&world, "inotify cannot be taken away from the master alone", "polling",
            without_inotify_files_are_polled_and_status_says_so)
