/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring between master and writer, and any bytes in its place. */
#include "tests/unit/io/logfile_fixture.h"

static struct logfile_memory other;

/* As the next process gets it. */
static int
adopt(void)
{
    struct error why = {0};
    int fd = fcntl(memory.fd, F_DUPFD_CLOEXEC, 3);
    int r = logfile_memory_adopt(&other, fd, &why);

    ck_assert(r == 0 || why.text[0]);
    if (r < 0)
        (void)fd_close(fd);
    return r;
}

START_TEST(what_was_put_is_found_by_the_next_process_with_its_configuration)
{
    struct iovec part[2];

    say_text("hello\n");
    ck_assert_int_eq(adopt(), 0);
    ck_assert_uint_eq(logfile_memory_waiting(&other), 6);
    ck_assert_uint_eq(logfile_memory_parts(&other, 0, 6, part), 1);
    ck_assert_mem_eq(part[0].iov_base, "hello\n", 6);
    ck_assert_str_eq(logfile_memory_config(&other)->service, "web");
    logfile_memory_close(&other);
}
END_TEST

START_TEST(it_fills_to_the_last_byte_but_one_and_goes_round)
{
    char line[100];
    size_t put = 0;

    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    for (int round = 0; round < 3; round++) {
        while (logfile_memory_free(&memory) >= sizeof(line)) {
            say_line(line, sizeof(line));
            put += sizeof(line);
        }
        ck_assert_uint_lt(logfile_memory_waiting(&memory), memory.room);
        ck_assert(logfile_memory_line_begins(&memory, put));
        ck_assert(logfile_memory_line_begins(&memory, atomic_load(&memory.shared->done)));
        atomic_store(&memory.shared->done, put);
    }
    ck_assert_uint_eq(logfile_memory_free(&memory), memory.room - 1);
}
END_TEST

START_TEST(whose_line_is_open_is_known_until_somebody_else_prints)
{
    say_text("begin");
    ck_assert_uint_eq(logfile_memory_open_line(&memory), 0);
    logfile_memory_set_open(&memory, 7);
    ck_assert_int_eq(adopt(), 0);
    ck_assert_uint_eq(logfile_memory_open_line(&other), 7);
    logfile_memory_close(&other);
    say_text(" other");
    ck_assert_uint_eq(logfile_memory_open_line(&memory), 0);
}
END_TEST

START_TEST(the_writer_is_woken_once)
{
    const struct iovec part = {(void *)(uintptr_t) "x\n", 2};

    ck_assert(!logfile_memory_put(&memory, &part, 1));
    atomic_store(&memory.shared->idle, 1);
    ck_assert(logfile_memory_put(&memory, &part, 1));
    ck_assert(!logfile_memory_put(&memory, &part, 1));
}
END_TEST

/* Each is undone before the next. */
START_TEST(what_makes_no_sense_is_not_taken)
{
    struct logfile_shared *sh = memory.shared;
    struct logfile_config config = *logfile_memory_config(&memory);
    struct error why = {0};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    say_text("hello\n");
    ck_assert_int_lt(logfile_memory_adopt(&other, null, &why), 0);
    (void)fd_close(null);
    sh->magic[0]++;
    ck_assert_int_lt(adopt(), 0);
    sh->magic[0]--;
    sh->version++;
    ck_assert_int_eq(adopt(), -EPROTO);
    sh->version--;
    sh->room *= 2;
    ck_assert_int_lt(adopt(), 0);
    sh->room /= 2;
    atomic_store(&sh->done, 7); /* more than was put */
    ck_assert_int_lt(adopt(), 0);
    atomic_store(&sh->done, 0);
    atomic_store(&sh->put, memory.room); /* more than it holds */
    ck_assert_int_lt(adopt(), 0);
    atomic_store(&sh->put, UINT64_MAX);
    ck_assert_int_lt(adopt(), 0);
    atomic_store(&sh->put, 6);
    atomic_store(&sh->trying, 7);
    ck_assert_int_lt(adopt(), 0);
    atomic_store(&sh->trying, 0);
    memset(config.path, 'x', sizeof(config.path)); /* no end */
    logfile_memory_configure(&memory, &config);
    ck_assert_int_lt(adopt(), 0);
    config.path[0] = '\0';
    config.service[0] = '\0';
    logfile_memory_configure(&memory, &config);
    ck_assert_int_lt(adopt(), 0);
    config.service[0] = 'w';
    config.path[sizeof(config.path) - 1] = '\0';
    logfile_memory_configure(&memory, &config);
    ck_assert_int_eq(adopt(), 0);
    logfile_memory_close(&other);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("logfile_memory");
    TCase *c = tcase_create("logfile_memory");

    tcase_add_checked_fixture(c, begin, end);
    tcase_add_test(c, what_was_put_is_found_by_the_next_process_with_its_configuration);
    tcase_add_test(c, it_fills_to_the_last_byte_but_one_and_goes_round);
    tcase_add_test(c, whose_line_is_open_is_known_until_somebody_else_prints);
    tcase_add_test(c, the_writer_is_woken_once);
    tcase_add_test(c, what_makes_no_sense_is_not_taken);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
