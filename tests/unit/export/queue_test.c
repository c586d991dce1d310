/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows in and out, around the end of the ring, and what another process may have left in it. */
#include "supervisor/export/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "tests/unit/unit.h"

#define ROOM EXPORT_ROOM_MIN

static struct export_queue q;

static void
up(void)
{
    struct error why;

    ck_assert_int_eq(export_queue_create(&q, ROOM, &why), 0);
}

static void
down(void)
{
    export_queue_close(&q);
}

/* A row whose bytes tell its number and length. */
static bool
put(enum otlp_signal s, enum export_source source, uint64_t seq, size_t n)
{
    auto_free char *bytes = malloc(n + 1);

    ck_assert_ptr_nonnull(bytes);
    memset(bytes, 'a' + (int)(seq % 26), n);
    return export_queue_put(&q, s, source, seq, bytes, n);
}

static bool
is_all(const char *bytes, size_t n, int what)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != what)
            return false;
    return true;
}

/* Take a batch out and look at each of its rows. Return: how many, from @first on. */
static size_t
take(enum otlp_signal s, size_t most_bytes, size_t most_rows, uint64_t first)
{
    uint64_t from = atomic_load(&q.shared->lane[s].done);
    size_t rows, at = 0, seen = 0;
    uint64_t to = export_queue_batch(&q, s, most_bytes, most_rows, &rows);
    auto_free char *copy = malloc((size_t)(to - from) + 1);
    struct export_row row;
    const char *bytes;

    ck_assert_ptr_nonnull(copy);
    ck_assert(export_queue_copy(&q, s, from, to, copy));
    while (export_row_next(copy, (size_t)(to - from), &at, &row, &bytes)) {
        ck_assert_uint_eq(row.seq, first + seen++);
        ck_assert(is_all(bytes, row.bytes, 'a' + (int)(row.seq % 26)));
    }
    ck_assert_uint_eq(seen, rows);
    export_queue_take(&q, s, to, rows);
    return rows;
}

START_TEST(rows_come_out_as_they_went_in_around_the_end_many_times)
{
    uint64_t in = 0, out = 1;

    while (in < 5000) {
        while (put(OTLP_LOGS, EXPORT_OUTPUT, in + 1, (size_t)(in * 37 % 3000)))
            in++;
        out += take(OTLP_LOGS, 20000, 50, out);
        (void)put(OTLP_TRACES, EXPORT_SPANS, in, 10); /* a ring of its own: it is not in the way */
    }
    while (out <= in)
        out += take(OTLP_LOGS, 20000, 50, out);
    ck_assert_uint_eq(out, in + 1);
    ck_assert_uint_eq(export_queue_waiting(&q, OTLP_LOGS, NULL), 0);
}
END_TEST

START_TEST(what_does_not_fit_is_counted_and_is_behind_us)
{
    size_t rows, waiting;
    uint64_t seq = 0;

    while (put(OTLP_LOGS, EXPORT_OUTPUT, ++seq, 1000))
        ;
    ck_assert_uint_eq(atomic_load(&q.shared->lane[OTLP_LOGS].dropped[EXPORT_FULL]), 1);
    ck_assert_uint_eq(atomic_load(&q.shared->seen[EXPORT_OUTPUT]), seq);
    waiting = export_queue_waiting(&q, OTLP_LOGS, &rows);
    ck_assert_uint_le(waiting, ROOM);
    ck_assert_uint_gt(waiting, ROOM - 1032);
    ck_assert_uint_eq(rows, seq - 1);
    ck_assert(!put(OTLP_TRACES, EXPORT_SPANS, 1, EXPORT_ROW_MAX + 1));
    ck_assert_uint_eq(atomic_load(&q.shared->lane[OTLP_TRACES].dropped[EXPORT_FULL]), 1);
    ck_assert_uint_eq(take(OTLP_LOGS, 1, 100, 1), 1); /* one at least */
    ck_assert(put(OTLP_LOGS, EXPORT_OUTPUT, seq + 1, 1000));
}
END_TEST

