/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Files as they really change: slowly, in pieces, by links, too often, and away. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "harness.h"

#define QUICK                                        \
    "    drain_timeout: 2s\n    leak_grace: 500ms\n" \
    "    respawn: {backoff: {first: 10ms, max: 20ms}, limit: {count: 3, within: 10s}}\n"
#define WEB(acts, watched)                                                         \
    "  web:\n    command: [./actor, " acts "ready]\n    directory: %s\n"           \
    "    listen: {main: \"unix:%s/web.sock\"}\n    watch: {binary: true, settle: " \
    "50ms, paths: [" watched "]}\n" QUICK

/* Start a service; return: the descriptors of the master then. */
static unsigned
serving(const char *config)
{
    struct scn_answer a;

    scn_config("%s", config);
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 5000);
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    return scn_baseline();
}

static char *
config_text(const char *fmt)
{
    static char text[2048];

/* the texts above take the directory twice */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(text, sizeof(text), fmt, scn_dir(), scn_dir());
#pragma GCC diagnostic pop
    return text;
}

static void
says(const char *word, long generation)
{
    struct scn_answer a;

    scn_ask_past("web.sock", generation, &a);
    ck_assert_str_eq(a.word, word);
    ck_assert_int_eq(a.generation, generation);
}

static void
status_is_quiet(bool quiet)
{
    auto_free char *out = NULL;

    ck_assert_int_eq(scn_cli(&out, "status", NULL), 0);
    ck_assert_msg((strstr(out, "REJECTED") == NULL) == quiet, "%s", out);
}

static void
make_dir(const char *name)
{
    ck_assert_int_eq(mkdir(scn_path("%s", name), 0755), 0);
}

/* Point the link @name at @target, as ln -sfn and every deploy tool do: by rename. */
static void
link_swap(const char *target, const char *name)
{
    auto_free char *to = strdup(scn_path("%s", name));

    ck_assert_int_eq(symlink(target, scn_path("new-link")), 0);
    ck_assert_int_eq(rename(scn_path("new-link"), to), 0);
}

START_TEST(a_program_that_is_copied_slowly_and_kept_open_serves_once_it_is_whole)
{
    auto_free char *data = NULL;
    size_t bytes = 0;
    unsigned fds = serving(config_text(WEB("", "")));
    int fd;

    ck_assert_int_eq(file_read(getenv("ACTOR_BINARY"), (size_t)256 << 20, &data, &bytes, NULL), 0);
    ck_assert_int_eq(unlink(scn_path("actor")), 0);
    fd = open(scn_path("actor"), O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    ck_assert_int_eq(write(fd, data, bytes / 2), (ssize_t)(bytes / 2));
    (void)scn_await("event=verdict service=web outcome=rejected", 5000); /* half of a program */
    ck_assert_int_eq(write(fd, data + bytes / 2, bytes - bytes / 2), (ssize_t)(bytes - bytes / 2));
    ck_assert_int_eq(write(fd, "!", 1), 1); /* another build */
    /* Whole, but still open for writing: the kernel refuses to run it. */
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", NULL), 1);
    (void)scn_await("event=verdict service=web outcome=rejected ~still+being+written", 5000);
    status_is_quiet(false);
    fd_close(fd);
    (void)scn_await("event=verdict service=web outcome=serving", 5000);
    ck_assert_uint_eq(scn_count("event=verdict service=web outcome=serving"), 2);
    status_is_quiet(true);
    (void)scn_await("event=certificate service=web gen=1 leaks=0", 5000);
    scn_after(fds);
}
END_TEST

START_TEST(a_watched_file_may_go_and_come_back)
{
    unsigned fds;

    scn_file("word", "one");
    fds = serving(config_text(WEB("word-from=word, ", "word")));
    ck_assert_int_eq(unlink(scn_path("word")), 0);
    (void)scn_await("event=verdict service=web outcome=rejected ~status+96", 5000);
    says("one", 1);
    scn_file("word", "one");
    (void)scn_await("event=verdict service=web outcome=unchanged", 5000);
    status_is_quiet(true);
    ck_assert_int_eq(unlink(scn_path("word")), 0);
    scn_file("word", "two");
    (void)scn_await("event=verdict service=web outcome=serving", 5000);
    (void)scn_await("event=certificate service=web gen=1 leaks=0", 5000);
    scn_after(fds);
}
END_TEST

START_TEST(a_config_map_is_swapped_as_kubernetes_does)
{
    unsigned fds;

    make_dir("map");
    make_dir("map/..a");
    make_dir("map/..b");
    scn_file("map/..a/word", "one");
    scn_file("map/..b/word", "two");
    link_swap("..a", "map/..data");
    link_swap("..data/word", "map/word");
    fds = serving(config_text(WEB("word-from=map/word, ", "map/word")));
    says("one", 1);
    link_swap("..b", "map/..data");
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 5000);
    says("two", 2);
    ck_assert_int_eq(unlink(scn_path("map/..a/word")), 0);
    ck_assert_int_eq(rmdir(scn_path("map/..a")), 0);
    make_dir("map/..c");
    scn_file("map/..c/word", "three");
    link_swap("..c", "map/..data");
    (void)scn_await("event=verdict service=web outcome=serving gen=3", 5000);
    says("three", 3);
    ck_assert_uint_eq(scn_count("event=generation_starting service=web"), 3);
    (void)scn_await("event=certificate service=web gen=2", 5000);
    scn_after(fds);
}
END_TEST

