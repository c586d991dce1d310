/* SPDX-License-Identifier: GPL-2.0-or-later */
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
#include "base/units.h"
#include "log_files.h"

/* What ordinary programs print, in files of their own: every line, whatever happens around them. */

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

scn_main("logs", who_moves_a_file_away_and_says_reopen_finds_the_next_line_in_a_new_one,
         long_lines_and_any_bytes_come_out_as_they_went_in, a_line_that_death_cut_short_is_not_lost,
         a_full_disk_costs_lines_that_are_counted_and_nothing_else,
         a_change_of_the_log_is_made_under_the_same_workers)
