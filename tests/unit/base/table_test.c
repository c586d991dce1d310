/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/table.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit/unit.h"

struct thing {
    struct table_node node;
    bool seen;
};

static struct thing things[5000];
static struct table table;

static void
setup(void)
{
    memset(things, 0, sizeof(things));
    memset(&table, 0, sizeof(table));
}

static void
teardown(void)
{
    table_finish(&table);
}

START_TEST(whatever_was_added_is_found_and_nothing_else)
{
    for (uint64_t i = 0; i < ARRAY_LEN(things); i++)
        table_add(&table, &things[i].node, i * 64);
    ck_assert_uint_eq(table.n, ARRAY_LEN(things));
    for (uint64_t i = 0; i < ARRAY_LEN(things); i++)
        ck_assert_ptr_eq(table_find(&table, i * 64), &things[i].node);
    ck_assert_ptr_null(table_find(&table, 63));
    for (uint64_t i = 0; i < ARRAY_LEN(things); i += 2)
        table_remove(&table, &things[i].node);
    for (uint64_t i = 0; i < ARRAY_LEN(things); i++)
        ck_assert_ptr_eq(table_find(&table, i * 64), i % 2 ? &things[i].node : NULL);
    ck_assert_uint_eq(table.n, ARRAY_LEN(things) / 2);
}
END_TEST

START_TEST(things_with_the_same_key_are_found_one_after_the_other)
{
    size_t n = 0;

    for (size_t i = 0; i < 40; i++)
        table_add(&table, &things[i].node, i % 2);
    for (struct table_node *t = table_find(&table, 1); t; t = table_next(t)) {
        container_of(t, struct thing, node)->seen = true;
        n++;
    }
    ck_assert_uint_eq(n, 20);
    for (size_t i = 0; i < 40; i++)
        ck_assert_int_eq(things[i].seen, i % 2 == 1);
}
END_TEST

START_TEST(removing_what_is_not_there_changes_nothing)
{
    table_remove(&table, &things[0].node);
    ck_assert_uint_eq(table.n, 0);
    table_add(&table, &things[1].node, 0);
    table_remove(&table, &things[0].node);
    ck_assert_ptr_eq(table_find(&table, 0), &things[1].node);
    table_remove(&table, &things[1].node);
    table_remove(&table, &things[1].node);
    ck_assert_ptr_null(table_find(&table, 0));
    ck_assert_uint_eq(table.n, 0);
}
END_TEST

START_TEST(names_that_look_alike_have_keys_of_their_own)
{
    ck_assert_uint_ne(table_key("web1"), table_key("web2"));
    ck_assert_uint_ne(table_key("ab"), table_key("ba"));
    ck_assert_uint_eq(table_key("web"), table_key("web"));
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("table");
    TCase *t = tcase_create("table");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, whatever_was_added_is_found_and_nothing_else);
    tcase_add_test(t, things_with_the_same_key_are_found_one_after_the_other);
    tcase_add_test(t, removing_what_is_not_there_changes_nothing);
    tcase_add_test(t, names_that_look_alike_have_keys_of_their_own);
    suite_add_tcase(s, t);
    return unit_main(s);
}
