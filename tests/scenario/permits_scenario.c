/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What the kernel permits: Yama's ptrace_scope and perf_event_paranoid as they are here, as root, as an ordinary
 * user and with the capability that reports advise. What may be seen is seen, and what is refused is told as that,
 * with a way out that is one. tests/vm/run plays it under a kernel that has all of their values. Needs root.
 */
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "harness.h"

#define USER 1000

/* Root, an ordinary user, and one with what the report tells to give. */
struct who {
    uid_t uid;
    unsigned capability;
};
static const struct who lookers[] = {
    {0,    0             },
    {USER, 0             },
    {USER, CAP_SYS_PTRACE}
};
static const struct who samplers[] = {
    {0,    0            },
    {USER, 0            },
    {USER, CAP_SYS_ADMIN},
    {USER, CAP_PERFMON  }
};
#define N_WORLDS 3
#define PERFMON_TOO \
    4 /* the test that takes the fourth, too: it is not enough for Debian's level 3 */

static const struct who *world;

static int
setting(const char *path, int without)
{
    auto_free char *text = NULL;

    return file_read(path, 64, &text, NULL, NULL) == 0 ? (int)strtol(text, NULL, 10) : without;
}

static int
scope(void)
{
    return setting("/proc/sys/kernel/yama/ptrace_scope", 0);
}

static int
paranoid(void)
{
    return setting("/proc/sys/kernel/perf_event_paranoid", -1);
}

/* As the kernel's documentation of Yama has it, for a worker that names us or not. */
static bool
may_look(bool named)
{
    if (scope() >= 3)
        return false;
    return scope() == 0 || world->uid == 0 || world->capability == CAP_SYS_PTRACE ||
           (scope() == 1 && named);
}

static bool
may_sample(void)
{
    return paranoid() <= 2 || world->uid == 0 || world->capability == CAP_SYS_ADMIN;
}

static void
begin(const struct who *in, const char *program, const char *binary, const char *more)
{
    world = in;
    ck_assert_int_eq(mkdir(scn_path("worker-api"), 0755), 0);
    ck_assert_int_eq(mkdir(scn_path("worker-api/preload"), 0755), 0);
    ck_assert_int_eq(mkdir(scn_path("worker-api/heap"), 0755), 0);
    scn_copy("worker-api/preload/libstint-preload.so", getenv("PRELOAD_OBJECT"), "");
    scn_copy("worker-api/heap/libstint-heap.so", getenv("HEAP_OBJECT"), "");
    scn_copy("program", binary, "");
    scn_config("  web:\n    command: [%s]\n    directory: %s\n    drain_timeout: 500ms\n"
               "    leak_grace: 300ms\n    leak_look: 0\n%s",
               program, scn_dir(), more);
    ck_assert(scn_launch(&(struct scn_world){.uid = in->uid, .capability = in->capability}));
    (void)scn_await_any("event=verdict service=web outcome=serving gen=1", 20000);
}

static pid_t
worker(void)
{
    return (pid_t)scn_field(scn_await_any("event=worker_spawn service=web gen=1", 5000), "pid");
}

static void
is_in(const char *text, const char *what, bool there)
{
    ck_assert_msg((strstr(text, what) != NULL) == there,
                  "scope %d, uid %u, capability %u: %s '%s' in:\n%s", scope(), (unsigned)world->uid,
                  world->capability, there ? "no" : "a", what, text);
}

static char *
said(const char *verb, const char *option)
{
    char *out = NULL;

    (void)scn_cli(&out, verb, "web", option, NULL);
    return out;
}

/* What is said of Yama, when it refuses, and no more than helps from where it is. */
static void
refusal_is_told(const char *text)
{
    static const char *const ways[] = {
        "",
        "ptrace_scope is 1; link libstint or use `preload: true`, run stint with CAP_SYS_PTRACE",
        "ptrace_scope is 2; run stint with CAP_SYS_PTRACE, or set it to 0",
        "ptrace_scope is 3, which forbids it to everybody, and which nobody can change before"};

    is_in(text, ways[scope()], true);
}

