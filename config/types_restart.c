/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the limits of 'restart_after' are written in: parts of a hundred. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "config/reader.h"
#include "config/types.h"

static int
percent_read(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    const char *text = scalar_text(r, k, n);
    size_t digits = text ? strspn(text, "0123456789") : 0;
    char number[8], guess[16] = "";
    int64_t v = 0;
    int result = -EINVAL;

    if (!text)
        return -EINVAL;
    if (digits > 0 && digits < sizeof(number)) {
        (void)snprintf(number, sizeof(number), "%.*s", (int)digits, text);
        result = decimal_parse(number, &v);
    }
    if (result == 0 && text[digits] == '\0' && v > 0)
        (void)snprintf(guess, sizeof(guess), "%s%%", number);
    if (result < 0 || (strcmp(text + digits, "%") != 0 && strcmp(text, "0") != 0))
        return finding(r, n, guess, "'%s' wants %s, not '%s'", k->name, k->type->about, text);
    if (v < k->min || v > k->max)
        return out_of_range(r, k, n);
    *(unsigned *)key_member(k, base) = (unsigned)v;
    return 0;
}

static void
percent_range(const struct key *k, int64_t v, struct text *out)
{
    (void)k;
    text_addf(out, "%" PRId64 "%%", v);
}

static void
percent_write(const struct key *k, const void *base, struct text *out)
{
    text_addf(out, "%u%%", *(const unsigned *)key_member_const(k, base));
}

static bool
percent_equal(const struct key *k, const void *a, const void *b)
{
    return *(const unsigned *)key_member_const(k, a) == *(const unsigned *)key_member_const(k, b);
}

static void
percent_schema(const struct key *k, struct text *out)
{
    (void)k;
    text_add(out, "\"anyOf\": [{\"const\": 0}, {\"type\": \"string\", \"pattern\": "
                  "\"^(0|[0-9]+%)$\"}]");
}

const struct type type_percent = {.about = "a part of a hundred such as 10%",
                                  .ranged = true,
                                  .parse = percent_read,
                                  .write = percent_write,
                                  .equal = percent_equal,
                                  .range = percent_range,
                                  .schema = percent_schema};
