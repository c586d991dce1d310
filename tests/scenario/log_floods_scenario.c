/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines as fast as a program can, and what happens meanwhile. */
#include <signal.h>
#include <stdio.h>

#include "log_files.h"

/* Lines "1" to the number that is returned, and then a byte through the fifo "done". */
static unsigned long
flood(unsigned long lines, const char *log)
{
    char script[128];

    if (scn_sanitized())
        lines /= 10;
    (void)snprintf(script, sizeof(script), "seq 1 %lu; printf x > done; exec sleep 1000", lines);
    service(script, log);
    return lines;
}

/* The same without an end, so that it lasts until all is over that should happen meanwhile, however fast it is. */
static void
flood_without_end(const char *log)
{
    service("i=0; while [ ! -e enough ]; do seq $((i + 1)) $((i + 1000)); i=$((i + 1000)); done; "
            "echo $i > lines; printf x > done; exec sleep 1000",
            log);
}

/* It has an end. Return: how many lines it had. */
static unsigned long
flood_ends(int done)
{
    auto_free char *data = NULL;
    size_t bytes;

    scn_file("enough", "%s", "");
    scn_fifo_read(done, 30000);
    ck_assert_int_eq(file_read(scn_path("lines"), 64, &data, &bytes, NULL), 0);
    return strtoul(data, NULL, 10);
}

/* Lines "1" to "@last", each once, in order, and nothing else. */
static void
assert_counted(const struct text *all, unsigned long last)
{
    const char *at = text_str(all);
    unsigned long n = 0;

    while (*at) {
        char *end;

        ck_assert_msg(strtoul(at, &end, 10) == n + 1 && *end == '\n', "after %lu: '%.60s'", n, at);
        n++;
        at = end + 1;
    }
    ck_assert_uint_eq(n, last);
}

START_TEST(a_flood_through_many_rotations_loses_no_line)
{
    auto_text struct text all = TEXT_INIT;
    int done = scn_fifo("done");
    unsigned long lines;

    make_log_directory();
    lines = flood(200000, "{file: log/web.log, max_size: 64KiB, keep: 10000, block: 10s}");
    scn_start();
    scn_fifo_read(done, 30000);
    (void)scn_await_any("event=verdict service=web outcome=serving", 5000);
    scn_did_not_block();
    ck_assert_int_eq(scn_stop(), 0);
    read_all(&all);
    assert_counted(&all, lines);
    ck_assert_uint_ge(scn_count("event=log_rotated service=web"), all.bytes / 65536);
    ck_assert_uint_eq(scn_count("event=output service=web"), 0);
    ck_assert_uint_eq(scn_count("event=log_behind"), 0);
}
END_TEST

START_TEST(a_master_that_is_killed_in_a_flood_loses_no_line_and_marks_what_may_be_there_twice)
{
    auto_text struct text all = TEXT_INIT;
    auto_free unsigned char *seen = NULL;
    int done = scn_fifo("done");
    unsigned long last = 0, doubled = 0, marks = 0, lines;

    make_log_directory();
    flood_without_end("{file: log/web.log, max_size: 32KiB, keep: 10000, block: 10s}");
    scn_start();
    for (int i = 0; i < 3; i++) {
        (void)scn_await("event=log_rotated service=web", 10000);
        (void)scn_kill_master();
    }
    lines = flood_ends(done);
    seen = calloc(lines + 1, 1);
    ck_assert_ptr_nonnull(seen);
    ck_assert_int_eq(scn_cli(NULL, "version", NULL), 0);
    ck_assert_int_eq(scn_stop(), 0);
    read_all(&all);
    for (char *at = all.data, *end; *at; at = end + 1) {
        unsigned long n = strtoul(at, &end, 10);

        end = strchr(at, '\n');
        if (strncmp(at, "…", strlen("…")) == 0) {
            marks++;
            continue;
        }
        ck_assert_msg(n > 0 && n <= lines, "'%.60s'", at);
        if (seen[n]++)
            doubled++;
        else
            ck_assert_msg(n == last + 1, "%lu comes after %lu", n, last);
        if (n > last)
            last = n;
        ck_assert_msg(doubled == 0 || marks > 0, "%lu is there twice, and nothing said so", n);
    }
    ck_assert_uint_eq(last, lines);
    ck_assert_uint_le(marks, 8);
}
END_TEST

