/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the core has decided is in the state with the step that decided it, until it is known to be
 * done: a master that is killed anywhere leaves to the next what it has not done.
 */
#include <ev.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/units.h"
#include "supervisor/core/event.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/state.h"
#include "tests/unit/core/specs.h"
#include "tests/unit/io/journal_world.h"

static struct master m;
static struct service *web;
static struct text found; /* what hooks saw */

static void
on_tick(EV_P_ ev_timer *t, int revents)
{
    (void)loop;
    (void)t;
    (void)revents;
}

static void
master_init(struct master *to)
{
    memset(to, 0, sizeof(*to));
    list_init(&to->queue);
    list_init(&to->hands);
    list_init(&to->snapshots);
    list_init(&to->inspections);
    list_init(&to->errands);
    list_init(&to->specs);
    list_init(&to->gated);
    listeners_init(&to->listeners);
}

/* The next master, as far as it needs no descriptors: what is left for it to do, in words. */
static const char *
left(void)
{
    static char words[4096];
    struct error err = {0};
    struct master next;
    size_t used = 0;

    master_init(&next);
    ck_assert_msg(restore_proof(state_fd(m.state), &err) == 0, "%s", err.text); /* and all else */
    ck_assert_int_eq(state_adopt(fcntl(state_fd(m.state), F_DUPFD_CLOEXEC, 3), &next.state, &err),
                     0);
    ck_assert_int_eq(restore_effects(&next, &err), 0);
    words[0] = '\0';
    for (size_t i = 0; i < next.todo.n; i++) {
        const struct effect *e = &next.todo.items[i];

        used += (size_t)snprintf(words + used, sizeof(words) - used, "%s:%" PRIu64 " ",
                                 effect_type_name(e->type), e->worker ? e->worker : e->snapshot);
        ck_assert(i == 0 || e->number > next.todo.items[i - 1].number);
        ck_assert_uint_le(e->number, m.last_effect);
    }
    effects_finish(&next.todo);
    state_destroy(next.state);
    return words;
}

static void
wants(enum effect_type type, uint64_t id)
{
    struct effect *e = effects_add(&m.effects, type);

    if (type == FX_DISCARD)
        e->snapshot = id;
    else
        e->worker = id;
    e->signo = SIGTERM;
    e->deadline_us = 77;
    (void)snprintf(e->text, sizeof(e->text), "because");
}

static void
wants_told(void)
{
    struct effect *e = effects_add(&m.effects, FX_RECORD);

    e->record = calloc(1, sizeof(*e->record)); /* the list's */
    ck_assert_ptr_nonnull(e->record);
    *e->record = death();
}

/* step - in which the core decides besides what the test wants. */
static void
step(void)
{
    master_post(&m, &(struct event){.type = EVENT_STOP, .service = web->id});
}

static void
setup(void)
{
    struct spec *spec = spec_new(60 * US_PER_S);
    struct error err = {0};

    set_up();
    open_journal(&(struct journal_options){.fd = ends[1]});
    master_init(&m);
    m.loop = loop;
    m.journal = journal;
    found = (struct text)TEXT_INIT;
    ck_assert_int_eq(core_create(7, &m.core), 0);
    ck_assert_int_eq(state_create(&m.state, &err), 0);
    ev_timer_init(&m.tick, on_tick, 0., 0.);
    master_queue_init(&m);
    spec_take(spec, service_new("web"));
    m.spec = spec;
    m.runtime_dir = spec->runtime_dir;
    m.state_dir = spec->state_dir;
    save_config(&m);
    master_post(&m, &(struct event){.type = EVENT_CONFIG, .config = {.spec = spec}});
    web = core_service_by_name(m.core, "web");
    ck_assert_ptr_nonnull(web);
    step(); /* nobody looks, nobody starts */
    for (size_t i = m.todo_done; i < m.todo.n; i++)
        save_done(&m, &m.todo.items[i]);
    save_commit(&m);
    effects_clear(&m.todo);
    ck_assert_str_eq(left(), "");
}

static void
teardown(void)
{
    master_queue_finish(&m);
    core_destroy(m.core);
    spec_destroy(m.spec);
    specs_finish(&m);
    state_destroy(m.state);
    text_finish(&found);
    ev_timer_stop(loop, &m.tick);
    ev_timer_stop(loop, &m.more);
    tear_down();
}

START_TEST(what_a_step_decides_is_there_for_the_next_master_until_it_is_done)
{
    uint64_t before = m.last_effect;

    wants(FX_SIGNAL, 91);
    wants(FX_CANCEL, 92);
    wants(FX_KILL, 93);
    wants(FX_DISCARD, 94);
    wants(FX_SPAWN, 95);
    step();
    ck_assert_str_eq(left(), "signal:91 cancel:92 kill:93 discard:94 spawn:95 ");
    ck_assert_uint_ge(m.last_effect, before + 5);
    ck_assert_uint_eq(m.todo.n, 5);
    wants(FX_SIGNAL, 96); /* by a further step, before any was done */
    step();
    ck_assert_str_eq(left(), "signal:91 cancel:92 kill:93 discard:94 spawn:95 signal:96 ");
    ev_run(loop, EVRUN_ONCE);
    ck_assert_uint_eq(m.todo.n, 0);
    ck_assert_str_eq(left(), "");
}
END_TEST

