/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Profiles of workers: who may have which, what is in them, and what `go tool pprof` makes of that. */
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "profile_stage.h"

START_TEST(nothing_is_profiled_that_does_not_say_so)
{
    auto_free char *out = NULL, *again = NULL;
    unsigned fds = leaker(0, "");
    pid_t pid = (pid_t)scn_field(scn_await_any("event=worker_spawn service=web", 5000), "pid");

    ck_assert_int_eq(scn_cli(&out, "profile", "web", "--threads", NULL), 77);
    has(out, "set 'profiling: {threads: true}'");
    (void)scn_await("event=profile service=web kind=threads outcome=refused allowed=false", 5000);
    ck_assert_uint_eq(scn_count("event=profile service=web outcome=begun"), 0);
    configure(0, "    profiling: {threads: true}\n"); /* … and then it is, in the same process */
    ck_assert_int_eq(scn_cli(NULL, "reload", NULL), 0);
    ck_assert_int_eq(scn_cli(&again, "profile", "web", "--threads", NULL), 0);
    has(again, "obey");
    ck_assert(scn_alive(pid));
    (void)scn_await("event=profile service=web kind=threads outcome=taken workers=2 allowed=true",
                    5000);
    ck_assert_int_eq(scn_cli(NULL, "profile", "web", "--heap", NULL), 77);
    scn_did_not_block();
    scn_after(fds);
}
END_TEST

START_TEST(two_generations_differ_in_what_the_new_one_leaks)
{
    auto_free char *raw = NULL, *top = NULL, *tags = NULL, *ours = NULL, *base = NULL;
    unsigned fds = leaker(0, "    profiling: {threads: true}\n");

    threads_of("web", "one.pb.gz");
    scn_file("web.conf", "%d\n", 2);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    threads_of("web/2", "two.pb.gz");
    top = shell("cd %s && go tool pprof -top -diff_base=one.pb.gz two.pb.gz 2>&1", scn_dir());
    has(top, "flush_wait"); /* two in each of two workers, and nothing else */
    has_not(top, "obey");
    has_not(top, "  main");
    raw = shell("cd %s && go tool pprof -traces two.pb.gz 2>&1", scn_dir());
    has(raw, "obey");
    tags = shell("cd %s && go tool pprof -tags -tagfocus=generation=2 two.pb.gz 2>&1", scn_dir());
    has(tags, "thread: Total");
    has(tags, "flush");
    has(tags, "scope: Total");
    has(tags, "root/conf");
    has(tags, "state: Total");
    has(tags, "wait_object: Total");
    has(tags, "service: Total");
    has(tags, "slot: Total");
    has(tags, "creator: Total");
    base = strdup(scn_path("one.pb.gz"));
    ck_assert_int_eq(scn_cli(&ours, "profile", "web", "--threads", "--diff-base", base, NULL), 0);
    has(ours, "threads: 4\n");
    has(ours, "flush_wait");
    has_not(ours, "obey");
    scn_after(fds);
}
END_TEST

START_TEST(one_slot_one_worker_and_a_picture)
{
    auto_free char *out = NULL, *svg = NULL, *path = strdup(scn_path("t.svg"));
    unsigned fds = leaker(1, "    profiling: {threads: true}\n");

    threads_of("web/1.1", "slot.pb.gz");
    out = shell("cd %s && go tool pprof -tags slot.pb.gz 2>/dev/null", scn_dir());
    has(out, "slot: Total");
    has(out, ": 1");
    ck_assert_int_eq(scn_cli(NULL, "profile", "web/1.7", "--threads", NULL), 1);
    ck_assert_int_eq(scn_cli(NULL, "profile", "web/9", "--threads", NULL), 1);
    ck_assert_int_eq(scn_cli(NULL, "profile", "wib", "--threads", NULL), 67);
    ck_assert_int_eq(scn_cli(NULL, "profile", "web", NULL), 64);
    ck_assert_int_eq(scn_cli(NULL, "profile", "web", "--threads", "--cpu", NULL), 64);
    ck_assert_int_eq(scn_cli(NULL, "profile", "web", "--threads", "--flamegraph", path, NULL), 0);
    svg = shell("cat %s", path);
    has(svg, "<title>flush_wait (2, ");
    has(svg, "</svg>");
    scn_after(fds);
}
END_TEST

