/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests as a collector gets them, to the byte. */
#include "supervisor/export/otlp.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "tests/unit/unit.h"

#define T "0af7651916cd43dd8448eb211c80319c"

static const struct otlp_origin origin = {.host = "box", .version = "9.9"};

static char *
encode(enum otlp_signal signal, const char *const *json, size_t n, size_t *ret_rows)
{
    auto_free struct otlp_record *records = calloc(n + 1, sizeof(*records));
    size_t bytes = 0;
    char *text;

    ck_assert_ptr_nonnull(records);
    for (size_t i = 0; i < n; i++)
        records[i] = (struct otlp_record){json[i], strlen(json[i])};
    text = otlp_encode(signal, &origin, records, n, ret_rows, &bytes);
    ck_assert_uint_eq(bytes, text ? strlen(text) : 0);
    return text;
}

/* What one record becomes, without what is around it. */
static char *
one(enum otlp_signal signal, const char *json)
{
    size_t rows;
    auto_free char *whole = encode(signal, &json, 1, &rows);
    const char *list = signal == OTLP_TRACES ? "\"spans\":[" : "\"logRecords\":[";
    const char *at = whole ? strstr(whole, list) : NULL;

    ck_assert_ptr_nonnull(at);
    ck_assert_uint_eq(rows, 1);
    at += strlen(list);
    return strndup(at, strlen(at) - strlen("]}]}]}"));
}

START_TEST(a_reload_and_its_phases_are_one_document)
{
    static const char *const spans[] = {
        "{\"seq\":1,\"ts\":\"2026-01-31T23:59:59.000Z\",\"level\":\"info\",\"event\":\"span\","
        "\"service\":\"web\",\"gen\":3,\"trace\":\"" T
        "\",\"reload\":7,\"span\":\"00000000000000ab\","
        "\"parent\":\"00000000000000cd\",\"name\":\"check\",\"start_unix_ns\":1769903999000000001,"
        "\"end_unix_ns\":1769903999000000002,\"duration_us\":0,\"status\":\"ok\"}",
        "{\"event\":\"span\",\"service\":\"web\",\"gen\":3,\"trace\":\"" T
        "\",\"span\":\"00000000000000cd\","
        "\"name\":\"reload\",\"start_unix_ns\":1,\"end_unix_ns\":2,\"status\":\"error\",\"msg\":"
        "\"rejected: no\"}",
    };
    size_t rows;
    auto_free char *text = encode(OTLP_TRACES, spans, 2, &rows);

    ck_assert_uint_eq(rows, 2);
    ck_assert_str_eq(
        text,
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":["
        "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"web\"}},"
        "{\"key\":\"stint.generation\",\"value\":{\"intValue\":\"3\"}},"
        "{\"key\":\"host.name\",\"value\":{\"stringValue\":\"box\"}}]},"
        "\"scopeSpans\":[{\"scope\":{\"name\":\"stint\",\"version\":\"9.9\"},\"spans\":["
        "{\"traceId\":\"" T "\",\"spanId\":\"00000000000000ab\",\"name\":\"check\",\"kind\":1,"
        "\"startTimeUnixNano\":\"1769903999000000001\",\"endTimeUnixNano\":\"1769903999000000002\","
        "\"parentSpanId\":\"00000000000000cd\",\"status\":{\"code\":1},"
        "\"attributes\":[{\"key\":\"stint.reload\",\"value\":{\"intValue\":\"7\"}}]},"
        "{\"traceId\":\"" T "\",\"spanId\":\"00000000000000cd\",\"name\":\"reload\",\"kind\":1,"
        "\"startTimeUnixNano\":\"1\",\"endTimeUnixNano\":\"2\","
        "\"status\":{\"code\":2,\"message\":\"rejected: no\"}}]}]}]}");
}
END_TEST

START_TEST(a_span_of_a_worker_has_its_own_scope_and_attributes)
{
    auto_free char *text =
        one(OTLP_TRACES,
            "{\"service\":\"web\",\"gen\":3,\"slot\":0,\"pid\":77,\"trace\":\"" T
            "\",\"span\":\"00000000000000ab\","
            "\"name\":\"GET "
            "/\",\"start_unix_ns\":1,\"end_unix_ns\":2,\"status\":\"ok\",\"kind\":\"server\","
            "\"tid\":78,"
            "\"thread\":\"pool\",\"creator\":\"main\",\"scope\":\"request\",\"cause\":\"deadline\","
            "\"attributes\":{\"http.route\":\"/\"}}");

    ck_assert_str_eq(text, "{\"traceId\":\"" T
                           "\",\"spanId\":\"00000000000000ab\",\"name\":\"GET /\",\"kind\":2,"
                           "\"startTimeUnixNano\":\"1\",\"endTimeUnixNano\":\"2\",\"status\":{"
                           "\"code\":1},\"attributes\":["
                           "{\"key\":\"thread.name\",\"value\":{\"stringValue\":\"pool\"}},"
                           "{\"key\":\"thread.id\",\"value\":{\"intValue\":\"78\"}},"
                           "{\"key\":\"stint.creator\",\"value\":{\"stringValue\":\"main\"}},"
                           "{\"key\":\"stint.scope\",\"value\":{\"stringValue\":\"request\"}},"
                           "{\"key\":\"stint.cause\",\"value\":{\"stringValue\":\"deadline\"}},"
                           "{\"key\":\"http.route\",\"value\":{\"stringValue\":\"/\"}}]}");
}
END_TEST

