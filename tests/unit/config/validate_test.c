/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys and services against each other: addresses, readiness, dependencies. */
#include <signal.h>

#include "tests/unit/config/findings.h"

#define SERVICE      "version: 1\nservices:\n  web:\n    command: [x]\n"
#define SLOT_WAY_OUT "hand it to the program in the arguments of 'command' or in 'environment'"

static const struct wrong wrongs[] = {
#include "tests/unit/config/validate_wrong.def"
};

START_TEST(what_contradicts_itself_is_said_with_its_place_and_why)
{
    assert_findings(&wrongs[_i]);
}
END_TEST

START_TEST(the_example_of_the_manual_means_what_it_says)
{
    struct spec *s = parse_right(
        "version: 1\ndefaults: {drain_timeout: 45s, workers: 3, environment: {TZ: UTC, MODE: "
        "test}}\n"
        "services:\n  web:\n    command: [./web, --config, web.conf]\n    directory: /srv/web\n"
        "    workers: 2\n    listen:\n      http: tcp://0.0.0.0:8080\n"
        "      admin: {address: unix:/run/web/admin.sock, mode: 0660, owner: web, backlog: 128}\n"
        "    libstint: true\n    ready: notify\n"
        "    watch: {binary: true, paths: [web.conf, /etc/web], settle: 100ms}\n"
        "    check: [./web, --check, web.conf]\n    handoff: overlap\n    env_file: web.env\n"
        "    environment: {MODE: production}\n    umask: 0027\n    drain_signal: SIGQUIT\n"
        "    respawn: {backoff: {first: 200ms}, limit: {count: 7}}\n"
        "    limits: {core: unlimited, nofile: 4096, cpu: {soft: 90s, hard: 2m}, stack: 8MiB}\n"
        "    depends_on: {db: ready}\n  db: {command: [db], ready: {file: run/db.pid}}\n");
    const struct service_spec *web = s->services[0], *db = s->services[1];

    ck_assert_str_eq(web->name, "web");
    ck_assert_uint_eq(web->command.n, 3);
    ck_assert_str_eq(web->directory, "/srv/web");
    ck_assert_uint_eq(web->workers, 2);
    ck_assert_uint_eq(web->n_listen, 2);
    ck_assert_str_eq(web->listen[0].address, "tcp://0.0.0.0:8080");
    ck_assert_str_eq(web->listen[0].host, "0.0.0.0");
    ck_assert_uint_eq(web->listen[0].port, 8080);
    ck_assert_int_eq(web->listen[0].backlog, 4096);
    ck_assert_int_eq(web->listen[1].family, LISTENER_UNIX);
    ck_assert_str_eq(web->listen[1].path, "/run/web/admin.sock");
    ck_assert_uint_eq(web->listen[1].mode, 0660);
    ck_assert_str_eq(web->listen[1].owner, "web");
    ck_assert_ptr_null(web->listen[1].group);
    ck_assert(web->libstint);
    ck_assert_int_eq(web->ready.mode, READY_NOTIFY);
    ck_assert_uint_eq(web->n_environment, 2);
    ck_assert_str_eq(web->environment[0].name, "MODE");
    ck_assert_str_eq(web->environment[0].value, "production");
    ck_assert_str_eq(web->environment[1].name, "TZ");
    ck_assert_str_eq(web->env_file, "/srv/web/web.env");
    ck_assert(!web->clean_environment);
    ck_assert_ptr_null(web->user);
    ck_assert_uint_eq(web->umask, 0027);
    ck_assert_uint_eq(db->umask, (mode_t)-1);
    ck_assert_uint_eq(web->n_limits, 4);
    ck_assert_int_eq(web->limits[0].resource, RLIMIT_CPU);
    ck_assert_uint_eq(web->limits[0].soft, 90);
    ck_assert_uint_eq(web->limits[0].hard, 120);
    ck_assert_int_eq(web->limits[1].resource, RLIMIT_STACK);
    ck_assert_uint_eq(web->limits[1].soft, 8 << 20);
    ck_assert_int_eq(web->limits[2].resource, RLIMIT_CORE);
    ck_assert_uint_eq(web->limits[2].hard, RLIM_INFINITY);
    ck_assert_str_eq(web->watch_paths.items[0], "/srv/web/web.conf");
    ck_assert_str_eq(web->watch_paths.items[1], "/etc/web");
    ck_assert_int_eq(web->settle_us, 100000);
    ck_assert_uint_eq(web->check.n, 3);
    ck_assert_int_eq(web->check_timeout_us, 10000000);
    ck_assert_int_eq(web->drain_signal, SIGQUIT);
    ck_assert_int_eq(web->stop_signal, SIGTERM);
    ck_assert_int_eq(web->drain_timeout_us, 45000000);
    ck_assert_int_eq(web->leak_grace_us, 5000000);
    ck_assert_uint_eq(web->max_draining, 2);
    ck_assert_int_eq(web->backoff_first_us, 200000);
    ck_assert_int_eq(web->backoff_max_us, 30000000);
    ck_assert_uint_eq(web->limit_count, 7);
    ck_assert_int_eq(web->limit_within_us, 30000000);
    ck_assert_str_eq(web->depends_on.items[0], "db");
    ck_assert_str_eq(db->directory, "/");
    ck_assert_uint_eq(db->workers, 3); /* from defaults */
    ck_assert_int_eq(db->ready.mode, READY_FILE);
    ck_assert_str_eq(db->ready.file, "/run/db.pid");
    ck_assert_str_eq(s->runtime_dir, "/run/stint");
    ck_assert_str_eq(s->state_dir, "/var/lib/stint");
    ck_assert_int_eq(s->cgroup, CGROUP_AUTO);
    ck_assert_int_eq(s->log_level, LOG_LEVEL_INFO);
    ck_assert_int_eq(s->stop_budget_us, 60000000);
    ck_assert_uint_eq(s->max_starting, 0);
    spec_destroy(s);
}
END_TEST

