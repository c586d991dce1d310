/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Profiles at an end: of a worker that is about to be killed, and under a master that is. */
#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "profile_stage.h"
#include "supervisor/probe/proc.h"

/* ---- A bundle ------------------------------------------------------------------------------- */

/* A worker of libstint that keeps memory, burns and does not leave. Return: its pid. */
static pid_t
stayer(void)
{
    scn_copy("stayer", getenv("STAYER_BINARY"), "");
    scn_config("  web:\n    command: [./stayer]\n    directory: %s\n    libstint: true\n"
               "    drain_timeout: 300ms\n    leak_grace: 8s\n    leak_look: 0\n"
               "    environment: {STINT_HEAP_SAMPLE: '65536'}\n"
               "    profiling: {threads: true, heap: true, cpu: true}\n",
               scn_dir());
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 20000);
    return (pid_t)scn_field(scn_await_any("event=worker_spawn service=web", 5000), "pid");
}

START_TEST(each_part_of_a_bundle_opens_and_says_what_the_worker_did)
{
    auto_free char *files = NULL, *threads = NULL, *heap = NULL, *tags = NULL, *cpu = NULL;
    auto_free char *words = NULL, *report = NULL, *bytes = NULL, *modes = NULL;
    pid_t pid = stayer();
    unsigned fds = scn_baseline();
    char dir[192];

    (void)snprintf(dir, sizeof(dir), "%s", scn_path("state/bundles/web-1.0-%d", pid));
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    (void)scn_await_any("event=bundle service=web gen=1 slot=0", 20000);
    ck_assert(scn_before("event=bundle service=web gen=1", "event=worker_exit service=web gen=1"));
    files = shell("ls -m %s", dir);
    ck_assert_str_eq(files, "cpu.pb.gz, heap.pb.gz, log.txt, report.json, threads.pb.gz\n");
    modes = shell("stat -c %%a %s/* | sort -u", dir);
    ck_assert_str_eq(modes, "600\n");
    threads = shell("go tool pprof -top -cum %s/threads.pb.gz 2>&1", dir);
    has(threads, "Type: threads");
    has(threads, "spins");
    has(threads, "ignored its cancelled token");
    heap = shell("go tool pprof -top -sample_index=inuse_space %s/heap.pb.gz 2>&1", dir);
    has(heap, "Type: inuse_space");
    has(heap, "serves");
    has(heap, "strangers");
    tags = shell("go tool pprof -tags -tagfocus=scope=root/conf %s/heap.pb.gz 2>&1", dir);
    has(tags, "filler");
    has(tags, "trace_id: Total");
    has(tags, "0000000000000000000000000000bbbb");
    has_not(tags, "foreign");
    cpu = shell("go tool pprof -top %s/cpu.pb.gz 2>&1", dir);
    has(cpu, "Type: cpu");
    has(cpu, "spins");
    has(cpu, "past its drain deadline");
    has(cpu, "shorter than 30 s");
    words = shell("cat %s/log.txt", dir);
    has(words, "ready");
    report = shell("jq -r '.schema, (.threads[] | select(.name == \"spinner\") | .scope)' "
                   "%s/report.json 2>/dev/null || cat %s/report.json",
                   dir, dir);
    has(report, "stint.probe/1");
    has(report, "root/conf");
    bytes = shell("du -sk %s", dir);
    ck_assert_int_lt(strtol(bytes, NULL, 10), 4096);
    scn_did_not_block();
    scn_after(fds);
}
END_TEST

/* ---- A master that is killed ---------------------------------------------------------------- */

/* A process of the keeper's or of the master's with that name. 0: there is none. */
static pid_t
helper_of(pid_t parent, const char *name)
{
    DIR *proc = opendir("/proc");
    const struct dirent *e;
    struct proc_stat stat;
    pid_t found = 0;

    ck_assert_ptr_nonnull(proc);
    while ((e = readdir(proc))) {
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

        if (pid > 0 && proc_stat_read(pid, &stat) == 0 && stat.ppid == parent &&
            stat.state != 'Z' && strcmp(stat.comm, name) == 0)
            found = pid;
    }
    (void)closedir(proc);
    return found;
}

/* `stint profile web --cpu --seconds 20`, which writes what it says into the file said. */
static pid_t
profile_long(void)
{
    auto_free char *socket = strdup(scn_path("run/control.sock"));
    auto_free char *said = strdup(scn_path("said")), *out = strdup(scn_path("c.pb.gz"));
    const char *program = getenv("STINT_BINARY");
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    ck_assert_ptr_nonnull(program);
    if (pid == 0) {
        if (!freopen(said, "w", stderr))
            _exit(126);
        (void)execl(program, "stint", "profile", "web", "--socket", socket, "--cpu", "--seconds",
                    "20", "-o", out, (char *)NULL);
        _exit(127);
    }
    return pid;
}

START_TEST(a_master_killed_over_a_profile_leaves_nothing_and_the_client_hears_it)
{
    auto_free char *said = NULL, *again = NULL;
    int64_t until_us = mono_now_us() + 10 * US_PER_S;
    pid_t client, helper;
    int status = 0;

    scn_config("  web:\n    command: [/bin/sh, -c, \"while :; do :; done\"]\n"
               "    ready: {assume_after: 100ms}\n    profiling: {cpu: true, threads: true}\n");
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    (void)scn_baseline();
    client = profile_long();
    (void)scn_await("event=profile service=web kind=cpu outcome=begun", 5000);
    while (!said || !strchr(said, '%')) { /* it is in the middle of it, and the client knows */
        ck_assert(mono_now_us() < until_us);
        free(said);
        said = shell("cat %s/said", scn_dir());
    }
    helper = helper_of(scn_master(), "stint-profile");
    ck_assert_int_gt(helper, 0);
    (void)scn_kill_master();
    ck_assert_int_eq(waitpid(client, &status, 0), client);
    ck_assert(WIFEXITED(status));
    free(said);
    said = shell("cat %s/said", scn_dir());
    ck_assert_msg(WEXITSTATUS(status) == 69, "%d: %s", WEXITSTATUS(status), said);
    has(said, "no profile: the supervisor ended, or was replaced, while it was taken");
    ck_assert_int_ne(access(scn_path("c.pb.gz"), F_OK), 0);
    ck_assert(scn_await_gone(helper, 5000));
    ck_assert_int_eq(helper_of(scn_keeper(), "stint-profile"), 0);
    /* Nobody is thought to be busy with it. */
    ck_assert_msg(scn_cli(&again, "profile", "web", "--cpu", "--seconds", "1", NULL) == 0, "%s",
                  again);
    scn_after(scn_baseline());
}
END_TEST

scn_main("profile_end", each_part_of_a_bundle_opens_and_says_what_the_worker_did,
         a_master_killed_over_a_profile_leaves_nothing_and_the_client_hears_it)