static void
threads_are_told(bool named, const char *grade, const char *call, const char *function)
{
    auto_free char *out = said("threads", NULL);
    char evidence[64];

    (void)snprintf(evidence, sizeof(evidence), "evidence: %s", grade);
    if (may_look(named)) {
        is_in(out, evidence, true);
        is_in(out, "may not be read", false);
        is_in(out, call, true);
        is_in(out, function, true);
        return;
    }
    (void)strcat(evidence, " (what its threads wait for may not be read");
    is_in(out, evidence, true);
    is_in(out, call, false);
    refusal_is_told(out);
}

/* At its start stint says what it will not be able to see, and only then. */
static void
surroundings_are_told(bool named)
{
    const unsigned told = scn_count("event=surroundings ~ptrace_scope");

    (void)scn_await_any("event=surroundings", 5000);
    ck_assert_msg((told > 0) == !may_look(named), "scope %d, uid %u: %s", scope(),
                  (unsigned)world->uid, scn_log());
}

/* ---- Threads ---------------------------------------------------------------------------------- */

/* The thread of an old configuration is named with its line in any case, and under the next master, too. */
START_TEST(a_leak_of_libstint_is_as_good_where_it_names_us)
{
    const char *line;

    scn_file("leaker.conf", "1\n");
    begin(&lookers[_i], "./program, leaker.conf", getenv("LEAKER_BINARY"), "    libstint: true\n");
    surroundings_are_told(true);
    ck_assert_int_eq(kill(worker(), SIGHUP), 0);
    line =
        scn_await_any("event=thread_leak service=web gen=1 stragglers=1 ~`flush` ~leaker.c", 15000);
    is_in(line, "ptrace_scope", !may_look(true));
    threads_are_told(true, "registry", "blocked in read(", "(flush_wait)");
    (void)scn_kill_master(); /* the next one is no parent of it */
    threads_are_told(true, "registry", "blocked in read(", "(flush_wait)");
    {
        auto_free char *out = said("threads", NULL);

        is_in(out, "thread `flush`, started at leaker.c:", true);
    }
}
END_TEST

static void
stranger_leaks(bool named, const char *grade)
{
    const char *line;

    threads_are_told(named, grade, "sem_wait(", "(stay_for_ever)");
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    line = scn_await_any("event=worker_leak service=web gen=1", 15000);
    is_in(line, "pthread_join(", may_look(named));
    if (!may_look(named))
        refusal_is_told(line);
    (void)scn_await_any("event=certificate service=web gen=1", 15000);
}

START_TEST(of_who_knows_nothing_of_us_it_is_told_what_was_refused)
{
    begin(&lookers[_i], "./program", getenv("PRELOAD_GUEST"), "    ready: {assume_after: 300ms}\n");
    surroundings_are_told(false);
    stranger_leaks(false, may_look(false) ? "proc" : "stat");
}
END_TEST

START_TEST(what_is_preloaded_names_us_for_it)
{
    begin(&lookers[_i], "./program", getenv("PRELOAD_GUEST"),
          "    ready: {assume_after: 300ms}\n    preload: true\n");
    surroundings_are_told(true);
    {
        auto_free char *out = said("threads", NULL);

        is_in(out, "`stayer`", true); /* by the registry, whatever Yama says */
    }
    stranger_leaks(true, "registry");
}
END_TEST

/* ---- Profiles --------------------------------------------------------------------------------- */

static char *
unpacked(const char *path)
{
    auto_text struct text all = TEXT_INIT;
    char buf[4096];
    gzFile file = gzopen(path, "rbe");
    int n;

    ck_assert_ptr_nonnull(file);
    while ((n = gzread(file, buf, sizeof(buf))) > 0)
        for (int i = 0; i < n; i++)
            text_addn(&all, buf[i] ? &buf[i] : " ", 1);
    ck_assert_int_eq(gzclose(file), Z_OK);
    return text_steal(&all);
}

