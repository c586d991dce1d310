/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "harness.h"

/* What ordinary programs print, in files of their own: every line, whatever happens around them. */

/* @script for sh(1), which then sleeps; @log is the map of `log`. */
static void
service(const char *script, const char *log)
{
    scn_config("  web:\n    command: [sh, -c, '%s']\n    directory: %s\n"
               "    ready: {assume_after: 10ms}\n    log: %s\n",
               script, scn_dir(), log);
}

/* log/web.log and what was rotated, in order of time. */
static void
read_all(struct text *out)
{
    struct strv names = {NULL, 0};
    struct dirent **found = NULL;
    int n = scandir(scn_path("log"), &found, NULL, alphasort);

    ck_assert_int_ge(n, 0);
    for (int i = 0; i < n; i++) {
        if (strncmp(found[i]->d_name, "web.log.", 8) == 0)
            ck_assert_int_eq(strv_add(&names, found[i]->d_name), 0);
        free(found[i]);
    }
    free(found);
    ck_assert_int_eq(strv_add(&names, "web.log"), 0);
    for (size_t i = 0; i < names.n; i++) {
        auto_free char *data = NULL;
        struct error why = {0};
        size_t bytes;

        ck_assert_msg(file_read(scn_path("log/%s", names.items[i]), 1 << 30, &data, &bytes, &why) ==
                          0,
                      "%s", why.text);
        ck_assert_msg(bytes == 0 || data[bytes - 1] == '\n', "%s ends within a line",
                      names.items[i]);
        text_addn(out, data, bytes);
    }
    strv_finish(&names);
}

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

