/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writers that are killed, and two at a time: every line once. */
#include "tests/unit/io/logfile_fixture.h"

#include <sys/mman.h>
#include <sys/wait.h>

/* As it is when one is killed behind a write of which the disk took @n bytes. */
static void
killed_within_a_write(const char *lines, size_t n)
{
    struct logfile_shared *sh = memory.shared;
    int fd = open("web.log", O_WRONLY | O_APPEND);
    struct stat st;

    ck_assert_int_eq(fstat(fd, &st), 0);
    atomic_store(&sh->try_device, st.st_dev);
    atomic_store(&sh->try_inode, st.st_ino);
    atomic_store(&sh->try_size, (uint64_t)st.st_size);
    atomic_store(&sh->try_from, atomic_load(&sh->done));
    say_text(lines);
    atomic_store(&sh->trying, atomic_load(&sh->put));
    ck_assert_int_eq(write(fd, lines, n), (ssize_t)n);
    ck_assert_int_eq(close(fd), 0);
    logfile_finish(&file);
    open_file(&file.config);
}

START_TEST(a_write_that_was_cut_short_by_a_kill_goes_on_at_that_byte)
{
    for (size_t n = 0; n <= 12; n++) {
        (void)unlink("web.log");
        logfile_reopen(&file);
        write_text("first\n");
        killed_within_a_write("two\nthree\n", n < 10 ? n : 10);
        say_text("four\n");
        ck_assert_int_eq(step_until_it_stops(), LOGFILE_EMPTY);
        assert_content("web.log", "first\ntwo\nthree\nfour\n");
    }
}
END_TEST

START_TEST(where_nobody_can_tell_it_is_written_again_and_the_file_says_so)
{
    write_text("first\n");
    killed_within_a_write("two\nthree\n", 5);
    ck_assert_int_eq(rename("web.log", "moved"), 0);
    ck_assert_int_eq(step_until_it_stops(), LOGFILE_EMPTY);
    assert_content("moved", "first\ntwo\nt");
    assert_content("web.log",
                   "\n… the next 10 bytes may be here twice: stint was killed …\ntwo\nthree\n");
}
END_TEST

static void __attribute__((noreturn)) be_a_writer(void)
{
    struct logfile f;

    logfile_init(&f, &memory);
    f.config.max_size = 20000;
    f.config.keep = 100000;
    for (;;)
        if (logfile_step(&f) != LOGFILE_MORE)
            (void)usleep(50); /* NOLINT: until it is killed */
}

START_TEST(writers_that_are_killed_at_any_instant_lose_and_double_nothing)
{
    auto_text struct text all = TEXT_INIT;
    struct strv old = {NULL, 0};
    unsigned said = 0, kills = 0, n = 0;
    const char *at;

    (void)madvise(memory.shared, memory.total_bytes, MADV_DOFORK);
    while (kills < 200) {
        pid_t pid = fork();
        unsigned upto = said + 500;

        if (pid == 0)
            be_a_writer();
        ck_assert_int_gt(pid, 0);
        while (said < upto) {
            char line[64];
            int bytes = snprintf(line, sizeof(line), "line %u\n", said);

            if (logfile_memory_free(&memory) < (size_t)bytes)
                continue;
            say_line(line, (size_t)bytes);
            said++;
        }
        (void)usleep((unsigned)(kills * 7919 % 300)); /* NOLINT: another instant each time */
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        kills++;
    }
    ck_assert_int_eq(step_until_it_stops(), LOGFILE_EMPTY);
    find_old("web.log", &old);
    for (size_t i = 0; i < old.n; i++)
        add_content(&all, old.items[i]);
    add_content(&all, "web.log");
    at = text_str(&all);
    while (n < said) {
        char line[64];
        int bytes = snprintf(line, sizeof(line), "line %u\n", n++);

        ck_assert_msg(strncmp(at, line, (size_t)bytes) == 0, "after %u lines: '%.40s'", n - 1, at);
        at += bytes;
    }
    ck_assert_str_eq(at, "");
    ck_assert_uint_gt(old.n, 10);
    strv_finish(&old);
}
END_TEST

START_TEST(two_writers_of_one_memory_do_not_disturb_each_other)
{
    pid_t pid[2];
    auto_text struct text all = TEXT_INIT;
    struct strv old = {NULL, 0};
    unsigned said = 0;
    size_t lines = 0;

    (void)madvise(memory.shared, memory.total_bytes, MADV_DOFORK);
    for (int i = 0; i < 2; i++) {
        pid[i] = fork();
        if (pid[i] == 0)
            be_a_writer();
    }
    while (said < 100000) {
        char line[64];
        int bytes = snprintf(line, sizeof(line), "line %u\n", said);

        if (logfile_memory_free(&memory) < (size_t)bytes)
            continue;
        say_line(line, (size_t)bytes);
        said++;
    }
    while (logfile_memory_waiting(&memory) > 0)
        ;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(kill(pid[i], SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid[i], NULL, 0), pid[i]);
    }
    find_old("web.log", &old);
    for (size_t i = 0; i < old.n; i++)
        add_content(&all, old.items[i]);
    add_content(&all, "web.log");
    for (const char *at = text_str(&all); *at; at = strchr(at, '\n') + 1)
        ck_assert_msg(strtoul(at + 5, NULL, 10) == lines++, "'%.30s' is line %zu", at, lines);
    ck_assert_uint_eq(lines, said);
    strv_finish(&old);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("logfile_kill");
    TCase *c = tcase_create("logfile_kill");

    tcase_add_checked_fixture(c, begin, end);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, a_write_that_was_cut_short_by_a_kill_goes_on_at_that_byte);
    tcase_add_test(c, where_nobody_can_tell_it_is_written_again_and_the_file_says_so);
    tcase_add_test(c, writers_that_are_killed_at_any_instant_lose_and_double_nothing);
    tcase_add_test(c, two_writers_of_one_memory_do_not_disturb_each_other);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
