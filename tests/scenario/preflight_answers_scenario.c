/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stint preflight for programs: what --json and --junit have, and what each exit status means. */
#include <stdlib.h>
#include <unistd.h>

#include "tests/scenario/preflight.h"

/* One service, the smallest worker of all, with these lines. Return: the configuration. */
static const char *
web(const char *lines)
{
    static char config[512];

    scn_copy("hello", getenv("HELLO_BINARY"), "");
    scn_config("  web:\n    command: [%s/hello]\n    libstint: true\n    drain_timeout: 2s\n%s",
               scn_dir(), lines);
    (void)snprintf(config, sizeof(config), "%s", scn_path("stint.yaml"));
    return config;
}

/* ---- --json ------------------------------------------------------------------------------------ */

/* Exactly these members, of these types, in any order: "service:s ok:b". */
static void
has_members(const json_t *o, const char *members)
{
    auto_free char *all = strdup(members);
    char *rest = all, *one;
    size_t n = 0;

    while ((one = strsep(&rest, " ")) != NULL) {
        char *type = strchr(one, ':');
        const json_t *is;

        *type++ = '\0';
        is = json_object_get(o, one);
        ck_assert_msg(is != NULL, "there is no '%s'", one);
        ck_assert_msg(
            (*type == 's' && json_is_string(is)) || (*type == 'b' && json_is_boolean(is)) ||
                (*type == 'i' && json_is_integer(is)) || (*type == 'a' && json_is_array(is)),
            "'%s' is of another type", one);
        n++;
    }
    ck_assert_uint_eq(json_object_size(o), n);
}

#define REPORT                                                                                  \
    "schema:s service:s ok:b rehearsed:b interrupted:b candidate:s executable:s duration_ms:i " \
    "checks:a notes:a recorded:b recorded_text:s"

START_TEST(the_report_has_the_members_that_are_documented)
{
    static const char *const names[] = {"program", "start",     "load",      "reload", "profiling",
                                        "trace",   "deadlines", "lifecycle", "growth"};
    json_t *report = preflight_expect("web", web("    preflight: {reloads: 3}\n"), ""), *one;
    size_t i;

    has_members(report, REPORT " samples:a");
    ck_assert_str_eq(json_string_value(json_object_get(report, "schema")), "stint.preflight/1");
    ck_assert_uint_eq(json_array_size(json_object_get(report, "checks")), ARRAY_LEN(names));
    json_array_foreach(json_object_get(report, "checks"), i, one)
    {
        ck_assert_str_eq(json_string_value(json_object_get(one, "check")), names[i]);
        has_members(one, "check:s about:s result:s evidence:s");
    }
    json_array_foreach(json_object_get(report, "samples"), i, one)
        has_members(one, "generation:i processes:i threads:i fds:i memory_bytes:i");
    ck_assert_uint_eq(i, 4);
    json_decref(report);
    report = preflight_expect("web", web("    listen: {http: 'tcp://127.0.0.1:9'}\n"), "deadlines");
    has_members(report, REPORT); /* nothing was started, so there are no samples */
    json_array_foreach(json_object_get(report, "checks"), i, one)
        has_members(one, i == 6 ? "check:s about:s result:s evidence:s fix:s"
                                : "check:s about:s result:s evidence:s");
    json_decref(report);
}
END_TEST

/* ---- no deadline, on purpose ---------------------------------------------------------------------- */

START_TEST(a_service_without_deadlines_on_purpose_says_why_wherever_they_are_asked_for)
{
    const char *config = web("    listen: {http: 'tcp://127.0.0.1:9'}\n    trace: {lint: false}\n"
                             "    deadlines: {none: 'clients stay connected'}\n"
                             "    preflight: {reloads: 1}\n");
    json_t *report = preflight_expect("web", config, ""), *status;
    auto_free char *skipped = preflight_checks(report, "skipped"), *people = NULL, *json = NULL;

    ck_assert_str_eq(skipped, "load trace deadlines growth");
    ck_assert_str_eq(preflight_evidence(report, "deadlines"),
                     "a request has none here, on purpose: clients stay connected");
    json_decref(report);
    (void)web("    deadlines: {none: 'clients stay connected'}\n");
    scn_start();
    (void)scn_await("event=generation_serving gen=1", 10000);
    ck_assert_int_eq(scn_cli(&people, "status", NULL), 0);
    ck_assert_msg(strstr(people, "deadlines: none, on purpose: clients stay connected"), "%s",
                  people);
    ck_assert_int_eq(scn_cli(&json, "status", "web", "--json", NULL), 0);
    status = json_loads(json, 0, NULL);
    ck_assert_str_eq(
        json_string_value(json_object_get(
            json_object_get(json_array_get(json_object_get(status, "services"), 0), "deadlines"),
            "none")),
        "clients stay connected");
    json_decref(status);
    ck_assert_int_eq(scn_stop(), 0);
}
END_TEST

/* ---- exit status ------------------------------------------------------------------------------- */

static int
status_of(const char *service, const char *config, const char *argument)
{
    auto_free char *out = NULL;

    return preflight(service, config, argument, &out);
}

START_TEST(each_exit_status_means_one_thing)
{
    const char *config =
        web("    preflight: {reloads: 1}\n    handoff: {require_preflight: true}\n");

    ck_assert_int_eq(status_of("web", config, NULL), 0);
    ck_assert_int_eq(status_of("nobody", config, NULL), 67);
    ck_assert_int_eq(status_of("web", config, "--flag-that-is-none"), 64);
    ck_assert_int_eq(status_of("web", config, "--binary=/nowhere/at/all"), 64);
    ck_assert_int_eq(status_of("web", scn_path("none.yaml"), NULL), 78);
    ck_assert_int_eq(status_of("web", web("    preflight: {load: [/bin/false]}\n"), NULL), 1);
    ck_assert_int_eq(status_of("web", web("    deadlines: {default: never}\n"), NULL), 78);
}
END_TEST

scn_main("preflight_answers", the_report_has_the_members_that_are_documented,
         a_service_without_deadlines_on_purpose_says_why_wherever_they_are_asked_for,
         each_exit_status_means_one_thing)
