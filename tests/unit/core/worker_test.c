/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One worker: the ladder from the drain signal to the obituary, and the words in it. */
#include "tests/unit/core/rim.h"

static struct rim rim;
static struct rim *const r = &rim;

/* web/1 with w1 serves; it ignores what it is told. Drain 30 s, grace 5 s. */
static void
setup(void)
{
    struct service_spec *web = service_new("web");

    rim_init(r);
    web->stop_signal = SIGINT;
    rim_config(r, web);
    r->exit = false;
    rim_forget(r);
}

static void
teardown(void)
{
    rim_finish(r);
}

static void
drain(void)
{
    rim_ask(r, EVENT_STOP, "web", false);
    ck_did(r, "signal w1 15");
    rim_forget(r);
}

START_TEST(a_worker_that_is_ready_before_its_pid_is_known_is_not_asked_to_leave)
{
    r->spawn = false;
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_ready(r, 2);
    ck_said(r, "verdict: web/2 serving");
    rim_forget(r);
    rim_step(r, (struct event){.type = EVENT_SPAWNED, .worker = 2, .spawned = {.pid = 77}});
    ck_did(r, "");
    ck_assert_int_eq(core_worker(r->core, 2)->pid, 77);
}
END_TEST

START_TEST(a_drain_ends_when_the_worker_is_gone_not_at_a_timer)
{
    drain();
    rim_wait(r, 3 * US_PER_S);
    rim_dies(r, 1, 0);
    ck_did(r, "discard 1");
    ck_said(r, "worker_exit: web/1 pid 1001 | exited with status 0 after it was asked to");
    ck_said(r, "certificate: web/1 count 0");
    ck_assert_int_eq(core_next_deadline_us(r->core), TIME_NEVER);
}
END_TEST

START_TEST(at_the_drain_deadline_evidence_is_taken_and_the_stop_signal_sent)
{
    drain();
    rim_wait(r, 30 * US_PER_S - 1);
    ck_did(r, "");
    rim_wait(r, 1);
    ck_did(r, "evidence w1; signal w1 2");
    ck_said(r, "leak: web/1 pid 1001 count 1 | thread 'flush' in read(9)");
}
END_TEST

START_TEST(sigkill_comes_after_the_grace_that_follows_the_evidence)
{
    drain();
    rim_wait(r, 35 * US_PER_S - 1);
    ck_did(r, "evidence w1; signal w1 2");
    rim_wait(r, 1);
    ck_did(r, "evidence w1; signal w1 2; kill w1");
    ck_said(r, "worker_kill: web/1");
    rim_dies(r, 1, SIGKILL);
    ck_said(r, "| killed by SIGKILL (Killed)");
    ck_said(r, "certificate: web/1 count 1");
}
END_TEST

START_TEST(sigkill_waits_for_evidence_but_not_for_ever)
{
    r->evidence = false;
    drain();
    rim_wait(r, 40 * US_PER_S);
    ck_did(r, "evidence w1"); /* the stop signal would end what is to be seen */
    rim_wait(r, 10 * US_PER_S);
    ck_did(r, "evidence w1; kill w1");
    ck_said(r, "no evidence could be had");
}
END_TEST

START_TEST(the_grace_after_a_stop_signal_begins_with_it)
{
    r->evidence = false;
    drain();
    rim_wait(r, 33 * US_PER_S);
    ck_did(r, "evidence w1");
    rim_step(r, (struct event){.type = EVENT_EVIDENCE, .worker = 1, .evidence = {.text = "late"}});
    ck_did(r, "evidence w1; signal w1 2");
    rim_wait(r, 5 * US_PER_S - 1);
    ck_did(r, "evidence w1; signal w1 2");
    rim_wait(r, 1);
    ck_did(r, "evidence w1; signal w1 2; kill w1");
}
END_TEST

