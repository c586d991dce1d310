/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The core as bytes: it comes back as it was, and goes on as it would have. */
#include "tests/unit/core/image_life.h"
#include "tests/unit/core/images.h"

static struct rim rim, twin;
static struct rim *const r = &rim, *const t = &twin;
static struct image_book book;
static struct image_specs specs;
static struct pieces mine, its;

static void
setup(void)
{
    rim_init(r);
    specs = image_book_words(&book);
}

static void
teardown(void)
{
    rim_finish(r);
    image_book_finish(&book);
    pieces_finish(&mine);
    pieces_finish(&its);
}

/* Another core from the image of the first, with a rim that knows as much. */
static void
twin_init(void)
{
    struct error err = {0};
    int e;

    pieces_save(&mine, r->core, &specs);
    *t = *r;
    t->fx = (struct effects){NULL, 0, 0, 0};
    t->did = t->said = (struct text)TEXT_INIT;
    ck_assert_int_eq(core_create(99, &t->core), 0);
    e = pieces_restore(&mine, t->core, &specs, &err);
    ck_assert_msg(e == 0, "%s", err.text);
}

static void
twin_resume(void)
{
    effects_clear(&t->fx);
    core_resume(t->core, t->now_us, &t->fx);
    for (size_t i = 0; i < t->fx.n; i++)
        rim_write_effect(t, &t->fx.items[i]);
}

static void
ck_same(const char *when)
{
    pieces_save(&mine, r->core, &specs);
    pieces_save(&its, t->core, &specs);
    ck_assert_msg(pieces_same(&mine, &its), "the images differ %s", when);
}

START_TEST(an_image_restores_to_the_same_image)
{
    for (size_t i = 0; i < LIFE_ACTS; i++) {
        life_acts[i].play(r);
        twin_init();
        ck_same(life_acts[i].name);
        ck_assert_msg(core_next_deadline_us(t->core) == core_next_deadline_us(r->core),
                      "another deadline after %s", life_acts[i].name);
        ck_assert_uint_eq(t->core->n_live, r->core->n_live);
        ck_assert_int_eq(core_stopped(t->core), core_stopped(r->core));
        rim_finish(t);
    }
}
END_TEST

/* Whoever was restored after act _i does from then on what the other does. */
START_TEST(a_restored_core_goes_on_like_the_one_that_was_saved)
{
    for (int i = 0; i <= _i; i++)
        life_acts[i].play(r);
    twin_init();
    twin_resume();
    rim_forget(r);
    rim_forget(t);
    rim_step(r, (struct event){.type = EVENT_TICK});
    rim_step(t, (struct event){.type = EVENT_TICK});
    ck_assert_str_eq(text_str(&t->did), text_str(&r->did));
    ck_assert_str_eq(text_str(&t->said), text_str(&r->said));
    ck_same("after the first tick");
    for (size_t i = (size_t)_i + 1; i < LIFE_ACTS; i++) {
        life_acts[i].play(r);
        life_acts[i].play(t);
        ck_assert_str_eq(text_str(&t->did), text_str(&r->did));
        ck_assert_str_eq(text_str(&t->said), text_str(&r->said));
        ck_same(life_acts[i].name);
    }
    rim_finish(t);
}
END_TEST

/* A life that never drains, leaks or is restored would prove nothing about these. */
START_TEST(the_life_of_these_tests_visits_every_state)
{
    bool workers[WORKER_STATE_COUNT] = {false}, generations[GENERATION_STATE_COUNT] = {false};
    bool reloads[RELOAD_STATE_COUNT] = {false};

    for (size_t i = 0; i < LIFE_ACTS; i++) {
        life_acts[i].play(r);
        list_for_each (n, &r->core->services) {
            const struct service *s = container_of(n, struct service, node);

            reloads[s->reload.state] = true;
            list_for_each (m, &s->generations) {
                const struct generation *g = container_of(m, struct generation, node);

                generations[g->state] = true;
                list_for_each (k, &g->workers)
                    workers[container_of(k, struct worker, node)->state] = true;
            }
        }
    }
    for (int s = WORKER_STARTING; s <= WORKER_ABANDONED; s++)
        ck_assert_msg(workers[s], "no worker was %s", worker_state_name((enum worker_state)s));
    for (int s = GENERATION_STARTING; s <= GENERATION_PARKED; s++)
        ck_assert_msg(generations[s], "no generation was %s",
                      generation_state_name((enum generation_state)s));
    for (int s = RELOAD_IDLE; s < RELOAD_STATE_COUNT; s++)
        ck_assert_msg(reloads[s] || s == RELOAD_QUEUED, "no reload was %s",
                      reload_state_name((enum reload_state)s));
}
END_TEST

