/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/overruns.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/probe/registry_tables.h"
#include "tests/unit/unit.h"

/* What a registry says of work past its deadline, whoever wrote it. */
#define NOW  INT64_C(1000000000)
#define S_US INT64_C(1000000)

static int registry = -1;
static struct stint_registry_header *h;

static void *
at(uint32_t offset)
{
    return (char *)h + offset;
}

static struct stint_registry_slot *
slot(uint32_t i)
{
    return (struct stint_registry_slot *)at(h->slots.offset) + i;
}

static struct stint_registry_overrun *
row(uint32_t i)
{
    return (struct stint_registry_overrun *)at(h->overruns.offset) + i;
}

static struct stint_registry_caller *
caller(uint32_t i)
{
    return (struct stint_registry_caller *)at(h->callers.offset) + i;
}

static void
up(void)
{
    ck_assert_int_eq(registry_create(&registry, NULL), 0);
    h = mmap(NULL, STINT_REGISTRY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, registry, 0);
    ck_assert_ptr_ne(h, MAP_FAILED);
    fixture_header(h);
    h->overruns.offset = h->sites.offset + h->sites.stride * h->sites.count;
    h->overruns.stride = sizeof(struct stint_registry_overrun);
    h->overruns.count = STINT_REGISTRY_OVERRUNS;
    h->callers.offset = h->overruns.offset + h->overruns.stride * h->overruns.count;
    h->callers.stride = sizeof(struct stint_registry_caller);
    h->callers.count = STINT_REGISTRY_CALLERS;
    h->magic = STINT_REGISTRY_MAGIC;
}

static void
live(uint32_t i, const char *name, int64_t deadline_us)
{
    slot(i)->state = STINT_SLOT_LIVE;
    slot(i)->tid = 100 + i;
    slot(i)->deadline_us = deadline_us;
    (void)snprintf(slot(i)->name, sizeof(slot(i)->name), "%s", name);
    if (h->slots.used <= i)
        h->slots.used = i + 1;
}

static struct overruns
read_all(void)
{
    struct overruns o;

    ck_assert_int_eq(overruns_read(registry, NOW, S_US, &o, NULL), 0);
    return o;
}

START_TEST(who_is_at_work_past_a_deadline_is_found_unless_that_is_allowed)
{
    struct registry_copy copy = {.room = 0};
    struct overruns o;
    uint64_t total;
    unsigned n;

    up();
    live(0, "none", INT64_MAX);
    live(1, "late", NOW - 3 * S_US);
    live(2, "soon", NOW + S_US);
    live(3, "tolerated", NOW - S_US / 2);
    live(4, "shielded", NOW - 3 * S_US);
    slot(4)->shield_until_us = NOW + S_US;
    live(5, "exempt", NOW - 3 * S_US);
    slot(5)->flags = STINT_SLOT_EXEMPT;
    slot(5)->exempt_until_us = INT64_MAX;
    live(6, "ended", NOW - 3 * S_US);
    slot(6)->state = STINT_SLOT_DONE;
    live(7, "nothing", 0); /* the preload object's say nothing */
    ck_assert_int_eq(overruns_look(registry, &copy, NOW, S_US, &n, &total), 0);
    ck_assert_uint_eq(n, 1);
    ck_assert_uint_eq(total, 0);
    registry_copy_finish(&copy);
    o = read_all();
    ck_assert_uint_eq(o.n_live, 1);
    ck_assert_uint_eq(o.n, 1);
    ck_assert_str_eq(o.of[0].thread, "late");
    ck_assert_int_eq(o.of[0].over_us, 3 * S_US);
    ck_assert_int_eq(o.of[0].tid, 101);
    overruns_finish(&o);
}
END_TEST

START_TEST(rows_name_who_and_where_and_of_which_trace)
{
    struct stint_registry_site *site;
    struct overruns o;

    up();
    site = at(h->sites.offset);
    site->kind = STINT_SITE_BIRTH;
    site->line = 41;
    (void)snprintf(site->file, sizeof(site->file), "/src/pool.c");
    (void)snprintf(site->function, sizeof(site->function), "start");
    h->sites.used = 1;
    h->overrun = 12;
    h->overruns.used = 1;
    *row(0) = (struct stint_registry_overrun){
        .count = 7,
        .over_us = 5,
        .most_us = 9,
        .birth_site = 1,
        .trace_id = {0xab, 1},
        .thread = "worker\n1",
        .creator_name = "main",
        .task = "GetUser",
        .scope = "root"
    };
    h->callers.used = 1;
    *caller(0) = (struct stint_registry_caller){.calls = 3, .without = 1, .name = "gate\tway"};
    o = read_all();
    ck_assert_uint_eq(o.total, 12);
    ck_assert_uint_eq(o.n, 1);
    ck_assert_uint_eq(o.of[0].count, 7);
    ck_assert_str_eq(o.of[0].thread, "worker?1");
    ck_assert_str_eq(o.of[0].creator, "pool.c:41 in start by main");
    ck_assert_str_eq(o.of[0].trace_id, "ab010000000000000000000000000000");
    ck_assert_uint_eq(o.n_callers, 1);
    ck_assert_str_eq(o.callers[0].name, "gate?way");
    overruns_finish(&o);
}
END_TEST

START_TEST(nonsense_is_passed_over)
{
    struct overruns o;

    up();
    h->overruns.used = 3;
    row(0)->count = 1;
    row(0)->seq = 1; /* it died while it wrote */
    row(1)->count = 1;
    row(1)->birth_site = 4711;
    row(1)->over_us = -5;
    row(1)->tid = UINT32_MAX;
    memset(row(1)->thread, 'x', sizeof(row(1)->thread)); /* no end */
    h->callers.used = 1;
    caller(0)->least_us = INT64_MIN;
    o = read_all();
    ck_assert_uint_eq(o.n, 1);
    ck_assert_uint_eq(strlen(o.of[0].thread), 40);
    ck_assert_int_eq(o.of[0].over_us, 0);
    ck_assert_int_eq(o.of[0].tid, 0);
    ck_assert_int_eq(o.callers[0].least_us, 0);
    overruns_finish(&o);
    for (int i = 0; i < 6; i++) {
        struct stint_registry_table good = h->overruns;

        h->overruns.used = i == 0 ? UINT32_MAX : 3;
        h->overruns.count = i == 0 ? UINT32_MAX : i == 1 ? UINT32_MAX : 64;
        h->overruns.offset = i == 2 ? UINT32_MAX - 7 : i == 3 ? good.offset + 1 : good.offset;
        h->overruns.stride = i == 4 ? 8 : i == 5 ? UINT32_MAX : good.stride;
        o = read_all();
        ck_assert_msg(o.n == 0, "case %d", i);
        overruns_finish(&o);
        h->overruns = good;
    }
}
END_TEST

START_TEST(an_older_registry_has_none)
{
    struct overruns o;

    up();
    h->overruns = h->callers = (struct stint_registry_table){0};
    o = read_all();
    ck_assert_uint_eq(o.n + o.n_callers, 0);
    overruns_finish(&o);
    h->magic = 0;
    ck_assert_int_lt(overruns_read(registry, NOW, 0, &o, NULL), 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("overruns");
    TCase *t = tcase_create("overruns");

    tcase_add_test(t, who_is_at_work_past_a_deadline_is_found_unless_that_is_allowed);
    tcase_add_test(t, rows_name_who_and_where_and_of_which_trace);
    tcase_add_test(t, nonsense_is_passed_over);
    tcase_add_test(t, an_older_registry_has_none);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
