/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Types of one value: true or false, numbers, words, texts, paths. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/reader.h"
#include "config/schema.h"
#include "config/types.h"
#include "config/words.h"

static int
bool_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    static const char *const others[][2] = {
        {"yes", "true" },
        {"on",  "true" },
        {"y",   "true" },
        {"1",   "true" },
        {"no",  "false"},
        {"off", "false"},
        {"n",   "false"},
        {"0",   "false"},
    };
    const char *text = scalar_text(r, k, n);
    struct suggestion s = {.wanted = text};

    if (!text)
        return -EINVAL;
    if (n->plain && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)) {
        *(bool *)key_member(k, base) = text[0] == 't';
        return 0;
    }
    suggest(&s, "true");
    suggest(&s, "false");
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (strcasecmp(text, others[i][0]) == 0)
            s.best = others[i][1];
    return finding(r, n, s.best, "'%s' wants true or false, not '%s'", k->name, text);
}

static void
bool_write(const struct key *k, const void *base, struct text *out)
{
    text_add(out, *(const bool *)key_member_const(k, base) ? "true" : "false");
}

static bool
bool_equal(const struct key *k, const void *a, const void *b)
{
    return *(const bool *)key_member_const(k, a) == *(const bool *)key_member_const(k, b);
}

static void
bool_schema(const struct key *k, struct text *out)
{
    (void)k;
    text_add(out, "\"type\": \"boolean\"");
}

const struct type type_bool = {.about = "true or false",
                               .number = true,
                               .parse = bool_parse,
                               .write = bool_write,
                               .equal = bool_equal,
                               .schema = bool_schema};

int
out_of_range(struct reader *r, const struct key *k, const struct node *n)
{
    auto_text struct text low = TEXT_INIT, high = TEXT_INIT;

    k->type->range(k, k->min, &low);
    k->type->range(k, k->max, &high);
    return finding(r, n, NULL, "'%s' is out of range: %s to %s", k->name, text_str(&low),
                   text_str(&high));
}

/* Return: 0, -EINVAL (not a plain decimal number), -ERANGE (more than 18 digits). */
int
decimal_parse(const char *text, int64_t *ret)
{
    size_t digits = strspn(text, "0123456789");
    int64_t v = 0;

    if (digits == 0 || text[digits] != '\0' || (text[0] == '0' && digits > 1))
        return -EINVAL;
    if (digits > 18)
        return -ERANGE;
    for (; *text; text++)
        v = v * 10 + (*text - '0');
    *ret = v;
    return 0;
}

/* The member is an int or an unsigned; the table's ranges are not negative. */
static int
count_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    const char *text = scalar_text(r, k, n);
    int64_t v = 0;
    int result;

    if (!text)
        return -EINVAL;
    result = decimal_parse(text[0] == '-' ? text + 1 : text, &v);
    if (!n->plain || result == -EINVAL)
        return finding(r, n, NULL, "'%s' wants %s, not '%s'%s", k->name, k->type->about, text,
                       !n->plain && result == 0 ? " in quotes" : "");
    if (result < 0 || (text[0] == '-' && v > 0) || v < k->min || v > k->max)
        return out_of_range(r, k, n);
    *(unsigned *)key_member(k, base) = (unsigned)v;
    return 0;
}

static void
count_write(const struct key *k, const void *base, struct text *out)
{
    text_addf(out, "%u", *(const unsigned *)key_member_const(k, base));
}

static bool
count_equal(const struct key *k, const void *a, const void *b)
{
    return *(const unsigned *)key_member_const(k, a) == *(const unsigned *)key_member_const(k, b);
}

static void
count_range(const struct key *k, int64_t v, struct text *out)
{
    (void)k;
    text_addf(out, "%" PRId64, v);
}

static void
count_schema(const struct key *k, struct text *out)
{
    text_addf(out, "\"type\": \"integer\", \"minimum\": %" PRId64 ", \"maximum\": %" PRId64, k->min,
              k->max);
}

const struct type type_count = {.about = "a whole number",
                                .ranged = true,
                                .number = true,
                                .parse = count_parse,
                                .write = count_write,
                                .equal = count_equal,
                                .range = count_range,
                                .schema = count_schema};

