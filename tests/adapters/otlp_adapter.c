/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stint sends, read by OpenTelemetry's own definition of it: otlp/receiver.py refuses what that does not allow.
 */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "tests/scenario/harness.h"
#include "tests/scenario/shell.h"

#define PYTHON "/usr/bin/python3" /* Debian's, which python3-protobuf is for */
#define TRACE  "0af7651916cd43dd8448eb211c80319c"

static struct {
    FILE *says; /* the receiver's output */
    int port;
    pid_t pid;
    json_t *spans, *lines; /* all that came */
} r;

static void
receiver_begin(const char *more)
{
    char command[1024], first[64];
    char *end;

    (void)snprintf(command, sizeof(command), "exec " PYTHON " %s %s %s", getenv("OTLP_RECEIVER"),
                   getenv("OTLP_DEFINITIONS"), more);
    r.says = popen(command, "re");
    ck_assert_ptr_nonnull(r.says);
    ck_assert_ptr_nonnull(fgets(first, sizeof(first), r.says));
    r.port = (int)strtol(first, &end, 10);
    r.pid = (pid_t)strtol(end, NULL, 10);
    ck_assert(r.port > 0 && r.pid > 1);
    r.spans = json_array();
    r.lines = json_array();
}

static void
receiver_end(void)
{
    ck_assert_int_eq(kill(r.pid, SIGTERM), 0);
    (void)pclose(r.says); /* ended by a signal */
    json_decref(r.spans);
    json_decref(r.lines);
}

/* One request more; the test's own time limit is its deadline. */
static void
read_request(void)
{
    char *line = NULL;
    size_t room = 0;
    json_t *said;

    ck_assert_int_gt(getline(&line, &room, r.says), 0);
    said = json_loads(line, JSON_ALLOW_NUL, NULL);
    ck_assert_msg(said != NULL && !json_object_get(said, "bad"), "%.2000s", line);
    (void)json_array_extend(r.spans, json_object_get(said, "traces"));
    (void)json_array_extend(r.lines, json_object_get(said, "logs"));
    json_decref(said);
    free(line);
}

static const char *
text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));

    return text ? text : "";
}

/* The first row with that text under that key; reads on until there is one. Borrowed. */
static json_t *
await(const json_t *rows, const char *key, const char *text)
{
    for (size_t i = 0;; i++) {
        while (i >= json_array_size(rows))
            read_request();
        if (strcmp(text_of(json_array_get(rows, i), key), text) == 0)
            return json_array_get(rows, i);
    }
}

static json_t *
span_by_id(const char *id)
{
    for (size_t i = 0; i < json_array_size(r.spans); i++)
        if (strcmp(text_of(json_array_get(r.spans, i), "id"), id) == 0)
            return json_array_get(r.spans, i);
    return NULL;
}

static void
start_web(const char *command, const char *more)
{
    scn_config(
        "  web:\n    command: [/bin/sh, -c, '%s; exec sleep 1000']\n    ready: {assume_after: "
        "50ms}\n    drain_timeout: 2s\nexport: {every: 100ms, logs: true, %s}\n",
        command, more);
    scn_start();
    (void)scn_await("event=verdict service=web outcome=serving", 20000);
}

static void
reload(void)
{
    auto_free char *out = NULL;

    ck_assert_int_eq(scn_cli(&out, "reload", "web", "--force", "--wait=gone", NULL), 0);
}

START_TEST(a_reload_is_one_tree_of_spans)
{
    char more[96];
    const json_t *run, *resource;

    receiver_begin("");
    (void)snprintf(more, sizeof(more), "endpoint: \"http://127.0.0.1:%d\"", r.port);
    start_web("true", more);
    reload();
    resource = json_object_get(await(r.spans, "name", "certify"), "resource");
    ck_assert_int_eq(json_integer_value(json_object_get(resource, "stint.generation")), 1);
    run = await(r.spans, "name", "reload");
    ck_assert_str_eq(text_of(run, "parent"), "");
    resource = json_object_get(run, "resource");
    ck_assert_str_eq(text_of(resource, "service.name"), "web");
    ck_assert_str_ne(text_of(resource, "host.name"), "");
    ck_assert_int_eq(json_integer_value(json_object_get(run, "status")), 1);
    for (size_t i = 0; i < json_array_size(r.spans); i++) {
        const json_t *span = json_array_get(r.spans, i), *parent;

        ck_assert_str_eq(text_of(span, "scope"), "stint");
        if (!*text_of(span, "parent"))
            continue;
        while ((parent = span_by_id(text_of(span, "parent"))) == NULL)
            read_request();
        ck_assert_str_eq(text_of(parent, "trace"), text_of(span, "trace"));
    }
    ck_assert_int_eq(scn_stop(), 0);
    receiver_end();
}
END_TEST