START_TEST(whom_even_sigkill_does_not_end_is_abandoned_by_name)
{
    drain();
    rim_wait(r, 46 * US_PER_S);
    ck_said(r, "worker_abandoned: web/1 pid 1001");
    ck_state(r, "web", "stopped"); /* it blocks nothing */
    rim_forget(r);
    rim_dies(r, 1, SIGKILL); /* and it gets its obituary like everybody */
    ck_said(r, "worker_exit: web/1 pid 1001");
    ck_said(r, "certificate: web/1 count 1");
}
END_TEST

START_TEST(the_slot_of_an_abandoned_worker_is_filled_again)
{
    rim_dies(r, 1, 0x100); /* respawned as w2 … */
    r->ready = false;
    rim_dies(r, 2, 0x100); /* … then w3, which hangs in its start */
    rim_wait(r, 100 * US_PER_MS);
    rim_wait(r, 10 * US_PER_S + 30 * US_PER_S + 5 * US_PER_S);
    ck_said(r, "worker_kill: web/1 pid 1003");
    rim_forget(r);
    r->ready = true;
    rim_wait(r, 10 * US_PER_S);
    ck_said(r, "worker_abandoned: web/1 pid 1003");
    ck_did(r, "spawn web/1.0 w4");
    rim_forget(r);
    rim_dies(r, 4, 0x100); /* waits for its next try … */
    rim_dies(r, 3, SIGKILL);
    ck_did(r, "");
    rim_wait(r, 200 * US_PER_MS); /* … and the late death of the other changes nothing in that */
    ck_did(r, "spawn web/1.0 w5");
}
END_TEST

START_TEST(a_worker_may_ask_for_more_time_but_not_for_ever)
{
    drain();
    for (int i = 0; i < 29; i++) {
        rim_step(r, (struct event){.type = EVENT_EXTEND,
                                   .worker = 1,
                                   .extend = {.usec = (uint64_t)(20 * US_PER_S)}});
        rim_wait(r, 10 * US_PER_S);
        ck_did(r, "");
    }
    rim_step(r, (struct event){.type = EVENT_EXTEND, .worker = 1, .extend = {.usec = UINT64_MAX}});
    rim_wait(r, 10 * US_PER_S - 1);
    ck_did(r, "");
    rim_wait(r, 1); /* ten times the drain timeout: enough */
    ck_did(r, "evidence w1; signal w1 2");
}
END_TEST

START_TEST(an_extension_never_shortens_a_deadline)
{
    drain();
    rim_step(r, (struct event){.type = EVENT_EXTEND, .worker = 1, .extend = {.usec = 1}});
    rim_wait(r, 30 * US_PER_S - 1);
    ck_did(r, "");
}
END_TEST

START_TEST(messages_from_nobody_change_nothing)
{
    static const enum event_type types[] = {EVENT_SPAWNED, EVENT_SPAWN_FAILED, EVENT_READY,
                                            EVENT_EXTEND,  EVENT_STATUS,       EVENT_EVIDENCE,
                                            EVENT_EXIT,    EVENT_ESCAPEE};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        rim_step(r, (struct event){.type = types[i], .worker = 4711});
    rim_step(r, (struct event){.type = EVENT_HINT, .service = 4711});
    rim_step(r, (struct event){.type = EVENT_CHECKED, .service = 4711});
    rim_step(r, (struct event){.type = EVENT_STOP, .service = 4711});
    ck_did(r, "");
    ck_assert_str_eq(text_str(&r->said), "");
}
END_TEST

START_TEST(evidence_nobody_asked_for_is_no_leak)
{
    rim_step(r,
             (struct event){
                 .type = EVENT_EVIDENCE, .worker = 1, .evidence = {.stragglers = 3, .text = "?"}
    });
    ck_not_said(r, "leak");
}
END_TEST

START_TEST(whoever_has_no_pid_yet_is_neither_signalled_nor_accused)
{
    r->spawn = false;
    rim_ask(r, EVENT_RELOAD, "web", true); /* w2 is being started, slowly */
    rim_ask(r, EVENT_STOP, "web", false);
    rim_dies(r, 1, 0);
    rim_forget(r);
    rim_ask(r, EVENT_STOP_ALL, NULL, false);
    rim_wait(r, 50 * US_PER_S);
    ck_did(r, "");
    rim_step(r, (struct event){.type = EVENT_SPAWNED, .worker = 2, .spawned = {.pid = 77}});
    ck_did(r, "signal w2 15");
    rim_wait(r, 10 * US_PER_S); /* the budget holds for it, too */
    ck_said(r, "worker_kill: web/2 pid 77");
    ck_assert(core_stopped(r->core));
}
END_TEST

