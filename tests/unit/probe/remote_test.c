/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pieces of another's memory, some of which are not there. */
#include "supervisor/probe/remote.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define PAGES 4

static size_t page;
static unsigned char *area; /* of four pages, the third of which is not to be read */
static unsigned char buf[5][8192];

static void
setup(void)
{
    page = (size_t)sysconf(_SC_PAGESIZE);
    area = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(area, MAP_FAILED);
    for (unsigned i = 0; i < PAGES; i++)
        memset(area + i * page, (int)('a' + i), page);
    ck_assert_int_eq(mprotect(area + 2 * page, page, PROT_NONE), 0);
}

static void
teardown(void)
{
    ck_assert_int_eq(munmap(area, PAGES * page), 0);
}

static struct remote_piece
piece(unsigned i, size_t at, size_t bytes)
{
    memset(buf[i], '-', sizeof(buf[i]));
    return (struct remote_piece){(uintptr_t)(area + at), buf[i], bytes, 99};
}

START_TEST(a_piece_that_is_not_there_costs_the_others_nothing)
{
    struct remote remote = {.pid = getpid()};
    struct remote_piece pieces[] = {piece(0, page - 8, 16),   /* across two pages */
                                    piece(1, 2 * page, 8),    /* not there */
                                    piece(2, 3 * page, page), /* behind it */
                                    piece(3, page, 2 * page), /* half of it */
                                    piece(4, 3 * page + 8, 100)};

    remote_read_pieces(&remote, pieces, 5);
    ck_assert_uint_eq(pieces[0].done, 16);
    ck_assert_int_eq(memcmp(buf[0], "aaaaaaaabbbbbbbb-", 17), 0);
    ck_assert_uint_eq(pieces[1].done, 0);
    ck_assert_uint_eq(pieces[2].done, page);
    ck_assert_uint_eq(buf[2][page - 1], 'd');
    ck_assert(pieces[3].done == page || pieces[3].done == 0); /* the kernel may copy a part */
    ck_assert_uint_eq(buf[3][0], pieces[3].done > 0 ? 'b' : '-');
    ck_assert_uint_eq(pieces[4].done, 100);
    ck_assert_uint_eq(buf[4][99], 'd');
    ck_assert_int_eq(remote.refused, 0);
}
END_TEST

START_TEST(nobody_has_no_pieces)
{
    struct remote remote = {.pid = INT32_MAX};
    struct remote_piece pieces[] = {piece(0, 0, 16), piece(1, page, 16)};

    remote_read_pieces(&remote, pieces, 2);
    ck_assert_uint_eq(pieces[0].done, 0);
    ck_assert_uint_eq(pieces[1].done, 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("remote");
    TCase *t = tcase_create("remote");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_piece_that_is_not_there_costs_the_others_nothing);
    tcase_add_test(t, nobody_has_no_pieces);
    suite_add_tcase(s, t);
    return unit_main(s);
}
