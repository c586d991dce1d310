/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bytes of an image: nothing is forgotten in them, and nothing in them is believed. */
#include "supervisor/core/image_fields.h"
#include "tests/unit/core/image_life.h"
#include "tests/unit/core/images.h"

static struct rim rim;
static struct rim *const r = &rim;
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

START_TEST(a_service_with_one_worker_is_a_short_piece)
{
    rim_config(r, service_new("web"));
    pieces_save(&mine, r->core, &specs);
    ck_assert_uint_lt(mine.services[0].bytes, 1024);
}
END_TEST

/* ---- strange bytes ------------------------------------------------------------------------------ */

static void
ck_refused(int code, const char *words)
{
    struct error err = {0};
    struct core *c = NULL;

    ck_assert_int_eq(core_create(1, &c), 0);
    ck_assert_int_eq(pieces_restore(&mine, c, &specs, &err), code);
    ck_assert_msg(strstr(err.text, words) != NULL, "'%s' was said, not '%s'", err.text, words);
    core_destroy(c);
}

START_TEST(what_is_not_an_image_is_refused_in_words)
{
    rim_config(r, service_new("web"), service_new("queue"));
    pieces_save(&mine, r->core, &specs);
    mine.services[0].data[0]++;
    ck_refused(-EPROTO, "of version ");
    mine.services[0].data[0]--;
    mine.services[0].data[4]++;
    ck_refused(-EBADMSG, "another one");
    mine.services[0].data[4]--;
    mine.services[1].bytes--;
    ck_refused(-EBADMSG, "ends in the middle");
    mine.services[1].bytes++;
    text_addn(&mine.services[1], "", 1);
    ck_refused(-EBADMSG, "goes on");
    mine.services[1].bytes--;
    mine.services[1].data[8] = 1; /* the id of the other */
    ck_refused(-EBADMSG, "its id or name");
    mine.services[1].data[8] = 3;
    ck_refused(-EBADMSG, "its id or name");
    mine.services[1].data[8] = 2;
    image_book_finish(&book);
    ck_refused(-ENOENT, "unknown here");
}
END_TEST

/* Whatever came of it: it can be stepped, saved and destroyed. */
static void
live_on(struct core *c, uint64_t dice)
{
    struct effects fx = {NULL, 0, 0, 0};
    struct event ev = {.now_us = r->now_us + (int64_t)(dice % 100) * US_PER_S};

    core_resume(c, r->now_us, &fx);
    for (int i = 0; i < 4; i++) {
        ev.type = i == 2 ? EVENT_STOP_ALL : EVENT_TICK;
        effects_clear(&fx);
        core_step(c, &ev, &fx);
        ev.now_us += 40 * US_PER_S;
    }
    pieces_save(&its, c, &specs);
    effects_finish(&fx);
}

static uint64_t
dice_next(uint64_t *dice)
{
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    return *dice ^= *dice << 17;
}

static void
spoil(struct text *bytes, uint64_t *dice)
{
    for (uint64_t n = 1 + dice_next(dice) % 3; n > 0 && bytes->bytes > 0; n--) {
        uint64_t at = dice_next(dice) % bytes->bytes, how = dice_next(dice) % 8;

        if (how == 0)
            bytes->bytes = at; /* text_addn() of the next save begins anew */
        else if (how < 3)
            bytes->data[at] = (char)(how == 1 ? 0xff : 0x7f);
        else
            bytes->data[at] = (char)(bytes->data[at] ^ (char)(1U << (dice_next(dice) % 8)));
    }
}

START_TEST(any_bytes_are_survived)
{
    uint64_t dice = UINT64_C(88172645463325252);
    unsigned taken = 0, refused = 0;

    for (size_t i = 0; i < LIFE_ACTS; i++) {
        life_acts[i].play(r);
        for (int round = 0; round < 60; round++) {
            struct error err = {0};
            struct core *c = NULL;

            pieces_save(&mine, r->core, &specs);
            spoil(round % 10 == 0 || mine.n == 0 ? &mine.core : &mine.services[dice % mine.n],
                  &dice);
            ck_assert_int_eq(core_create(1, &c), 0);
            if (pieces_restore(&mine, c, &specs, &err) == 0) {
                live_on(c, dice);
                taken++;
            } else {
                ck_assert_str_ne(err.text, "");
                refused++;
            }
            core_destroy(c);
        }
    }
    ck_assert_uint_gt(taken, 100);
    ck_assert_uint_gt(refused, 100);
}
END_TEST

/* ---- nothing is forgotten ------------------------------------------------------------------------ */

struct span {
    size_t at, bytes;
};

#define MEMBER(type, member)                                                 \
    {                                                                        \
        offsetof(struct type, member), sizeof(((struct type *)NULL)->member) \
    }