static int
adopt(struct export_queue *ret, bool write)
{
    struct error why;
    int fd = dup(q.fd);
    int r = export_queue_adopt(ret, fd, write, &why);

    if (r < 0)
        (void)close(fd);
    return r;
}

START_TEST(the_next_process_goes_on_where_this_one_was)
{
    struct export_queue next;
    size_t rows;

    ck_assert(export_queue_set(&q, "{\"a\":1}"));
    for (uint64_t seq = 1; seq <= 10; seq++)
        (void)put(OTLP_LOGS, seq % 2 ? EXPORT_EVENTS : EXPORT_OUTPUT, seq, 50);
    (void)export_queue_sent(&q, OTLP_LOGS, 4, 77);
    /* Killed after a row was said to be there, and before anything else was. */
    atomic_store(&q.shared->seen[EXPORT_OUTPUT], 8);
    atomic_fetch_sub(&q.shared->lane[OTLP_LOGS].put_rows, 1);
    ck_assert_int_eq(adopt(&next, true), 0);
    ck_assert_str_eq(export_queue_settings(&next), "{\"a\":1}");
    ck_assert_uint_eq(atomic_load(&next.shared->seen[EXPORT_OUTPUT]), 10);
    ck_assert_uint_eq(atomic_load(&next.shared->seen[EXPORT_EVENTS]), 9);
    (void)export_queue_waiting(&next, OTLP_LOGS, &rows);
    ck_assert_uint_eq(rows, 10);
    ck_assert_uint_eq(atomic_load(&next.shared->lane[OTLP_LOGS].sent), 4);
    export_queue_close(&next);
}
END_TEST

START_TEST(nothing_is_believed_that_makes_no_sense)
{
    struct export_lane *l = &q.shared->lane[OTLP_LOGS];
    struct export_queue next;
    struct error why;
    int fd;

    (void)put(OTLP_LOGS, EXPORT_OUTPUT, 1, 50);
    atomic_store(&l->put, ROOM + 8);
    ck_assert_int_eq(adopt(&next, true), -EBADMSG);
    atomic_store(&l->put, 12);
    ck_assert_int_eq(adopt(&next, true), -EBADMSG);
    atomic_store(&l->put, UINT64_MAX - 7);
    atomic_store(&l->done, UINT64_MAX - 7);
    ck_assert_int_eq(adopt(&next, true), -EBADMSG);
    atomic_store(&l->put, 0);
    atomic_store(&l->done, 8);
    ck_assert_int_eq(adopt(&next, true), -EBADMSG);
    atomic_store(&l->done, 0);
    (void)put(OTLP_LOGS, EXPORT_OUTPUT, 1, 50);
    memset(q.data + ROOM, 0xff, 4); /* the length of the first line */
    ck_assert_int_eq(adopt(&next, true), -EBADMSG);
    memset(q.data + ROOM, 0, 4);
    memset(q.data + ROOM + 4, 7, 1); /* … where it comes from */
    ck_assert_int_eq(adopt(&next, true), -EBADMSG);
    atomic_store(&l->put, 0);
    ck_assert_int_eq(adopt(&next, true), 0);
    export_queue_close(&next);
    memset(q.shared->settings[1], 'x', EXPORT_SETTINGS_MAX);
    ck_assert_int_eq(adopt(&next, true), -EBADMSG);
    q.shared->settings[1][0] = '\0';
    q.shared->settings[1][EXPORT_SETTINGS_MAX - 1] = '\0';
    q.shared->version++;
    ck_assert_int_eq(adopt(&next, true), -EPROTO);
    q.shared->version--;
    q.shared->room *= 2;
    ck_assert_int_eq(adopt(&next, true), -EBADMSG);
    q.shared->room /= 2;
    q.shared->magic[0]++;
    ck_assert_int_eq(adopt(&next, true), -EBADMSG);
    fd = memfd_create("other", MFD_CLOEXEC);
    ck_assert_int_eq(export_queue_adopt(&next, fd, true, &why), -EBADMSG);
    (void)close(fd);
}
END_TEST

