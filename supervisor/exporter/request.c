/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/exporter/request.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/export/reply.h"
#include "supervisor/exporter/settings.h"

void
request_init(struct request *rq)
{
    *rq = (struct request){.curl =
                               curl_easy_init()}; /* NULL: no memory, which request_begin() says */
}

static void
request_clear(struct request *rq)
{
    curl_slist_free_all(rq->headers);
    rq->headers = NULL;
    free(rq->body);
    rq->body = NULL;
    text_finish(&rq->reply);
    rq->why[0] = '\0';
    rq->under_way = false;
}

void
request_finish(struct request *rq)
{
    request_clear(rq);
    curl_easy_cleanup(rq->curl);
    rq->curl = NULL;
}

static void
answer(const struct request *rq, enum reply_outcome outcome, const char *text,
       struct export_answer *ret)
{
    *ret = (struct export_answer){.signal = rq->order.signal,
                                  .number = rq->order.number,
                                  .outcome = outcome,
                                  .rows = rq->rows};
    (void)snprintf(ret->text, sizeof(ret->text), "%s", text);
}

/* ---- the body ----------------------------------------------------------------------------------- */

static char *
encode(struct request *rq, const struct settings *s, const struct export_queue *q,
       size_t *ret_bytes)
{
    const struct export_order *o = &rq->order;
    const struct otlp_origin origin = {.host = s->host, .version = s->version ? s->version : ""};
    size_t n = (size_t)(o->to - o->from), n_records = 0, at = 0;
    auto_free char *copy = malloc(n + 1);
    auto_free struct otlp_record *records =
        calloc(n / sizeof(struct export_row) + 1, sizeof(*records));
    struct export_row row;
    const char *bytes;

    if (!copy || !records ||
        !export_queue_copy(q, (enum otlp_signal)o->signal, o->from, o->to, copy))
        return NULL;
    while (export_row_next(copy, n, &at, &row, &bytes))
        records[n_records++] = (struct otlp_record){bytes, row.bytes};
    return otlp_encode((enum otlp_signal)o->signal, &origin, records, n_records, &rq->rows,
                       ret_bytes);
}

/* @body is taken over. NULL: no memory. */
static char *
compress_body(char *body, size_t *bytes)
{
    auto_free char *plain = body;
    z_stream z = {0};
    char *packed;

    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return NULL;
    packed = malloc(deflateBound(&z, *bytes));
    z.next_in = (Bytef *)plain;
    z.avail_in = (uInt)*bytes;
    z.next_out = (Bytef *)packed;
    z.avail_out = (uInt)deflateBound(&z, *bytes);
    if (packed && deflate(&z, Z_FINISH) != Z_STREAM_END) {
        free(packed);
        packed = NULL;
    }
    *bytes = z.total_out;
    (void)deflateEnd(&z);
    return packed;
}

/* ---- what libcurl is told ------------------------------------------------------------------------- */

static bool
add_header(struct request *rq, const char *line)
{
    struct curl_slist *longer = curl_slist_append(rq->headers, line);

    if (longer)
        rq->headers = longer;
    return longer != NULL;
}

static bool
add_headers(struct request *rq, const struct settings *s, const struct strv *more)
{
    bool ok = add_header(rq, "Content-Type: application/json") && add_header(rq, "Expect:");

    if (s->gzip)
        ok = ok && add_header(rq, "Content-Encoding: gzip");
    for (size_t i = 0; ok && i < s->headers.n; i++)
        ok = add_header(rq, s->headers.items[i]);
    for (size_t i = 0; ok && i < more->n; i++)
        ok = add_header(rq, more->items[i]);
    return ok;
}

static size_t
on_reply(char *bytes, size_t size, size_t n, void *env)
{
    struct request *rq = env;
    size_t all = size * n, room = REQUEST_REPLY_MAX - rq->reply.bytes;

    text_addn(&rq->reply, bytes, all < room ? all : room);
    return all; /* what is beyond that is read and forgotten */
}

#define SET(option, value) (curl_easy_setopt(rq->curl, (option), (value)) == CURLE_OK)