START_TEST(any_line_is_taken)
{
    char more[96];
    const json_t *line;

    receiver_begin("");
    (void)snprintf(more, sizeof(more), "endpoint: \"http://127.0.0.1:%d\", gzip: true", r.port);
    start_web(
        "printf \"<3>bad \\377\\376 bytes\\\\nnul \\\\0 here\\\\n\\\\360\\\\237\\\\230\\\\200 "
        "\\\\355\\\\240\\\\200\\\\n\"; head -c 30000 /dev/zero | tr \"\\\\0\" x; echo; echo "
        "level=warn trace_id=" TRACE " msg=stamped; echo last",
        more);
    line = await(r.lines, "body", "last");
    ck_assert_str_eq(text_of(json_object_get(line, "attributes"), "log.iostream"), "stdout");
    ck_assert_int_eq(json_integer_value(json_object_get(line, "severity")), 0);
    line = await(r.lines, "body", "level=warn trace_id=" TRACE " msg=stamped");
    ck_assert_str_eq(text_of(line, "trace"), TRACE);
    ck_assert_int_eq(json_integer_value(json_object_get(line, "severity")), 13);
    line = await(r.lines, "body", "bad \xef\xbf\xbd\xef\xbf\xbd bytes");
    ck_assert_int_eq(json_integer_value(json_object_get(line, "severity")), 17);
    (void)await(r.lines, "body", "\xf0\x9f\x98\x80 \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    ck_assert_int_eq(scn_stop(), 0);
    receiver_end();
}
END_TEST

START_TEST(a_certificate_has_to_hold)
{
    auto_free char *key = strdup(scn_path("key.pem")), *cert = strdup(scn_path("cert.pem"));
    auto_free char *made = NULL;
    char more[256];

    made = shell("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=collector "
                 "-addext subjectAltName=IP:127.0.0.1 -keyout %s -out %s 2>&1",
                 key, cert);
    (void)snprintf(more, sizeof(more), "%s %s", cert, key);
    receiver_begin(more);
    (void)snprintf(more, sizeof(more), "endpoint: \"https://127.0.0.1:%d\"", r.port);
    start_web("echo hello", more); /* nobody vouches for it */
    (void)scn_await_any("event=export_failed ~ertificate", 20000);
    (void)snprintf(more, sizeof(more), "endpoint: \"https://127.0.0.1:%d\", ca_file: %s", r.port,
                   cert);
    scn_config(
        "  web:\n    command: [/bin/sh, -c, 'echo hello; exec sleep 1000']\n    ready: "
        "{assume_after: 50ms}\n    drain_timeout: 2s\nexport: {every: 100ms, logs: true, %s}\n",
        more);
    (void)await(r.lines, "body", "hello"); /* it has waited */
    ck_assert_int_eq(scn_stop(), 0);
    receiver_end();
}
END_TEST

/* The receiver put to the test: what is not OTLP is refused. */
START_TEST(the_receiver_takes_nothing_else)
{
    static const char *const wrong[] = {
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"" TRACE
        "\",\"spanId\":\"00000000000000ab\","
        "\"startTimeUnixNano\":\"1\",\"endTimeUnixNano\":\"2\",\"nmae\":\"x\"}]}]}]}",
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"AfdlGRbNQ92ESOshHIAxnA=="
        "\",\"spanId\":"
        "\"00000000000000ab\",\"startTimeUnixNano\":\"1\",\"endTimeUnixNano\":\"2\"}]}]}]}",
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"" TRACE
        "\",\"spanId\":\"00000000000000ab\","
        "\"startTimeUnixNano\":\"one\",\"endTimeUnixNano\":\"2\"}]}]}]}",
    };
    char said[4096];

    receiver_begin("");
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        auto_free char *out = shell(
            "curl -s -o /dev/null -w '%%{http_code}' -H 'Content-Type: application/json' -d '%s' "
            "http://127.0.0.1:%d/v1/traces",
            wrong[i], r.port);

        ck_assert_str_eq(out, "400");
        ck_assert_ptr_nonnull(fgets(said, sizeof(said), r.says));
        ck_assert_msg(strncmp(said, "{\"bad\"", 6) == 0, "%s", said);
    }
    receiver_end();
}
END_TEST

static int run_tests(void);

int
main(void)
{
    char command[1024];
    int status;

    (void)snprintf(command, sizeof(command), "%s %s", getenv("OTLP_FETCH"),
                   getenv("OTLP_DEFINITIONS"));
    status = system(command);
    if (status != 0)
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    return run_tests();
}

scn_tests(static int run_tests, "otlp", a_reload_is_one_tree_of_spans, any_line_is_taken,
          a_certificate_has_to_hold, the_receiver_takes_nothing_else)
