/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Heap profiles of a program that knows nothing of stint: what a reload leaks is one command. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "harness.h"
#include "shell.h"

static const char *ready_after = "300ms";

static void
configure(const char *more)
{
    scn_config(
        "  web:\n    command: [./hoarder]\n    directory: %s\n    ready: {assume_after: %s}\n"
        "    drain_timeout: 1s\n    watch: {settle: 50ms}\n%s",
        scn_dir(), ready_after, more);
}

static unsigned
hoarder(const char *more)
{
    scn_copy("hoarder", getenv("HOARDER_BINARY"), "");
    scn_file("hoard", "20480\n");
    configure(more);
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving gen=1", 10000);
    (void)scn_await_any("event=output service=web gen=1 ~hoarded", 10000);
    return scn_baseline();
}

static void
heap_of(const char *whom, const char *name)
{
    auto_free char *out = NULL, *path = strdup(scn_path("%s", name));

    ck_assert_msg(scn_cli(&out, "profile", whom, "--heap", "-o", path, NULL) == 0, "%s", out);
}

/* What `go tool pprof -top` says of @function in the file @name of the stage, in KiB; negative: nothing. */
static double
kib_of(const char *options, const char *name, const char *function)
{
    char command[512], line[512];
    double kib = -1;
    FILE *said;

    (void)snprintf(command, sizeof(command), "cd %s && go tool pprof -top -unit=kb %s %s 2>&1",
                   scn_dir(), options, name);
    said = popen(command, "r");
    ck_assert_ptr_nonnull(said);
    while (fgets(line, sizeof(line), said))
        if (strstr(line, function))
            kib = strtod(line, NULL);
    ck_assert_int_eq(pclose(said), 0);
    return kib;
}

static void
near(double seen, double wanted)
{
    ck_assert_msg(seen > 0.9 * wanted && seen < 1.1 * wanted, "%.0f KiB instead of %.0f", seen,
                  wanted);
}

/* So often that what is counted is within 2 % of the truth, and 10 % are never missed by chance. */
#define SAMPLED "    profiling: {heap: true}\n    environment: {STINT_HEAP_SAMPLE: '1024'}\n"

START_TEST(what_a_reload_leaks_is_one_command)
{
    auto_free char *ours = NULL, *base = NULL;
    unsigned fds = hoarder(SAMPLED);

    heap_of("web", "one.pb.gz");
    near(kib_of("", "one.pb.gz", "hoard"), 20480);
    near(kib_of("-sample_index=alloc_space", "one.pb.gz", "borrow"), 20480);
    ck_assert(kib_of("", "one.pb.gz", "borrow") < 0);
    scn_file("leak", "\n");
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", NULL), 0);
    (void)scn_await_any("event=output service=web gen=2 ~hoarded", 10000);
    heap_of("web/2", "two.pb.gz");
    near(kib_of("-diff_base=one.pb.gz", "two.pb.gz", "leak"), 4096);
    base = strdup(scn_path("one.pb.gz"));
    ck_assert_int_eq(scn_cli(&ours, "profile", "web", "--heap", "--diff-base", base, NULL), 0);
    ck_assert_msg(strstr(ours, "leak") != NULL, "%s", ours);
    scn_after(fds);
}
END_TEST