START_TEST(a_leak_is_told_once)
{
    drain();
    rim_wait(r, 30 * US_PER_S);
    rim_forget(r);
    rim_step(r, (struct event){.type = EVENT_EVIDENCE, .worker = 1, .evidence = {.text = "more"}});
    ck_not_said(r, "leak");
}
END_TEST

START_TEST(a_descendant_that_outlives_its_worker_is_named_ended_and_counted)
{
    drain();
    rim_step(r, (struct event){
                    .type = EVENT_ESCAPEE, .worker = 1, .escapee = {.pid = 555, .name = "logger"}
    });
    ck_said(r, "escapee: web/1 pid 555 | process 'logger' outlived its worker 1001");
    ck_did(r, "signal w2 15");
    ck_assert_int_eq(core_worker(r->core, r->core->last_worker_id)->pid, 555);
    rim_dies(r, 1, 0);
    ck_not_said(r, "certificate"); /* one of its processes is still there */
    rim_forget(r);
    rim_wait(r, 5 * US_PER_S);
    ck_did(r, "evidence w2");
    rim_wait(r, 5 * US_PER_S);
    ck_did(r, "evidence w2; kill w2");
    rim_dies(r, 2, SIGKILL);
    ck_said(r, "| escapee: killed by SIGKILL");
    ck_said(r, "1 escaped");
}
END_TEST

/* Who forks and ends and forks: the log does not grow with it, the certificate counts each. */
START_TEST(of_thousands_of_descendants_so_many_are_told_and_then_each_doubling)
{
    unsigned said = 0;

    drain();
    for (unsigned i = 0; i < 1000; i++) {
        rim_forget(r);
        rim_step(r, (struct event){
                        .type = EVENT_ESCAPEE,
                        .worker = 1,
                        .escapee = {.pid = 2000 + (pid_t)i, .name = "hop"}
        });
        said += strstr(text_str(&r->said), "escapee: web/1") != NULL;
        if (i + 1 == 512)
            ck_said(r, "; the 512th of its generation, from here on not each is told");
        rim_dies(r, 2 + i, 0);
        said += strstr(text_str(&r->said), "| escapee: exited") != NULL;
    }
    ck_assert_uint_eq(said, 134); /* of 64 and of 3, that they are there and that they ended */
    rim_dies(r, 1, 0);
    ck_said(r, "1000 escaped");
}
END_TEST

START_TEST(one_that_was_not_told_of_is_when_it_would_not_end)
{
    drain();
    for (unsigned i = 0; i < 65; i++)
        rim_step(r, (struct event){
                        .type = EVENT_ESCAPEE,
                        .worker = 1,
                        .escapee = {.pid = 2000 + (pid_t)i, .name = "hop"}
        });
    for (unsigned i = 0; i < 64; i++)
        rim_dies(r, 2 + i, 0);
    rim_forget(r);
    rim_wait(r, 5 * US_PER_S);
    rim_wait(r, 5 * US_PER_S);
    ck_did(r, "evidence w66; kill w66");
    rim_dies(r, 66, SIGKILL);
    ck_said(r, "pid 2064 | escapee: killed by SIGKILL");
}
END_TEST

/* ---- the words of an obituary ------------------------------------------------------------------- */

START_TEST(an_obituary_says_what_it_was_doing)
{
    rim_dies(r, 1, SIGSEGV | 0x80);
    ck_said(r, "pid 1001 | killed by SIGSEGV (Segmentation fault), core dumped while serving");
    r->ready = false;
    rim_dies(r, 2, 3 << 8);
    rim_wait(r, 100 * US_PER_MS);
    rim_dies(r, 3, 4 << 8);
    ck_said(r, "pid 1003 | exited with status 4 before it was ready");
}
END_TEST