/* In the order of the enum they are stored as. */
static const char *const log_formats[] = {"auto", "logfmt", "json", "journal", NULL};
static const char *const log_levels[] = {"debug", "info", "warning", "error", NULL};
static const char *const handoffs[] = {"overlap", "replace", "signal", NULL};
static const char *const fallbacks[] = {"overlap", "replace", NULL};
static const char *const cgroups[] = {"auto", "off", "on", NULL};
static const char *const service_types[] = {"service", "oneshot", NULL};
static const char *const log_targets[] = {"stderr", "journal", "file", NULL};
static const char *const log_lines[] = {"raw", "logfmt", "json", NULL};
static const char *const trace_formats[] = {"auto", "json", "logfmt", "text", NULL};

static const char *const *const words[WORDS_COUNT] = {
    [WORDS_LOG_FORMAT] = log_formats, [WORDS_LOG_LEVEL] = log_levels, [WORDS_HANDOFF] = handoffs,
    [WORDS_FALLBACK] = fallbacks,     [WORDS_CGROUP] = cgroups,       [WORDS_TYPE] = service_types,
    [WORDS_LOG_TO] = log_targets,     [WORDS_LOG_LINES] = log_lines,  [WORDS_TRACE] = trace_formats,
};

static void
word_words(const struct key *k, struct text *out)
{
    for (size_t i = 0; words[k->arg][i]; i++)
        text_addf(out, "%s%s", i ? ", " : "", words[k->arg][i]);
}

static int
word_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    auto_text struct text all = TEXT_INIT;
    const char *text = n->text;
    struct suggestion s = {.wanted = text};

    word_words(k, &all);
    if (n->kind != NODE_SCALAR || node_null(n))
        return finding(r, n, NULL, "'%s' wants one of %s, not %s", k->name, text_str(&all),
                       node_kind_name(n));
    for (unsigned i = 0; words[k->arg][i]; i++) {
        if (strcmp(words[k->arg][i], text) == 0) {
            *(unsigned *)key_member(k, base) = i;
            return 0;
        }
        suggest(&s, words[k->arg][i]);
    }
    return finding(r, n, s.best, "'%s' wants one of %s, not '%s'", k->name, text_str(&all), text);
}

static void
word_write(const struct key *k, const void *base, struct text *out)
{
    text_add(out, words[k->arg][*(const unsigned *)key_member_const(k, base)]);
}

static void
word_schema(const struct key *k, struct text *out)
{
    text_add(out, "\"enum\": [");
    for (size_t i = 0; words[k->arg][i]; i++)
        text_addf(out, "%s\"%s\"", i ? ", " : "", words[k->arg][i]);
    text_add(out, "]");
}

const struct type type_word = {.about = "one of the words",
                               .words = word_words,
                               .parse = word_parse,
                               .write = word_write,
                               .equal = count_equal,
                               .schema = word_schema};

static char **
string_member(const struct key *k, void *base)
{
    return key_member(k, base);
}

static const char *
string_of(const struct key *k, const void *base)
{
    return *(char *const *)key_member_const(k, base);
}

/* Takes over @s; NULL is "no memory". */
int
string_set(struct reader *r, const struct key *k, void *base, char *s)
{
    if (!s)
        return no_memory(r);
    free(*string_member(k, base));
    *string_member(k, base) = s;
    return 0;
}

static int
string_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    const char *text = scalar_text(r, k, n);

    if (!text)
        return -EINVAL;
    if (text[0] == '\0')
        return finding(r, n, NULL, "'%s' is empty", k->name);
    return string_set(r, k, base, strdup(text));
}

static int
path_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    const char *text = scalar_text(r, k, n);

    if (!text)
        return -EINVAL;
    if (text[0] == '\0')
        return finding(r, n, NULL, "'%s' is empty", k->name);
    return string_set(r, k, base, path_join(n->source->directory, text));
}

void
string_write(const struct key *k, const void *base, struct text *out)
{
    write_string(string_of(k, base), out);
}

bool
string_equal(const struct key *k, const void *a, const void *b)
{
    const char *x = string_of(k, a), *y = string_of(k, b);

    return x && y ? strcmp(x, y) == 0 : !x && !y;
}

void
string_clear(const struct key *k, void *base)
{
    free(*string_member(k, base));
    *string_member(k, base) = NULL;
}

bool
string_absent(const struct key *k, const void *base)
{
    return string_of(k, base) == NULL;
}

static void
string_schema(const struct key *k, struct text *out)
{
    (void)k;
    text_add(out, "\"type\": \"string\", \"minLength\": 1");
}

const struct type type_string = STRING_TYPE("a text", string_parse, string_schema);
const struct type type_path = STRING_TYPE("a path", path_parse, string_schema);
/* Kept as written until the service's directory is known: service_resolve(). */
const struct type type_file = STRING_TYPE("a path", string_parse, string_schema);
