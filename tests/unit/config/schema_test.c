/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table itself: every row is complete, its default reads, its reload class is what a change gives. */
#include "config/schema.h"

#include "config/reader.h"
#include "tests/unit/config/findings.h"

/* Two values for each key of a service that is a leaf of the table. */
static const struct change {
    const char *key; /* as service_spec_diff() names it */
    const char *a, *b;
} changes[] = {
#define CHANGE(key, a, b) {key, a, b},
#include "tests/unit/config/changes.def"
#undef CHANGE
};

static const struct change top_changes[] = {
#define TOP_CHANGE(key, a, b) {key, a, b},
#include "tests/unit/config/changes.def"
#undef TOP_CHANGE
};

/* Calls @visit for each row that service_spec_diff() or spec_diff() can name. */
static void
each_leaf(enum object o, const char *above, void (*visit)(const struct key *k, const char *name))
{
    schema_for_each(k, o)
    {
        auto_text struct text name = TEXT_INIT;

        text_addf(&name, "%s%s", above, k->name);
        if (k->type->nested) {
            text_add(&name, ".");
            each_leaf((enum object)k->arg, text_str(&name), visit);
        } else if (k->type->equal) {
            visit(k, text_str(&name));
        }
    }
}

static char *
yaml_with(const char *key, const char *value)
{
    struct text t = TEXT_INIT;
    size_t maps = 0;

    text_add(&t, "version: 1\nservices:\n  web:\n    ");
    if (strcmp(key, "run_timeout") == 0 || strcmp(key, "respawn.retry") == 0)
        text_add(&t, "type: oneshot\n    ");
    else if (strcmp(key, "probe_listener") != 0 && strcmp(key, "type") != 0)
        text_add(&t, "probe_listener: tcp://127.0.0.1:0\n    ");
    if (strcmp(key, "gated") == 0)
        text_add(&t, "libstint: true\n    listen: {a: tcp://127.0.0.1:80}\n    ");
    if (strcmp(key, "restart_after.requests") == 0)
        text_add(&t, "libstint: true\n    ");
    if (strcmp(key, "command") != 0)
        text_add(&t, "command: [x]\n    ");
    if (strncmp(key, "reload_", 7) == 0 || strcmp(key, "signal_fallback") == 0)
        text_add(&t, "handoff: signal\n    ");
    for (const char *p = key; *p; p++) { /* watch.settle: is "watch: {settle: …}" */
        if (*p != '.') {
            text_addn(&t, p, 1);
            continue;
        }
        text_add(&t, ": {");
        maps++;
    }
    text_addf(&t, ": %s", value);
    while (maps-- > 0)
        text_add(&t, "}");
    text_add(&t, "\n  db: {command: [x]}\n");
    return text_steal(&t);
}

static const struct change *
find_change(const struct change *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].key, name) == 0)
            return &list[i];
    ck_abort_msg("changes.def has no change for the key '%s'", name);
    return NULL;
}

static void
check_change(const struct key *k, const char *name)
{
    const struct change *c = find_change(changes, ARRAY_LEN(changes), name);
    auto_free char *one = yaml_with(name, c->a);
    auto_free char *two = yaml_with(name, c->b);
    auto_text struct text keys = TEXT_INIT;
    struct spec *a = parse_right(one), *b = parse_right(two);
    const struct service_spec *x = a->services[0], *y = b->services[0];

    ck_assert_msg(service_spec_diff(x, y, &keys) == k->reload, "the reload class of '%s'", name);
    ck_assert_str_eq(text_str(&keys), name);
    ck_assert(!service_spec_equal(x, y));
    ck_assert_msg(digest_equal(service_spec_launch_digest(x), service_spec_launch_digest(y)) ==
                      (k->reload != RELOAD_NEW_GENERATION),
                  "'%s' in the launch digest", name);
    ck_assert_int_eq(service_spec_diff(x, x, NULL), RELOAD_NONE);
    spec_destroy(a);
    spec_destroy(b);
}

START_TEST(a_change_of_any_key_is_named_and_has_the_class_of_its_row)
{
    each_leaf(OBJECT_SERVICE, "", check_change);
}
END_TEST

static void
check_top_change(const struct key *k, const char *name)
{
    const struct change *c = find_change(top_changes, ARRAY_LEN(top_changes), name);
    auto_text struct text keys = TEXT_INIT;
    struct spec *a = parse_right(c->a), *b = parse_right(c->b);

    ck_assert_msg(spec_diff(a, b, &keys) == k->reload, "the reload class of '%s'", name);
    ck_assert_str_eq(text_str(&keys), name);
    spec_destroy(a);
    spec_destroy(b);
}