START_TEST(a_client_that_leaves_and_a_master_that_dies_leave_nothing_behind)
{
    auto_free char *out = NULL;
    unsigned fds = leaker(0, "    profiling: {threads: true}\n");

    free(shell("curl -s --max-time 0.05 --unix-socket %s/run/control.sock -X POST "
               "'http://stint/v1/profile?service=web&kind=threads' >/dev/null; true",
               scn_dir()));
    (void)scn_await("event=profile service=web kind=threads outcome=cancelled", 5000);
    scn_await_fds(fds);
    (void)scn_kill_master();
    ck_assert_int_eq(scn_cli(&out, "profile", "web", "--threads", NULL), 0);
    has(out, "obey");
    scn_after(scn_baseline());
}
END_TEST

/* ---- time --------------------------------------------------------------------------------------- */

static unsigned
busy(void)
{
    scn_config("  web:\n    command: [/bin/sh, -c, \"while :; do :; done\"]\n"
               "    ready: {assume_after: 100ms}\n    profiling: {cpu: true, threads: true}\n");
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    return scn_baseline();
}

START_TEST(a_short_profile_of_time_says_so)
{
    auto_free char *out = NULL, *comments = NULL, *top = NULL, *path = strdup(scn_path("c.pb.gz"));
    unsigned fds = busy();

    ck_assert_int_eq(scn_cli(&out, "profile", "web", "--cpu", "--seconds", "1", "-o", path, NULL),
                     0);
    has(out, "taking a cpu profile of web: 100 %");
    has(out, "shorter than 30 s");
    comments = shell("go tool pprof -comments %s 2>/dev/null", path);
    has(comments, "cpu profile of web/1.0");
    has(comments, "shorter than 30 s");
    top = shell("go tool pprof -top -sample_index=samples %s 2>&1", path);
    has(top, "Type: samples");
    has(top, "100%");
    (void)scn_await("event=profile service=web kind=cpu outcome=taken seconds=1", 5000);
    scn_did_not_block();
    scn_after(fds);
}
END_TEST

START_TEST(of_a_worker_one_profile_is_taken_at_a_time)
{
    auto_free char *out = NULL, *socket = strdup(scn_path("run/control.sock"));
    const char *program = getenv("STINT_BINARY");
    unsigned fds = busy();
    pid_t pid;

    ck_assert_ptr_nonnull(program);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)execl(program, "stint", "profile", "web", "--socket", socket, "--cpu", "--seconds",
                    "60", "-o", "/dev/null", (char *)NULL);
        _exit(127);
    }
    (void)scn_await("event=profile service=web kind=cpu outcome=begun seconds=60", 5000);
    ck_assert_int_eq(scn_cli(&out, "profile", "web", "--threads", NULL), 1);
    has(out, "a cpu profile of it is being taken");
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    (void)scn_await("event=profile service=web kind=cpu outcome=cancelled", 5000);
    ck_assert_int_eq(scn_cli(NULL, "profile", "web", "--threads", NULL), 0);
    scn_await_fds(fds);
    scn_after(fds);
}
END_TEST

/* ---- bundles ------------------------------------------------------------------------------------ */

