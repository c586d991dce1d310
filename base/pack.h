/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BASE_PACK_H
#define STINT_BASE_PACK_H

/*
 * Values one after the other as bytes, and back, on one machine: numbers as 8 bytes, texts and bytes
 * with their length before them. What is read may be anything: the first value that is not there
 * makes `bad` true, and from then on all is 0, NULL and empty, so one look at the end is enough.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strv;
struct text;

void pack_u64(struct text *out, uint64_t n);
void pack_i64(struct text *out, int64_t n);
void pack_bytes(struct text *out, const void *bytes, size_t n);
void pack_str(struct text *out, const char *s); /* NULL is another thing than "" */
void pack_strv(struct text *out, const struct strv *v);

struct unpack {
    const char *at;
    size_t left;
    bool bad; /* too short, or a value was out of its range; also: no memory */
};

#define UNPACK_INIT(bytes, n) \
    {                         \
        (bytes), (n), false   \
    }

uint64_t unpack_u64(struct unpack *in);
int64_t unpack_i64(struct unpack *in);
/* A number that has to be at most @most. */
uint64_t unpack_most(struct unpack *in, uint64_t most);
bool unpack_bool(struct unpack *in);
/* Borrowed from the bytes; not NUL-terminated. */
const char *unpack_bytes(struct unpack *in, size_t *ret_n);
char *unpack_str(struct unpack *in);                         /* owned by the caller; may be NULL */
void unpack_chars(struct unpack *in, char *to, size_t room); /* a text that has to fit */
void unpack_strv(struct unpack *in, struct strv *ret); /* added to @ret, also when it is bad then */
/* Nothing is left over, and nothing was bad. */
bool unpack_done(const struct unpack *in);

#endif
