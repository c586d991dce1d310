/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The canonical text of any spec reads back as an equal spec: seeded random specs, nasty strings. */
#include "tests/unit/config/findings.h"
#include "tests/unit/config/random_spec.h"

enum { SPECS = 3000 };

static void
assert_round_trip(const struct service_spec *s, struct service_spec **ret)
{
    auto_text struct text text = TEXT_INIT, again = TEXT_INIT, keys = TEXT_INIT;
    struct diagnostics d = {NULL, 0, 0};
    int r;

    service_spec_canonical(s, &text);
    r = spec_parse_canonical(text_str(&text), text.bytes, ret, &d);
    auto_free char *found = findings_text(&d);

    ck_assert_msg(r == 0, "%s\n%s", found, text_str(&text));
    (void)service_spec_diff(s, *ret, &keys);
    ck_assert_msg(service_spec_equal(s, *ret), "%s differ in\n%s", text_str(&keys),
                  text_str(&text));
    ck_assert_int_eq(service_spec_diff(s, *ret, NULL), RELOAD_NONE);
    ck_assert(digest_equal(service_spec_launch_digest(s), service_spec_launch_digest(*ret)));
    service_spec_canonical(*ret, &again);
    ck_assert_str_eq(text_str(&again), text_str(&text));
    diagnostics_finish(&d);
}

START_TEST(the_canonical_text_of_any_spec_reads_back_as_an_equal_spec)
{
    random_state = UINT64_C(0x9e3779b97f4a7c15);
    for (int i = 0; i < SPECS; i++) {
        struct service_spec *s = random_spec(), *back = NULL;

        assert_round_trip(s, &back);
        service_spec_unref(s);
        service_spec_unref(back);
    }
}
END_TEST

START_TEST(two_different_random_specs_are_not_equal)
{
    random_state = 42;
    for (int i = 0; i < 200; i++) {
        struct service_spec *a = random_spec(), *b = random_spec();
        auto_text struct text keys = TEXT_INIT;

        ck_assert(!service_spec_equal(a, b));
        ck_assert_int_ne(service_spec_diff(a, b, &keys), RELOAD_NONE);
        ck_assert_uint_gt(keys.bytes, 0);
        service_spec_unref(a);
        service_spec_unref(b);
    }
}
END_TEST

START_TEST(the_canonical_text_is_what_a_person_would_write)
{
    struct spec *s = parse_right("version: 1\nservices: {web: {command: [./web, -x, \"a b\"], "
                                 "listen: {p: 'tcp://*:80'}, limits: {nofile: 9}}}\n");
    auto_text struct text t = TEXT_INIT;

    service_spec_canonical(s->services[0], &t);
    ck_assert_str_eq(text_str(&t),
                     "web:\n"
                     "  command: [\"./web\", \"-x\", \"a b\"]\n"
                     "  type: service\n"
                     "  directory: /\n"
                     "  workers: 1\n"
                     "  listen: {p: {address: \"tcp://0.0.0.0:80\", backlog: 4096, nonblocking: "
                     "false}}\n"
                     "  libstint: false\n"
                     "  preload: false\n"
                     "  gated: false\n"
                     "  ready: notify\n"
                     "  watch: {binary: true, paths: [], settle: 200ms}\n"
                     "  check: {command: [], timeout: 10s}\n"
                     "  hooks: {before_start: {command: [], timeout: 10s}, "
                     "announce: {command: [], timeout: 10s}, "
                     "retired: {command: [], timeout: 10s}}\n"
                     "  handoff: overlap\n"
                     "  soak: 0\n"
                     "  reload_signal: HUP\n"
                     "  reload_timeout: 30s\n"
                     "  reload_assume_after: 2s\n"
                     "  signal_fallback: replace\n"
                     "  environment: {}\n"
                     "  clean_environment: false\n"
                     "  umask: inherit\n"
                     "  limits: {nofile: 9}\n"
                     "  start_timeout: 30s\n"
                     "  run_timeout: 0\n"
                     "  drain_signal: TERM\n"
                     "  drain_timeout: 30s\n"
                     "  stop_signal: TERM\n"
                     "  leak_grace: 5s\n"
                     "  announce_delay: 0\n"
                     "  max_draining: 2\n"
                     "  depends_on: []\n"
                     "  respawn: {backoff: {first: 100ms, max: 30s}, limit: {count: "
                     "5, within: 30s}, give_up: false, retry: false}\n"
                     "  restart_after: {requests: 0, age: 0, rss: 0, jitter: 10%, every: 10s}\n"
                     "  leak_look: 10s\n"
                     "  leak_every: 1m\n"
                     "  log: {to: stderr, format: raw, timestamp: false, "
                     "max_size: 100MiB, max_age: 0, keep: 5, mode: 0640, "
                     "buffer: 256KiB, block: 200ms}\n"
                     "  trace: {lint: true, format: auto}\n");
    spec_destroy(s);
}
END_TEST

START_TEST(a_text_that_is_not_one_service_is_refused)
{
    static const char *const texts[] = {"", "a: {command: [x]}\nb: {command: [x]}\n", "[a]",
                                        "a: {}\n", "a: {command: [x], bogus: 1}\n"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct diagnostics d = {NULL, 0, 0};
        struct service_spec *s = NULL;

        ck_assert_int_eq(spec_parse_canonical(texts[i], strlen(texts[i]), &s, &d), -EINVAL);
        ck_assert_ptr_null(s);
        ck_assert_uint_gt(d.n, 0);
        diagnostics_finish(&d);
    }
}
END_TEST

START_TEST(a_spec_lives_as_long_as_somebody_holds_it)
{
    struct spec *s = parse_right("version: 1\nservices: {web: {command: [x]}}\n");
    struct service_spec *web = service_spec_ref(s->services[0]);

    spec_destroy(s);
    ck_assert_str_eq(web->command.items[0], "x");
    service_spec_unref(web);
    service_spec_unref(NULL);
    spec_destroy(NULL);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("canonical");
    TCase *c = tcase_create("canonical");

    tcase_set_timeout(c, 100);
    tcase_add_test(c, the_canonical_text_of_any_spec_reads_back_as_an_equal_spec);
    tcase_add_test(c, two_different_random_specs_are_not_equal);
    tcase_add_test(c, the_canonical_text_is_what_a_person_would_write);
    tcase_add_test(c, a_text_that_is_not_one_service_is_refused);
    tcase_add_test(c, a_spec_lives_as_long_as_somebody_holds_it);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