/* NOLINTBEGIN(bugprone-sizeof-expression): a pointer is a member like another, its size is meant */
static const struct span derived_core[] = {
    MEMBER(core, services),   MEMBER(core, n_services), MEMBER(core, by_id),
    MEMBER(core, by_name),    MEMBER(core, workers),    MEMBER(core, agenda),
    MEMBER(core, touched),    MEMBER(core, due),        MEMBER(core, n_due),
    MEMBER(core, room_due),   MEMBER(core, n_live),     MEMBER(core, unlinked),
    MEMBER(core, fx),         MEMBER(core, moves),      MEMBER(core, n_moves),
    MEMBER(core, moves_lost), MEMBER(core, n_starting), MEMBER(core, places),
    MEMBER(core, offered),
};
static const struct span derived_service[] = {
    MEMBER(service, node),         MEMBER(service, by_id),          MEMBER(service, by_name),
    MEMBER(service, spec),         MEMBER(service, reload),         MEMBER(service, generations),
    MEMBER(service, hooks),        MEMBER(service, last),           MEMBER(service, agenda),
    MEMBER(service, touched),      MEMBER(service, due_us),         MEMBER(service, due_at),
    MEMBER(service, dependencies), MEMBER(service, n_dependencies), MEMBER(service, dependents),
    MEMBER(service, was_ready),    MEMBER(service, was_completed),  MEMBER(service, was_holding),
    MEMBER(service, was_live),     MEMBER(service, place),
};
static const struct span derived_reload[] = {MEMBER(reload, spec)};
static const struct span derived_verdict[] = {MEMBER(verdict, reload)}; /* nothing: it is saved */
static const struct span derived_generation[] = {
    MEMBER(generation, node),  MEMBER(generation, service), MEMBER(generation, spec),
    MEMBER(generation, slots), MEMBER(generation, workers),
};
static const struct span derived_slot[] = {MEMBER(slot, worker), MEMBER(slot, substitute)};
static const struct span derived_worker[] = {MEMBER(worker, node), MEMBER(worker, by_id),
                                             MEMBER(worker, generation), MEMBER(worker, placed)};

/* NOLINTEND(bugprone-sizeof-expression) */

static const struct members {
    const struct image_shape *shape;
    size_t bytes;
    const struct span *derived;
    size_t n;
} all_core = {&image_core_shape, sizeof(struct core), derived_core, ARRAY_LEN(derived_core)},
  all_service = {&image_service_shape, sizeof(struct service), derived_service,
                 ARRAY_LEN(derived_service)},
  all_reload = {&image_reload_shape, sizeof(struct reload), derived_reload,
                ARRAY_LEN(derived_reload)},
  all_verdict = {&image_verdict_shape, sizeof(struct verdict), derived_verdict,
                 ARRAY_LEN(derived_verdict)},
  all_generation = {&image_generation_shape, sizeof(struct generation), derived_generation,
                    ARRAY_LEN(derived_generation)},
  all_slot = {&image_slot_shape, sizeof(struct slot), derived_slot, ARRAY_LEN(derived_slot)},
  all_worker = {&image_worker_shape, sizeof(struct worker), derived_worker,
                ARRAY_LEN(derived_worker)};

/* The end of the member that is saved or known to be derived, and begins at @at; 0: none does. */
static size_t
member_end(const struct members *of, size_t at)
{
    for (size_t i = 0; i < of->shape->n; i++)
        if (of->shape->fields[i].at == at)
            return at + of->shape->fields[i].bytes;
    for (size_t i = 0; i < of->n; i++)
        if (of->derived[i].at == at)
            return at + of->derived[i].bytes;
    return 0;
}

/* Between members is only as much as aligns the next one. */
static void
ck_covers(const struct members *of)
{
    for (size_t at = 0, begin = 0; at < of->bytes;) {
        size_t end = member_end(of, begin);

        if (end == 0) {
            ck_assert_msg(++begin < at + 8, "what is at %zu of struct %s?", at, of->shape->name);
            continue;
        }
        ck_assert_msg(begin - at < end - begin, "what is at %zu of struct %s?", at,
                      of->shape->name);
        at = begin = end;
        if (of->bytes - at < 8 && of->bytes % 8 == 0 && at % 8 != 0)
            return;
    }
}

START_TEST(every_member_is_saved_or_known_to_be_derived)
{
    ck_covers(&all_core);
    ck_covers(&all_service);
    ck_covers(&all_reload);
    ck_covers(&all_verdict);
    ck_covers(&all_generation);
    ck_covers(&all_slot);
    ck_covers(&all_worker);
}
END_TEST

/* A flag finds room where a member is aligned, and is not seen there until it is set. */
static void
ck_nobody_between(const struct members *of, const void *thing)
{
    for (size_t at = 0; at < of->bytes; at++) {
        size_t end = member_end(of, at);

        if (end > 0)
            at = end - 1;
        else
            ck_assert_msg(((const char *)thing)[at] == 0, "what is at %zu of struct %s?", at,
                          of->shape->name);
    }
}

START_TEST(what_is_between_members_is_empty_all_life_long)
{
    for (size_t i = 0; i < LIFE_ACTS; i++) {
        life_acts[i].play(r);
        ck_nobody_between(&all_core, r->core);
        list_for_each (n, &r->core->services) {
            const struct service *s = container_of(n, struct service, node);

            ck_nobody_between(&all_service, s);
            ck_nobody_between(&all_reload, &s->reload);
            ck_nobody_between(&all_verdict, &s->last);
            list_for_each (m, &s->generations) {
                const struct generation *g = container_of(m, struct generation, node);

                ck_nobody_between(&all_generation, g);
                list_for_each (k, &g->workers)
                    ck_nobody_between(&all_worker, container_of(k, struct worker, node));
            }
        }
    }
}
END_TEST

RIM_SUITE_MAIN("image bytes", a_service_with_one_worker_is_a_short_piece,
               what_is_not_an_image_is_refused_in_words, any_bytes_are_survived,
               every_member_is_saved_or_known_to_be_derived,
               what_is_between_members_is_empty_all_life_long)