START_TEST(an_upgrade_in_a_flood_loses_no_line_and_doubles_none)
{
    auto_text struct text all = TEXT_INIT;
    int done = scn_fifo("done");
    unsigned long lines;

    make_log_directory();
    flood_without_end("{file: log/web.log, max_size: 64KiB, keep: 10000, block: 10s}");
    scn_start();
    (void)scn_await("event=log_rotated service=web", 10000);
    ck_assert_int_eq(scn_cli(NULL, "upgrade", NULL), 0);
    (void)scn_await("event=took_over", 10000);
    lines = flood_ends(done);
    ck_assert_int_eq(scn_stop(), 0);
    read_all(&all);
    assert_counted(&all, lines);
}
END_TEST

/* The child of the master that writes the files; 0: there is none now. */
static pid_t
find_writer(void)
{
    char path[64], name[32];
    pid_t master = scn_master();
    FILE *children;
    long pid;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)master, (int)master);
    children = fopen(path, "re");
    ck_assert_ptr_nonnull(children);
    while (fscanf(children, "%ld", &pid) == 1) {
        FILE *comm;
        bool found;

        (void)snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
        comm = fopen(path, "re");
        found = comm && fgets(name, sizeof(name), comm) && strcmp(name, "stint: logs\n") == 0;
        if (comm)
            (void)fclose(comm);
        if (found) {
            (void)fclose(children);
            return (pid_t)pid;
        }
    }
    (void)fclose(children);
    return 0;
}

static void
kill_writer(void)
{
    pid_t writer;

    while ((writer = find_writer()) == 0) /* the next one comes, or the test is late */
        ck_assert_int_eq(scn_cli(NULL, "version", NULL), 0);
    ck_assert_int_eq(kill(writer, SIGKILL), 0);
    (void)scn_await("event=log_writer_died", 10000);
}

START_TEST(a_writer_that_is_killed_in_a_flood_is_replaced_and_every_line_is_there_once)
{
    auto_text struct text all = TEXT_INIT;
    int done = scn_fifo("done");
    unsigned long lines;

    make_log_directory();
    flood_without_end("{file: log/web.log, max_size: 32KiB, keep: 10000, block: 10s}");
    scn_start();
    (void)scn_await("event=log_rotated service=web", 20000);
    for (unsigned i = 1; i <= 3; i++)
        kill_writer();
    lines = flood_ends(done);
    ck_assert_int_eq(scn_stop(), 0);
    read_all(&all);
    assert_counted(&all, lines);
}
END_TEST

/* The second one that dies at once is not followed by a third for a second. */
START_TEST(what_no_writer_was_there_for_is_written_before_the_end)
{
    auto_text struct text all = TEXT_INIT;
    int gate = scn_fifo("gate"), done = scn_fifo("done");

    make_log_directory();
    service("echo 1; printf x > done; read x < gate; seq 2 1000; printf x > done; exec sleep 1000",
            "{file: log/web.log}");
    scn_start();
    scn_fifo_read(done, 10000);
    (void)scn_await("event=verdict service=web outcome=serving", 10000);
    for (unsigned i = 1; i <= 2; i++)
        kill_writer();
    ck_assert_int_eq(write(gate, "x\n", 2), 2);
    scn_fifo_read(done, 10000);
    ck_assert_int_eq(scn_stop(), 0);
    read_all(&all);
    assert_counted(&all, 1000);
}
END_TEST

scn_main("log_floods", a_flood_through_many_rotations_loses_no_line,
         a_master_that_is_killed_in_a_flood_loses_no_line_and_marks_what_may_be_there_twice,
         an_upgrade_in_a_flood_loses_no_line_and_doubles_none,
         a_writer_that_is_killed_in_a_flood_is_replaced_and_every_line_is_there_once,
         what_no_writer_was_there_for_is_written_before_the_end)
