/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_LINT_SCAN_H
#define STINT_IO_LINT_SCAN_H

/*
 * Bytes looked for, and digits looked at, sixteen at a time where the processor can: values are short, so a
 * call of memchr(3) for each costs more than what it finds. Nothing outside of [begin, end) is read.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct lint_scan {
    const char *begin, *end;
};

/* ---- What ends a value, or begins a key, of logfmt ------------------------------------------- */

static inline bool
scan_ends_value(char c)
{
    switch (c) {
    case ' ':
    case '\t':
    case '\r':
    case ',':
    case ';':
    case ']':
    case ')':
    case '}':
    case '"':
    case '|':
        return true;
    default:
        return false;
    }
}

static inline const char *
scan_value_end_plain(const char *at, const char *end)
{
    while (at < end && !scan_ends_value(*at))
        at++;
    return at;
}

static inline bool
scan_is_hex_plain(const char *at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((at[i] < '0' || at[i] > '9') && (at[i] < 'a' || at[i] > 'f'))
            return false;
    return true;
}

#ifdef __SSE2__

static inline __m128i
scan_load(const char *at)
{
    __m128i bytes;

    memcpy(&bytes, at, sizeof(bytes));
    return bytes;
}

/* 0xff for each of the sixteen that ends a value, and for some that do not. */
static inline __m128i
scan_ends16(__m128i bytes)
{
    const __m128i comma = _mm_set1_epi8(',');
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, comma), bytes); /* blanks, " ) , */
    const __m128i bar = /* | and } are but a bit apart */
        _mm_cmpeq_epi8(_mm_or_si128(bytes, _mm_set1_epi8(1)), _mm_set1_epi8('}'));
    const __m128i rest = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(';')),
                                      _mm_cmpeq_epi8(bytes, _mm_set1_epi8(']')));

    return _mm_or_si128(_mm_or_si128(low, bar), rest);
}

/* … a bit for each. */
static inline unsigned
scan_maybe_ends(const char *at)
{
    return (unsigned)_mm_movemask_epi8(scan_ends16(scan_load(at)));
}

static inline unsigned
scan_equal(const char *at, char c)
{
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(scan_load(at), _mm_set1_epi8(c)));
}

/* scan_byte - the first @c from @at on; NULL: there is none. */
static inline const char *
scan_byte(const struct lint_scan *s, const char *at, char c)
{
    for (; s->end - at >= 16; at += 16) {
        unsigned found = scan_equal(at, c);

        if (found)
            return at + __builtin_ctz(found);
    }
    if (at < s->end && s->end - s->begin >= 16) { /* the last ones, and some from before again */
        unsigned found = scan_equal(s->end - 16, c) >> (16 - (s->end - at));

        return found ? at + __builtin_ctz(found) : NULL;
    }
    return at < s->end ? memchr(at, c, (size_t)(s->end - at)) : NULL;
}

/* scan_value_end - the first byte from @at on that ends a value; the end. */
static inline const char *
scan_value_end(const struct lint_scan *s, const char *at)
{
    for (; s->end - at >= 16; at += 16)
        for (unsigned found = scan_maybe_ends(at); found; found &= found - 1)
            if (scan_ends_value(at[__builtin_ctz(found)]))
                return at + __builtin_ctz(found);
    return scan_value_end_plain(at, s->end);
}

static inline bool
scan_is_hex16(const char *at)
{
    const __m128i bytes = scan_load(at);
    const __m128i digit = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
    const __m128i letter = _mm_sub_epi8(bytes, _mm_set1_epi8('a'));
    const __m128i good =
        _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit),
                     _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(5)), letter));

    return _mm_movemask_epi8(good) == 0xffff;
}

static inline bool
scan_is_hex(const char *at, size_t n)
{
    size_t i = 0;

    for (; n - i >= 16; i += 16)
        if (!scan_is_hex16(at + i))
            return false;
    return scan_is_hex_plain(at + i, n - i);
}

#else

static inline const char *
scan_byte(const struct lint_scan *s, const char *at, char c)
{
    return at < s->end ? memchr(at, c, (size_t)(s->end - at)) : NULL;
}

static inline const char *
scan_value_end(const struct lint_scan *s, const char *at)
{
    return scan_value_end_plain(at, s->end);
}

static inline bool
scan_is_hex(const char *at, size_t n)
{
    return scan_is_hex_plain(at, n);
}

#endif

/* scan_pack - sixteen digits of 0-9 a-f as a number: other digits, another number. */
static inline uint64_t
scan_pack(const char *digits)
{
    const uint64_t low = UINT64_C(0x0f0f0f0f0f0f0f0f), one = UINT64_C(0x0101010101010101);
    uint64_t a, b;

    memcpy(&a, digits, sizeof(a));
    memcpy(&b, digits + sizeof(a), sizeof(b));
    a = (a & low) + 9 * (a >> 6 & one); /* a letter's fifth bit says that it is one */
    b = (b & low) + 9 * (b >> 6 & one);
    return a << 4 | b;
}

#endif