/* ---- what is asked for once more ----------------------------------------------------------- */

static void
ck_asks_the_same(const struct effect *a, const struct effect *b)
{
    ck_assert_int_eq(a->type, b->type);
    ck_assert_uint_eq(a->service, b->service);
    ck_assert_uint_eq(a->reload, b->reload);
    ck_assert_uint_eq(a->snapshot, b->snapshot);
    ck_assert_int_eq(a->settle_us, b->settle_us);
}

START_TEST(a_look_that_was_under_way_is_asked_for_again)
{
    struct effect asked;

    rim_config(r, service_new("web"));
    r->look = false;
    rim_edit(r, "web");
    rim_wait(r, 200 * US_PER_MS);
    asked = r->fx.items[0];
    ck_assert_int_eq(asked.type, FX_LOOK);
    ck_assert_int_gt(asked.settle_us, 0);
    r->now_us += US_PER_S;
    twin_init();
    twin_resume();
    ck_assert_uint_eq(t->fx.n, 1);
    ck_asks_the_same(&t->fx.items[0], &asked);
    ck_assert_int_eq(rim_service(t, "web")->reload.deadline_us,
                     rim_service(r, "web")->reload.deadline_us + US_PER_S);
    rim_looked(t, "web");
    ck_state(t, "web", "running");
    ck_assert_uint_eq(service_serving(rim_service(t, "web"))->number, 2);
    rim_finish(t);
}
END_TEST

START_TEST(a_check_that_was_under_way_is_asked_for_again)
{
    struct service_spec *web = service_new("web");
    struct effect asked;

    must_add(&web->check, "/bin/check");
    r->check = false;
    rim_config(r, web);
    asked = r->fx.items[0];
    ck_assert_int_eq(asked.type, FX_CHECK);
    twin_init();
    twin_resume();
    ck_assert_uint_eq(t->fx.n, 1);
    ck_asks_the_same(&t->fx.items[0], &asked);
    rim_checked(t, "web", true);
    ck_state(t, "web", "running");
    rim_finish(t);
}
END_TEST

START_TEST(evidence_is_asked_for_again_and_waited_for_anew)
{
    rim_config(r, service_new("web"));
    r->exit = r->evidence = false;
    rim_ask(r, EVENT_STOP, "web", false);
    rim_wait(r, 31 * US_PER_S);
    twin_init();
    t->now_us += 60 * US_PER_S; /* nobody was there to hear it */
    twin_resume();
    ck_did(t, "evidence w1");
    rim_forget(t);
    rim_wait(t, 9 * US_PER_S);
    ck_did(t, "");
    rim_wait(t, US_PER_S);
    ck_did(t, "kill w1");
    rim_finish(t);
}
END_TEST

START_TEST(evidence_that_is_there_or_comes_too_late_is_not_asked_for_again)
{
    rim_config(r, service_new("web"), service_new("queue"));
    r->exit = false;
    rim_ask(r, EVENT_STOP, "web", false);
    rim_wait(r, 31 * US_PER_S);
    r->evidence = false;
    rim_ask(r, EVENT_STOP, "queue", false);
    rim_wait(r, 50 * US_PER_S); /* killed without any */
    twin_init();
    twin_resume();
    ck_did(t, "");
    rim_finish(t);
}
END_TEST

START_TEST(what_rests_is_asked_for_nothing)
{
    rim_config(r, service_new("web"), service_new("queue"));
    twin_init();
    twin_resume();
    ck_did(t, "");
    rim_step(t, (struct event){.type = EVENT_TICK});
    ck_did(t, "");
    ck_assert_str_eq(text_str(&t->said), "");
    rim_finish(t);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("image");
    TCase *tcase = tcase_create("image");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_image_restores_to_the_same_image);
    tcase_add_loop_test(tcase, a_restored_core_goes_on_like_the_one_that_was_saved, 0,
                        (int)LIFE_ACTS);
    tcase_add_test(tcase, the_life_of_these_tests_visits_every_state);
    tcase_add_test(tcase, a_look_that_was_under_way_is_asked_for_again);
    tcase_add_test(tcase, a_check_that_was_under_way_is_asked_for_again);
    tcase_add_test(tcase, evidence_is_asked_for_again_and_waited_for_anew);
    tcase_add_test(tcase, evidence_that_is_there_or_comes_too_late_is_not_asked_for_again);
    tcase_add_test(tcase, what_rests_is_asked_for_nothing);
    suite_add_tcase(suite, tcase);
    return unit_main(suite);
}
