/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events on their way to the core: none is lost because memory is short. */
#include <ev.h>
#include <stdlib.h>

#include "base/units.h"
#include "supervisor/core/event.h"
#include "supervisor/io/master_state.h"
#include "tests/unit/core/specs.h"
#include "tests/unit/io/journal_world.h"

static struct master m;
static bool poor;

/* NOLINTBEGIN(readability-identifier-naming): the linker puts it before the C library's (--wrap) */
void *__real_calloc(size_t n, size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);

void *
__wrap_calloc(size_t n, size_t bytes)
{
    return poor ? NULL : __real_calloc(n, bytes);
}
/* NOLINTEND(readability-identifier-naming) */

static void
on_tick(EV_P_ ev_timer *t, int revents)
{
    (void)loop;
    (void)t;
    (void)revents;
}

static void
setup(void)
{
    struct spec *spec = spec_new(60 * US_PER_S);

    set_up();
    open_journal(&(struct journal_options){.fd = ends[1]});
    memset(&m, 0, sizeof(m));
    m.loop = loop;
    m.journal = journal;
    list_init(&m.queue);
    list_init(&m.hands);
    list_init(&m.snapshots);
    list_init(&m.inspections);
    list_init(&m.errands);
    list_init(&m.specs);
    list_init(&m.gated);
    ck_assert_int_eq(core_create(7, &m.core), 0);
    ev_timer_init(&m.tick, on_tick, 0., 0.);
    master_queue_init(&m);
    spec_take(spec, service_new("web"));
    master_post(&m, &(struct event){.type = EVENT_CONFIG, .config = {.spec = spec}});
    spec_destroy(spec);
}

static void
teardown(void)
{
    master_queue_finish(&m);
    core_destroy(m.core);
    ev_timer_stop(loop, &m.tick);
    ev_timer_stop(loop, &m.more);
    tear_down();
}

START_TEST(an_event_needs_no_memory_to_reach_the_core)
{
    struct service *web = core_service_by_name(m.core, "web");

    ck_assert_ptr_nonnull(web);
    ck_assert_int_eq(web->want, WANT_UP);
    poor = true;
    master_post(&m, &(struct event){.type = EVENT_STOP, .service = web->id});
    poor = false;
    ck_assert_int_eq(web->want, WANT_DOWN);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("master_queue");
    TCase *tcase = tcase_create("master_queue");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_event_needs_no_memory_to_reach_the_core);
    suite_add_tcase(suite, tcase);
    return unit_main(suite);
}
