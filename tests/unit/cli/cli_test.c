/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/cli/stint_line.h"
#include "tests/unit/unit.h"

static const struct wrong {
    const char *line;
    int code;
    const char *says;
} wrongs[] = {
    {"",                                       CLI_USAGE,       "which verb?"                               },
    {"relaod web",                             CLI_USAGE,       "did you mean 'reload'?"                    },
    {"sttaus",                                 CLI_USAGE,       "did you mean 'status'?"                    },
    {"xyzzy",                                  CLI_USAGE,       "there is no verb 'xyzzy'; see 'stint help'"},
    {"reload --froce",                         CLI_USAGE,       "did you mean '--force'?"                   },
    {"reload --timeout",                       CLI_USAGE,       "--timeout wants a TIME"                    },
    {"reload --force=yes",                     CLI_USAGE,       "--force takes no value"                    },
    {"reload --timeout 10",                    CLI_USAGE,       "wants a time"                              },
    {"reload --wait=tea",                      CLI_USAGE,       "serving, gone or none"                     },
    {"reload --all web",                       CLI_USAGE,       "exclude"                                   },
    {"status --force",                         CLI_USAGE,       "'stint status' has no option --force"      },
    {"status a b",                             CLI_USAGE,       "usage: stint status [SERVICE]"             },
    {"stop",                                   CLI_USAGE,       "which service? Or --all"                   },
    {"start",                                  CLI_USAGE,       "which service? Or --all"                   },
    {"wait",                                   CLI_USAGE,       "usage: stint wait SERVICE"                 },
    {"logs -n many",                           CLI_USAGE,       "wants a number"                            },
    {"help statsu",                            CLI_USAGE,       "did you mean 'status'?"                    },
    {"help xyzzy",                             CLI_USAGE,       "there is no verb 'xyzzy'; see 'stint help'"},
    {"status -x",                              CLI_USAGE,       "'-x'; see 'stint help status'"             },
    {"version now",                            CLI_USAGE,       "usage: stint version\n"                    },
    {"check x.yaml",                           CLI_USAGE,       "no argument, did you mean '-c x.yaml'?"    },
    {"run x.yaml",                             CLI_USAGE,       "no argument, did you mean '-c x.yaml'?"    },
    {"run -c x.yaml y.yaml",                   CLI_USAGE,       "usage: stint run\n"                        },
    {"stop --all --socket=",                   CLI_USAGE,       "--socket wants a PATH"                     },
    {"wait web --for tea",                     CLI_USAGE,       "ready, gone or generation=N, not 'tea'"    },
    {"wait web --for generation=",             CLI_USAGE,       "ready, gone or generation=N"               },
    {"wait web --for generation=7x",           CLI_USAGE,       "ready, gone or generation=N"               },
    {"wait web --timeout 2d",                  CLI_USAGE,       "--timeout is at most 24h, not '2d'"        },
    {"status --socket /tmp/stint-nobody.sock", CLI_UNREACHABLE, "no supervisor is running there"            },
    {"run -c x.yaml",                          CLI_CONFIG,      "stint: that file is wrong\n"               },
};

START_TEST(a_wrong_command_line_is_told_what_was_meant)
{
    int r = stint(wrongs[_i].line);

    ck_assert_msg(r == wrongs[_i].code, "'%s' exits %d", wrongs[_i].line, r);
    ck_assert_msg(strstr(err, wrongs[_i].says) != NULL, "'%s' says: %s", wrongs[_i].line, err);
    ck_assert_str_eq(out, "");
}
END_TEST

START_TEST(who_looks_in_the_wrong_place_is_told_how_to_name_another)
{
    ck_assert_int_eq(setenv("STINT_SOCKET", "/tmp/stint-nobody.sock", 1), 0);
    ck_assert_int_eq(stint("status"), CLI_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(err, "No such file or directory; -c FILE, --socket PATH or "
                                      "$STINT_SOCKET name another\n"));
    ck_assert_int_eq(stint("status --socket /tmp/stint-nobody.sock"), CLI_UNREACHABLE);
    ck_assert_ptr_null(strstr(err, "-c FILE"));
    ck_assert_int_eq(unsetenv("STINT_SOCKET"), 0);
    if (access(CLI_CONFIG_DEFAULT, F_OK) == 0)
        return; /* a machine on which stint is at home */
    ck_assert_int_eq(stint("check"), CLI_CONFIG);
    ck_assert_ptr_nonnull(strstr(err, "stint: -c FILE names another configuration\n"));
    ck_assert_int_eq(stint("run"), CLI_CONFIG);
    ck_assert_ptr_nonnull(strstr(err, "stint: -c FILE names another configuration\n"));
}
END_TEST

