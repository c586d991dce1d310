/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a step leaves behind for the rim besides its effects: whom it touched, which moves it made. */
#include "tests/unit/core/rim.h"

static struct rim rim;
static struct rim *const r = &rim;

static void
setup(void)
{
    rim_init(r);
}

static void
teardown(void)
{
    rim_finish(r);
}

/* ---- what was touched ------------------------------------------------------------------------ */

static unsigned
touched(void)
{
    unsigned count = 0;

    list_for_each (n, &r->core->touched)
        count++;
    return count;
}

START_TEST(only_the_services_of_a_step_are_touched_by_it)
{
    rim_config(r, service_new("web"), service_new("queue"), service_new("api"));
    ck_assert_uint_eq(touched(), 3);
    core_clean(r->core);
    ck_assert_uint_eq(touched(), 0);
    rim_step(r, (struct event){.type = EVENT_TICK});
    ck_assert_uint_eq(touched(), 0);
    rim_edit(r, "queue");
    ck_assert_uint_eq(touched(), 1);
    ck_assert_ptr_eq(r->core->touched.next, &rim_service(r, "queue")->touched);
    rim_wait(r, US_PER_S);
    ck_assert_uint_eq(touched(), 1); /* it has a new generation by now */
    rim_config(r, service_new("queue"), service_new("api"));
    ck_assert_uint_eq(touched(), 2); /* who was removed is in no list */
}
END_TEST

/* ---- moves ------------------------------------------------------------------------------------ */

START_TEST(every_row_of_the_tables_has_a_name_of_its_own)
{
    size_t n = 0;

    for (; move_edge(n); n++)
        for (size_t i = 0; i < n; i++)
            ck_assert_str_ne(move_edge(i), move_edge(n));
    ck_assert_uint_eq(n, 15 + 15 + 51);
    ck_assert_str_eq(move_edge(0), "worker:STARTING-READY->READY");
}
END_TEST

START_TEST(a_step_leaves_the_moves_it_made)
{
    static const char *const names[] = {"worker:STARTING-READY->READY",
                                        "generation:STARTING-SERVE->SERVING",
                                        "reload:HANDING-END->IDLE"};

    r->ready = false;
    rim_config(r, service_new("web"));
    rim_step_one(r, (struct event){.type = EVENT_READY, .worker = 1});
    ck_assert_uint_eq(r->core->n_moves, 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_str_eq(move_name(&r->core->moves[i]), names[i]);
        ck_assert_uint_eq(r->core->moves[i].service, 1);
        ck_assert_uint_eq(r->core->moves[i].id, 1);
    }
    rim_step_one(r, (struct event){.type = EVENT_TICK});
    ck_assert_uint_eq(r->core->n_moves, 0);
}
END_TEST

START_TEST(more_moves_than_there_is_room_for_are_counted)
{
    struct service_spec *web = service_new("web");

    web->workers = CORE_MOVES + 10;
    r->look = false;
    rim_config(r, web);
    r->spawn = false;
    rim_looked(r, "web");
    for (uint64_t w = 1; w <= CORE_MOVES + 10; w++)
        rim_step(r, (struct event){.type = EVENT_SPAWNED, .worker = w, .spawned = {(pid_t)w}});
    r->exit = false;
    rim_ask(r, EVENT_STOP, "web", false);
    ck_assert_uint_eq(r->core->n_moves, CORE_MOVES);
    ck_assert_uint_gt(r->core->moves_lost, 0);
}
END_TEST

RIM_SUITE_MAIN("step", only_the_services_of_a_step_are_touched_by_it,
               every_row_of_the_tables_has_a_name_of_its_own, a_step_leaves_the_moves_it_made,
               more_moves_than_there_is_room_for_are_counted)
