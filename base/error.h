/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BASE_ERROR_H
#define STINT_BASE_ERROR_H

/*
 * An error is a value with a sentence in it. Functions return 0 (or a positive result) or a
 * negative errno, and then the sentence is in @reterr. Library code never logs and never exits.
 */
struct error {
    int code;       /* negative errno; 0 = none */
    char text[480]; /* one sentence, no newline, no trailing full stop */
};

/**
 * error_set - say what failed, with the errno in words behind it ("open 'x': No such file …").
 * @reterr: may be NULL: then only the code travels
 * @code:   negative errno
 *
 * Return: @code, so that callers write `return error_set(reterr, -errno, …)`.
 */
__attribute__((format(printf, 3, 4))) int error_set(struct error *reterr, int code, const char *fmt,
                                                    ...);

/* error_say - like error_set(), without the errno in words: the sentence says it all. */
__attribute__((format(printf, 3, 4))) int error_say(struct error *reterr, int code, const char *fmt,
                                                    ...);

/* error_wrap - put "outer: " before the sentence already in @reterr. Return: @code. */
__attribute__((format(printf, 3, 4))) int error_wrap(struct error *reterr, int code,
                                                     const char *fmt, ...);

#endif