/* The exit status of a command line whose output goes to @path, as a shell would get it. */
static int
stint_into(const char *path, char *verb, char *option)
{
    char *argv[] = {(char[]){"stint"}, verb, option, NULL};
    int status = 0;
    pid_t pid;

    (void)fflush(stdout);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        static const struct cli_hooks hooks = {.run = fake_run};

        (void)dup2(fd, STDOUT_FILENO); /* if it fails the status is the wrong one */
        _exit(cli_main(option ? 3 : 2, argv, &hooks));
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Also when it is the middle of a long answer that could not be written. */
START_TEST(an_answer_that_cannot_be_written_is_no_success)
{
    static char help[] = "help", check[] = "check", keys[] = "--keys";

    ck_assert_int_eq(stint_into("/dev/null", check, keys), CLI_OK);
    ck_assert_int_eq(stint_into("/dev/full", help, NULL), CLI_INTERNAL);
    ck_assert_int_eq(stint_into("/dev/full", check, keys), CLI_INTERNAL);
}
END_TEST

START_TEST(run_gets_the_configuration)
{
    (void)stint("-c before.yaml run");
    ck_assert_str_eq(ran_with, "before.yaml");
    (void)stint("run --config=after.yaml");
    ck_assert_str_eq(ran_with, "after.yaml");
    (void)stint("run --exit-when-failed");
    ck_assert_str_eq(ran_with, CLI_CONFIG_DEFAULT);
    ck_assert(ran_exit_when_failed);
}
END_TEST

/* _i walks the verbs: each has help with its usage, and every option it takes is in there. */
START_TEST(every_verb_explains_itself)
{
    const struct verb *v = &cli_verbs[_i];
    char line[64];

    (void)snprintf(line, sizeof(line), "help %s", v->name);
    ck_assert_int_eq(stint(line), CLI_OK);
    (void)snprintf(line, sizeof(line), "stint %s", v->name);
    ck_assert_ptr_nonnull(strstr(out, line));
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        (void)snprintf(line, sizeof(line), "--%s", cli_options[i].name);
        if (v->accepts & ACCEPTS(i))
            ck_assert_ptr_nonnull(strstr(out, line));
    }
    (void)snprintf(line, sizeof(line), "%s --help", v->name);
    ck_assert_int_eq(stint(line), CLI_OK);
    ck_assert_int_eq(stint("help"), CLI_OK);
    ck_assert_ptr_nonnull(strstr(out, v->help));
}
END_TEST

START_TEST(exit_codes_have_a_page)
{
    ck_assert_int_eq(stint("help exit-codes"), CLI_OK);
    ck_assert_ptr_nonnull(strstr(out, "\n  75  no answer in time"));
    ck_assert_ptr_nonnull(strstr(out, "\n  78  the configuration has findings"));
}
END_TEST