START_TEST(export_is_off_until_a_collector_is_named)
{
    struct spec *s = parse_right("version: 1\n");

    ck_assert_ptr_null(s->export.endpoint);
    ck_assert(!spec_wants_worker_spans(s));
    spec_destroy(s);
    s = parse_right("version: 1\nexport: {endpoint: 'https://[::1]:4318/otel//', ca_file: ca.pem,"
                    " headers_file: ./token, headers: {X-Tenant: a b, b: 1}}\n");
    ck_assert_str_eq(s->export.endpoint, "https://[::1]:4318/otel");
    ck_assert_str_eq(s->export.ca_file, "/ca.pem");
    ck_assert_str_eq(s->export.headers_file, "/token");
    ck_assert_uint_eq(s->export.n_headers, 2);
    ck_assert_str_eq(s->export.headers[0].name, "b");
    ck_assert_str_eq(s->export.headers[1].name, "x-tenant");
    ck_assert_str_eq(s->export.headers[1].value, "a b");
    ck_assert(s->export.reloads && s->export.spans && !s->export.logs && !s->export.gzip);
    ck_assert(spec_wants_worker_spans(s));
    ck_assert_int_eq(s->export.timeout_us, 5000000);
    ck_assert_int_eq(s->export.every_us, 5000000);
    ck_assert_uint_eq(s->export.queue, 4 << 20);
    spec_destroy(s);
}
END_TEST

/* What is written, and the one form in which it is kept. */
static const char *const addresses[][2] = {
    {"tcp://*:80",                   "tcp://0.0.0.0:80"          },
    {"tcp://localhost:80",           "tcp://127.0.0.1:80"        },
    {"tcp://10.1.2.3:0",             "tcp://10.1.2.3:0"          },
    {"tcp://[::]:80",                "tcp://[::]:80"             },
    {"tcp://[0:0:0:0:0:0:0:1]:80",   "tcp://[::1]:80"            },
    {"tcp://[2001:DB8::00ff]:65535", "tcp://[2001:db8::ff]:65535"},
    {"unix:///run/.//x/./y.sock",    "unix:/run/x/y.sock"        },
};