START_TEST(a_change_outside_services_is_named_and_has_the_class_of_its_row)
{
    each_leaf(OBJECT_CONFIG, "", check_top_change);
}
END_TEST

/* What only a new start can follow is named; what was followed at once is not. */
START_TEST(outside_services_only_the_strongest_changes_are_named)
{
    struct spec *a = parse_right("version: 1\n");
    struct spec *b = parse_right("version: 1\nstate_dir: /x\nlog: {level: error}\n");
    auto_text struct text keys = TEXT_INIT;

    ck_assert_int_eq(spec_diff(a, b, &keys), RELOAD_RESTART);
    ck_assert_str_eq(text_str(&keys), "state_dir");
    spec_destroy(a);
    spec_destroy(b);
}
END_TEST

START_TEST(the_strongest_of_several_changes_wins)
{
    struct spec *a =
        parse_right("version: 1\nservices: {a: {command: [x], workers: 1, umask: 0022}}\n");
    struct spec *b =
        parse_right("version: 1\nservices: {a: {command: [x], workers: 2, umask: 0027}}\n");
    auto_text struct text keys = TEXT_INIT;

    ck_assert_int_eq(service_spec_diff(a->services[0], b->services[0], &keys),
                     RELOAD_NEW_GENERATION);
    ck_assert_str_eq(text_str(&keys), "workers, umask");
    spec_destroy(a);
    spec_destroy(b);
}
END_TEST

START_TEST(the_launch_digest_does_not_see_order_format_or_defaults_written_out)
{
    struct spec *a = parse_right("version: 1\nservices: {a: {command: [x, y], umask: 0022, "
                                 "environment: {A: 1, B: 2}, limits: {as: 1GiB, cpu: 60s}}}\n");
    struct spec *b = parse_right(
        "version: 1\ndefaults: {environment: {B: \"2\"}}\nservices:\n  a:\n    limits: {cpu: 1m, "
        "as: "
        "1024MiB}\n    environment: {A: '1'}\n    umask: 022\n    ready: notify\n    workers: 7\n"
        "    command:\n    - x\n    - \"y\"\n");

    ck_assert(digest_equal(service_spec_launch_digest(a->services[0]),
                           service_spec_launch_digest(b->services[0])));
    spec_destroy(a);
    spec_destroy(b);
}
END_TEST

START_TEST(every_row_says_what_it_is)
{
    for (size_t i = 0; i < schema_n; i++) {
        const struct key *k = &schema_keys[i];

        ck_assert_msg(strlen(k->help) > 10 && k->help[strlen(k->help) - 1] != '.', "help of %s",
                      k->name);
        ck_assert_msg(k->type->about && k->type->schema, "type of %s", k->name);
        ck_assert_msg(k->reload != RELOAD_NONE, "reload class of %s", k->name);
        ck_assert_msg(!k->type->ranged || k->min <= k->max, "range of %s", k->name);
        ck_assert_msg(!k->type->ranged || k->type->range, "range of %s", k->name);
        ck_assert_msg(!k->type->child || (k->arg > 0 && k->arg < OBJECT_COUNT), "child of %s",
                      k->name);
        for (size_t j = 0; j < i; j++)
            ck_assert_msg(schema_keys[j].object != k->object ||
                              strcmp(schema_keys[j].name, k->name) != 0,
                          "%s is there twice", k->name);
    }
}
END_TEST

/* What is neither written with a default nor by the user must be unset, not zero by chance. */
START_TEST(every_default_reads_by_its_own_row)
{
    static char bytes[] = "x";
    struct diagnostics diags = {NULL, 0, 0};
    struct reader r = {.diags = &diags};
    struct source source = {.name = bytes, .directory = bytes, .bytes = bytes, .n = 1};
    const struct node at = {.source = &source, .line = 1, .column = 1};
    struct service_spec service = {0};
    struct listener_spec listener = {0};
    struct spec spec = {0};

    for (size_t i = 0; i < schema_n; i++)
        ck_assert(!schema_keys[i].fallback || strlen(schema_keys[i].fallback) < 64);
    ck_assert_int_eq(object_default(&r, OBJECT_CONFIG, &at, &spec), 0);
    ck_assert_int_eq(object_default(&r, OBJECT_SERVICE, &at, &service), 0);
    ck_assert_int_eq(object_default(&r, OBJECT_LISTENER, &at, &listener), 0);
    ck_assert_uint_eq(diags.n, 0);
    ck_assert_uint_eq(service.workers, 1);
    ck_assert_uint_eq(listener.mode, 0666);
    object_clear(OBJECT_CONFIG, &spec);
    object_clear(OBJECT_SERVICE, &service);
    object_clear(OBJECT_LISTENER, &listener);
    ck_assert_ptr_null(service.directory);
}
END_TEST