START_TEST(reload_prints_one_line_for_each_service)
{
    static const char answer[] =
        "{\"schema\":\"stint.answer/1\",\"verb\":\"reload\",\"ok\":false,\"timed_out\":false,"
        "\"duration_ms\":212,\"services\":["
        "{\"service\":\"web\",\"outcome\":\"serving\",\"ok\":true,\"generation\":8,\"before\":7,"
        "\"cause\":\"web.conf changed\",\"duration_ms\":212,\"state\":\"running\"},"
        "{\"service\":\"api\",\"outcome\":\"rejected\",\"ok\":false,\"generation\":3,"
        "\"reason\":\"check failed (exit 1): line 3\",\"last_lines\":\"one\\ntwo\"},"
        "{\"service\":\"cron\",\"outcome\":\"unchanged\",\"ok\":true,\"generation\":1},"
        "{\"service\":\"one\",\"outcome\":\"restored\",\"ok\":false,\"generation\":4,"
        "\"reason\":\"not ready in 5 s\"},"
        "{\"service\":\"new\",\"outcome\":\"rejected\",\"ok\":false,\"reason\":\"no such file\"}]}";
    const char *request;

    ck_assert_int_eq(stint_asks("reload", "409 Conflict", answer, &request), CLI_NO);
    ck_assert_str_eq(out,
                     "web: generation 8 serves (was 7), 212 ms: web.conf changed\n"
                     "api: REJECTED, generation 3 still serves: check failed (exit 1): line 3\n"
                     "    | one\n    | two\n"
                     "cron: unchanged, generation 1 serves\n"
                     "one: REJECTED, generation 4 was started again: not ready in 5 s\n"
                     "new: REJECTED, nothing serves: no such file\n");
    ck_assert_ptr_nonnull(strstr(request, "POST /v1/reload HTTP/1.1"));
    ck_assert_ptr_nonnull(strstr(request, "\"all\":true"));
}
END_TEST

/* The configuration was read first and began a generation; the look that was asked for came after. */
START_TEST(what_a_changed_configuration_did_is_not_called_unchanged)
{
    static const char answer[] =
        "{\"ok\":true,\"services\":[{\"service\":\"web\",\"outcome\":\"unchanged\",\"ok\":true,"
        "\"generation\":9,\"before\":8,\"cause\":\"operator reload\",\"duration_ms\":0}]}";

    ck_assert_int_eq(stint_asks("reload", "200 OK", answer, NULL), CLI_OK);
    ck_assert_str_eq(out, "web: generation 9 serves (was 8): operator reload\n");
}
END_TEST

START_TEST(options_become_the_request)
{
    const char *request;

    ck_assert_int_eq(stint_asks("reload web api --force --wait gone --timeout 90s", "200 OK",
                                "{\"ok\":true,\"services\":[]}", &request),
                     CLI_OK);
    ck_assert_ptr_nonnull(strstr(request, "{\"services\":[\"web\",\"api\"],\"force\":true,"
                                          "\"wait\":\"gone\",\"timeout_ms\":90000,\"id\":\""));
    ck_assert_int_eq(stint_asks("wait web --for generation=8 --timeout 1s", "200 OK",
                                "{\"ok\":true,\"services\":[]}", &request),
                     CLI_OK);
    ck_assert_ptr_nonnull(
        strstr(request, "GET /v1/wait?service=web&for=generation:8&timeout_ms=1000 "));
    ck_assert_int_eq(stint_asks("threads we&b -g 7", "200 OK", "{\"workers\":[]}", &request),
                     CLI_OK);
    ck_assert_ptr_nonnull(strstr(request, "GET /v1/threads?service=we%26b&generation=7 "));
    ck_assert_int_eq(stint_asks("events -n5 -f", "200 OK", "", &request), CLI_OK);
    ck_assert_ptr_nonnull(strstr(request, "GET /v1/events?lines=5&follow=1 "));
}
END_TEST

START_TEST(relieved_generations_and_leaks_are_named)
{
    static const char answer[] =
        "{\"ok\":true,\"services\":[{\"service\":\"web\",\"outcome\":\"serving\",\"ok\":true,"
        "\"generation\":8,\"before\":7,\"duration_ms\":900,"
        "\"relieved\":[{\"generation\":7,\"gone\":true,\"leaks\":1}],"
        "\"leaks\":[{\"generation\":7,\"pid\":45,\"text\":\"thread `flush-2`\"}]}]}";

    ck_assert_int_eq(stint_asks("reload --wait=gone", "200 OK", answer, NULL), CLI_OK);
    ck_assert_str_eq(out, "web: generation 8 serves (was 7), 900 ms\n"
                          "  generation 7 is gone, leaks: 1\n"
                          "  LEAK in generation 7, pid 45: thread `flush-2`\n");
}
END_TEST