START_TEST(an_address_has_one_spelling)
{
    auto_text struct text t = TEXT_INIT;

    text_addf(&t, SERVICE "    listen: {a: \"%s\"}\n", addresses[_i][0]);
    struct spec *s = parse_right(text_str(&t));

    ck_assert_str_eq(s->services[0]->listen[0].address, addresses[_i][1]);
    spec_destroy(s);
}
END_TEST

START_TEST(what_is_allowed_is_not_complained_about)
{
    spec_destroy(parse_right(SERVICE "    listen: {a: tcp://*:0, b: tcp://*:0}\n"));
    spec_destroy(
        parse_right(SERVICE "    ready: {fd: 5}\n    listen: {a: tcp://*:80, b: tcp://*:81}\n"));
    spec_destroy(parse_right(SERVICE "    probe_listener: tcp://localhost:0\n"
                                     "    ready: {http: 'http://127.0.0.1:0/ready?x=1'}\n"));
    spec_destroy(parse_right(SERVICE
                             "    handoff: replace\n    probe_listener: tcp://localhost:81\n"
                             "    ready: {tcp: 'tcp://127.0.0.1:81'}\n"));
    /* stint's [::] is IPv6 alone */
    spec_destroy(parse_right(SERVICE "    listen: {a: tcp://*:80, b: 'tcp://[::]:80'}\n"));
    spec_destroy(
        parse_right(SERVICE "    listen: {a: tcp://127.0.0.1:80, b: tcp://127.0.0.2:80}\n"));
    spec_destroy(parse_right(SERVICE
                             "    handoff: replace\n    probe_listener: tcp://127.0.0.1:81\n"
                             "    ready: {tcp: 'tcp://127.0.0.1:81'}\n"
                             "    listen: {a: 'tcp://[::]:81'}\n"));
    spec_destroy(parse_right("version: 1\n"));
    spec_destroy(parse_right("version: 1\nservices: {}\n"));
    spec_destroy(parse_right("version: 1\ndefaults: {command: [x]}\nservices: {a: {}}\n"));
    spec_destroy(parse_right("version: 1\nservices: {a: {command: [sleep, 2, true, \"2\"]}}\n"));
}
END_TEST

START_TEST(two_hundred_sockets_are_enough)
{
    auto_text struct text t = TEXT_INIT, more = TEXT_INIT;
    struct spec *s;

    text_add(&t, SERVICE "    listen:\n");
    for (int i = 0; i < 200; i++)
        text_addf(&t, "      l%d: tcp://127.0.0.1:%d\n", i, 1000 + i);
    s = parse_right(text_str(&t));
    ck_assert_uint_eq(s->services[0]->n_listen, 200);
    spec_destroy(s);
    text_addf(&more, "%s      one_more: tcp://*:80\n", text_str(&t));
    assert_findings(&(struct wrong){
        text_str(&more),
        "6:7: 'listen' has 201 sockets: at most 200 near 'l0: tcp://127.0.0.1:1000'"});
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("validate");
    TCase *c = tcase_create("validate");

    tcase_add_loop_test(c, what_contradicts_itself_is_said_with_its_place_and_why, 0,
                        (int)ARRAY_LEN(wrongs));
    tcase_add_test(c, the_example_of_the_manual_means_what_it_says);
    tcase_add_loop_test(c, an_address_has_one_spelling, 0, (int)ARRAY_LEN(addresses));
    tcase_add_test(c, what_is_allowed_is_not_complained_about);
    tcase_add_test(c, two_hundred_sockets_are_enough);
    tcase_add_test(c, export_is_off_until_a_collector_is_named);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
