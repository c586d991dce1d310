/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The four faults of examples/seeds: each fails the preflight with its check alone, its twin passes. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/scenario/preflight.h"

/* The example as a user has it: its configuration, and the programs beside it. */
static const char *
seeds(void)
{
    static const char *const programs[] = {"open-port", "lost-trace", "sleeper", "ghosts"};
    static char config[512];

    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        auto_text struct text from = TEXT_INIT, fixed = TEXT_INIT, name = TEXT_INIT;

        text_addf(&from, "%s/%s", getenv("SEEDS_DIR"), programs[i]);
        text_addf(&fixed, "%s/%s-fixed", getenv("SEEDS_DIR"), programs[i]);
        text_addf(&name, "%s-fixed", programs[i]);
        scn_copy(programs[i], text_str(&from), "");
        scn_copy(text_str(&name), text_str(&fixed), "");
    }
    scn_copy("stint.yaml", getenv("SEEDS_YAML"), "");
    (void)setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* its report would be lines of the worker */
    (void)snprintf(config, sizeof(config), "%s", scn_path("stint.yaml"));
    return config;
}

START_TEST(an_open_profiling_port_fails_the_gate)
{
    const char *config = seeds();
    char port[16];
    json_t *report;

    (void)snprintf(port, sizeof(port), "%d", scn_port());
    (void)setenv("DEBUG_PORT", port, 1);
    report = preflight_expect("open-port", config, "profiling");
    ck_assert_ptr_nonnull(strstr(preflight_evidence(report, "profiling"), port));
    ck_assert_ptr_nonnull(strstr(preflight_evidence(report, "profiling"), "/debug/pprof/"));
    json_decref(report);
    report = preflight_expect("open-port-fixed", config, "");
    ck_assert_msg(strstr(preflight_evidence(report, "profiling"), "stint profile --threads gives"),
                  "%s", preflight_evidence(report, "profiling"));
    json_decref(report);
    preflight_nothing_left();
}
END_TEST

START_TEST(ghost_threads_after_ten_reloads_fail_the_gate)
{
    const char *config = seeds();
    /* AddressSanitizer keeps 100 KiB for each thread: there a ghost is also seen by its memory. */
    json_t *report =
        preflight_expect("ghosts", config, scn_sanitized() ? "lifecycle growth" : "lifecycle");
    const char *evidence = preflight_evidence(report, "lifecycle");

    ck_assert_msg(strstr(evidence, "4 threads, after 10 reloads 14"), "%s", evidence);
    ck_assert_msg(strstr(evidence, "`watch`, started at ghosts.c:"), "%s", evidence);
    ck_assert_uint_eq(json_array_size(json_object_get(report, "samples")), 11);
    json_decref(report);
    json_decref(preflight_expect("ghosts-fixed", config, ""));
    preflight_nothing_left();
}
END_TEST

START_TEST(a_span_without_its_trace_fails_the_gate)
{
    const char *config = seeds();
    json_t *report = preflight_expect("lost-trace", config, "trace");
    const char *evidence = preflight_evidence(report, "trace");

    ck_assert_msg(strstr(evidence, "with a span and no trace"), "%s", evidence);
    ck_assert_msg(strstr(evidence, "thread `mailer`, started in order at lost-trace.c:"), "%s",
                  evidence);
    ck_assert_msg(strstr(evidence, "mail was sent"), "%s", evidence);
    json_decref(report);
    report = preflight_expect("lost-trace-fixed", config, "");
    ck_assert_msg(strstr(preflight_evidence(report, "trace"), "with trace context"), "%s",
                  preflight_evidence(report, "trace"));
    json_decref(report);
    preflight_nothing_left();
}
END_TEST

START_TEST(a_handler_that_sleeps_through_its_deadline_fails_the_gate)
{
    const char *config = seeds();
    json_t *report = preflight_expect("sleeper", config, "deadlines");
    const char *evidence = preflight_evidence(report, "deadlines");

    ck_assert_msg(strstr(evidence, "`slow` in thread `serve-"), "%s", evidence);
    ck_assert_msg(strstr(evidence, "server.c:"), "%s", evidence);
    json_decref(report);
    report = preflight_expect("sleeper-fixed", config, "");
    ck_assert_msg(strstr(preflight_evidence(report, "deadlines"), "nobody worked on"), "%s",
                  preflight_evidence(report, "deadlines"));
    json_decref(report);
    preflight_nothing_left();
}
END_TEST

scn_main("seeds", an_open_profiling_port_fails_the_gate, a_span_without_its_trace_fails_the_gate,
         a_handler_that_sleeps_through_its_deadline_fails_the_gate,
         ghost_threads_after_ten_reloads_fail_the_gate)