START_TEST(people_see_every_row_with_its_help)
{
    auto_text struct text t = TEXT_INIT;

    config_schema_text(&t);
    for (size_t i = 0; i < schema_n; i++)
        ck_assert_ptr_nonnull(strstr(text_str(&t), schema_keys[i].help));
    ck_assert_ptr_nonnull(strstr(text_str(&t), "\nservices.NAME.respawn.backoff.first\n"));
    ck_assert_ptr_nonnull(strstr(text_str(&t), "\nservices.NAME.listen.NAME.backlog\n"));
    ck_assert_ptr_nonnull(strstr(text_str(&t), "0 to 5s; default 200ms; change: in place\n"));
    ck_assert_ptr_nonnull(strstr(text_str(&t), "overlap, replace, signal; default overlap"));
}
END_TEST

/* JSON is YAML, so the reader at hand can tell whether the schema is well formed. */
START_TEST(the_json_schema_has_every_row_and_every_reference_leads_somewhere)
{
    auto_text struct text t = TEXT_INIT;
    struct diagnostics diags = {NULL, 0, 0};
    struct reader r = {.diags = &diags};
    const struct node *root, *defs;
    struct source *source;

    config_schema_json(&t);
    source = source_create("schema", "/schema", strdup(text_str(&t)), t.bytes);
    root = yaml_read(&r, source);
    auto_free char *found = findings_text(&diags);

    ck_assert_str_eq(found, "");
    ck_assert_str_eq(node_get(root, "$schema")->text,
                     "https://json-schema.org/draft/2020-12/schema");
    defs = node_get(root, "$defs");
    for (size_t i = 0; i < schema_n; i++) {
        const struct key *k = &schema_keys[i];
        const struct node *object =
            k->object == OBJECT_CONFIG ? root : node_get(defs, object_name(k->object));
        const struct node *row = node_get(node_get(object, "properties"), k->name);

        ck_assert_msg(row != NULL, "%s is missing", k->name);
        ck_assert_str_eq(node_get(row, "description")->text, k->help);
        ck_assert(!k->fallback == !node_get(row, "default"));
        ck_assert_str_eq(node_get(object, "additionalProperties")->text, "false");
    }
    for (const char *p = strstr(t.data, "#/$defs/"); p; p = strstr(p + 1, "#/$defs/")) {
        auto_free char *name = strndup(p + 8, strcspn(p + 8, "\""));

        ck_assert_msg(node_get(defs, name) != NULL, "%s leads nowhere", name);
    }
    node_pool_finish(&r.nodes);
    source_destroy(source);
    diagnostics_finish(&diags);
}
END_TEST

START_TEST(what_was_meant_is_near_what_was_written)
{
    static const char *const cases[][3] = {
  /* wanted, candidate, "1" when it is near enough */
        {"comand",  "command",     "1"},
        {"ocmmand", "command",     "1"},
        {"WORKERS", "workers",     "1"},
        {"env",     "environment", "1"},
        {"umsak",   "umask",       "1"},
        {"wrkrs",   "workers",     "1"},
        {"qqq",     "user",        "" },
        {"x",       "as",          "" },
        {"group",   "user",        "" },
        {"",        "user",        "" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct suggestion s = {.wanted = cases[i][0]};

        suggest(&s, cases[i][1]);
        ck_assert_msg(!s.best == !cases[i][2][0], "%s: %s", cases[i][0], cases[i][1]);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("schema");
    TCase *c = tcase_create("schema");

    tcase_set_timeout(c, 60);
    tcase_add_test(c, a_change_of_any_key_is_named_and_has_the_class_of_its_row);
    tcase_add_test(c, a_change_outside_services_is_named_and_has_the_class_of_its_row);
    tcase_add_test(c, outside_services_only_the_strongest_changes_are_named);
    tcase_add_test(c, the_strongest_of_several_changes_wins);
    tcase_add_test(c, the_launch_digest_does_not_see_order_format_or_defaults_written_out);
    tcase_add_test(c, every_row_says_what_it_is);
    tcase_add_test(c, every_default_reads_by_its_own_row);
    tcase_add_test(c, people_see_every_row_with_its_help);
    tcase_add_test(c, the_json_schema_has_every_row_and_every_reference_leads_somewhere);
    tcase_add_test(c, what_was_meant_is_near_what_was_written);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