static const struct refusal {
    const char *status, *json;
    int code;
    const char *says;
} refusals[] = {
    {"403 Forbidden", "{\"error\":{\"code\":\"not-permitted\",\"message\":\"only root\"}}",
     CLI_NOT_PERMITTED,                                                                                           "only root"   },
    {"404 Not Found", "{\"error\":{\"code\":\"no-such-service\",\"message\":\"no service x\"}}",
     CLI_NOT_FOUND,                                                                                               "no service x"},
    {"404 Not Found", "{\"error\":{\"code\":\"no-such-route\",\"message\":\"older\"}}",          CLI_DATA,
     "older"                                                                                                                    },
    {"503 Busy",      "{\"error\":{\"code\":\"busy\",\"message\":\"try again\"}}",               CLI_UNREACHABLE,
     "again"                                                                                                                    },
    {"200 OK",        "not json",                                                                CLI_DATA,        "not JSON"    },
    {"504 Timeout",   "{\"ok\":false,\"timed_out\":true,\"duration_ms\":50,\"services\":[]}",
     CLI_TIMED_OUT,                                                                                               ""            },
};

START_TEST(the_exit_status_says_what_kind_of_no)
{
    const struct refusal *x = &refusals[_i];

    ck_assert_int_eq(stint_asks("reload web", x->status, x->json, NULL), x->code);
    ck_assert_msg(strstr(err, x->says) != NULL, "says: %s", err);
}
END_TEST

START_TEST(version_works_without_a_supervisor)
{
    ck_assert_int_eq(stint("version --socket /tmp/stint-nobody.sock"), CLI_OK);
    ck_assert_ptr_nonnull(strstr(out, "no supervisor answers"));
    ck_assert_str_eq(err, "");
    ck_assert_int_eq(stint_asks("version", "200 OK",
                                "{\"version\":\"0.1.0\",\"pid\":7,\"uptime_ms\":1000}", NULL),
                     CLI_OK);
    ck_assert_ptr_nonnull(strstr(out, "supervisor 0.1.0, pid 7, up 1"));
}
END_TEST

/* A configuration file in a directory of its own, checked. */
static int
check_text(const char *yaml, const char *options)
{
    char path[] = "/tmp/stint-check-XXXXXX", line[128];
    int fd = mkstemp(path), r;

    ck_assert_int_eq(write(fd, yaml, strlen(yaml)), (ssize_t)strlen(yaml));
    close(fd);
    (void)snprintf(line, sizeof(line), "check -c %s %s", path, options);
    r = stint(line);
    unlink(path);
    return r;
}

START_TEST(check_says_ok_or_every_finding_with_its_place)
{
    json_t *json, *finding;

    ck_assert_int_eq(check_text("version: 1\nservices: {a: {command: [/bin/true]}}\n", ""), CLI_OK);
    ck_assert_str_eq(out, "configuration OK: 1 service\n");
    ck_assert_int_eq(check_text("version: 1\nservices:\n  a: {comand: [/bin/true]}\n", ""),
                     CLI_CONFIG);
    ck_assert_ptr_nonnull(strstr(err, ":3:"));
    ck_assert_ptr_nonnull(strstr(err, "did you mean 'command'?"));
    ck_assert_str_eq(out, "");

    ck_assert_int_eq(check_text("version: 1\ninclude: [~, \"\"]\n", ""), CLI_CONFIG);
    ck_assert_ptr_nonnull(strstr(err, ":2:11: 'include' item 1 wants a pattern, not nothing"));
    ck_assert_ptr_nonnull(strstr(err, ":2:14: 'include' item 2 is empty"));

    ck_assert_int_eq(check_text("version: 1\nservices:\n  a: {comand: [/bin/true]}\n", "--json"),
                     CLI_CONFIG);
    json = json_loads(out, 0, NULL);
    finding = json_array_get(json_object_get(json, "findings"), 0);
    ck_assert_str_eq(json_text(json, "schema"), "stint.check/1");
    ck_assert_int_eq(json_number(finding, "line"), 3);
    json_decref(json);
}
END_TEST

