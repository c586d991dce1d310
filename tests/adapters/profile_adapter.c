/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Profiles of programs that know nothing of stint, nor of profiles: their workers are processes of their
 * own, which have to be in it, and two generations have to differ in nothing when they are the same.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "example.h"
#include "tests/scenario/harness.h"
#include "tests/scenario/shell.h"

/* Its workers come one after the other, some after it said that it serves: once both wait for work. */
static char *
threads_of(const char *whom, const char *name)
{
    auto_free char *path = strdup(scn_path("%s", name));
    int64_t deadline_us = mono_now_us() + 20 * US_PER_S;
    char *top = NULL;

    do {
        auto_free char *out = NULL;

        ck_assert_msg(mono_now_us() < deadline_us, "they do not wait in " WAITS ":\n%s",
                      top ? top : "");
        free(top);
        ck_assert_msg(scn_cli(&out, "profile", whom, "--threads", "-o", path, NULL) == 0, "%s",
                      out);
        top = shell("go tool pprof -top %s 2>&1 | sed -E 's/^ +2 .* " WAITS "$/BOTH WAIT/'", path);
    } while (strstr(top, "BOTH WAIT") == NULL);
    return top;
}

START_TEST(its_processes_are_in_the_profile)
{
    auto_free char *top = NULL, *tags = NULL, *diff = NULL, *codes = NULL;
    char address[32];

    (void)snprintf(address, sizeof(address), "127.0.0.1:%d", scn_port());
    example_copy(PROGRAM, "127.0.0.1:8080", address, "drain_timeout: 30s",
                 "drain_timeout: 30s\n    profiling: {threads: true}", NULL);
    scn_start();
    (void)scn_await_any("event=verdict service=web outcome=serving gen=1", 20000);
    codes = shell("curl -s --retry 20 --retry-connrefused -o /dev/null -w '%%{http_code}' "
                  "http://%s/",
                  address); /* its workers are there */
    top = threads_of("web", "one.pb.gz");
    has(top, "Type: threads");
    tags = shell("cd %s && go tool pprof -tags one.pb.gz 2>/dev/null", scn_dir());
    has(tags, "process: Total");
    has(tags, PROGRAM);
    has(tags, "state: Total");
    has(tags, "wait_object: Total");
    has(tags, "service: Total");
    ck_assert_int_eq(scn_cli(NULL, "reload", "web", "--force", "--wait=gone", NULL), 0);
    free(shell("curl -s --retry 20 --retry-connrefused -o /dev/null http://%s/", address));
    free(threads_of("web/2", "two.pb.gz"));
    diff = shell("cd %s && go tool pprof -top -sample_index=threads -diff_base=one.pb.gz two.pb.gz "
                 "2>&1",
                 scn_dir());
    has(diff, "Showing nodes accounting for 0"); /* the same program does the same */
    ck_assert_str_eq(codes, "200");
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

adapter_main(PROGRAM, "profile of " PROGRAM, its_processes_are_in_the_profile)