/* The generation before is gone, and nobody made a file of it. */
START_TEST(the_previous_generation_is_kept_for_that)
{
    auto_free char *out = NULL, *same = NULL, *older = NULL, *none = NULL, *seen = NULL,
                   *slot = NULL, *mode = NULL;
    auto_free char *path = strdup(scn_path("diff.pb.gz"));
    unsigned fds = hoarder(SAMPLED);

    ck_assert_int_eq(scn_cli(&none, "profile", "web", "--heap", "--diff-base", "previous", NULL),
                     1);
    ck_assert_msg(strstr(none, "no heap profile of that generation of 'web' is kept") != NULL, "%s",
                  none);
    scn_file("leak", "\n");
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    (void)scn_await_any("event=heap_kept service=web gen=1", 10000);
    (void)scn_await_any("event=output service=web gen=2 ~hoarded", 10000);
    ck_assert_msg(
        scn_cli(&out, "profile", "web", "--heap", "--diff-base", "previous", "-o", path, NULL) == 0,
        "%s", out);
    near(kib_of("", "diff.pb.gz", "leak"), 4096);
    mode = shell("stat -c %%a %s/state/heaps", scn_dir());
    ck_assert_str_eq(mode, "700\n");
    ck_assert(kib_of("", "diff.pb.gz", "hoard") < 1024);
    ck_assert_int_eq(scn_cli(&seen, "profile", "web", "--heap", "--diff-base", "previous", NULL),
                     0);
    ck_assert_msg(strstr(seen, "less generation 1\n") != NULL, "%s", seen);
    /* One that is gone by its number, and looked at alone. */
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    (void)scn_await_any("event=heap_kept service=web gen=2", 10000);
    (void)scn_await_any("event=output service=web gen=3 ~hoarded", 10000);
    ck_assert_int_eq(scn_cli(&same, "profile", "web", "--heap", "--diff-base", "2", NULL), 0);
    ck_assert_msg(strstr(same, "less generation 2\n") != NULL, "%s", same);
    ck_assert_int_eq(
        scn_cli(&older, "profile", "web", "--heap", "--diff-base", "1", "-o", path, NULL), 0);
    near(kib_of("", "diff.pb.gz", "leak"), 4096);
    heap_of("web/1", "gone.pb.gz");
    near(kib_of("", "gone.pb.gz", "hoard"), 20480);
    ck_assert(kib_of("", "gone.pb.gz", "leak") < 0);
    ck_assert_int_eq(scn_cli(NULL, "profile", "web/9", "--heap", NULL), 1);
    ck_assert_int_eq(
        scn_cli(&slot, "profile", "web/3.0", "--heap", "--diff-base", "previous", NULL), 64);
    scn_did_not_block();
    scn_after(fds);
}
END_TEST

/* A file that is called as a generation is meant by its path; three of a service are enough. */
START_TEST(few_are_kept_and_none_without_profiling)
{
    auto_free char *left = NULL;
    unsigned fds;

    free(shell("mkdir -p %s/state/heaps && cd %s/state/heaps && for i in 1 2 3 4 5; do echo x "
               ">web-90$i.pb.gz; touch -d \"2020-01-01 00:00:0$i\" web-90$i.pb.gz; done; echo x "
               ">web-too-7.pb.gz; echo x >.new-web-1.pb.gz; touch -d 2020-01-01 .new-web-1.pb.gz",
               scn_dir(), scn_dir()));
    fds = hoarder(SAMPLED);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    (void)scn_await_any("event=heap_kept service=web gen=1", 10000);
    left = shell("cd %s/state/heaps && ls -Am && stat -c %%a web-1.pb.gz", scn_dir());
    ck_assert_str_eq(left, "web-1.pb.gz, web-904.pb.gz, web-905.pb.gz, web-too-7.pb.gz\n600\n");
    configure("");
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    (void)scn_await_any("event=certificate service=web gen=3", 10000);
    ck_assert_uint_eq(scn_count("event=heap_kept service=web gen=3"), 0);
    ck_assert_uint_eq(scn_count("event=heap_not_kept service=web gen=3"), 0);
    scn_after(fds);
}
END_TEST

/* The profile that a dead master was about to keep is kept by the next. */
START_TEST(a_killed_master_keeps_it_all_the_same)
{
    auto_free char *out = NULL;

    ready_after = "3s"; /* so long the reload is under way */
    (void)hoarder(SAMPLED);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=none", NULL), 0);
    (void)scn_await_any("event=generation_starting service=web gen=2", 10000);
    (void)scn_kill_master();
    scn_rewind();
    (void)scn_await("event=took_over", 10000);
    (void)scn_await("event=heap_kept service=web gen=1", 10000);
    (void)scn_await_any("event=certificate service=web gen=1", 20000);
    ck_assert_msg(scn_cli(&out, "profile", "web", "--heap", "--diff-base", "previous", NULL) == 0,
                  "%s", out);
    ck_assert_msg(strstr(out, "less generation 1\n") != NULL, "%s", out);
    scn_after(scn_baseline());
}
END_TEST

START_TEST(it_takes_a_new_generation_and_is_off_before)
{
    auto_free char *refused = NULL;
    unsigned fds = hoarder("");

    ck_assert_int_eq(scn_cli(&refused, "profile", "web", "--heap", NULL), 77);
    ck_assert_msg(strstr(refused, "profiling: {heap: true}") != NULL, "%s", refused);
    configure(SAMPLED);
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", NULL), 0);
    (void)scn_await("event=verdict service=web outcome=serving gen=2", 10000);
    heap_of("web", "two.pb.gz");
    scn_after(fds);
}
END_TEST

scn_main("heap", what_a_reload_leaks_is_one_command, the_previous_generation_is_kept_for_that,
         few_are_kept_and_none_without_profiling, a_killed_master_keeps_it_all_the_same,
         it_takes_a_new_generation_and_is_off_before)
