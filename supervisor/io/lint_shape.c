/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/lint_shape.h"

#include <string.h>

#include "supervisor/io/lint_scan.h"

#ifdef __SSE2__

#define PATIENCE_MAX 255
#define WORTH_IT     4 /* lines of a shape, for what it costs to learn one */

/* ---- Does it fit? ---------------------------------------------------------------------------- */

/* Sixteen of them: all zero where they fit. What may end a value is fixed; nothing else may end one. */
static __m128i
differs16(const struct lint_shape *s, const char *bytes, size_t at)
{
    const __m128i now = scan_load(bytes + at);
    const __m128i before = scan_load((const char *)s->bytes + at);
    const __m128i fixed = scan_load((const char *)s->fixed + at);
    const __m128i free = scan_load((const char *)s->free + at);

    return _mm_or_si128(_mm_and_si128(_mm_xor_si128(now, before), fixed),
                        _mm_and_si128(scan_ends16(now), free));
}

static bool
fits(const struct lint_shape *s, const char *bytes, size_t n)
{
    const size_t end = s->blocks * (size_t)16;

    if (end == 0 || n < end)
        return false;
    for (size_t i = 0; i < end;) { /* most that do not fit are told apart in the first 64 */
        const size_t stop = end - i > 64 ? i + 64 : end;
        __m128i other = _mm_setzero_si128();

        for (; i < stop; i += 16)
            other = _mm_or_si128(other, differs16(s, bytes, i));
        if (_mm_movemask_epi8(_mm_cmpeq_epi8(other, _mm_setzero_si128())) != 0xffff)
            return false;
    }
    return true;
}

static bool
is_zero16(const char *at)
{
    return _mm_movemask_epi8(_mm_cmpeq_epi8(scan_load(at), _mm_set1_epi8('0'))) == 0xffff;
}

static bool
ids_are_good(const char *trace, const char *span)
{
    return scan_is_hex16(trace) && scan_is_hex16(trace + 16) && scan_is_hex16(span) &&
           !(is_zero16(trace) && is_zero16(trace + 16)) && !is_zero16(span);
}

bool
lint_shapes_find(struct lint_shapes *s, const char *bytes, size_t n, struct lint_found *ret)
{
    const struct lint_shape *shape = &s->of[s->last];

    if (!fits(shape, bytes, n)) {
        shape = &s->of[!s->last];
        if (!fits(shape, bytes, n))
            return false;
        s->last = !s->last;
    }
    if (!ids_are_good(bytes + shape->trace_at, bytes + shape->span_at))
        return false;
    s->hits++;
    *ret = (struct lint_found){.trace = LINT_GOOD,
                               .span = LINT_GOOD,
                               .trace_id = bytes + shape->trace_at,
                               .span_id = bytes + shape->span_at};
    return true;
}

/* ---- Learning -------------------------------------------------------------------------------- */

/* What stands outside of values, as lint_logfmt() goes through them. */
static void
fix_keys(struct lint_shape *s, const struct lint_scan *scan)
{
    const char *from = scan->begin, *equals;

    while (from < scan->end && (equals = scan_byte(scan, from, '=')) != NULL) {
        memset(s->fixed + (from - scan->begin), 0xff, (size_t)(equals + 1 - from));
        from = scan_value_end(scan, equals + 1);
    }
}

/* Return: whether it has one that can be told again. */
static bool
learn(struct lint_shape *s, const char *bytes, size_t n, const struct lint_found *found)
{
    size_t trace_at = (size_t)(found->trace_id - bytes), span_at = (size_t)(found->span_id - bytes);
    size_t end = trace_at + 32 > span_at + 16 ? trace_at + 32 : span_at + 16;
    size_t blocks = end / 16 + 1; /* with the byte that ends the value */
    const struct lint_scan scan = {bytes, bytes + end};

    if (blocks > LINT_SHAPE_BLOCKS || n < blocks * 16 || memchr(bytes, '"', end + 1))
        return false;
    *s = (struct lint_shape){
        .trace_at = (uint16_t)trace_at, .span_at = (uint16_t)span_at, .blocks = (uint16_t)blocks};
    memcpy(s->bytes, bytes, blocks * 16);
    for (size_t i = 0; i < blocks; i++) {
        unsigned care = i + 1 < blocks ? 0xffff : (2U << end % 16) - 1;
        unsigned ends = scan_maybe_ends(bytes + i * 16) & care;

        for (unsigned at = 0; at < 16; at++) {
            s->fixed[i * 16 + at] = ends & 1U << at ? 0xff : 0;
            s->free[i * 16 + at] = care & ~ends & 1U << at ? 0xff : 0;
        }
    }
    fix_keys(s, &scan);
    return true;
}

void
lint_shapes_learn(struct lint_shapes *s, const char *bytes, size_t n,
                  const struct lint_found *found)
{
    struct lint_shape one;

    if (s->wait > 0) {
        s->wait--;
        return;
    }
    if (s->hits >= WORTH_IT)
        s->patience = 0;
    else if (s->patience < PATIENCE_MAX)
        s->patience = s->patience * 2 + 1;
    s->wait = s->patience;
    s->hits = 0;
    if (!learn(&one, bytes, n, found))
        return;
    s->last = !s->last;
    s->of[s->last] = one;
}

#else

bool
lint_shapes_find(struct lint_shapes *s, const char *bytes, size_t n, struct lint_found *ret)
{
    (void)s;
    (void)bytes;
    (void)n;
    (void)ret;
    return false;
}

void
lint_shapes_learn(struct lint_shapes *s, const char *bytes, size_t n,
                  const struct lint_found *found)
{
    (void)s;
    (void)bytes;
    (void)n;
    (void)found;
}

#endif
