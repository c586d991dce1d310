/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is appended, rotated, refused. */
#include "tests/unit/io/logfile_fixture.h"

START_TEST(lines_are_appended_as_they_are_and_the_file_gets_its_mode)
{
    struct stat st;

    (void)umask(0);
    write_text("one\ntwo\n");
    logfile_finish(&file);
    write_text("three\n");
    assert_content("web.log", "one\ntwo\nthree\n");
    ck_assert_int_eq(stat("web.log", &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0640);
    ck_assert_uint_eq(atomic_load(&memory.shared->size), 14);
}
END_TEST

START_TEST(bytes_of_any_kind_come_out_as_they_went_in)
{
    static const char bytes[] = "a\0b\xff\xfe\x80 \xc3\x28\t\r\x1b[0m\n";
    auto_text struct text is = TEXT_INIT;

    say_line(bytes, sizeof(bytes) - 1);
    ck_assert_int_eq(step_until_it_stops(), LOGFILE_EMPTY);
    add_content(&is, "web.log");
    ck_assert_uint_eq(is.bytes, sizeof(bytes) - 1);
    ck_assert_mem_eq(is.data, bytes, is.bytes);
}
END_TEST

START_TEST(what_is_there_is_appended_to_and_a_line_without_its_end_is_ended)
{
    put("web.log", "before\nhalf a");
    write_text("after\n");
    assert_content("web.log", "before\nhalf a\nafter\n");
}
END_TEST

START_TEST(a_file_never_grows_beyond_its_limit_and_no_line_is_split)
{
    struct strv old = {NULL, 0};
    auto_text struct text all = TEXT_INIT, want = TEXT_INIT;

    file.config.max_size = 1000;
    file.config.keep = 1000;
    for (int i = 0; i < 2000; i++) {
        auto_text struct text line = TEXT_INIT;

        text_addf(&line, "line %d %.*s\n", i, i % 60,
                  "............................................................");
        text_addn(&want, line.data, line.bytes);
        say_text(text_str(&line));
        if (i % 37 == 0)
            ck_assert_int_eq(step_until_it_stops(), LOGFILE_EMPTY);
    }
    ck_assert_int_eq(step_until_it_stops(), LOGFILE_EMPTY);
    find_old("web.log", &old);
    ck_assert_uint_gt(old.n, 60);
    for (size_t i = 0; i < old.n; i++) {
        struct stat st;

        ck_assert_int_eq(stat(old.items[i], &st), 0);
        ck_assert_int_le(st.st_size, 1000);
        add_content(&all, old.items[i]);
        ck_assert_int_eq(all.data[all.bytes - 1], '\n');
        ck_assert(logfile_is_stamp(old.items[i] + strlen("web.log.")));
    }
    add_content(&all, "web.log");
    ck_assert_str_eq(text_str(&all), text_str(&want));
    ck_assert_uint_eq(atomic_load(&memory.shared->rotations), old.n);
    strv_finish(&old);
}
END_TEST

START_TEST(a_line_longer_than_the_limit_has_a_file_for_itself)
{
    struct strv old = {NULL, 0};
    char line[3000];

    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    file.config.max_size = 1000;
    write_text("before\n");
    say_line(line, 1500); /* in two pieces, as it is read */
    ck_assert_int_eq(step_until_it_stops(), LOGFILE_EMPTY);
    say_line(line + 1500, sizeof(line) - 1500);
    say_text("after\n");
    ck_assert_int_eq(step_until_it_stops(), LOGFILE_EMPTY);
    find_old("web.log", &old);
    ck_assert_uint_eq(old.n, 2);
    assert_content(old.items[0], "before\n");
    auto_text struct text is = TEXT_INIT;
    add_content(&is, old.items[1]);
    ck_assert_uint_eq(is.bytes, sizeof(line));
    assert_content("web.log", "after\n");
    strv_finish(&old);
}
END_TEST

START_TEST(only_so_many_old_ones_are_kept_and_nothing_else_is_touched)
{
    struct strv old = {NULL, 0};

    put("web.log.20200101T000000.000000Z", "old\n");
    put("web.log.20200101T000000.000000Z.gz", "not ours\n");
    put("web.log.1", "not ours\n");
    put("web.logs.20200101T000000.000000Z", "not ours\n");
    file.config.max_size = 1;
    file.config.keep = 3;
    for (int i = 0; i < 10; i++)
        write_text("line\n");
    find_old("web.log", &old);
    ck_assert_uint_eq(old.n, 5);
    ck_assert_int_eq(access("web.log.20200101T000000.000000Z", F_OK), -1);
    ck_assert_int_eq(access("web.log.20200101T000000.000000Z.gz", F_OK), 0);
    ck_assert_int_eq(access("web.log.1", F_OK), 0);
    ck_assert_int_eq(access("web.logs.20200101T000000.000000Z", F_OK), 0);
    file.config.keep = 0;
    write_text("line\n");
    strv_finish(&old);
    find_old("web.log", &old);
    ck_assert_uint_eq(old.n, 2);
    strv_finish(&old);
}
END_TEST

START_TEST(stamps_sort_as_the_times_do)
{
    char a[LOGFILE_STAMP + 1], b[LOGFILE_STAMP + 1];

    ck_assert_str_eq(logfile_stamp(INT64_C(1796000000000001), a), "20261130T005320.000001Z");
    ck_assert_str_eq(logfile_stamp(INT64_C(1796000000000002), b), "20261130T005320.000002Z");
    ck_assert_int_lt(strcmp(a, b), 0);
    ck_assert(logfile_is_stamp(a));
    ck_assert(!logfile_is_stamp("20261130T005320.00000Z"));
    ck_assert(!logfile_is_stamp("20261130T005320.000001Z.gz"));
}
END_TEST

START_TEST(an_old_file_is_rotated_by_its_age_also_when_nobody_prints)
{
    struct strv old = {NULL, 0};

    file.config.max_age_us = 3600 * US_PER_S;
    write_text("first\n");
    ck_assert_int_gt(logfile_due_us(&file), mono_now_us() + 3590 * US_PER_S);
    atomic_fetch_sub(&memory.shared->begun_us, (uint64_t)(3601 * US_PER_S));
    ck_assert_int_le(logfile_due_us(&file), mono_now_us());
    logfile_age(&file);
    find_old("web.log", &old);
    ck_assert_uint_eq(old.n, 1);
    assert_content(old.items[0], "first\n");
    assert_content("web.log", "");
    ck_assert_int_eq(logfile_due_us(&file), TIME_NEVER); /* an empty one gets no older */
    strv_finish(&old);
    write_text("second\n");
    atomic_fetch_sub(&memory.shared->begun_us, (uint64_t)(3601 * US_PER_S));
    write_text("third\n");
    assert_content("web.log", "third\n");
}
END_TEST

START_TEST(whoever_moves_the_file_away_gets_no_further_line)
{
    write_text("one\n");
    ck_assert_int_eq(rename("web.log", "moved"), 0);
    write_text("two\n");
    assert_content("moved", "one\n");
    assert_content("web.log", "two\n");
    ck_assert_str_eq(text_str(&heard), "moved ");
    ck_assert_int_eq(unlink("web.log"), 0);
    logfile_reopen(&file); /* before there is a line for it */
    assert_content("web.log", "");
    ck_assert_int_eq(truncate("moved", 0), 0);
    write_text("three\n");
    ck_assert_int_eq(truncate("web.log", 0), 0); /* copytruncate */
    write_text("four\n");
    assert_content("web.log", "four\n");
}
END_TEST

START_TEST(what_is_no_file_is_said_once_and_tried_again)
{
    static const char *const kinds[] = {"fifo", "directory", "link", "missing"};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct logfile_config c = config_of(i == 3 ? "nowhere/web.log" : kinds[i]);

        if (i == 0)
            ck_assert_int_eq(mkfifo("fifo", 0600), 0);
        else if (i == 1)
            ck_assert_int_eq(mkdir("directory", 0700), 0);
        else if (i == 2)
            ck_assert_int_eq(symlink("elsewhere", "link"), 0);
        logfile_configure(&file, &c);
        text_clear(&heard);
        if (i == 0)
            say_text("line\n");
        ck_assert_int_eq(logfile_step(&file), LOGFILE_LATER);
        ck_assert_str_eq(text_str(&heard), i == 3 ? "failed(ENOENT) " : "failed(EINVAL) ");
        for (int k = 0; k < 5; k++) {
            file.retry_us = 0;
            ck_assert_int_eq(logfile_step(&file), LOGFILE_LATER);
        }
        ck_assert_str_eq(text_str(&heard), i == 3 ? "failed(ENOENT) " : "failed(EINVAL) ");
        ck_assert_uint_eq(atomic_load(&memory.shared->error), i == 3 ? ENOENT : EINVAL);
        file.failed = false;
        atomic_store(&memory.shared->error, 0);
    }
    ck_assert_int_eq(access("elsewhere", F_OK), -1);
    file.failed = true;
    ck_assert_int_eq(mkdir("nowhere", 0700), 0);
    text_clear(&heard);
    file.retry_us = 0;
    ck_assert_int_eq(step_until_it_stops(), LOGFILE_EMPTY);
    assert_content("nowhere/web.log", "line\n");
    ck_assert_str_eq(text_str(&heard), "works ");
}
END_TEST

