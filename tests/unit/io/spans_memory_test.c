/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The supervisor's own spans outlive it: all of them, once, and none in halves. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "supervisor/io/spans.h"
#include "supervisor/io/spans_memory.h"
#include "tests/unit/unit.h"

#define T "0af7651916cd43dd8448eb211c80319c"

static struct spans *s;

static void
up(void)
{
    s = spans_create();
    ck_assert_ptr_nonnull(s);
    ck_assert_int_ge(spans_fd(s), 0);
}

static void
down(void)
{
    spans_destroy(s);
}

static void
put(uint64_t id)
{
    spans_put(s, &(struct span){.trace = T, .name = "check", .service = "web", .id = id});
}

static void
put_of_worker(uint64_t id)
{
    spans_put(s, &(struct span){.trace = T, .of_worker = true, .of = "task", .id = id});
}

/* As the next master has it: the one before was killed. */
static void
come_again(void)
{
    int fd = fcntl(spans_fd(s), F_DUPFD_CLOEXEC, 3);
    struct error why = {0};

    spans_destroy(s);
    s = spans_create();
    ck_assert_ptr_nonnull(s);
    ck_assert_msg(spans_adopt(s, fd, &why) == 0, "%s", why.text);
}

/* The memory as it is between two stores. */
static struct spans_kept *
look_inside(void)
{
    struct spans_kept *kept =
        mmap(NULL, sizeof(*kept), PROT_READ | PROT_WRITE, MAP_SHARED, spans_fd(s), 0);

    ck_assert_ptr_ne(kept, MAP_FAILED);
    return kept;
}

START_TEST(numbers_and_spans_go_on)
{
    uint64_t lost;

    ck_assert(!spans_go_on(s));
    for (uint64_t id = 1; id <= SPANS_MAX + 5; id++)
        put(id);
    spans_settle(s);
    come_again();
    ck_assert(spans_go_on(s));
    ck_assert_uint_eq(spans_last(s), SPANS_MAX + 5);
    ck_assert_uint_eq(spans_next(s, 0, &lost)->id, 6);
    ck_assert_str_eq(spans_next(s, 0, &lost)->service, "web");
    put(5000);
    ck_assert_uint_eq(spans_last(s), SPANS_MAX + 6);
    ck_assert_uint_eq(spans_next(s, SPANS_MAX + 5, &lost)->id, 5000);
    ck_assert_uint_eq(spans_next(s, 0, &lost)->id, 7);
    come_again(); /* and a third one */
    ck_assert_uint_eq(spans_next(s, SPANS_MAX + 5, &lost)->id, 5000);
}
END_TEST

START_TEST(what_a_step_had_put_is_not_put_again_when_it_is_made_again)
{
    uint64_t lost;

    put(1);
    put(2);
    spans_settle(s);
    put(3);
    put(4); /* and then it was killed, before the step was written down */
    come_again();
    put(3);
    put(4);
    put(5);
    put(2); /* it was settled: this is another one */
    ck_assert_uint_eq(spans_last(s), 6);
    ck_assert_uint_eq(spans_next(s, 4, &lost)->id, 5);
    ck_assert_uint_eq(spans_next(s, 5, &lost)->id, 2);
    put(5); /* of ours: nobody makes that step again */
    ck_assert_uint_eq(spans_last(s), 7);
}
END_TEST

START_TEST(of_workers_none_is_there_and_none_is_missed)
{
    uint64_t lost = 7;

    put(1);
    put_of_worker(2);
    put(3);
    put_of_worker(4);
    come_again();
    ck_assert_uint_eq(spans_last(s), 4);
    ck_assert_uint_eq(spans_next(s, 1, &lost)->id, 3);
    ck_assert_uint_eq(lost, 0);
    ck_assert_ptr_null(spans_next(s, 3, &lost));
    ck_assert_uint_eq(lost, 0); /* they are read again, out of their worker's memory */
    put_of_worker(4);
    ck_assert_uint_eq(spans_next(s, 3, &lost)->seq, 5);
    ck_assert_uint_eq(lost, 0);
}
END_TEST

START_TEST(one_that_was_being_written_is_not_there)
{
    struct spans_kept *kept;
    uint64_t lost;

    for (uint64_t id = 1; id <= SPANS_MAX; id++)
        put(id);
    kept = look_inside();
    kept->own[0].seq = 0; /* the oldest is being overwritten */
    memset(kept->own[0].name, 'x', 7);
    come_again();
    ck_assert_uint_eq(spans_next(s, 0, &lost)->id, 2);
    ck_assert_uint_eq(spans_last(s), SPANS_MAX);
    put(5000);
    ck_assert_uint_eq(spans_next(s, SPANS_MAX, &lost)->id, 5000);
    ck_assert_uint_eq(spans_next(s, 0, &lost)->id, 2);
    (void)munmap(kept, sizeof(*kept));
}
END_TEST

START_TEST(one_that_has_begun_is_still_held)
{
    const struct span certify = {.name = "certify", .service = "web", .generation = 7, .id = 1};

    spans_hold(s, &certify);
    come_again();
    ck_assert_uint_eq(spans_held(s, "web", 7)->id, 1);
    spans_release(s, "web", 7);
    come_again();
    ck_assert_ptr_null(spans_held(s, "web", 7));
}
END_TEST

START_TEST(what_makes_no_sense_is_forgotten_and_other_memory_is_not_taken)
{
    struct spans_kept *kept = look_inside();
    struct error why = {0};
    uint64_t lost;
    int fd;

    put(1);
    put(2);
    memset(kept->own[1].text, 'x', sizeof(kept->own[1].text));
    kept->own[0].of = (const char *)1; /* of another process */
    come_again();
    ck_assert_ptr_null(spans_next(s, 0, &lost));
    ck_assert_uint_eq(spans_last(s), 0);
    (void)munmap(kept, sizeof(*kept));
    put(1);
    ck_assert_uint_eq(spans_next(s, 0, &lost)->id, 1);
    fd = memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_lt(spans_adopt(s, fd, &why), 0);
    ck_assert_str_eq(why.text, "the kept spans are none");
    ck_assert_uint_eq(spans_next(s, 0, &lost)->id, 1);
    ck_assert_int_eq(close(fd), -1); /* it was taken over */
    kept = look_inside();
    kept->span_bytes++;
    fd = fcntl(spans_fd(s), F_DUPFD_CLOEXEC, 3);
    ck_assert_int_lt(spans_adopt(s, fd, &why), 0);
    ck_assert_ptr_nonnull(strstr(why.text, "of version 1 and "));
    (void)munmap(kept, sizeof(*kept));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("spans_memory");
    TCase *c = tcase_create("spans_memory");

    tcase_add_checked_fixture(c, up, down);
    tcase_add_test(c, numbers_and_spans_go_on);
    tcase_add_test(c, what_a_step_had_put_is_not_put_again_when_it_is_made_again);
    tcase_add_test(c, of_workers_none_is_there_and_none_is_missed);
    tcase_add_test(c, one_that_was_being_written_is_not_there);
    tcase_add_test(c, one_that_has_begun_is_still_held);
    tcase_add_test(c, what_makes_no_sense_is_forgotten_and_other_memory_is_not_taken);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
