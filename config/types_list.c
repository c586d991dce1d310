/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Types of many values: commands, paths, dependencies, variables. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/reader.h"
#include "config/types.h"

/* A map to YAML, unless it stands in quotes. */
static const char *
meant_slot(const struct node *n)
{
    return n->kind == NODE_MAP && n->n == 1 && strcmp(n->keys[0]->text, "slot") == 0 ? "\"{slot}\""
                                                                                     : NULL;
}

static int
strings_add(struct reader *r, const struct key *k, const struct node *n, struct strv *v)
{
    int result = 0;

    for (size_t i = 0; i < n->n; i++) {
        const struct node *item = n->items[i];

        if (item->kind != NODE_SCALAR || node_null(item))
            result = finding(r, item, meant_slot(item), "'%s' item %zu wants a text, not %s",
                             k->name, i + 1, node_kind_name(item));
        else if (strv_add(v, item->text) < 0)
            return no_memory(r);
    }
    return result;
}

static int
strings_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    struct strv v = {NULL, 0}, *to = key_member(k, base);
    int result;

    if (n->kind != NODE_LIST)
        return wrong_type(r, k, n);
    if (n->n < (size_t)k->min || n->n > (size_t)k->max)
        return finding(r, n, NULL, "'%s' wants %" PRId64 " to %" PRId64 " items, not %zu", k->name,
                       k->min, k->max, n->n);
    result = strings_add(r, k, n, &v);
    for (size_t i = 0; i < n->n && result == 0; i++)
        if (v.items[i][0] == '\0' && (i == 0 || k->type == &type_files))
            result = finding(r, n->items[i], NULL, "'%s' item %zu is empty", k->name, i + 1);
    if (result < 0) {
        strv_finish(&v);
        return result;
    }
    strv_finish(to);
    *to = v;
    return 0;
}

/* "./web --port 80" is no argv; show what the user meant by it. */
static int
argv_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    auto_text struct text list = TEXT_INIT;
    const char *p = n->kind == NODE_SCALAR && !node_null(n) ? n->text : "";

    if (n->kind == NODE_LIST || p[0] == '\0')
        return strings_parse(r, k, n, base);
    while (*p) {
        size_t part = strcspn(p, " \t\n");

        if (part > 0)
            text_addf(&list, "%s%.*s", list.bytes ? ", " : "[", (int)part, p);
        p += part;
        p += strspn(p, " \t\n");
    }
    text_add(&list, "]");
    return finding(r, n, list.bytes < 80 ? text_str(&list) : NULL, "'%s' wants %s, not %s", k->name,
                   k->type->about, node_kind_name(n));
}

static void
strings_write(const struct key *k, const void *base, struct text *out)
{
    write_strings(key_member_const(k, base), out);
}

static bool
strings_equal(const struct key *k, const void *a, const void *b)
{
    return strv_equal(key_member_const(k, a), key_member_const(k, b));
}

static void
strings_clear(const struct key *k, void *base)
{
    strv_finish(key_member(k, base));
}

static void
strings_schema(const struct key *k, struct text *out)
{
    text_addf(out,
              "\"type\": \"array\", \"items\": {\"type\": [\"string\", \"number\", \"boolean\"]}, "
              "\"minItems\": %" PRId64 ", \"maxItems\": %" PRId64,
              k->min, k->max);
}

const struct type type_argv = {.about = "a list: the program and its arguments",
                               .parse = argv_parse,
                               .write = strings_write,
                               .equal = strings_equal,
                               .clear = strings_clear,
                               .schema = strings_schema};

const struct type type_files = {.about = "a list of paths",
                                .parse = strings_parse,
                                .write = strings_write,
                                .equal = strings_equal,
                                .clear = strings_clear,
                                .schema = strings_schema};

/* {db: ready, migrate: completed}: what it waits for of each. */
static int
depends_map(struct reader *r, const struct key *k, const struct node *n, struct strv *v,
            struct strv *completed)
{
    int result = 0;