START_TEST(an_effect_comes_back_as_it_was)
{
    struct error err = {0};
    struct master next;
    const struct effect *e;

    wants(FX_CANCEL, 92);
    m.effects.items[0].service = 3;
    m.effects.items[0].generation = 4;
    m.effects.items[0].reload = 5;
    m.effects.items[0].settle_us = -6;
    step();
    master_init(&next);
    ck_assert_int_eq(state_adopt(fcntl(state_fd(m.state), F_DUPFD_CLOEXEC, 3), &next.state, &err),
                     0);
    ck_assert_int_eq(restore_effects(&next, &err), 0);
    ck_assert_uint_eq(next.todo.n, 1);
    e = &next.todo.items[0];
    ck_assert(e->type == FX_CANCEL && e->worker == 92 && e->signo == SIGTERM);
    ck_assert(e->service == 3 && e->generation == 4 && e->reload == 5 && e->settle_us == -6);
    ck_assert(e->deadline_us == 77 && strcmp(e->text, "because") == 0 && !e->record);
    ck_assert_uint_eq(e->number, m.todo.items[0].number);
    ck_assert_uint_eq(next.last_effect, e->number); /* its own numbers go on behind that */
    ck_assert_uint_eq(next.restored_effect, e->number);
    effects_finish(&next.todo);
    state_destroy(next.state);
}
END_TEST

START_TEST(what_has_to_be_asked_for_anew_is_not_repeated)
{
    wants(FX_LOOK, 1);
    wants(FX_SIGNAL, 91);
    wants(FX_CHECK, 2);
    wants(FX_EVIDENCE, 3);
    wants(FX_INSPECT, 4);
    step();
    ck_assert_str_eq(left(), "signal:91 ");
}
END_TEST

static void
on_close(void *env, struct listener *l)
{
    (void)env;
    (void)l;
    text_addf(&found, "[%s]", left());
}

/* It is seen from within: a listener of the snapshot that is discarded is told. */
static void
snapshot_with_a_hook(uint64_t id)
{
    struct snapshot *snap = calloc(1, sizeof(*snap));
    struct error err = {0};

    ck_assert_ptr_nonnull(snap);
    snap->master = &m;
    snap->id = id;
    snap->exe_fd = -1;
    ck_assert_int_eq(listeners_probe(&m.listeners, "tcp://127.0.0.1:0", &snap->probe, &err), 0);
    snap->probe->on_close = on_close;
    list_add(&m.snapshots, &snap->node);
    table_add(&m.snapshot_by_id, &snap->by_id, id);
}

START_TEST(killed_between_two_of_them_the_next_master_repeats_the_one_and_does_the_others)
{
    snapshot_with_a_hook(5);
    snapshot_with_a_hook(6);
    wants(FX_SIGNAL, 91);
    wants(FX_DISCARD, 5);
    wants(FX_KILL, 92);
    wants(FX_DISCARD, 6);
    step();
    ck_assert_str_eq(text_str(&found), "");
    ev_run(loop, EVRUN_ONCE);
    ck_assert_str_eq(text_str(&found), "[discard:5 kill:92 discard:6 ][discard:6 ]");
    ck_assert_str_eq(left(), "");
    table_finish(&m.snapshot_by_id);
}
END_TEST

START_TEST(a_record_is_told_once_and_not_left_behind)
{
    wants(FX_SIGNAL, 91);
    wants_told();
    step();
    ck_assert_str_eq(left(), "signal:91 ");
    take_all();
    ck_assert_ptr_nonnull(strstr(text_str(&got), "4711"));
}
END_TEST

/* ---- a state that cannot be written --------------------------------------------------------------- */

static void
limit_files(rlim_t bytes)
{
    struct rlimit limit;

    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(after_a_write_that_failed_the_next_step_brings_everything)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    wants(FX_SIGNAL, 91);
    step();
    limit_files(state_bytes(m.state) + 100);
    wants(FX_KILL, 92);
    step();
    ck_assert_str_eq(left(), "signal:91 "); /* as it was */
    limit_files(RLIM_INFINITY);
    wants(FX_DISCARD, 93);
    step();
    ck_assert_str_eq(left(), "signal:91 kill:92 discard:93 ");
    take_all(); /* turns the loop */
    ck_assert_str_eq(left(), "");
    ck_assert_ptr_nonnull(strstr(text_str(&got), "state_not_kept"));
    ck_assert_ptr_nonnull(strstr(text_str(&got), "state_kept"));
}
END_TEST

/* The commit of that very step is the one that brings everything, and is seen before it goes on. */
START_TEST(what_that_step_decides_is_part_of_everything)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    limit_files(state_bytes(m.state) + 100);
    wants(FX_SIGNAL, 91);
    step();
    limit_files(RLIM_INFINITY);
    wants(FX_KILL, 92);
    wants_told();
    wants(FX_SIGNAL, 93);
    save_step(&m, &m.effects); /* and then it is killed */
    ck_assert_str_eq(left(), "signal:91 kill:92 record:0 signal:93 ");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("master_effects");
    TCase *tcase = tcase_create("master_effects");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, what_a_step_decides_is_there_for_the_next_master_until_it_is_done);
    tcase_add_test(tcase, an_effect_comes_back_as_it_was);
    tcase_add_test(tcase, what_has_to_be_asked_for_anew_is_not_repeated);
    tcase_add_test(tcase,
                   killed_between_two_of_them_the_next_master_repeats_the_one_and_does_the_others);
    tcase_add_test(tcase, a_record_is_told_once_and_not_left_behind);
    tcase_add_test(tcase, after_a_write_that_failed_the_next_step_brings_everything);
    tcase_add_test(tcase, what_that_step_decides_is_part_of_everything);
    suite_add_tcase(suite, tcase);
    return unit_main(suite);
}