START_TEST(who_sends_can_only_read)
{
    struct export_queue reader;
    char copy[8];

    (void)put(OTLP_LOGS, EXPORT_OUTPUT, 1, 50);
    ck_assert_int_eq(adopt(&reader, false), 0);
    ck_assert(!export_queue_copy(&reader, OTLP_LOGS, 8, 0, copy));
    ck_assert(!export_queue_copy(&reader, OTLP_LOGS, 0, ROOM + 8, copy));
    ck_assert(export_queue_copy(&reader, OTLP_LOGS, 0, 8, copy));
    ck_assert_int_eq(madvise(reader.shared, 4096, MADV_POPULATE_WRITE), -1);
    export_queue_close(&reader);
}
END_TEST

START_TEST(a_copy_may_be_cut_anywhere)
{
    uint64_t end;
    char copy[512];

    (void)put(OTLP_LOGS, EXPORT_OUTPUT, 1, 50);
    (void)put(OTLP_LOGS, EXPORT_OUTPUT, 2, 0);
    end = atomic_load(&q.shared->lane[OTLP_LOGS].put);
    ck_assert(export_queue_copy(&q, OTLP_LOGS, 0, end, copy));
    for (size_t n = 0; n <= end; n++) {
        struct export_row row;
        const char *bytes;
        size_t at = 0, rows = 0;

        while (export_row_next(copy, n, &at, &row, &bytes))
            rows++;
        ck_assert_uint_eq(rows, n == end ? 2 : n >= end - sizeof(row) ? 1 : 0);
    }
}
END_TEST

static const char *
copy_of_500(void)
{
    static char bytes[500];

    return bytes;
}

START_TEST(another_size_takes_along_what_fits)
{
    struct export_queue larger, smaller;
    struct error why;
    size_t rows;

    for (uint64_t seq = 1; put(OTLP_LOGS, EXPORT_OUTPUT, seq, 500); seq++)
        ;
    (void)take(OTLP_LOGS, 5000, 100, 1);
    (void)export_queue_waiting(&q, OTLP_LOGS, &rows);
    (void)export_queue_set(&q, "{}");
    ck_assert_int_eq(export_queue_create(&larger, 2 * ROOM, &why), 0);
    export_queue_move(&larger, &q);
    ck_assert_uint_eq(export_queue_waiting(&larger, OTLP_LOGS, NULL),
                      export_queue_waiting(&q, OTLP_LOGS, NULL));
    ck_assert_uint_eq(atomic_load(&larger.shared->lane[OTLP_LOGS].dropped[EXPORT_FULL]), 1);
    for (uint64_t seq = 1000; seq < 1060; seq++)
        (void)export_queue_put(&larger, OTLP_LOGS, EXPORT_OUTPUT, seq, "x", 1);
    ck_assert_int_eq(export_queue_create(&smaller, ROOM, &why), 0);
    for (int i = 0; i < 60; i++)
        (void)export_queue_put(&smaller, OTLP_LOGS, EXPORT_OUTPUT, 1, copy_of_500(), 500);
    export_queue_move(&smaller, &larger);
    ck_assert_uint_gt(atomic_load(&smaller.shared->lane[OTLP_LOGS].dropped[EXPORT_FULL]), 1);
    ck_assert_uint_eq(atomic_load(&smaller.shared->seen[EXPORT_OUTPUT]), 1059);
    ck_assert_str_eq(export_queue_settings(&smaller), "{}");
    export_queue_close(&smaller);
    export_queue_close(&larger);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue");
    TCase *t = tcase_create("queue");

    tcase_add_checked_fixture(t, up, down);
    tcase_add_test(t, rows_come_out_as_they_went_in_around_the_end_many_times);
    tcase_add_test(t, what_does_not_fit_is_counted_and_is_behind_us);
    tcase_add_test(t, the_next_process_goes_on_where_this_one_was);
    tcase_add_test(t, nothing_is_believed_that_makes_no_sense);
    tcase_add_test(t, who_sends_can_only_read);
    tcase_add_test(t, a_copy_may_be_cut_anywhere);
    tcase_add_test(t, another_size_takes_along_what_fits);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