START_TEST(a_full_disk_tears_no_line_and_loses_none)
{
    struct rlimit limit, was;

    (void)signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &was), 0);
    limit = was;
    limit.rlim_cur = 25;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    say_text("line one..\nline two..\nline three\nline four\n");
    ck_assert_int_eq(step_until_it_stops(), LOGFILE_LATER);
    assert_content("web.log",
                   "line one..\nline two..\n"); /* 25 bytes would be three of the third */
    ck_assert_str_eq(text_str(&heard), "failed(EFBIG) ");
    file.retry_us = 0;
    ck_assert_int_eq(step_until_it_stops(), LOGFILE_LATER);
    ck_assert_int_gt(file.retry_us, mono_now_us());
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &was), 0);
    file.retry_us = 0;
    ck_assert_int_eq(step_until_it_stops(), LOGFILE_EMPTY);
    assert_content("web.log", "line one..\nline two..\nline three\nline four\n");
    ck_assert_str_eq(text_str(&heard), "failed(EFBIG) works ");
}
END_TEST

START_TEST(who_cannot_rotate_goes_on_in_the_same_file)
{
    char name[241] = ""; /* with a stamp it is too long */
    struct logfile_config c;

    memset(name, 'n', sizeof(name) - 1);
    c = config_of(name);
    c.max_size = 10;
    logfile_configure(&file, &c);
    write_text("line one\n");
    write_text("line two\n");
    write_text("line three\n");
    assert_content(name, "line one\nline two\nline three\n");
    ck_assert_str_eq(text_str(&heard), "trouble(ENAMETOOLONG) ");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("logfile");
    TCase *c = tcase_create("logfile");

    tcase_add_checked_fixture(c, begin, end);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, lines_are_appended_as_they_are_and_the_file_gets_its_mode);
    tcase_add_test(c, bytes_of_any_kind_come_out_as_they_went_in);
    tcase_add_test(c, what_is_there_is_appended_to_and_a_line_without_its_end_is_ended);
    tcase_add_test(c, a_file_never_grows_beyond_its_limit_and_no_line_is_split);
    tcase_add_test(c, a_line_longer_than_the_limit_has_a_file_for_itself);
    tcase_add_test(c, only_so_many_old_ones_are_kept_and_nothing_else_is_touched);
    tcase_add_test(c, stamps_sort_as_the_times_do);
    tcase_add_test(c, an_old_file_is_rotated_by_its_age_also_when_nobody_prints);
    tcase_add_test(c, whoever_moves_the_file_away_gets_no_further_line);
    tcase_add_test(c, what_is_no_file_is_said_once_and_tried_again);
    tcase_add_test(c, a_full_disk_tears_no_line_and_loses_none);
    tcase_add_test(c, who_cannot_rotate_goes_on_in_the_same_file);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