    for (size_t i = 0; i < n->n; i++) {
        const struct node *state = n->items[i];
        const char *word = state->kind == NODE_SCALAR ? state->text : "";
        struct suggestion s = {.wanted = word};

        if (strcmp(word, "completed") == 0) {
            if (strv_add(completed, n->keys[i]->text) < 0)
                return no_memory(r);
        } else if (strcmp(word, "ready") != 0) {
            suggest(&s, "ready");
            suggest(&s, "completed");
            result =
                finding(r, state, s.best, "'%s' can wait for 'ready' or 'completed' only", k->name);
        }
        if (strv_add(v, n->keys[i]->text) < 0)
            return no_memory(r);
    }
    return result;
}

static void
depends_clear(const struct key *k, void *base)
{
    struct service_spec *s = base;

    strings_clear(k, base);
    strv_finish(&s->depends_completed);
}

static int
depends_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    struct service_spec *s = base;
    struct strv v = {NULL, 0}, completed = {NULL, 0};
    int result;

    if (n->kind == NODE_SCALAR)
        return wrong_type(r, k, n);
    if (n->n > (size_t)k->max)
        return finding(r, n, NULL, "'%s' has %zu names: at most %" PRId64, k->name, n->n, k->max);
    result = n->kind == NODE_MAP ? depends_map(r, k, n, &v, &completed) : strings_add(r, k, n, &v);
    for (size_t i = 0; i < v.n && result == 0; i++)
        for (size_t j = 0; j < i && result == 0; j++)
            if (strcmp(v.items[i], v.items[j]) == 0)
                result =
                    finding(r, n->items[i], NULL, "'%s' names '%s' twice", k->name, v.items[i]);
    if (result < 0) {
        strv_finish(&v);
        strv_finish(&completed);
        return result;
    }
    depends_clear(k, s);
    s->depends_on = v;
    s->depends_completed = completed;
    return 0;
}

static void
depends_write(const struct key *k, const void *base, struct text *out)
{
    const struct service_spec *s = base;

    if (s->depends_completed.n == 0) {
        strings_write(k, base, out);
        return;
    }
    for (size_t i = 0; i < s->depends_on.n; i++) {
        text_add(out, i ? ", " : "{");
        write_string(s->depends_on.items[i], out);
        text_addf(out, ": %s",
                  service_awaits_completion(s, s->depends_on.items[i]) ? "completed" : "ready");
    }
    text_add(out, "}");
}

static bool
depends_equal(const struct key *k, const void *a, const void *b)
{
    const struct service_spec *x = a, *y = b;

    return strings_equal(k, a, b) && strv_equal(&x->depends_completed, &y->depends_completed);
}

static void
depends_schema(const struct key *k, struct text *out)
{
    text_addf(out,
              "\"anyOf\": [{\"type\": \"array\", \"items\": {\"type\": \"string\"}, \"maxItems\": "
              "%" PRId64 "}, {\"type\": \"object\", \"additionalProperties\": {\"enum\": "
              "[\"ready\", \"completed\"]}}]",
              k->max);
}

const struct type type_depends = {.about = "a list of services, or a map such as {db: ready}",
                                  .parse = depends_parse,
                                  .write = depends_write,
                                  .equal = depends_equal,
                                  .clear = depends_clear,
                                  .schema = depends_schema};

enum { VARIABLE_NAME_MAX = 256 };

static bool
variable_name(const char *s)
{
    if (s[0] == '\0' || strlen(s) > VARIABLE_NAME_MAX)
        return false;
    for (; *s; s++)
        if (*s <= ' ' || *s >= 0x7f || *s == '=')
            return false;
    return true;
}

/* Of the service, or those for its rehearsal. */
struct variables {
    struct environment_entry **list;
    size_t *n;
};

static struct variables
variables_of(const struct key *k, struct service_spec *s)
{
    struct preflight_spec *p = &s->preflight;

    return k->arg == OBJECT_PREFLIGHT ? (struct variables){&p->environment, &p->n_environment}
           : k->arg == OBJECT_PREFLIGHT_LOAD
               ? (struct variables){&p->headers, &p->n_headers}
               : (struct variables){&s->environment, &s->n_environment};
}