START_TEST(whom_it_is_about_and_who_tells_it_divide_the_rows)
{
    static const char *const spans[] = {
#define SPAN(who)             \
    "{" who ",\"trace\":\"" T \
    "\",\"span\":\"00000000000000ab\",\"name\":\"x\",\"start_unix_ns\":1,\"end_unix_ns\":2}"
        SPAN("\"service\":\"a\",\"gen\":1"),
        SPAN("\"service\":\"a\",\"gen\":2"),
        SPAN("\"service\":\"a\",\"gen\":1"),
        SPAN("\"service\":\"a\",\"gen\":1,\"kind\":\"client\""),
        SPAN("\"service\":\"a\",\"gen\":1,\"slot\":0,\"pid\":9"),
#undef SPAN
    };
    size_t rows;
    auto_free char *text = encode(OTLP_TRACES, spans, ARRAY_LEN(spans), &rows);
    json_t *whole = json_loads(text, 0, NULL), *resources = json_object_get(whole, "resourceSpans");
    static const size_t expected[] = {2, 1, 1, 1};

    ck_assert_uint_eq(rows, 5);
    ck_assert_uint_eq(json_array_size(resources), ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        json_t *scope =
            json_array_get(json_object_get(json_array_get(resources, i), "scopeSpans"), 0);

        ck_assert_uint_eq(json_array_size(json_object_get(scope, "spans")), expected[i]);
        ck_assert_str_eq(
            json_string_value(json_object_get(json_object_get(scope, "scope"), "name")),
            i == 2 ? "libstint" : "stint");
    }
    json_decref(whole);
}
END_TEST

START_TEST(a_line_of_a_worker_is_a_record_with_its_severity_and_trace)
{
    auto_free char *text = one(
        OTLP_LOGS,
        "{\"seq\":5,\"ts\":\"2024-02-29T12:34:56.789Z\",\"level\":\"info\",\"event\":\"output\","
        "\"service\":\"web\",\"gen\":1,\"slot\":0,\"pid\":4,\"trace\":\"" T
        "\",\"span\":\"00000000000000ab\",\"stream\":\"stderr\",\"cut\":true,"
        "\"msg\":\"<3>disk is \\\"full\\\"\"}");

    ck_assert_str_eq(text,
                     "{\"timeUnixNano\":\"1709210096789000000\",\"observedTimeUnixNano\":"
                     "\"1709210096789000000\",\"severityNumber\":17,\"severityText\":\"ERROR\","
                     "\"body\":{\"stringValue\":\"disk is \\\"full\\\"\"},\"attributes\":["
                     "{\"key\":\"log.iostream\",\"value\":{\"stringValue\":\"stderr\"}},"
                     "{\"key\":\"stint.cut\",\"value\":{\"boolValue\":true}}],"
                     "\"traceId\":\"" T "\",\"spanId\":\"00000000000000ab\"}");
}
END_TEST

START_TEST(an_event_of_stint_itself_is_a_record_with_its_name)
{
    size_t rows;
    static const char *const event[] = {
        "{\"seq\":5,\"ts\":\"1970-01-01T00:00:00.000Z\",\"level\":\"warning\",\"event\":\"worker_"
        "leak\","
        "\"threads\":3,\"ratio\":0.5,\"detail\":{\"a\":1},\"empty\":\"\"}"};
    auto_free char *text = encode(OTLP_LOGS, event, 1, &rows);

    ck_assert_uint_eq(rows, 1);
    ck_assert_str_eq(
        text,
        "{\"resourceLogs\":[{\"resource\":{\"attributes\":["
        "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"stint\"}},"
        "{\"key\":\"service.version\",\"value\":{\"stringValue\":\"9.9\"}},"
        "{\"key\":\"host.name\",\"value\":{\"stringValue\":\"box\"}}]},"
        "\"scopeLogs\":[{\"scope\":{\"name\":\"stint\",\"version\":\"9.9\"},\"logRecords\":["
        "{\"timeUnixNano\":\"0\",\"observedTimeUnixNano\":\"0\",\"severityNumber\":13,"
        "\"severityText\":\"WARN\",\"body\":{\"stringValue\":\"worker_leak\"},\"attributes\":["
        "{\"key\":\"event.name\",\"value\":{\"stringValue\":\"worker_leak\"}},"
        "{\"key\":\"stint.threads\",\"value\":{\"intValue\":\"3\"}},"
        "{\"key\":\"stint.ratio\",\"value\":{\"doubleValue\":0.5}}],"
        "\"droppedAttributesCount\":1}]}]}]}");
}
END_TEST

