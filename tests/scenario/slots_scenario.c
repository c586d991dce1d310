/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Workers of one generation that differ: {slot}. */
#include <errno.h>
#include <signal.h>

#include "harness.h"

/* Neither slot is ready before the file of its own has its pid. */
#define WEB                                                                                      \
    "  web:\n    workers: 2\n    directory: %s\n    ready: {file: \"run-{slot}.pid\"}\n"         \
    "    command: [sh, -c, 'echo \"number $NUMBER, slot $0, text $1\"; exec ./actor $2', "       \
    "\"{slot}\", \"{{slot}}\", \"pidfile=run-{slot}.pid\"]\n"                                    \
    "    environment: {NUMBER: \"910{slot}\"}\n"                                                 \
    "    check: [sh, -c, 'test $NUMBER = 9100 && test \"$0\" = \"{\"slot\"}\"', \"{{slot}}\"]\n" \
    "    listen: {main: \"unix:%s/web.sock\"}\n"

START_TEST(each_worker_is_told_its_slot_also_the_one_that_takes_it_over)
{
    pid_t second, ready;

    scn_config(WEB, scn_dir(), scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    (void)scn_await_any("event=output slot=0 ~number+9100,+slot+0,+text+{slot}", 5000);
    (void)scn_await_any("event=output slot=1 ~number+9101,+slot+1,+text+{slot}", 5000);
    second = (pid_t)scn_field(scn_await_any("event=worker_ready slot=1", 5000), "pid");
    (void)scn_kill_master();
    ck_assert_int_eq(kill(second, SIGKILL), 0);
    (void)scn_await("event=worker_exit slot=1", 5000);
    ready = (pid_t)scn_field(scn_await("event=worker_ready slot=1", 5000), "pid");
    ck_assert_int_ne(ready, second);
    while (scn_count("event=output ~number") < 3) /* what it printed may be read after that */
        (void)scn_await("event=output slot=1 ~number+9101,+slot+1,+text+{slot}", 5000);
    ck_assert_uint_eq(scn_count("event=output ~number"), 3);
}
END_TEST

scn_main("slots", each_worker_is_told_its_slot_also_the_one_that_takes_it_over)