START_TEST(a_worker_with_libstint_is_sampled_from_inside_where_the_kernel_forbids_it_from_outside)
{
    auto_free char *out = NULL, *profile = NULL, *path = strdup(scn_path("cpu.pb.gz"));

    begin(&samplers[_i], "./program, serve", getenv("BURN_WORKER"),
          "    libstint: true\n    profiling: {cpu: true}\n");
    ck_assert_msg(scn_cli(&out, "profile", "web", "--cpu", "--seconds", "2", "-o", path, NULL) == 0,
                  "%s", out);
    profile = unpacked(path);
    is_in(profile, "sampled from outside by perf_event_open", may_sample());
    is_in(profile, "sampled from inside by timers of libstint", !may_sample());
    is_in(profile, "kernel.perf_event_paranoid=2", !may_sample()); /* the way out, once it helps */
    is_in(profile, "seven", may_look(true)); /* names are looked up in its memory */
    is_in(profile, "three", may_look(true));
    if (!may_look(true))
        refusal_is_told(profile);
}
END_TEST

START_TEST(of_another_program_the_answer_names_what_is_set_and_what_helps)
{
    auto_free char *out = NULL;
    char now[64];
    int r;

    begin(&samplers[_i], "/bin/sh, -c, \"while :; do :; done\"", "/bin/sh",
          "    ready: {assume_after: 300ms}\n    profiling: {cpu: true}\n");
    r = scn_cli(&out, "profile", "web", "--cpu", "--seconds", "1", NULL);
    ck_assert_msg((r == 0) == may_sample(), "%d: %s", r, out);
    (void)snprintf(now, sizeof(now), "kernel.perf_event_paranoid is %d", paranoid());
    is_in(out, now, !may_sample());
    is_in(out, "'sysctl kernel.perf_event_paranoid=2'", !may_sample());
    is_in(out, "or give the supervisor CAP_SYS_ADMIN", !may_sample());
    is_in(out, "does not link libstint", !may_sample());
}
END_TEST

/* The sums are in its memory. */
START_TEST(a_heap_is_read_where_what_is_preloaded_names_us)
{
    auto_free char *out = NULL;
    int r;

    scn_file("hoard", "20480\n"); /* 40 samples on the average: none never happens */
    begin(&lookers[_i], "./program", getenv("HOARDER_BINARY"),
          "    ready: {assume_after: 300ms}\n    profiling: {heap: true}\n");
    surroundings_are_told(true);
    (void)scn_await_any("event=output service=web gen=1 ~hoarded", 10000);
    r = scn_cli(&out, "profile", "web", "--heap", NULL);
    ck_assert_msg((r == 0) == may_look(true), "%d: %s", r, out);
    if (r == 0)
        is_in(out, "hoard", true);
    else
        refusal_is_told(out);
}
END_TEST

static int
run_tests(void)
{
    const TTest *const tests[] = {
        a_leak_of_libstint_is_as_good_where_it_names_us,
        of_who_knows_nothing_of_us_it_is_told_what_was_refused,
        what_is_preloaded_names_us_for_it,
        a_worker_with_libstint_is_sampled_from_inside_where_the_kernel_forbids_it_from_outside,
        of_another_program_the_answer_names_what_is_set_and_what_helps,
        a_heap_is_read_where_what_is_preloaded_names_us,
    };
    Suite *suite = suite_create("permits");
    TCase *tc = tcase_create("permits");

    tcase_set_timeout(tc, 60 * SCN_PATIENCE);
    tcase_add_checked_fixture(tc, scn_begin, scn_end);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_loop_test(tc, tests[i], 0, i == PERFMON_TOO ? N_WORLDS + 1 : N_WORLDS);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}

int
main(void)
{
    if (geteuid() == 0)
        return run_tests();
    (void)printf("SKIPPED: it takes root to be an ordinary user with one capability\n");
    return 77;
}