START_TEST(what_nobody_can_read_is_left_out_and_the_rest_is_sent)
{
#define REST "\"name\":\"x\",\"start_unix_ns\":1,\"end_unix_ns\":2}"
    static const char *const spans[] = {
        "",
        "{",
        "[]",
        "null",
        "\"\xff\"",
        "{}",
        "{\"a\":\"\xc3\x28\"}",
        "{\"trace\":\"00000000000000000000000000000000\",\"span\":\"00000000000000ab\"," REST,
        "{\"trace\":\"" T "\",\"span\":\"0000000000000000\"," REST,
        "{\"trace\":\"" T "0\",\"span\":\"00000000000000ab\"," REST,
        "{\"trace\":\"0AF7651916CD43DD8448EB211C80319C\",\"span\":\"00000000000000ab\"," REST,
        "{\"trace\":\"" T "\",\"span\":\"00000000000000ab\",\"name\":\"x\",\"start_unix_ns\":\"1\","
        "\"end_unix_ns\":2}",
        "{\"trace\":\"" T "\",\"span\":\"00000000000000ab\"," REST,
    };
#undef REST
    static const char *const logs[] = {
        "{\"event\":\"output\",\"msg\":\"x\"}",
        "{\"event\":\"output\",\"ts\":\"yesterday\",\"msg\":\"x\"}",
        "{\"event\":\"output\",\"ts\":\"2026-13-01T00:00:00.000Z\",\"msg\":\"x\"}",
        "{\"ts\":\"2026-01-01T00:00:00.000Z\",\"msg\":\"x\"}",
    };
    size_t rows = 7;
    auto_free char *some = encode(OTLP_TRACES, spans, ARRAY_LEN(spans), &rows);
    auto_free char *none = NULL;

    ck_assert_uint_eq(rows, 1);
    ck_assert_ptr_nonnull(some);
    none = encode(OTLP_LOGS, logs, ARRAY_LEN(logs), &rows);
    ck_assert_uint_eq(rows, 0);
    ck_assert_ptr_null(none);
}
END_TEST

START_TEST(any_text_stays_what_it_was)
{
    auto_free char *text =
        one(OTLP_LOGS, "{\"event\":\"output\",\"ts\":\"2026-01-01T00:00:00.000Z\","
                       "\"msg\":\"a\\u0000b\\ud83d\\ude00\\ufffd\\\\\\n</script>\"}");
    json_t *row = json_loads(text, JSON_ALLOW_NUL, NULL);
    json_t *body = json_object_get(json_object_get(row, "body"), "stringValue");
    static const char expected[] = "a\0b\xf0\x9f\x98\x80\xef\xbf\xbd\\\n</script>";

    ck_assert_uint_eq(json_string_length(body), sizeof(expected) - 1);
    ck_assert_mem_eq(json_string_value(body), expected, sizeof(expected) - 1);
    json_decref(row);
}
END_TEST

START_TEST(attributes_are_bounded_and_what_is_missing_is_counted)
{
    auto_text struct text t = TEXT_INIT;
    auto_free char *text = NULL;
    json_t *row, *list, *value;
    const char *s;

    text_add(&t, "{\"trace\":\"" T
                 "\",\"span\":\"00000000000000ab\",\"name\":\"x\",\"start_unix_ns\":1,"
                 "\"end_unix_ns\":2,\"dropped_attributes\":5,\"long\":\"");
    for (int i = 0; i < OTLP_VALUE_MAX - 1; i++)
        text_add(&t, "a");
    text_add(&t, "\xc3\xa4\"");
    for (int i = 0; i < OTLP_ATTRIBUTES_MAX + 2; i++)
        text_addf(&t, ",\"k%d\":%d", i, i);
    text_add(&t, "}");
    text = one(OTLP_TRACES, text_str(&t));
    row = json_loads(text, 0, NULL);
    list = json_object_get(row, "attributes");
    ck_assert_uint_eq(json_array_size(list), OTLP_ATTRIBUTES_MAX);
    ck_assert_int_eq(json_integer_value(json_object_get(row, "droppedAttributesCount")), 3 + 5);
    value = json_object_get(json_object_get(json_array_get(list, 0), "value"), "stringValue");
    s = json_string_value(value);
    ck_assert_uint_eq(json_string_length(value), OTLP_VALUE_MAX - 1); /* no half of a letter */
    ck_assert_int_eq(s[OTLP_VALUE_MAX - 2], 'a');
    json_decref(row);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("otlp");
    TCase *t = tcase_create("otlp");

    tcase_add_test(t, a_reload_and_its_phases_are_one_document);
    tcase_add_test(t, a_span_of_a_worker_has_its_own_scope_and_attributes);
    tcase_add_test(t, whom_it_is_about_and_who_tells_it_divide_the_rows);
    tcase_add_test(t, a_line_of_a_worker_is_a_record_with_its_severity_and_trace);
    tcase_add_test(t, an_event_of_stint_itself_is_a_record_with_its_name);
    tcase_add_test(t, what_nobody_can_read_is_left_out_and_the_rest_is_sent);
    tcase_add_test(t, any_text_stays_what_it_was);
    tcase_add_test(t, attributes_are_bounded_and_what_is_missing_is_counted);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
