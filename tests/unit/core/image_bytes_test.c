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
    ck_refused(-EPROTO, "version 2");
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
            spoil(round % 10 == 0 ? &mine.core : &mine.services[dice % mine.n], &dice);
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

#define MEMBER(type, member)                                              \
    {                                                                     \
        offsetof(struct type, member), sizeof(((struct type *)0)->member) \
    }

/* Every byte of the struct is in an image, is named here as derived, or is what the next is aligned with. */
static void
ck_covers(const struct image_shape *shape, size_t size, const struct span *derived,
          size_t n_derived)
{
    size_t at = 0;

    while (at < size) {
        size_t end = 0;

        for (size_t up = at; end == 0 && up < at + 8; up++) {
            for (size_t i = 0; i < shape->n; i++)
                if (shape->fields[i].at == up)
                    end = up + shape->fields[i].bytes;
            for (size_t i = 0; i < n_derived; i++)
                if (derived[i].at == up)
                    end = up + derived[i].bytes;
            if (end > 0 && up > at) /* padding: no more than this one needs */
                ck_assert_msg(up - at < (end - up >= 8 ? 8U : end - up),
                              "what is at %zu of struct %s?", at, shape->name);
        }
        if (end == 0 && at + 8 > size && at % 8 != 0)
            return; /* the tail */
        ck_assert_msg(end > 0, "what is at %zu of struct %s?", at, shape->name);
        at = end;
    }
}
#define CK_COVERS(type, ...)                                            \
    do {                                                                \
        const struct span derived_[] = {__VA_ARGS__};                   \
                                                                        \
        ck_covers(&image_##type##_shape, sizeof(struct type), derived_, \
                  sizeof(derived_) / sizeof(derived_[0]));              \
    } while (0)

START_TEST(every_member_is_saved_or_known_to_be_derived)
{
    CK_COVERS(core, MEMBER(core, services), MEMBER(core, n_services), MEMBER(core, by_id),
              MEMBER(core, by_name), MEMBER(core, workers), MEMBER(core, agenda),
              MEMBER(core, touched), MEMBER(core, due), MEMBER(core, n_due), MEMBER(core, room_due),
              MEMBER(core, n_live), MEMBER(core, unlinked), MEMBER(core, fx), MEMBER(core, moves),
              MEMBER(core, n_moves), MEMBER(core, moves_lost));
    CK_COVERS(service, MEMBER(service, node), MEMBER(service, by_id), MEMBER(service, by_name),
              MEMBER(service, spec), MEMBER(service, reload), MEMBER(service, generations),
              MEMBER(service, last), MEMBER(service, agenda), MEMBER(service, touched),
              MEMBER(service, due_us), MEMBER(service, due_at), MEMBER(service, dependencies),
              MEMBER(service, n_dependencies), MEMBER(service, dependents),
              MEMBER(service, was_ready), MEMBER(service, was_live));
    CK_COVERS(reload, MEMBER(reload, spec));
    CK_COVERS(verdict, MEMBER(verdict, reload));
    CK_COVERS(generation, MEMBER(generation, node), MEMBER(generation, service),
              MEMBER(generation, spec), MEMBER(generation, slots), MEMBER(generation, workers));
    CK_COVERS(slot, MEMBER(slot, worker));
    CK_COVERS(worker, MEMBER(worker, node), MEMBER(worker, by_id), MEMBER(worker, generation));
}
END_TEST

RIM_SUITE_MAIN("image bytes", a_service_with_one_worker_is_a_short_piece,
               what_is_not_an_image_is_refused_in_words, any_bytes_are_survived,
               every_member_is_saved_or_known_to_be_derived)