START_TEST(a_warning_is_said_and_fails_nothing)
{
    static const char right[] = "version: 1\nservices: {a: {command: [/bin/true]}}\n";
    json_t *json;

    warns = true;
    ck_assert_int_eq(check_text(right, ""), CLI_OK);
    ck_assert_str_eq(out, "configuration OK: 1 service\n");
    ck_assert_str_eq(err, "warning: too few descriptors\n");
    ck_assert_int_eq(check_text(right, "--json"), CLI_OK);
    json = json_loads(out, 0, NULL);
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(json, "warnings"), 0)),
                     "too few descriptors");
    json_decref(json);
    ck_assert_int_eq(check_text("version: 2\n", ""), CLI_CONFIG); /* nothing to warn of */
    ck_assert_ptr_null(strstr(err, "warning"));
    warns = false;
}
END_TEST

START_TEST(check_prints_the_keys_and_the_schema)
{
    json_t *json;

    ck_assert_int_eq(stint("check --keys"), CLI_OK);
    ck_assert_ptr_nonnull(strstr(out, "drain_timeout"));
    ck_assert_int_eq(stint("check --schema"), CLI_OK);
    json = json_loads(out, 0, NULL);
    ck_assert(json_is_object(json));
    json_decref(json);
    ck_assert_int_eq(stint("check --keys --json"), CLI_OK); /* the keys, for programs */
    json = json_loads(out, 0, NULL);
    ck_assert_ptr_nonnull(json_object_get(json, "$defs"));
    json_decref(json);
}
END_TEST

/* While the file is broken is when a master has to be looked at. */
START_TEST(a_configuration_with_findings_still_tells_where_the_supervisor_is)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"services\":[]}";
    static const char *const broken[] = {"bogus: 1\nservices: {a: {comand: [x]}, a: {}}\n",
                                         "include: [none.yaml]\nlog: [3]\n"};
    char line[128], path[] = "/tmp/stint-broken-XXXXXX";
    int fd = mkstemp(path);

    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct canned server;

        canned_start(&server, answer, false);
        ck_assert_int_eq(ftruncate(fd, 0), 0);
        ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
        (void)dprintf(fd, "runtime_dir: %s\n%s", server.dir, broken[i]);
        (void)snprintf(line, sizeof(line), "status -c %s", path);
        ck_assert_msg(stint(line) == CLI_OK, "%s", err);
        (void)canned_stop(&server);
    }
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    (void)dprintf(fd, "version: 1\nruntime_dir: [x]\n"); /* nor is it the default's then */
    ck_assert_int_eq(stint(line), CLI_CONFIG);
    ck_assert_ptr_nonnull(strstr(err, "'runtime_dir' wants a path, not a list"));
    close(fd);
    unlink(path);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("cli");
    TCase *tc = tcase_create("command line");

    tcase_add_checked_fixture(tc, NULL, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, a_wrong_command_line_is_told_what_was_meant, 0, (int)ARRAY_LEN(wrongs));
    tcase_add_test(tc, who_looks_in_the_wrong_place_is_told_how_to_name_another);
    tcase_add_test(tc, an_answer_that_cannot_be_written_is_no_success);
    tcase_add_test(tc, run_gets_the_configuration);
    tcase_add_loop_test(tc, every_verb_explains_itself, 0, (int)cli_n_verbs);
    tcase_add_test(tc, exit_codes_have_a_page);
    tcase_add_test(tc, reload_prints_one_line_for_each_service);
    tcase_add_test(tc, what_a_changed_configuration_did_is_not_called_unchanged);
    tcase_add_test(tc, options_become_the_request);
    tcase_add_test(tc, relieved_generations_and_leaks_are_named);
    tcase_add_loop_test(tc, the_exit_status_says_what_kind_of_no, 0, (int)ARRAY_LEN(refusals));
    tcase_add_test(tc, version_works_without_a_supervisor);
    tcase_add_test(tc, check_says_ok_or_every_finding_with_its_place);
    tcase_add_test(tc, a_warning_is_said_and_fails_nothing);
    tcase_add_test(tc, check_prints_the_keys_and_the_schema);
    tcase_add_test(tc, a_configuration_with_findings_still_tells_where_the_supervisor_is);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
