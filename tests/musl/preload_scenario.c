/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A program with musl under `preload: true`: what would be loaded is glibc's, and its loader would end it over that. */
#include <stdlib.h>

#include "tests/scenario/harness.h"

START_TEST(it_goes_without_what_it_cannot_load_and_that_is_told)
{
    unsigned fds;

    scn_copy("guest", getenv("MUSL_GUEST"), "");
    scn_config("  web:\n    command: [./guest]\n    directory: %s\n    preload: true\n"
               "    profiling: {heap: true}\n    ready: {assume_after: 300ms}\n    drain_timeout: "
               "1s\n    leak_grace: 300ms\n",
               scn_dir());
    scn_start();
    (void)scn_await_any("event=preload_ignored ~musl", 10000);
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    fds = scn_baseline();
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    (void)scn_await_any("event=certificate service=web gen=1", 10000);
    scn_after(fds);
}
END_TEST

scn_main("musl", it_goes_without_what_it_cannot_load_and_that_is_told)
