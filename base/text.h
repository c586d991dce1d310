/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BASE_TEXT_H
#define STINT_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A growing text, always NUL-terminated. When memory runs out the text stays as it was and
 * `failed` is set; callers look at it once, at the end, instead of after each append.
 */
struct text {
    char *data; /* owned; NULL until the first append (use text_str()) */
    size_t bytes, room;
    bool failed;
};

#define TEXT_INIT         \
    {                     \
        NULL, 0, 0, false \
    }

void text_finish(struct text *t); /* frees; the text is empty and usable again */
#define auto_text __attribute__((cleanup(text_finish)))

void text_clear(struct text *t); /* empties, keeps the memory */
const char *text_str(const struct text *t);
char *text_steal(struct text *t); /* owned by the caller; NULL when memory ran out */

void text_add(struct text *t, const char *s);
void text_addn(struct text *t, const char *s, size_t bytes);
__attribute__((format(printf, 2, 3))) void text_addf(struct text *t, const char *fmt, ...);

/* text_add_json - @s as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void text_add_json(struct text *t, const char *s, size_t bytes);

/* text_add_value - @s as a logfmt value: bare when plain, otherwise quoted and escaped. */
void text_add_value(struct text *t, const char *s, size_t bytes);

/*
 * text_add_line - @s as (a part of) one line of clean UTF-8: control characters become blanks, bytes
 * that are not UTF-8 '?'. Cut to @most bytes, whole characters only.
 */
void text_add_line(struct text *t, const char *s, size_t most);

/* A list of owned strings, NULL-terminated so that it can be an argv or an envp. */
struct strv {
    char **items; /* NULL while n == 0 */
    size_t n;
};

void strv_finish(struct strv *v);
int strv_add(struct strv *v, const char *s); /* copies; 0 or -ENOMEM */
__attribute__((format(printf, 2, 3))) int strv_addf(struct strv *v, const char *fmt, ...);
int strv_copy(struct strv *to, const struct strv *from);
bool strv_equal(const struct strv *a, const struct strv *b);

#endif
