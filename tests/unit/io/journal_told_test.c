/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose lines a process was telling when it was killed: only those may come twice. */
#include "base/fd.h"
#include "supervisor/io/journal_state.h"
#include "tests/unit/io/journal_world.h"

#define KEYS 10

static void
begin(void)
{
    set_up();
    open_journal(&(struct journal_options){.fd = ends[1]});
}

/* The process is gone, as it was; the next one has its memory. */
static void
next(void)
{
    int fd = fcntl(journal_ring_fd(journal), F_DUPFD_CLOEXEC, 3);

    ck_assert_int_ge(fd, 0);
    journal_destroy(journal);
    open_journal(&(struct journal_options){.fd = ends[1], .ring_fd = fd});
}

/* Those of whom lines may have been told, as digits. */
static const char *
told(void)
{
    static char keys[KEYS + 1];
    size_t n = 0;

    for (unsigned key = 1; key < KEYS; key++)
        if (journal_told(journal, key))
            keys[n++] = (char)('0' + key);
    keys[n] = '\0';
    return keys;
}

START_TEST(who_was_killed_in_quiet_leaves_nobody_in_doubt)
{
    ck_assert_str_eq(told(), "");
    journal_tells(journal, 3);
    journal_tells(journal, 0);
    next();
    ck_assert_str_eq(told(), "");
}
END_TEST

START_TEST(who_was_killed_in_the_middle_leaves_one_stream_in_doubt)
{
    journal_tells(journal, 3);
    next();
    ck_assert_str_eq(told(), "3");
    next(); /* killed before it read anything */
    ck_assert_str_eq(told(), "3");
}
END_TEST

START_TEST(a_doubt_is_handed_on_until_its_lines_are_told)
{
    journal_tells(journal, 3);
    next();
    journal_tells(journal, 5);
    journal_tells(journal, 0);
    next();
    ck_assert_str_eq(told(), "3");
    journal_tells(journal, 5);
    next(); /* two in doubt: more than can be remembered, so all are */
    ck_assert_str_eq(told(), "123456789");
    journal_tells(journal, 5);
    journal_tells(journal, 0);
    next();
    ck_assert_str_eq(told(), "");
    journal_tells(journal, 3);
    next();
    journal_tells(journal, 3);
    next();
    ck_assert_str_eq(told(), "3");
    journal_tells(journal, 3);
    journal_tells(journal, 0);
    next();
    ck_assert_str_eq(told(), "");
}
END_TEST

START_TEST(of_a_program_that_did_not_know_of_this_all_are_in_doubt)
{
    atomic_store(&journal->memory.header->telling, 0);
    next();
    ck_assert_str_eq(told(), "123456789");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("journal_told");
    TCase *c = tcase_create("journal_told");

    tcase_add_checked_fixture(c, begin, tear_down);
    tcase_add_test(c, who_was_killed_in_quiet_leaves_nobody_in_doubt);
    tcase_add_test(c, who_was_killed_in_the_middle_leaves_one_stream_in_doubt);
    tcase_add_test(c, a_doubt_is_handed_on_until_its_lines_are_told);
    tcase_add_test(c, of_a_program_that_did_not_know_of_this_all_are_in_doubt);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
