/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_EXPORTER_REQUEST_H
#define STINT_EXPORTER_REQUEST_H

/* One POST: made of rows of the queue, by libcurl, and what came of it. */
#include <curl/curl.h>

#include "base/text.h"
#include "supervisor/export/queue.h"
#include "supervisor/export/wire.h"

struct settings;

#define REQUEST_REPLY_MAX ((size_t)64 << 10) /* bytes of an answer that are looked at */

struct request {
    struct export_order order; /* what it answers */
    CURL *curl;                /* owned; kept from one to the next, for its connection */
    struct curl_slist *headers;
    char *body; /* owned */
    struct text reply;
    size_t rows;
    bool under_way;
    char why[CURL_ERROR_SIZE]; /* libcurl's words */
};

void request_init(struct request *rq);
void request_finish(struct request *rq);

/**
 * request_begin - make it, so that it can be given to libcurl.
 * @ret: how it ended, when this returns false: there is nothing to send, or it cannot be
 */
bool request_begin(struct request *rq, const struct export_order *order, const struct settings *s,
                   const struct export_queue *q, struct export_answer *ret);

/* request_end - libcurl is done with it. */
void request_end(struct request *rq, CURLcode code, struct export_answer *ret);

#endif
