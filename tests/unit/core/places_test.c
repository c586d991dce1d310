/* SPDX-License-Identifier: GPL-2.0-or-later */
/* max_starting: only so many are on their way to be ready at once, and nobody who serves is kept waiting. */
#include "tests/unit/core/images.h"
#include "tests/unit/core/rim.h"

static struct rim rim;
static struct rim *const r = &rim;

static void
setup(void)
{
    rim_init(r);
    r->ready = false;
    r->max_starting = 2;
}

static void
teardown(void)
{
    rim_finish(r);
}

static struct service_spec *
many(const char *name, unsigned workers)
{
    struct service_spec *s = service_new(name);

    s->workers = workers;
    return s;
}

static struct service_spec *
assumed(const char *name)
{
    struct service_spec *s = service_new(name);

    s->ready.mode = READY_ASSUME;
    s->ready.assume_us = US_PER_S;
    return s;
}

static struct service_spec *
once(const char *name)
{
    struct service_spec *s = service_new(name);

    s->type = TYPE_ONESHOT;
    s->run_timeout_us = 60 * US_PER_S;
    return s;
}

static void
four(void)
{
    rim_config(r, service_new("a"), service_new("b"), service_new("c"), service_new("d"));
}

static unsigned
spawns(void)
{
    unsigned n = 0;

    for (const char *at = text_str(&r->did); (at = strstr(at, "spawn ")); at++)
        n++;
    return n;
}

START_TEST(so_many_start_and_the_others_when_one_is_ready_in_turn)
{
    four();
    ck_did(r, "look a; look b; look c; look d; spawn a/1.0 w1; spawn b/1.0 w2");
    ck_state(r, "c", "starting");
    rim_forget(r);
    rim_ready(r, 2);
    ck_did(r, "spawn c/1.0 w3");
    rim_forget(r);
    rim_ready(r, 3);
    ck_did(r, "spawn d/1.0 w4");
    rim_ready(r, 1);
    rim_ready(r, 4);
    ck_state(r, "d", "running");
}
END_TEST

START_TEST(who_waits_says_so_and_does_not_make_the_loop_spin)
{
    char why[200];

    four();
    ck_assert_str_eq(service_why(r->core, rim_service(r, "d"), why, sizeof(why)),
                     "waits for its turn: 2 workers are starting (max_starting: 2)");
    ck_assert_int_gt(core_next_deadline_us(r->core), r->now_us);
}
END_TEST

START_TEST(the_time_to_start_begins_with_the_start_and_one_that_misses_it_gives_its_place_back)
{
    four();
    rim_forget(r);
    rim_wait(r, 10 * US_PER_S); /* a and b are late, and leave */
    ck_assert_ptr_nonnull(strstr(text_str(&r->did), "spawn c/1.0 w"));
    ck_assert_ptr_nonnull(strstr(text_str(&r->did), "spawn d/1.0 w"));
    ck_assert_int_eq(core_worker(r->core, 3)->deadline_us, r->now_us + 10 * US_PER_S);
}
END_TEST

START_TEST(one_that_dies_gives_its_place_back_and_waits_for_another)
{
    four();
    rim_forget(r);
    rim_dies(r, 1, 1 << 8); /* tried again at once, behind those who waited longer */
    ck_did(r, "spawn c/1.0 w3");
    rim_forget(r);
    rim_ready(r, 2);
    ck_did(r, "spawn d/1.0 w4");
    rim_forget(r);
    rim_ready(r, 3);
    ck_did(r, "spawn a/1.0 w5");
}
END_TEST

START_TEST(who_serves_is_not_kept_waiting)
{
    r->ready = true;
    rim_config(r, many("web", 2));
    r->ready = false;
    rim_config(r, many("web", 2), service_new("a"), service_new("b"), service_new("c"));
    rim_forget(r);
    rim_dies(r, 1, 9); /* a respawn, though two others are starting … */
    ck_did(r, "spawn web/1.0 w5");
    rim_forget(r);
    rim_ask(r, EVENT_RELOAD, "web", true); /* … and the whole of a reload */
    ck_assert_uint_eq(spawns(), 2);
    rim_forget(r);
    rim_ready(r, 3); /* of a: but they count, and so c waits */
    ck_did(r, "");
}
END_TEST

START_TEST(who_has_no_start_timeout_to_miss_takes_no_place)
{
    rim_config(r, assumed("a"), assumed("b"), once("c"), once("d"), assumed("e"), service_new("f"),
               service_new("g"));
    ck_assert_uint_eq(spawns(), 7);
}
END_TEST

START_TEST(more_workers_than_places_come_one_after_the_other)
{
    rim_config(r, many("web", 3), service_new("b"));
    ck_assert_uint_eq(spawns(), 2);
    rim_forget(r);
    rim_ready(r, 1);
    rim_ready(r, 2);
    ck_assert_uint_eq(spawns(), 2); /* its third, and b */
    rim_ready(r, 3);
    rim_ready(r, 4);
    ck_state(r, "web", "running");
    ck_state(r, "b", "running");
}
END_TEST

START_TEST(more_places_are_taken_as_soon_as_they_are_configured)
{
    four();
    rim_forget(r);
    r->max_starting = 3;
    four();
    ck_did(r, "spawn c/1.0 w3");
    rim_forget(r);
    r->max_starting = 0; /* any number */
    four();
    ck_did(r, "spawn d/1.0 w4");
}
END_TEST

START_TEST(who_waits_can_be_stopped_and_a_stop_waits_for_nobody)
{
    four();
    rim_ask(r, EVENT_STOP, "c", false);
    ck_state(r, "c", "stopped");
    rim_forget(r);
    rim_ready(r, 1);
    ck_did(r, "spawn d/1.0 w3"); /* d, not c */
    rim_ask(r, EVENT_STOP_ALL, NULL, false);
    ck_assert(core_stopped(r->core));
}
END_TEST

START_TEST(a_master_that_takes_over_counts_the_same_and_forgets_nobody)
{
    struct image_book book = {.n = 0};
    struct image_specs specs = image_book_words(&book);
    struct pieces pieces = {0};
    struct core *before = r->core;
    struct error err;

    four();
    pieces_save(&pieces, before, &specs);
    ck_assert_int_eq(core_create(1, &r->core), 0);
    ck_assert_int_eq(pieces_restore(&pieces, r->core, &specs, &err), 0);
    core_destroy(before);
    rim_forget(r);
    core_resume(r->core, r->now_us, &r->fx);
    effects_clear(&r->fx);
    rim_wait(r, US_PER_MS);
    ck_did(r, "");
    rim_ready(r, 1);
    ck_did(r, "spawn c/1.0 w3");
    rim_ready(r, 2);
    rim_ready(r, 3);
    rim_ready(r, 4);
    ck_state(r, "d", "running");
    pieces_finish(&pieces);
    image_book_finish(&book);
}
END_TEST

RIM_SUITE_MAIN("places", so_many_start_and_the_others_when_one_is_ready_in_turn,
               who_waits_says_so_and_does_not_make_the_loop_spin,
               the_time_to_start_begins_with_the_start_and_one_that_misses_it_gives_its_place_back,
               one_that_dies_gives_its_place_back_and_waits_for_another,
               who_serves_is_not_kept_waiting, who_has_no_start_timeout_to_miss_takes_no_place,
               more_workers_than_places_come_one_after_the_other,
               more_places_are_taken_as_soon_as_they_are_configured,
               who_waits_can_be_stopped_and_a_stop_waits_for_nobody,
               a_master_that_takes_over_counts_the_same_and_forgets_nobody)