START_TEST(a_release_is_switched_by_the_link_above_the_program)
{
    char exe[512] = "", path[64];
    struct scn_answer a;
    unsigned fds;

    make_dir("releases");
    make_dir("releases/1");
    make_dir("releases/2");
    scn_copy("releases/1/actor", getenv("ACTOR_BINARY"), "1");
    scn_copy("releases/2/actor", getenv("ACTOR_BINARY"), "2");
    link_swap("releases/1", "current");
    scn_config("  web:\n    command: [current/actor, ready]\n    directory: %s\n"
               "    listen: {main: \"unix:%s/web.sock\"}\n    watch: {settle: 50ms}\n" QUICK,
               scn_dir(), scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 5000);
    fds = scn_baseline();
    link_swap("releases/2", "current");
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 5000);
    scn_ask_past("web.sock", 2, &a);
    (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)a.pid);
    ck_assert_int_gt(readlink(path, exe, sizeof(exe) - 1), 0);
    ck_assert_msg(strstr(exe, "releases/2") != NULL, "%s", exe);
    (void)scn_await("event=certificate service=web gen=1 leaks=0", 5000);
    scn_after(fds);
}
END_TEST

START_TEST(a_watched_directory_may_be_removed_and_made_again)
{
    unsigned fds;

    make_dir("conf");
    scn_file("conf/a", "1");
    fds = serving(config_text(WEB("", "conf")));
    ck_assert_int_eq(unlink(scn_path("conf/a")), 0);
    ck_assert_int_eq(rmdir(scn_path("conf")), 0);
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 5000);
    make_dir("conf");
    scn_file("conf/a", "2");
    (void)scn_await("event=verdict service=web outcome=serving gen=3", 5000);
    scn_file("conf/a", "3");
    (void)scn_await("event=verdict service=web outcome=serving gen=4", 5000);
    (void)scn_await("event=certificate service=web gen=3", 5000);
    scn_after(fds);
}
END_TEST

START_TEST(ten_thousand_touches_are_looked_at_a_few_times)
{
    auto_free char *path = NULL;
    unsigned fds, looks, most;
    int64_t began_us;
    int fd;

    scn_file("word", "one");
    fds = serving(config_text(WEB("word-from=word, ", "word")));
    path = strdup(scn_path("word"));
    began_us = mono_now_us();
    for (int i = 0; i < 5000; i++) {
        ck_assert_int_eq(utimensat(AT_FDCWD, path, NULL, 0), 0);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        ck_assert_int_eq(write(fd, "one", 3), 3);
        fd_close(fd);
    }
    /* Where we are not let run for the settle time, that is quiet enough for a look. */
    most = 5 + (unsigned)((mono_now_us() - began_us) / (50 * US_PER_MS));
    (void)scn_await("event=verdict service=web outcome=unchanged", 8000);
    scn_file("word", "two");
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 8000);
    looks = scn_count("event=reload service=web");
    ck_assert_uint_le(looks, most); /* the start, the touches, the change */
    (void)scn_await("event=certificate service=web gen=1", 5000);
    scn_after(fds);
}
END_TEST

