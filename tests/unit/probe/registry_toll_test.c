/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The registry of who is dead: who was not joined, and what cannot be told. */
#include "supervisor/probe/registry_toll.h"

#include "base/text.h"
#include "tests/unit/probe/registry_fixture.h"

static struct registry_toll toll;
static struct text words;

static void
count(void)
{
    struct registry_copy copy = {0};
    struct error err = {0};

    text_clear(&words);
    ck_assert_msg(registry_copy_take(registry, &copy, &err) == 0, "%s", err.text);
    registry_toll(&copy, &toll, &words);
    registry_copy_finish(&copy);
}

static void
done(size_t i, const char *name, uint16_t flags)
{
    live(i, name);
    slots[i].state = STINT_SLOT_DONE;
    slots[i].flags = flags;
}

START_TEST(who_was_joined_or_never_had_to_be_does_not_count)
{
    live(0, "main");
    slots[0].flags = STINT_SLOT_MAIN;
    done(1, "joined", 0);
    live(2, "for ever");
    slots[2].flags = STINT_SLOT_EXEMPT;
    live(3, "of a library");
    slots[3].flags = STINT_SLOT_PRELOAD;
    count();
    ck_assert_uint_eq(toll.live + toll.unjoined, 0);
    ck_assert(!toll.untrusted);
    ck_assert_str_eq(text_str(&words), "");
}
END_TEST

START_TEST(who_had_not_ended_and_who_was_never_joined_are_named_with_their_birth)
{
    live(1, "flush");
    site(0, STINT_SITE_BIRTH, "", "cache.c", 88);
    slots[1].birth_site = 1;
    done(2, "w1", STINT_SLOT_JOINABLE);
    count();
    ck_assert_uint_eq(toll.live, 1);
    ck_assert_uint_eq(toll.unjoined, 1);
    ck_assert_str_eq(text_str(&words), "`flush` of cache.c:88 had not ended, `w1` had ended");
}
END_TEST

START_TEST(of_many_the_first_are_named)
{
    for (size_t i = 1; i < 10; i++)
        live(i, "flush");
    count();
    ck_assert_uint_eq(toll.live, 9);
    ck_assert_msg(strstr(text_str(&words), " and 6 more") != NULL, "%s", text_str(&words));
}
END_TEST

START_TEST(what_is_torn_or_had_no_room_is_no_proof)
{
    live(1, "flush");
    seqs[1] = 7;
    count();
    ck_assert_uint_eq(toll.live, 0);
    ck_assert(toll.untrusted);
    seqs[1] = 8;
    header->overflow = 1;
    count();
    ck_assert(toll.untrusted);
}
END_TEST

START_TEST(names_and_sites_may_be_anything)
{
    live(1, "x");
    memset(slots[1].name, '\x1b', sizeof(slots[1].name));
    slots[1].birth_site = 4000;
    live(2, "y");
    slots[2].birth_site = 2;
    memset(&sites[1], 0xff, sizeof(sites[1]));
    count();
    ck_assert_uint_eq(toll.live, 2);
    ck_assert(strchr(text_str(&words), '\x1b') == NULL);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("registry_toll");
    TCase *t = tcase_create("registry_toll");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, who_was_joined_or_never_had_to_be_does_not_count);
    tcase_add_test(t, who_had_not_ended_and_who_was_never_joined_are_named_with_their_birth);
    tcase_add_test(t, of_many_the_first_are_named);
    tcase_add_test(t, what_is_torn_or_had_no_room_is_no_proof);
    tcase_add_test(t, names_and_sites_may_be_anything);
    suite_add_tcase(s, t);
    return unit_main(s);
}
