/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a place does not allow is said in words that tell the way out, and what it allows is not. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "config/config.h"
#include "config/spec.h"
#include "supervisor/io/surroundings.h"

static struct spec *spec;
static struct surroundings_facts facts;
static struct surroundings found;

static void
configure(const char *text)
{
    struct diagnostics diags = {0};

    spec_destroy(spec);
    spec = NULL;
    ck_assert_int_eq(config_parse("test", text, strlen(text), &spec, &diags), 0);
    diagnostics_finish(&diags);
}

/* A place where all is well. */
static void
begin(void)
{
    configure("version: 1\nservices: {a: {command: [/bin/true]}}\n");
    facts = (struct surroundings_facts){
        .pid = 77,
        .reaper = true,
        .may_trace = true,
        .may_become_others = true,
        .syscalls = true,
        .nofile = 1024,
        .max_watches = 65536,
        .cgroup = "one for each generation, below /sys/fs/cgroup/x",
        .cgroup_works = true,
    };
}

static void
end(void)
{
    surroundings_finish(&found);
    spec_destroy(spec);
}

static const struct surrounding *
judged(const char *word)
{
    surroundings_finish(&found);
    ck_assert_int_eq(surroundings_judge(&facts, spec, &found), 0);
    for (size_t i = 0; i < found.n; i++)
        if (strcmp(found.items[i].word, word) == 0)
            return &found.items[i];
    return NULL;
}

static void
expect_lost(const char *word, const char *words)
{
    const struct surrounding *s = judged(word);
    json_t *lost;

    ck_assert_msg(s != NULL, "nothing about %s", word);
    ck_assert_msg(!s->ok && strstr(s->sentence, words) != NULL, "%s", s->sentence);
    lost = surroundings_lost(&found);
    ck_assert_uint_eq(json_array_size(lost), 1);
    ck_assert_str_eq(json_string_value(json_array_get(lost, 0)), s->sentence);
    json_decref(lost);
}

static void
expect_well(const char *word)
{
    const struct surrounding *s = judged(word);
    json_t *lost = surroundings_lost(&found);

    ck_assert_msg(!s || s->ok, "%s", s ? s->sentence : "");
    ck_assert_uint_eq(json_array_size(lost), 0);
    json_decref(lost);
}

START_TEST(where_all_is_well_nothing_is_lost)
{
    expect_well("user");
    ck_assert_ptr_nonnull(judged("cgroup"));
    ck_assert_ptr_nonnull(strstr(judged("cgroup")->sentence, "below /sys/fs/cgroup/x"));
    facts.filtered = true;
    facts.container = "podman";
    facts.pid = 1;
    configure("version: 1\nstop_budget: 10s\nservices: {}\n");
    expect_well("stop");
    ck_assert_ptr_nonnull(strstr(judged("container")->sentence, "(podman)"));
    ck_assert_ptr_nonnull(strstr(judged("pid1")->sentence, "PID 1"));
}
END_TEST

START_TEST(a_service_of_another_user_needs_the_right_to_become_one)
{
    facts.uid = 1000;
    facts.may_become_others = false;
    expect_well("user");
    configure("version: 1\nservices: {a: {command: [/bin/true]},"
              " web: {command: [/bin/true], user: www-data}}\n");
    expect_lost("user", "uid 1000 and may not become another user, as service web wants it");
}
END_TEST

START_TEST(what_processes_may_is_told)
{
    facts.no_new_privs = true;
    expect_lost("no_new_privs", "set-user-ID programs");
    facts.no_new_privs = false;
    facts.reaper = false;
    expect_lost("reaper", "no sub-reaper");
    facts.reaper = true;
    facts.cgroup_works = false;
    facts.cgroup = "none: no cgroup v2 is mounted here";
    expect_lost("cgroup", "none: no cgroup v2 is mounted here; a process that leaves");
}
END_TEST

