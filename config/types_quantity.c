/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Types with a unit or a notation of their own: durations, modes, signals. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "base/units.h"
#include "config/reader.h"
#include "config/types.h"

/* "30" is probably 30s, "30sec" too; "" when there is nothing sensible to say. */
static const char *
guess_duration(const char *text, char *buf, size_t room)
{
    static const char *const units[] = {"us", "ms", "s", "m", "h", "d"};
    size_t digits = strspn(text, "0123456789.");
    const char *rest = text + digits + strspn(text + digits, " ");
    const char *unit = rest[0] == '\0' ? "s" : NULL;

    buf[0] = '\0';
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && !unit; i++)
        if (strncasecmp(rest, units[i], strlen(units[i])) == 0)
            unit = units[i];
    if (unit && unit[0] == 'm' && (strncasecmp(rest, "mil", 3) == 0))
        unit = "ms";
    if (digits > 0 && unit)
        (void)snprintf(buf, room, "%.*s%s", (int)(digits < 20 ? digits : 20), text, unit);
    return buf;
}

static int
duration_read(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    const char *text = scalar_text(r, k, n);
    char guess[32];
    int64_t us = 0;
    int result;

    if (!text)
        return -EINVAL;
    result = duration_parse(text, &us);
    if (result == -EINVAL && text[0] != '\0' && text[strspn(text, "0123456789.")] == '\0')
        return finding(r, n, guess_duration(text, guess, sizeof(guess)),
                       "'%s' wants a unit behind '%s': us, ms, s, m, h or d", k->name, text);
    if (result == -EINVAL)
        return finding(r, n, guess_duration(text, guess, sizeof(guess)),
                       "'%s' wants a duration in us, ms, s, m, h or d, not '%s'", k->name, text);
    if (result < 0 || us < k->min || us > k->max)
        return out_of_range(r, k, n);
    *(int64_t *)key_member(k, base) = us;
    return 0;
}

static void
duration_range(const struct key *k, int64_t us, struct text *out)
{
    char buf[32];

    (void)k;
    text_add(out, duration_format(us, buf, sizeof(buf)));
}

static void
duration_write(const struct key *k, const void *base, struct text *out)
{
    duration_range(k, *(const int64_t *)key_member_const(k, base), out);
}

static bool
duration_equal(const struct key *k, const void *a, const void *b)
{
    return *(const int64_t *)key_member_const(k, a) == *(const int64_t *)key_member_const(k, b);
}

static void
duration_schema(const struct key *k, struct text *out)
{
    (void)k;
    text_add(out, "\"anyOf\": [{\"const\": 0}, {\"type\": \"string\", \"pattern\": "
                  "\"^(0|[0-9]+([.][0-9]+)?(us|ms|s|m|h|d))$\"}]");
}

const struct type type_duration = {.about = "a duration such as 250ms or 30s",
                                   .ranged = true,
                                   .parse = duration_read,
                                   .write = duration_write,
                                   .equal = duration_equal,
                                   .range = duration_range,
                                   .schema = duration_schema};

static void
octal_range(const struct key *k, int64_t v, struct text *out)
{
    (void)k;
    text_addf(out, "%04o", (unsigned)v);
}

static int
octal_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    const char *text = scalar_text(r, k, n);
    size_t digits = text ? strspn(text, "01234567") : 0;
    char guess[16] = "";
    int64_t v = 0;

    if (!text)
        return -EINVAL;
    if (digits == 0 || digits > 8 || text[digits] != '\0' || text[0] != '0') {
        if (digits == 3 && text[digits] == '\0')
            (void)snprintf(guess, sizeof(guess), "0%s", text);
        return finding(r, n, guess, "'%s' wants octal mode bits with a leading 0, not '%s'",
                       k->name, text);
    }
    for (const char *p = text; *p; p++)
        v = v * 8 + (*p - '0');
    if (v < k->min || v > k->max)
        return out_of_range(r, k, n);
    *(mode_t *)key_member(k, base) = (mode_t)v;
    return 0;
}