START_TEST(an_obituary_ends_with_the_last_lines)
{
    rim_step(r, (struct event){
                    .type = EVENT_EXIT,
                    .worker = 1,
                    .death = {.wait_status = 1 << 8, .last_lines = "bind: in use"}
    });
    ck_said(r, "exited with status 1 while serving; last output: bind: in use");
}
END_TEST

START_TEST(an_obituary_of_a_talkative_program_has_what_it_said_last)
{
    char lines[2048] = "";
    size_t used = 0;

    for (int i = 0; i < 20; i++)
        used += (size_t)snprintf(lines + used, sizeof(lines) - used, "line %d of many words\n", i);
    (void)snprintf(lines + used, sizeof(lines) - used, "bind: in use");
    rim_step(r, (struct event){
                    .type = EVENT_EXIT,
                    .worker = 1,
                    .death = {.wait_status = 1 << 8, .last_lines = lines}
    });
    ck_said(r, "while serving; last output: line 10 of many words\n");
    ck_said(r, "line 19 of many words\nbind: in use\n");
}
END_TEST

START_TEST(an_obituary_has_the_beginning_of_one_long_line)
{
    char lines[1024] = "first\nsecond: ";

    memset(lines + strlen(lines), 'x', 600);
    rim_step(r, (struct event){
                    .type = EVENT_EXIT,
                    .worker = 1,
                    .death = {.wait_status = 1 << 8, .last_lines = lines}
    });
    ck_said(r, "while serving; last output: second: xxx");
}
END_TEST

START_TEST(an_obituary_tells_a_daemon_to_stay_in_the_foreground)
{
    r->ready = false;
    r->exit = true;
    rim_ask(r, EVENT_RELOAD, "web", true); /* w2 */
    rim_step(r, (struct event){
                    .type = EVENT_ESCAPEE, .worker = 2, .escapee = {.pid = 555, .name = "web"}
    });
    rim_dies(r, 2, 0);
    ck_said(r, "it daemonised; use its foreground option");
}
END_TEST

START_TEST(an_obituary_says_which_step_of_the_start_failed)
{
    r->ready = false;
    rim_ask(r, EVENT_RELOAD, "web", true);
    rim_exec_error(r, 2, -ENOENT);
    ck_said(r, "pid 1002 | could not be executed: execve");
}
END_TEST

RIM_SUITE_MAIN("worker", a_worker_that_is_ready_before_its_pid_is_known_is_not_asked_to_leave,
               a_drain_ends_when_the_worker_is_gone_not_at_a_timer,
               at_the_drain_deadline_evidence_is_taken_and_the_stop_signal_sent,
               sigkill_comes_after_the_grace_that_follows_the_evidence,
               sigkill_waits_for_evidence_but_not_for_ever,
               the_grace_after_a_stop_signal_begins_with_it,
               whom_even_sigkill_does_not_end_is_abandoned_by_name,
               the_slot_of_an_abandoned_worker_is_filled_again,
               a_worker_may_ask_for_more_time_but_not_for_ever,
               an_extension_never_shortens_a_deadline, messages_from_nobody_change_nothing,
               evidence_nobody_asked_for_is_no_leak,
               whoever_has_no_pid_yet_is_neither_signalled_nor_accused, a_leak_is_told_once,
               a_descendant_that_outlives_its_worker_is_named_ended_and_counted,
               of_thousands_of_descendants_so_many_are_told_and_then_each_doubling,
               one_that_was_not_told_of_is_when_it_would_not_end,
               an_obituary_says_what_it_was_doing, an_obituary_ends_with_the_last_lines,
               an_obituary_of_a_talkative_program_has_what_it_said_last,
               an_obituary_has_the_beginning_of_one_long_line,
               an_obituary_of_a_talkative_program_has_what_it_said_last,
               an_obituary_has_the_beginning_of_one_long_line,
               an_obituary_tells_a_daemon_to_stay_in_the_foreground,
               an_obituary_says_which_step_of_the_start_failed)