/* What is said (NULL: all is well) with Yama's scope, the right to trace, a service of another user. */
static const struct {
    const char *words;
    int scope;
    bool may_trace, other, names;
} traces[] = {
    {NULL,                                                                 0, true,  true,  false},
    {NULL,                                                                 1, true,  true,  false},
    {NULL,                                                                 2, true,  true,  false},
    {"ptrace_scope is 3",                                                  3, true,  false, false},
    {"ptrace_scope is 3",                                                  3, true,  false, true },
    {NULL,                                                                 0, false, false, false},
    {"service web, another user",                                          0, false, true,  false},
    {"of service a waits in cannot be seen; with `libstint` or `preload`", 1, false, false, false},
    {NULL,                                                                 1, false, false, true },
    {"ptrace_scope is 2",                                                  2, false, false, false},
    {"ptrace_scope is 2",                                                  2, false, false, true },
};

START_TEST(evidence_is_what_the_kernel_lets_us_see)
{
    if (traces[_i].other)
        configure("version: 1\nservices: {web: {command: [/bin/true], user: www-data}}\n");
    if (traces[_i].names)
        configure("version: 1\nservices: {a: {command: [/bin/true], libstint: true},"
                  " b: {command: [/bin/true], ready: {assume_after: 1s}, preload: true},"
                  " c: {command: [/bin/true], profiling: {heap: true}}}\n");
    facts.may_trace = traces[_i].may_trace;
    facts.ptrace_scope = traces[_i].scope;
    if (traces[_i].words)
        expect_lost("evidence", traces[_i].words);
    else
        expect_well("evidence");
    facts.syscalls = false;
    expect_lost("evidence", "/proc does not tell");
}
END_TEST

START_TEST(directories_that_cannot_be_written_are_named)
{
    facts.state_dir = -EROFS;
    expect_lost("state_dir", "'/var/lib/stint' cannot be written (Read-only file system)");
    facts.state_dir = 0;
    facts.runtime_dir = -EACCES;
    expect_lost("runtime_dir", "'/run/stint' cannot be written (Permission denied)");
}
END_TEST

START_TEST(a_reload_of_everything_has_to_fit_into_the_limit)
{
    int64_t one, ten, replace;

    one = surroundings_fds_needed(spec);
    ck_assert_int_lt(one, 128);
    configure("version: 1\nservices: {a: {command: [/bin/true], workers: 10}}\n");
    ten = surroundings_fds_needed(spec);
    ck_assert_int_ge(ten - one, INT64_C(9) * 8 * 2); /* both generations */
    configure("version: 1\nservices: {a: {command: [/bin/true], workers: 10, handoff: replace}}\n");
    replace = surroundings_fds_needed(spec);
    ck_assert_int_le(ten - replace, INT64_C(10) * 8 + 8);
    ck_assert_int_ge(ten - replace, INT64_C(10) * 8);
    facts.nofile = replace;
    expect_well("descriptors");
    facts.nofile--;
    expect_lost("descriptors", "LimitNOFILE=");
    facts.nofile = INT64_MAX;
    configure("version: 1\nservices: {a: {command: [/bin/true], workers: 1024}}\n");
    expect_well("descriptors");
}
END_TEST

START_TEST(inotify_that_is_used_up_is_told_before_it_is_missed)
{
    facts.inotify = -EMFILE;
    expect_lost("inotify", "max_user_instances");
    facts.inotify = 0;
    facts.max_watches = 100;
    expect_lost("inotify", "max_user_watches is only 100");
    facts.max_watches = 0;
    expect_well("inotify");
}
END_TEST

/* What the unit says of TimeoutStopSec, stop_budget in seconds: what is said. NULL: all is well. */
static const struct {
    const char *told;
    unsigned budget_s;
    const char *words;
} stops[] = {
    {"90",       85,   NULL                                                                   },
    {"90",       86,   "stopping may take 91s (stop_budget and 5s), but TimeoutStopSec is 90s"},
    {"90s",      60,   NULL                                                                   },
    {"90sec",    60,   NULL                                                                   },
    {"2min",     115,  NULL                                                                   },
    {"2min",     116,  "TimeoutStopSec is 2m"                                                 },
    {"infinity", 9999, NULL                                                                   },
    {"0",        9999, NULL                                                                   },
    {"soon",     1,    "STINT_TIMEOUT_STOP_SEC is 'soon'"                                     },
    {"1min 30s", 1,    "no time"                                                              },
    {NULL,       85,   NULL                                                                   },
    {NULL,       86,   "unless TimeoutStopSec says otherwise"                                 },
};

