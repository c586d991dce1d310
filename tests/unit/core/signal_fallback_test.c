/* SPDX-License-Identifier: GPL-2.0-or-later */
/* handoff: signal, where a signal cannot do it: processes are started, and people are told why. */
#include "tests/unit/core/signal.h"

START_TEST(another_executable_is_replaced_and_that_is_said)
{
    rim_config(r, reloader(1));
    r->program++;
    rim_edit(r, "proxy");
    rim_forget(r);
    rim_wait(r, 300 * US_PER_MS);
    ck_did(r, "look proxy; signal w1 15; spawn proxy/2.0 w2; discard 1");
    ck_said(r, "signal_fallback: proxy | not by SIGHUP, but replaced: its executable is another");
    ck_said(r, "verdict: proxy/2 serving #2 | not by SIGHUP, but replaced: its executable is");
}
END_TEST

START_TEST(another_environment_may_be_overlapped)
{
    struct service_spec *s = reloader(1);

    s->signal_fallback = HANDOFF_OVERLAP;
    rim_config(r, s);
    r->setting++;
    rim_edit(r, "proxy");
    rim_forget(r);
    rim_wait(r, 300 * US_PER_MS);
    ck_did(r, "look proxy; spawn proxy/2.0 w2; signal w1 15; discard 1");
    ck_said(r, "not by SIGHUP, but overlapped: its env_file, user or groups changed");
}
END_TEST

START_TEST(another_command_falls_back_and_another_signal_does_not)
{
    struct service_spec *s = reloader(1), *again = reloader(1);

    rim_config(r, reloader(1));
    s->reload_signal = SIGUSR1;
    rim_config(r, s);
    rim_forget(r);
    rim_ask(r, EVENT_RELOAD, "proxy", true);
    ck_did(r, "look proxy; reload w1 10");
    reloads(1);
    rim_forget(r);
    service_argument(again, "-v");
    rim_config(r, again);
    ck_said(r, "not by SIGHUP, but replaced: what it is started with changed: command");
    ck_did(r, "look proxy; signal w1 15; spawn proxy/3.0 w2; discard 1");
}
END_TEST

START_TEST(replaced_libraries_are_what_a_forced_reload_is_for_and_no_other)
{
    rim_config(r, reloader(1));
    r->outdated = true;
    rim_edit(r, "proxy");
    rim_forget(r);
    rim_wait(r, 300 * US_PER_MS);
    ck_did(r, "look proxy; reload w1 1");
    reloads(1);
    rim_forget(r);
    rim_ask(r, EVENT_RELOAD, "proxy", true);
    ck_said(r, "not by SIGHUP, but replaced: a worker runs libraries that were replaced on disk");
    ck_did(r, "look proxy; signal w1 15; spawn proxy/3.0 w2; discard 1");
}
END_TEST

START_TEST(where_nobody_is_ready_it_is_started_anew)
{
    rim_config(r, reloader(1));
    r->ready = false;
    rim_dies(r, 1, 11);
    r->ready = true;
    rim_forget(r);
    rim_ask(r, EVENT_RELOAD, "proxy", true);
    ck_said(r, "not by SIGHUP, but replaced: no worker is ready to be asked");
    ck_said(r, "verdict: proxy/2 serving #2");
}
END_TEST

RIM_SUITE_MAIN("core signal fallback", another_executable_is_replaced_and_that_is_said,
               another_environment_may_be_overlapped,
               another_command_falls_back_and_another_signal_does_not,
               replaced_libraries_are_what_a_forced_reload_is_for_and_no_other,
               where_nobody_is_ready_it_is_started_anew)
