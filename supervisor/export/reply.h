/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_EXPORT_REPLY_H
#define STINT_EXPORT_REPLY_H

/* What an answer to a request means, and when the next try is. Pure. */
#include <stddef.h>
#include <stdint.h>

#include "supervisor/export/otlp.h"

enum reply_outcome {
    REPLY_TAKEN,     /* 2xx: it is the collector's now, but for what it says it rejected */
    REPLY_LATER,     /* 429, 502, 503, 504, or none at all: the same again, later */
    REPLY_TOO_LARGE, /* 413: less of it at once */
    REPLY_REFUSED    /* anything else: it would be refused again */
};

enum reply_outcome reply_outcome(long status); /* @status: of HTTP; 0: there was no answer */

/**
 * reply_rejected - rows that the collector did not take of a request that it took (partialSuccess).
 * @body:     JSON; anything is survived
 * @ret_why:  its words, one clean line; "" when it has none
 */
uint64_t reply_rejected(enum otlp_signal signal, const char *body, size_t n, char *ret_why,
                        size_t room);

#define REPLY_BACKOFF_FIRST_US INT64_C(1000000)
#define REPLY_BACKOFF_MAX_US   INT64_C(60000000)
#define REPLY_RETRY_AFTER_MAX_US \
    INT64_C(600000000) /* who says he wants to be left alone for longer is asked after this */

/**
 * reply_backoff_us - from now to the next try.
 * @tries:          that failed in a row, from 1
 * @retry_after_us: as the collector asked for; 0: it did not
 * @chance:         any number: a quarter more or less, so that not all come back together
 */
int64_t reply_backoff_us(unsigned tries, int64_t retry_after_us, uint32_t chance);

#endif
