/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Out of memory in the middle of a decision: nothing hangs, nothing spins, nobody is forgotten. */
#include "tests/unit/core/images.h"
#include "tests/unit/core/rim.h"

static struct rim rim;
static struct rim *const r = &rim;
static bool no_new, no_more; /* calloc(3), realloc(3) fail */
static unsigned new_left;    /* … calloc(3) does after as many; 0: see above */

/* NOLINTBEGIN(readability-identifier-naming): the linker puts them before the C library's (--wrap) */
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *p, size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *p, size_t bytes);

void *
__wrap_calloc(size_t n, size_t bytes)
{
    if (new_left > 0 && --new_left == 0)
        no_new = true;
    return no_new ? NULL : __real_calloc(n, bytes);
}

void *
__wrap_realloc(void *p, size_t bytes)
{
    return no_more ? NULL : __real_realloc(p, bytes);
}
/* NOLINTEND(readability-identifier-naming) */

static void
setup(void)
{
    rim_init(r);
    r->poor = true;
}

static void
teardown(void)
{
    rim_finish(r);
}

/* One step without room for a single effect: what it asks for is lost. */
static void
step_without_room(struct event ev)
{
    struct effects fx = {NULL, 0, 0, 0};

    ev.now_us = r->now_us;
    no_more = true;
    core_step(r->core, &ev, &fx);
    no_more = false;
    ck_assert_uint_gt(fx.lost, 0);
    ck_assert_uint_eq(fx.n, 0);
    effects_finish(&fx);
}

static void
ck_sleeps(void)
{
    ck_assert_msg(core_next_deadline_us(r->core) > r->now_us, "the loop spins");
}

START_TEST(a_start_that_cannot_be_asked_for_fails_once_and_loudly)
{
    rim_config(r, service_new("web"));
    rim_ask(r, EVENT_STOP, "web", false);
    step_without_room((struct event){.type = EVENT_START, .service = rim_id(r, "web")});
    ck_assert_uint_eq(rim_service(r, "web")->last.reload, 2);
    ck_state(r, "web", "failed");
    ck_sleeps();
    rim_ask(r, EVENT_START, "web", false);
    ck_state(r, "web", "running");
}
END_TEST

START_TEST(a_check_that_cannot_be_asked_for_rejects_and_condemns_nothing)
{
    struct service_spec *web = service_new("web");
    struct event looked;

    must_add(&web->check, "/bin/check");
    rim_config(r, web);
    r->look = false;
    r->disk[1]++;
    rim_ask(r, EVENT_RELOAD, "web", false);
    looked = rim_answer_of(r, EVENT_LOOKED, "web");
    looked.looked.digest = rim_digest(1);
    step_without_room(looked);
    ck_assert_int_eq(rim_service(r, "web")->last.outcome, OUTCOME_REJECTED);
    ck_state(r, "web", "running");
    r->look = true;
    rim_ask(r, EVENT_RELOAD, "web", false);
    ck_said(r, "verdict: web/2 serving #3");
}
END_TEST

START_TEST(a_worker_whose_start_is_lost_is_started_a_little_later)
{
    rim_config(r, service_new("web"));
    rim_ask(r, EVENT_RELOAD, "web", true);
    ck_state(r, "web", "running");
    step_without_room(
        (struct event){.type = EVENT_EXIT, .worker = 2, .death = {.wait_status = SIGSEGV}});
    ck_sleeps();
    rim_forget(r);
    rim_wait(r, US_PER_S);
    ck_did(r, "spawn web/2.0 w4");
    ck_assert_ptr_nonnull(core_worker(r->core, 4));
    ck_assert_ptr_null(core_worker(r->core, 3)); /* it never was */
    rim_ask(r, EVENT_STOP, "web", false);
    ck_state(r, "web", "stopped");
}
END_TEST

START_TEST(what_was_stopped_for_a_candidate_that_has_no_room_is_started_again)
{
    struct service_spec *queue = service_new("queue");

    queue->handoff = HANDOFF_REPLACE;
    rim_config(r, queue);
    r->exit = false;
    rim_ask(r, EVENT_RELOAD, "queue", true); /* w1 is leaving */
    rim_forget(r);
    no_new = true;
    rim_dies(r, 1, 0);
    no_new = false;
    ck_sleeps();
    rim_wait(r, 2 * US_PER_S);
    ck_did(r, "spawn queue/1.0 w2; discard 2");
    ck_said(r, "verdict: queue/1 restored #2 | out of memory");
    ck_state(r, "queue", "running");
}
END_TEST

START_TEST(an_image_that_finds_no_memory_is_refused_at_whatever_point)
{
    struct image_book book = {.n = 0};
    struct image_specs specs = image_book_words(&book);
    struct pieces pieces = {.n = 0};
    struct service_spec *web = service_new("web"), *api = service_new("api");
    struct core *c = NULL;
    unsigned after = 1;
    int e;

    web->workers = 3;
    must_add(&api->depends_on, "web");
    rim_config(r, web, api);
    pieces_save(&pieces, r->core, &specs);
    for (e = -ENOMEM; e == -ENOMEM; after++) {
        ck_assert_int_eq(core_create(1, &c), 0);
        new_left = after;
        e = pieces_restore(&pieces, c, &specs, NULL);
        no_new = false;
        core_destroy(c);
    }
    new_left = 0;
    ck_assert_int_eq(e, 0);
    ck_assert_uint_gt(after, 10);
    pieces_finish(&pieces);
    image_book_finish(&book);
}
END_TEST

RIM_SUITE_MAIN("memory", an_image_that_finds_no_memory_is_refused_at_whatever_point,
               a_start_that_cannot_be_asked_for_fails_once_and_loudly,
               a_check_that_cannot_be_asked_for_rejects_and_condemns_nothing,
               a_worker_whose_start_is_lost_is_started_a_little_later,
               what_was_stopped_for_a_candidate_that_has_no_room_is_started_again)