static size_t
variables_read(const struct key *k, const struct service_spec *s,
               const struct environment_entry **ret)
{
    const struct preflight_spec *p = &s->preflight;

    *ret = k->arg == OBJECT_PREFLIGHT        ? p->environment
           : k->arg == OBJECT_PREFLIGHT_LOAD ? p->headers
                                             : s->environment;
    return k->arg == OBJECT_PREFLIGHT        ? p->n_environment
           : k->arg == OBJECT_PREFLIGHT_LOAD ? p->n_headers
                                             : s->n_environment;
}

/* There is room for one more. Sorted, so that the order in the file does not matter. */
static int
variable_set(struct variables to, const char *name, const char *value)
{
    auto_free char *copy = strdup(value);
    auto_free char *label = strdup(name);
    struct environment_entry *list = *to.list;
    size_t at = 0, high = *to.n;

    if (!copy || !label)
        return -ENOMEM;
    while (at < high) {
        size_t middle = at + (high - at) / 2;

        if (strcmp(list[middle].name, name) < 0)
            at = middle + 1;
        else
            high = middle;
    }
    if (at < *to.n && strcmp(list[at].name, name) == 0) {
        free(list[at].value);
        list[at].value = steal(copy);
        return 0;
    }
    memmove(list + at + 1, list + at, (*to.n - at) * sizeof(*list));
    list[at] = (struct environment_entry){steal(label), steal(copy)};
    (*to.n)++;
    return 0;
}

/* Adds to what is there already: the variables of 'defaults' were read first. */
static int
environment_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    struct variables to = variables_of(k, base);
    struct environment_entry *bigger;
    int result = 0;

    if (n->kind != NODE_MAP)
        return wrong_type(r, k, n);
    if (n->n > (size_t)k->max)
        return finding(r, n, NULL, "'%s' has %zu variables: at most %" PRId64, k->name, n->n,
                       k->max);
    bigger = realloc(*to.list, (*to.n + n->n + 1) * sizeof(*bigger));
    if (!bigger)
        return no_memory(r);
    *to.list = bigger;
    for (size_t i = 0; i < n->n; i++) {
        const struct node *value = n->items[i];
        const char *name = n->keys[i]->text;

        if (!variable_name(name))
            result = finding(
                r, n->keys[i], NULL,
                "'%s' is no name of a variable: 1 to 256 ASCII letters, no blank, no =", name);
        else if (value->kind != NODE_SCALAR || node_null(value))
            result = finding(r, value, meant_slot(value),
                             "variable '%s' wants a text (\"\" if empty), not %s", name,
                             node_kind_name(value));
        else if (variable_set(to, name, value->text) < 0)
            return no_memory(r);
    }
    return result;
}

static void
environment_write(const struct key *k, const void *base, struct text *out)
{
    const struct environment_entry *list;
    size_t n = variables_read(k, base, &list);

    text_add(out, "{");
    for (size_t i = 0; i < n; i++) {
        text_add(out, i ? ", " : "");
        write_string(list[i].name, out);
        text_add(out, ": ");
        write_string(list[i].value, out);
    }
    text_add(out, "}");
}

static bool
environment_equal(const struct key *k, const void *a, const void *b)
{
    const struct environment_entry *x, *y;
    size_t n = variables_read(k, a, &x);

    if (n != variables_read(k, b, &y))
        return false;
    for (size_t i = 0; i < n; i++)
        if (strcmp(x[i].name, y[i].name) != 0 || strcmp(x[i].value, y[i].value) != 0)
            return false;
    return true;
}

static void
environment_clear(const struct key *k, void *base)
{
    struct variables of = variables_of(k, base);

    for (size_t i = 0; i < *of.n; i++) {
        free((*of.list)[i].name);
        free((*of.list)[i].value);
    }
    free(*of.list);
    *of.list = NULL;
    *of.n = 0;
}

static void
environment_schema(const struct key *k, struct text *out)
{
    (void)k;
    text_add(out, "\"type\": \"object\", \"additionalProperties\": {\"type\": [\"string\", "
                  "\"number\", \"boolean\"]}");
}

const struct type type_environment = {.about = "a map of variables",
                                      .parse = environment_parse,
                                      .write = environment_write,
                                      .equal = environment_equal,
                                      .clear = environment_clear,
                                      .schema = environment_schema};