static void
octal_write(const struct key *k, const void *base, struct text *out)
{
    octal_range(k, *(const mode_t *)key_member_const(k, base), out);
}

static bool
octal_equal(const struct key *k, const void *a, const void *b)
{
    return *(const mode_t *)key_member_const(k, a) == *(const mode_t *)key_member_const(k, b);
}

/* YAML 1.1 readers see the number 432 in 0660, others the text: both are let through. */
static void
octal_schema(const struct key *k, struct text *out)
{
    (void)k;
    text_add(out, "\"anyOf\": [{\"type\": \"integer\"}, {\"type\": \"string\", \"pattern\": "
                  "\"^(0[0-7]{0,7}|inherit)$\"}]");
}

const struct type type_octal = {.about = "octal mode bits such as 0660",
                                .ranged = true,
                                .parse = octal_parse,
                                .write = octal_write,
                                .equal = octal_equal,
                                .range = octal_range,
                                .schema = octal_schema};

static int
umask_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    if (n->kind != NODE_SCALAR || strcmp(n->text, "inherit") != 0)
        return octal_parse(r, k, n, base);
    *(mode_t *)key_member(k, base) = (mode_t)-1;
    return 0;
}

static void
umask_write(const struct key *k, const void *base, struct text *out)
{
    if (*(const mode_t *)key_member_const(k, base) == (mode_t)-1)
        text_add(out, "inherit");
    else
        octal_write(k, base, out);
}

const struct type type_umask = {.about = "octal mode bits such as 0022, or inherit",
                                .ranged = true,
                                .parse = umask_parse,
                                .write = umask_write,
                                .equal = octal_equal,
                                .range = octal_range,
                                .schema = octal_schema};

/* The number of a name with or without SIG, or of a number; 0 when it is none. */
static int
signal_number(const char *text, struct suggestion *s)
{
    const char *bare = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
    int64_t v = 0;

    if (decimal_parse(text, &v) == 0)
        return v >= 1 && v < NSIG ? (int)v : 0;
    s->wanted = bare;
    for (int i = 1; i < NSIG; i++) {
        const char *name = sigabbrev_np(i);

        if (name && strcmp(name, bare) == 0)
            return i;
        if (name)
            suggest(s, name);
    }
    return 0;
}

static int
signal_parse(struct reader *r, const struct key *k, const struct node *n, void *base)
{
    const char *text = scalar_text(r, k, n);
    struct suggestion s = {0};
    int number;

    if (!text)
        return -EINVAL;
    number = signal_number(text, &s);
    if (number == 0)
        return finding(r, n, s.best, "'%s' wants a signal such as TERM or QUIT, not '%s'", k->name,
                       text);
    if (number == SIGKILL)
        return finding(r, n, NULL,
                       "'%s' cannot be KILL: a program cannot catch it, so nothing it has begun "
                       "would be finished (stint sends it by itself after 'leak_grace')",
                       k->name);
    if (number == SIGSTOP)
        return finding(r, n, NULL, "'%s' cannot be STOP: it halts the program instead of ending it",
                       k->name);
    *(int *)key_member(k, base) = number;
    return 0;
}

static void
signal_write(const struct key *k, const void *base, struct text *out)
{
    int number = *(const int *)key_member_const(k, base);
    const char *name = sigabbrev_np(number);

    if (name)
        text_add(out, name);
    else
        text_addf(out, "%d", number);
}

static bool
signal_equal(const struct key *k, const void *a, const void *b)
{
    return *(const int *)key_member_const(k, a) == *(const int *)key_member_const(k, b);
}

static void
signal_schema(const struct key *k, struct text *out)
{
    (void)k;
    text_add(out, "\"anyOf\": [{\"type\": \"integer\", \"minimum\": 1, \"maximum\": 64}, "
                  "{\"type\": \"string\", \"pattern\": \"^(SIG)?[A-Z0-9]+$\"}]");
}

const struct type type_signal = {.about = "a signal such as TERM or QUIT",
                                 .parse = signal_parse,
                                 .write = signal_write,
                                 .equal = signal_equal,
                                 .schema = signal_schema};