START_TEST(a_change_during_a_handoff_leads_to_one_trailing_run_with_the_last_content)
{
    int gate = scn_fifo("gate");
    unsigned fds;

    scn_file("word", "one");
    scn_fifo_write(gate, 1);
    fds = serving(config_text(WEB("word-from=word, await=gate, ", "word")));
    scn_file("word", "two");
    (void)scn_await("event=worker_spawn service=web gen=2", 5000);
    scn_file("word", "three");
    scn_file("word", "four");
    scn_file("word", "five");
    scn_fifo_write(gate, 1);
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 5000);
    (void)scn_await("event=worker_spawn service=web gen=3", 5000);
    scn_fifo_write(gate, 1);
    (void)scn_await("event=verdict service=web outcome=serving gen=3", 5000);
    says("five", 3);
    (void)scn_await("event=certificate service=web gen=2 leaks=0", 5000);
    scn_await_fds(fds);
    ck_assert_uint_le(scn_count("event=reload service=web"), 4);
    ck_assert_uint_eq(scn_count("event=generation_starting service=web"), 3);
    fd_close(gate);
    scn_after(fds);
}
END_TEST

START_TEST(an_env_file_is_an_input_like_any_other)
{
    unsigned fds;

    scn_file("env", "MODE=a\n");
    fds = serving(config_text(WEB("", "") "    env_file: env\n"));
    scn_file("env", "MODE=b\n");
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 5000);
    scn_file("env", "not an assignment\n");
    (void)scn_await("event=verdict service=web outcome=rejected", 5000);
    ck_assert_int_eq(unlink(scn_path("env")), 0);
    (void)scn_await("event=verdict service=web outcome=rejected", 5000);
    status_is_quiet(false);
    scn_file("env", "MODE=b\n");
    (void)scn_await("event=verdict service=web outcome=unchanged", 5000);
    status_is_quiet(true);
    scn_after(fds);
}
END_TEST

START_TEST(a_broken_env_file_does_not_keep_the_old_generation_down)
{
    static const char config[] =
        "  web:\n    command: [/bin/sh, -c, \"echo mode=$MODE; exec ./actor ready\"]\n"
        "    directory: %s\n    listen: {main: \"unix:%s/web.sock\"}\n"
        "    watch: {settle: 50ms}\n    env_file: env\n" QUICK;
    struct scn_answer a;
    unsigned fds;

    scn_file("env", "MODE=good\n");
    fds = serving(config_text(config));
    scn_file("env", "not an assignment\n");
    (void)scn_await("event=verdict service=web outcome=rejected ~env:1:", 5000);
    ck_assert_int_eq(scn_ask("web.sock", &a), 0);
    ck_assert_int_eq(kill(a.pid, SIGKILL), 0);
    (void)scn_await("event=worker_exit service=web gen=1", 5000);
    (void)scn_await("service=web gen=1 ~mode=good", 5000);
    (void)scn_await_any("event=worker_ready service=web gen=1", 5000);
    says("-", 1);
    scn_after(fds);
}
END_TEST

START_TEST(a_command_that_comes_into_its_path_later_is_started_then)
{
    unsigned fds;

    make_dir("bin");
    fds = serving(config_text(WEB("", "")));
    scn_config(WEB("", "") "  late:\n    command: [late-actor, ready]\n    directory: %s\n"
                           "    environment: {PATH: \"%s/gone:%s/bin\"}\n"
                           "    watch: {settle: 50ms}\n" QUICK,
               scn_dir(), scn_dir(), scn_dir(), scn_dir(), scn_dir());
    (void)scn_await("event=verdict service=late outcome=rejected", 5000);
    scn_copy("bin/late-actor", scn_path("actor"), "");
    (void)scn_await("event=verdict service=late outcome=serving gen=1", 5000);
    ck_assert_int_eq(unlink(scn_path("bin/late-actor")), 0);
    (void)scn_await("event=verdict service=late outcome=rejected", 5000);
    make_dir("gone");
    scn_copy("gone/late-actor", scn_path("actor"), "x");
    (void)scn_await("event=verdict service=late outcome=serving gen=2", 5000);
    scn_config("%s", config_text(WEB("", "")));
    (void)scn_await("event=service service=late ~removed", 10000);
    scn_after(fds);
}
END_TEST

scn_main("files", a_program_that_is_copied_slowly_and_kept_open_serves_once_it_is_whole,
         a_watched_file_may_go_and_come_back, a_config_map_is_swapped_as_kubernetes_does,
         a_release_is_switched_by_the_link_above_the_program,
         a_watched_directory_may_be_removed_and_made_again,
         ten_thousand_touches_are_looked_at_a_few_times,
         a_change_during_a_handoff_leads_to_one_trailing_run_with_the_last_content,
         an_env_file_is_an_input_like_any_other,
         a_broken_env_file_does_not_keep_the_old_generation_down,
         a_command_that_comes_into_its_path_later_is_started_then)
