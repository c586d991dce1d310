/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BASE_DIGEST_H
#define STINT_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A 128-bit XXH3 digest (libxxhash). It tells whether something changed; it is not a defence
 * against somebody who wants two files to look alike.
 */
struct digest {
    uint64_t high, low;
};

struct digest digest_of(const void *data, size_t bytes);

/* digest_mix - the digest of a sequence: mix(mix(zero, a), b) differs from mix(mix(zero, b), a). */
struct digest digest_mix(struct digest sum, struct digest next);

bool digest_equal(struct digest a, struct digest b);
bool digest_none(struct digest d); /* all zero: "not known yet" */

#define DIGEST_TEXT 33 /* 32 hex digits and the NUL */
char *digest_format(struct digest d, char buf[DIGEST_TEXT]);

/* The same sum over a stream. The state is the library's; create, update, finish once. */
struct digest_stream;
struct digest_stream *digest_stream_create(void); /* NULL: out of memory */
void digest_stream_update(struct digest_stream *s, const void *data, size_t bytes);
struct digest digest_stream_finish(struct digest_stream *s); /* frees @s */

#endif
