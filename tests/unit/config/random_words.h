/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_CONFIG_RANDOM_WORDS_H
#define STINT_TESTS_CONFIG_RANDOM_WORDS_H

/* Seeded random services, valid but for nothing that a reasonable person would write. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "config/address.h"
#include "config/schema.h"
#include "tests/unit/unit.h"

static uint64_t random_state; /* xorshift64: the same specs each time */

static inline uint64_t
random_below(uint64_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state >> 11) % n;
}

static inline void
add_character(struct text *t, unsigned c)
{
    if (c < 0x80)
        text_addf(t, "%c", (char)c);
    else if (c < 0x800)
        text_addf(t, "%c%c", (char)(0xc0 | c >> 6), (char)(0x80 | (c & 0x3f)));
    else if (c < 0x10000)
        text_addf(t, "%c%c%c", (char)(0xe0 | c >> 12), (char)(0x80 | (c >> 6 & 0x3f)),
                  (char)(0x80 | (c & 0x3f)));
    else
        text_addf(t, "%c%c%c%c", (char)(0xf0 | c >> 18), (char)(0x80 | (c >> 12 & 0x3f)),
                  (char)(0x80 | (c >> 6 & 0x3f)), (char)(0x80 | (c & 0x3f)));
}

/* Texts that YAML readers like to take for something else, and characters they stumble over. */
static inline char *
nasty(bool may_be_empty)
{
    static const char *const words[] = {
        "yes",   "no",   "true",   "null",    "~",        "0x1",        "1e3",   "0777", "1_000",
        "12:30", "-",    "- a",    "---",     "...",      "? a",        ": ",    "a: b", "a #b",
        "#",     "[",    "]",      "{",       "}",        ",",          "&a",    "*a",   "!a",
        "|",     ">",    "%",      "@",       "`",        "'",          "\"",    "\\",   "\\n",
        "<<",    "=",    ".",      "..",      " leading", "trail ",     "\ttab", "a\nb", "a\n\nb",
        "\r\n",  "\n",   "notify", "inherit", "$HOME",    "2026-01-01", "+1",    ".inf", ".nan",
        "Null",  "NULL", "é",      "日本",    "\u2028",   "/",
    };
    static const unsigned characters[] = {
        0x01,     0x07,   0x08,   0x0b,   0x1b,   0x1f,   0x20,   0x22,   0x27,    0x5c,
        0x7f,     0x80,   0x85,   0x9f,   0xa0,   0xad,   0xff,   0x7ff,  0x800,   0x2028,
        0x2029,   0xd7ff, 0xe000, 0xfdd0, 0xfeff, 0xfffd, 0xfffe, 0xffff, 0x10000, 0x1f600,
        0x10ffff, 'a',    'Z',    '0',    ':',    '#',    ',',    '[',    '-',     '\n',
    };
    struct text t = TEXT_INIT;
    size_t n = random_below(6) + !may_be_empty;

    for (size_t i = 0; i < n; i++) {
        if (random_below(3) == 0)
            text_add(&t, words[random_below(ARRAY_LEN(words))]);
        else
            add_character(&t, characters[random_below(ARRAY_LEN(characters))]);
    }
    return text_steal(&t);
}

static inline char *
nasty_or_null(void)
{
    return random_below(2) ? nasty(false) : NULL;
}

static inline char *
nasty_path(void)
{
    auto_free char *part = nasty(true);

    return path_join("/srv", part);
}

static inline void
random_strings(struct strv *v, size_t least, size_t most)
{
    size_t n = least + random_below(most - least + 1);

    for (size_t i = 0; i < n; i++) {
        auto_free char *s = nasty(i > 0);

        ck_assert_int_eq(strv_add(v, s), 0);
    }
}

static inline char *
label(void)
{
    static const char letters[] = "abcXYZ019_-.";
    struct text t = TEXT_INIT;

    text_addf(&t, "n%d", (int)random_below(10));
    for (size_t i = random_below(62); i > 0; i--)
        text_addn(&t, letters + random_below(sizeof(letters) - 1), 1);
    return text_steal(&t);
}

static inline int64_t
random_us(int64_t most)
{
    int64_t unit = (int64_t[]){1, US_PER_MS, US_PER_S, 60 * US_PER_S}[random_below(4)];

    return (int64_t)random_below((uint64_t)(most / unit) + 1) * unit;
}

static inline char *
tcp_address(bool any_port)
{
    auto_address struct address a = {0};
    auto_text struct text t = TEXT_INIT;
    unsigned port = any_port ? 0 : (unsigned)random_below(65536);

    if (random_below(2))
        text_addf(&t, "tcp://%d.%d.0.1:%u", (int)random_below(256), (int)random_below(256), port);
    else
        text_addf(&t, "tcp://[%x::%x]:%u", (unsigned)random_below(65536),
                  (unsigned)random_below(65536), port);
    ck_assert_int_eq(address_parse(text_str(&t), &a, NULL), 0);
    return steal(a.canonical);
}

#endif