static void
make_log_directory(void)
{
    ck_assert_int_eq(mkdir(scn_path("log"), 0755), 0);
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
    auto_free unsigned char *seen = calloc(400001, 1);
    int done = scn_fifo("done");
    unsigned long last = 0, doubled = 0, marks = 0, lines;

    make_log_directory();
    lines = flood(400000, "{file: log/web.log, max_size: 32KiB, keep: 10000, block: 10s}");
    scn_start();
    for (int i = 0; i < 3; i++) {
        (void)scn_await("event=log_rotated service=web", 10000);
        (void)scn_kill_master();
    }
    scn_fifo_read(done, 30000);
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
    lines = flood(200000, "{file: log/web.log, max_size: 64KiB, keep: 10000, block: 10s}");
    scn_start();
    (void)scn_await("event=log_rotated service=web", 10000);
    ck_assert_int_eq(scn_cli(NULL, "upgrade", NULL), 0);
    (void)scn_await("event=took_over", 10000);
    scn_fifo_read(done, 30000);
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

START_TEST(a_writer_that_is_killed_in_a_flood_is_replaced_and_every_line_is_there_once)
{
    auto_text struct text all = TEXT_INIT;
    int done = scn_fifo("done");
    unsigned long lines;

    make_log_directory();
    lines = flood(400000, "{file: log/web.log, max_size: 32KiB, keep: 10000, block: 10s}");
    scn_start();
    (void)scn_await("event=log_rotated service=web", 20000);
    for (unsigned i = 1; i <= 3; i++) {
        pid_t writer;

        while ((writer = find_writer()) == 0) /* the next one comes, or the test is late */
            ck_assert_int_eq(scn_cli(NULL, "version", NULL), 0);
        ck_assert_int_eq(kill(writer, SIGKILL), 0);
        (void)scn_await("event=log_writer_died", 10000);
    }
    scn_fifo_read(done, 30000);
    ck_assert_int_eq(scn_stop(), 0);
    read_all(&all);
    assert_counted(&all, lines);
}
END_TEST

START_TEST(who_moves_a_file_away_and_says_reopen_finds_the_next_line_in_a_new_one)
{
    auto_text struct text all = TEXT_INIT;
    auto_free char *answer = NULL;
    auto_free char *shown = NULL;
    int gate = scn_fifo("gate"), done = scn_fifo("done");

    make_log_directory();
    service("echo one; printf x > done; read x < gate; echo two; printf x > done; exec sleep 1000",
            "{file: log/web.log}");
    scn_start();
    scn_fifo_read(done, 5000);
    (void)scn_await("event=verdict service=web outcome=serving", 5000);
    ck_assert_int_eq(scn_cli(&answer, "reopen", NULL), 0);
    ck_assert_str_eq(answer, "web: reopened\n");
    ck_assert_int_eq(rename(scn_path("log/web.log"), scn_path("log/web.log.1")), 0);
    ck_assert_int_eq(scn_cli(NULL, "reopen", "web", NULL), 0);
    ck_assert_int_eq(write(gate, "x\n", 2), 2);
    scn_fifo_read(done, 5000);
    ck_assert_int_eq(scn_cli(NULL, "reopen", "nobody", NULL), 67);
    ck_assert_int_eq(scn_cli(&shown, "logs", "web", NULL), 0);
    ck_assert_str_eq(shown, "web/1.0 | one\nweb/1.0 | two\n");
    ck_assert_int_eq(scn_stop(), 0);
    read_all(&all);
    ck_assert_str_eq(text_str(&all), "one\ntwo\n");
}
END_TEST

START_TEST(long_lines_and_any_bytes_come_out_as_they_went_in)
{
    static const char end[] = "\na\0b\xff\xfe\nlast\n";
    auto_text struct text all = TEXT_INIT;
    int done = scn_fifo("done");

    make_log_directory();
    scn_file("print.sh", "head -c 1000000 /dev/zero | tr '\\000' x\n"
                         "printf '\\na\\000b\\377\\376\\nlast\\n'\n"
                         "printf x > done\nexec sleep 1000\n");
    scn_config("  web:\n    command: [sh, print.sh]\n    directory: %s\n"
               "    ready: {assume_after: 10ms}\n    log: {file: log/web.log, block: 10s}\n",
               scn_dir());
    scn_start();
    scn_fifo_read(done, 10000);
    ck_assert_int_eq(scn_stop(), 0);
    read_all(&all);
    ck_assert_uint_eq(all.bytes, 1000000 + sizeof(end) - 1);
    ck_assert_mem_eq(all.data + 1000000, end, sizeof(end) - 1);
    ck_assert_ptr_null(memchr(all.data, '\n', 1000000));
}
END_TEST

START_TEST(a_line_that_death_cut_short_is_not_lost)
{
    auto_text struct text all = TEXT_INIT;

    make_log_directory();
    service("echo whole; printf partial; kill -9 $$", "{file: log/web.log}");
    scn_start();
    (void)scn_await("event=worker_exit service=web signal=SIGKILL", 5000);
    (void)scn_await("event=worker_exit service=web signal=SIGKILL", 5000);
    (void)scn_stop();
    read_all(&all);
    ck_assert_msg(strncmp(text_str(&all), "whole\npartial\nwhole\npartial\n", 28) == 0, "%s",
                  text_str(&all));
}
END_TEST

/* A file system of so many KiB at log/, in a mount namespace of our own. False: not here. */
static bool
small_disk(unsigned kib)
{
    char options[64];

    if (unshare(CLONE_NEWNS) == -1 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1) {
        (void)printf("not done: no mount namespace may be made here\n");
        return false;
    }
    (void)snprintf(options, sizeof(options), "size=%uk", kib);
    ck_assert_int_eq(mount("small", scn_path("log"), "tmpfs", 0, options), 0);
    return true;
}

START_TEST(a_full_disk_costs_lines_that_are_counted_and_nothing_else)
{
    auto_text struct text all = TEXT_INIT;
    auto_free char *shown = NULL;
    int gate = scn_fifo("gate"), done = scn_fifo("done");
    unsigned long n = 0, dropped = 0;
    const char *line;
    int64_t since_us;

    make_log_directory();
    if (!small_disk(1024))
        return;
    scn_file("log/ballast", "%0900000d", 0);
    service("seq 1 100000; printf x > done; read x < gate; echo after; printf x > done; exec sleep "
            "1000",
            "{file: log/web.log, block: 100ms, max_size: 0}");
    since_us = mono_now_us();
    scn_start();
    scn_fifo_read(done, 20000); /* the worker was not held up */
    ck_assert_int_lt(mono_now_us() - since_us, 20 * US_PER_S);
    (void)scn_await("event=log_failed service=web", 5000);
    (void)scn_await("event=log_behind service=web", 5000);
    ck_assert_int_eq(scn_cli(&shown, "status", "web", NULL), 0);
    ck_assert_ptr_nonnull(strstr(shown, "log: cannot be written: write to"));
    ck_assert_ptr_nonnull(strstr(shown, "No space left on device"));
    ck_assert_int_eq(unlink(scn_path("log/ballast")), 0);
    (void)scn_await("event=log_works service=web", 10000);
    line = scn_await("event=output_lost service=web", 10000);
    dropped = (unsigned long)scn_field(line, "lines");
    ck_assert_uint_gt(dropped, 0);
    ck_assert_int_eq(write(gate, "x\n", 2), 2);
    scn_fifo_read(done, 5000);
    ck_assert_int_eq(scn_stop(), 0);
    read_all(&all);
    (void)umount2(scn_path("log"), MNT_DETACH);
    for (const char *at = text_str(&all); *at; at = strchr(at, '\n') + 1) {
        char want[32];

        if (strncmp(at, "…", strlen("…")) == 0) {
            ck_assert_uint_eq(strtoul(at + strlen("… "), NULL, 10), dropped);
            n += dropped;
            continue;
        }
        (void)snprintf(want, sizeof(want), "%lu\n", ++n);
        if (n == 100001)
            (void)snprintf(want, sizeof(want), "after\n");
        ck_assert_msg(strncmp(at, want, strlen(want)) == 0, "%lu: '%.40s'", n, at);
    }
    ck_assert_uint_eq(n, 100001);
}
END_TEST

START_TEST(a_change_of_the_log_is_made_under_the_same_workers)
{
    auto_text struct text all = TEXT_INIT;
    int gate = scn_fifo("gate"), done = scn_fifo("done");

    make_log_directory();
    service("echo one; printf x > done; read x < gate; echo two; printf x > done; exec sleep 1000",
            "stderr");
    scn_start();
    scn_fifo_read(done, 5000);
    (void)scn_await_any("event=output service=web msg=one", 5000);
    service("echo one; printf x > done; read x < gate; echo two; printf x > done; exec sleep 1000",
            "{file: log/web.log, timestamp: true}");
    (void)scn_await("event=service service=web gen=1", 5000);
    ck_assert_int_eq(write(gate, "x\n", 2), 2);
    scn_fifo_read(done, 5000);
    ck_assert_int_eq(scn_stop(), 0);
    ck_assert_uint_eq(scn_count("event=worker_spawn service=web"), 1);
    read_all(&all);
    ck_assert_str_eq(text_str(&all) + strlen("2026-11-26T13:02:33.123456Z "), "two\n");
}
END_TEST

scn_main("logs", a_flood_through_many_rotations_loses_no_line,
         a_master_that_is_killed_in_a_flood_loses_no_line_and_marks_what_may_be_there_twice,
         an_upgrade_in_a_flood_loses_no_line_and_doubles_none,
         a_writer_that_is_killed_in_a_flood_is_replaced_and_every_line_is_there_once,
         who_moves_a_file_away_and_says_reopen_finds_the_next_line_in_a_new_one,
         long_lines_and_any_bytes_come_out_as_they_went_in, a_line_that_death_cut_short_is_not_lost,
         a_full_disk_costs_lines_that_are_counted_and_nothing_else,
         a_change_of_the_log_is_made_under_the_same_workers)