/* A proxy is somebody else who reads it: none is taken from the environment. A collector that has moved is told. */
static bool
set_options(struct request *rq, const struct settings *s, const char *url, size_t bytes)
{
    curl_easy_reset(rq->curl);
    return SET(CURLOPT_URL, url) && SET(CURLOPT_POST, 1L) && SET(CURLOPT_POSTFIELDS, rq->body) &&
           SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)bytes) &&
           SET(CURLOPT_HTTPHEADER, rq->headers) && SET(CURLOPT_TIMEOUT_MS, s->timeout_ms) &&
           SET(CURLOPT_CONNECTTIMEOUT_MS, s->timeout_ms) && SET(CURLOPT_NOSIGNAL, 1L) &&
           SET(CURLOPT_FOLLOWLOCATION, 0L) && SET(CURLOPT_PROTOCOLS_STR, "http,https") &&
           SET(CURLOPT_PROXY, "") && SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) &&
           SET(CURLOPT_USERAGENT, "stint/" STINT_VERSION) &&
           SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
           (!s->ca_file || SET(CURLOPT_CAINFO, s->ca_file)) &&
           SET(CURLOPT_WRITEFUNCTION, on_reply) && SET(CURLOPT_WRITEDATA, rq) &&
           SET(CURLOPT_ERRORBUFFER, rq->why) && SET(CURLOPT_PRIVATE, rq);
}

bool
request_begin(struct request *rq, const struct export_order *order, const struct settings *s,
              const struct export_queue *q, struct export_answer *ret)
{
    auto_text struct text url = TEXT_INIT;
    struct strv more = {NULL, 0};
    struct error why = {0};
    size_t bytes = 0;
    bool ok;

    request_clear(rq);
    rq->order = *order;
    rq->rows = 0;
    if (s->headers_file && headers_read(s->headers_file, &more, &why) < 0) {
        strv_finish(&more);
        answer(rq, REPLY_LATER, why.text, ret);
        return false;
    }
    rq->body = encode(rq, s, q, &bytes);
    if (rq->body && s->gzip)
        rq->body = compress_body(rq->body, &bytes);
    if (!rq->body && rq->rows == 0) { /* or no memory: they are few */
        strv_finish(&more);
        answer(rq, REPLY_TAKEN, "", ret);
        return false;
    }
    text_addf(&url, "%s/v1/%s", s->endpoint, otlp_signal_name((enum otlp_signal)order->signal));
    ok = rq->curl && rq->body && !url.failed && add_headers(rq, s, &more) &&
         set_options(rq, s, text_str(&url), bytes);
    strv_finish(&more);
    if (!ok)
        answer(rq, REPLY_LATER, "out of memory", ret);
    rq->under_way = ok;
    return ok;
}

/* ---- what came of it -------------------------------------------------------------------------------- */

/* A collector says what is wrong in the message of a google.rpc.Status. */
static void
words_of(const struct request *rq, long status, char *out, size_t room)
{
    json_t *body = json_loadb(text_str(&rq->reply), rq->reply.bytes, 0, NULL);
    const char *message = json_string_value(json_object_get(body, "message"));
    auto_text struct text line = TEXT_INIT;

    text_addf(&line, "the collector answers %ld%s", status, message ? ": " : "");
    text_add_line(&line, message ? message : "", 160);
    (void)snprintf(out, room, "%s", text_str(&line));
    json_decref(body);
}

void
request_end(struct request *rq, CURLcode code, struct export_answer *ret)
{
    curl_off_t after_s = 0;
    long status = 0;

    (void)curl_easy_getinfo(rq->curl, CURLINFO_RESPONSE_CODE, &status); /* stays 0 */
    if (code != CURLE_OK) {                                             /* half an answer is none */
        answer(rq, REPLY_LATER, rq->why[0] ? rq->why : curl_easy_strerror(code), ret);
    } else {
        answer(rq, reply_outcome(status), "", ret);
        ret->status = status;
        if (ret->outcome == REPLY_TAKEN)
            ret->rejected = reply_rejected((enum otlp_signal)rq->order.signal, text_str(&rq->reply),
                                           rq->reply.bytes, ret->text, sizeof(ret->text));
        else
            words_of(rq, status, ret->text, sizeof(ret->text));
        if (ret->outcome == REPLY_LATER &&
            curl_easy_getinfo(rq->curl, CURLINFO_RETRY_AFTER, &after_s) == CURLE_OK &&
            after_s > 0 && after_s < INT32_MAX)
            ret->retry_after_us = (int64_t)after_s * US_PER_S;
    }
    request_clear(rq);
}