/* Two services whose workers do not hear TERM; of one of them something may be kept. */
static unsigned
deaf(void)
{
    scn_config(
        "  web:\n    command: [/bin/sh, -c, \"trap '' TERM; echo my last words; while :; do "
        "sleep 0.1; done\"]\n"
        "    ready: {assume_after: 100ms}\n    drain_timeout: 200ms\n    leak_grace: 100ms\n"
        "    profiling: {threads: true}\n"
        "  private:\n    command: [/bin/sh, -c, \"trap '' TERM; while :; do sleep 0.1; done\"]\n"
        "    ready: {assume_after: 100ms}\n    drain_timeout: 200ms\n    leak_grace: 100ms\n");
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    (void)scn_await_any("event=verdict service=private outcome=serving gen=1", 10000);
    return scn_baseline();
}

START_TEST(who_is_about_to_be_killed_leaves_a_bundle)
{
    auto_free char *files = NULL, *top = NULL, *words = NULL, *leaks = NULL, *json = NULL;
    unsigned fds = deaf();
    pid_t pid = (pid_t)scn_field(scn_await_any("event=worker_spawn service=web", 5000), "pid");
    char dir[192];
    struct stat st;

    (void)snprintf(dir, sizeof(dir), "%s", scn_path("state/bundles/web-1.0-%d", pid));
    ck_assert_int_eq(scn_cli(NULL, "reload", "--all", "--force", "--wait=gone", NULL), 0);
    (void)scn_await_any("event=bundle service=web gen=1 slot=0", 20000);
    ck_assert(scn_before("event=bundle service=web gen=1", "event=worker_exit service=web gen=1"));
    ck_assert_int_eq(stat(dir, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0700);
    files = shell("ls -m %s", dir);
    ck_assert_str_eq(files, "log.txt, report.json, threads.pb.gz\n");
    words = shell("cat %s/log.txt", dir);
    has(words, "my last words");
    json = shell("cat %s/report.json", dir);
    has(json, "\"stint.probe/1\"");
    top = shell("go tool pprof -top %s/threads.pb.gz 2>&1", dir);
    has(top, "Type: threads");
    has(top, "past its drain deadline");
    ck_assert_int_eq(scn_cli(&leaks, "leaks", "web", NULL), 0);
    has(leaks, dir);
    ck_assert_uint_eq(scn_count("event=bundle service=private"), 0);
    free(shell("test -z \"$(ls -d %s/state/bundles/private* 2>/dev/null)\"", scn_dir()));
    scn_did_not_block();
    scn_after(fds);
}
END_TEST

START_TEST(bundles_are_few_and_the_oldest_go_first)
{
    auto_free char *n = NULL, *left = NULL, *leaks = NULL;
    unsigned fds;

    free(
        shell("mkdir -p %s/state/bundles && cd %s/state/bundles && for i in $(seq 10 49); do mkdir "
              "old-1.0-$i .new-old-1.0-$i && echo x >old-1.0-$i/log.txt && "
              "touch -d \"2020-01-01 00:00:$i\" old-1.0-$i .new-old-1.0-$i; done",
              scn_dir(), scn_dir()));
    fds = deaf();
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    (void)scn_await_any("event=bundle service=web gen=1", 20000);
    n = shell("ls -A %s/state/bundles | wc -l", scn_dir());
    ck_assert_msg(strtol(n, NULL, 10) == 32, "%s", n);
    left = shell("ls -A %s/state/bundles", scn_dir());
    has(left, "web-1.0-");
    has(left, "old-1.0-49");
    has_not(left, "old-1.0-10");
    has_not(left, ".new");
    ck_assert_int_eq(scn_cli(&leaks, "leaks", "--json", NULL), 0);
    has(leaks, "web-1.0-");
    scn_after(fds);
}
END_TEST

scn_main("profile", nothing_is_profiled_that_does_not_say_so,
         two_generations_differ_in_what_the_new_one_leaks, one_slot_one_worker_and_a_picture,
         a_client_that_leaves_and_a_master_that_dies_leave_nothing_behind,
         a_short_profile_of_time_says_so, of_a_worker_one_profile_is_taken_at_a_time,
         who_is_about_to_be_killed_leaves_a_bundle, bundles_are_few_and_the_oldest_go_first)