START_TEST(systemd_has_to_wait_longer_than_we_take)
{
    facts.systemd = true;
    facts.pid = 1; /* in a container's systemd that would be somebody else; not docker's limit */
    facts.timeout_stop_sec = stops[_i].told;
    spec->stop_budget_us = stops[_i].budget_s * US_PER_S;
    if (stops[_i].words)
        expect_lost("stop", stops[_i].words);
    else
        expect_well("stop");
}
END_TEST

START_TEST(a_container_is_stopped_sooner_than_one_thinks)
{
    expect_well("stop"); /* 60s, and not PID 1: nobody's business */
    facts.pid = 1;
    expect_lost("stop", "stop_budget is 1m, but `docker stop` waits 10 s unless told otherwise");
    facts.kubernetes = true;
    expect_lost("stop", "terminationGracePeriodSeconds");
    spec->stop_budget_us = 30 * US_PER_S;
    expect_well("stop");
}
END_TEST

START_TEST(listeners_that_the_store_does_not_take_are_counted)
{
    configure("version: 1\nservices:\n"
              "  a: {command: [/bin/true], listen: {x: tcp://127.0.0.1:1, y: tcp://127.0.0.1:2}}\n"
              "  b: {command: [/bin/true], listen: {x: tcp://127.0.0.1:3}}\n");
    facts.fdstore_max = "3";
    expect_well("fdstore");
    facts.fdstore_max = "2";
    expect_lost("fdstore", "3 listeners, but FileDescriptorStoreMax is 2");
    facts.fdstore_max = "";
    expect_well("fdstore");
}
END_TEST

START_TEST(files_that_are_mounted_one_by_one_are_found)
{
    static const char mountinfo[] =
        "1 0 0:1 / / rw - overlay overlay rw\n"
        "2 1 8:1 /var/lib/conf /etc/app rw - ext4 /dev/sda1 rw\n"
        "3 1 8:1 /srv/me/a\\040b.yaml /etc/a\\040b.yaml rw - ext4 /dev/sda1 rw\n"
        "4 1 8:1 /srv/me/c /etc/c ro - ext4 /dev/sda1 rw\n"
        "5 1 8:1 /srv/me/c2 /etc/c ro - ext4 /dev/sda1 rw\n";
    struct strv paths = {NULL, 0};

    ck_assert_int_eq(strv_add(&paths, "/etc/app/x.yaml"), 0);
    ck_assert_int_eq(strv_add(&paths, "/etc/a b.yaml"), 0);
    ck_assert_int_eq(strv_add(&paths, "/etc/c"), 0);
    ck_assert_int_eq(strv_add(&paths, "/etc/c"), 0);
    ck_assert_int_eq(surroundings_mounted(mountinfo, &paths, &facts.mounted), 0);
    ck_assert_uint_eq(facts.mounted.n, 2);
    ck_assert_str_eq(facts.mounted.items[0], "/etc/a b.yaml");
    ck_assert_str_eq(facts.mounted.items[1], "/etc/c");
    ck_assert_ptr_nonnull(
        strstr(judged("mount")->sentence, "'/etc/a b.yaml' is mounted as a single file"));
    ck_assert_ptr_nonnull(strstr(judged("mount")->sentence, "mount its directory instead"));
    surroundings_facts_finish(&facts);
    strv_finish(&paths);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("surroundings");
    TCase *t = tcase_create("surroundings");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, where_all_is_well_nothing_is_lost);
    tcase_add_test(t, a_service_of_another_user_needs_the_right_to_become_one);
    tcase_add_test(t, what_processes_may_is_told);
    tcase_add_loop_test(t, evidence_is_what_the_kernel_lets_us_see, 0, ARRAY_LEN(traces));
    tcase_add_test(t, directories_that_cannot_be_written_are_named);
    tcase_add_test(t, a_reload_of_everything_has_to_fit_into_the_limit);
    tcase_add_test(t, inotify_that_is_used_up_is_told_before_it_is_missed);
    tcase_add_loop_test(t, systemd_has_to_wait_longer_than_we_take, 0, ARRAY_LEN(stops));
    tcase_add_test(t, a_container_is_stopped_sooner_than_one_thinks);
    tcase_add_test(t, listeners_that_the_store_does_not_take_are_counted);
    tcase_add_test(t, files_that_are_mounted_one_by_one_are_found);
    suite_add_tcase(s, t);
    return unit_main(s);
}
