/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/control_request.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "supervisor/io/report.h"

#define IGNORED_MAX  ((size_t)1 << 20) /* of a body that is too large anyway */
#define STREAM_BLOCK ((size_t)16 << 10)

/* ---- Suspended: waiting for the core, or for something to stream ------------------------- */

void
control_request_resume(struct control_request *rq)
{
    struct control *c = rq->from->control;

    if (!rq->suspended)
        return;
    rq->suspended = false;
    ev_io_stop(c->loop, &rq->hangup);
    MHD_resume_connection(rq->from->mhd);
    control_kick(c);
}

void
control_request_poll(struct control_request *rq)
{
    struct pollfd p = {.fd = rq->from->fd, .events = POLLRDHUP | POLLIN};

    if (poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR | POLLNVAL))) {
        rq->gone = true;
        control_request_resume(rq);
    } else if (p.revents != 0) {
        /* Half closed, or the next request already: it would be readable for ever. The sweep looks. */
        ev_io_stop(rq->from->control->loop, &rq->hangup);
    }
}

static void
on_hangup(EV_P_ ev_io *io, int revents)
{
    (void)loop;
    (void)revents;
    control_request_poll(io->data);
}

static void
suspend(struct control_request *rq)
{
    rq->suspended = true;
    MHD_suspend_connection(rq->from->mhd);
    ev_io_init(&rq->hangup, on_hangup, rq->from->fd, EV_READ);
    rq->hangup.data = rq;
    ev_io_start(rq->from->control->loop, &rq->hangup);
}

/* ---- From the first byte to the handler -------------------------------------------------- */

static struct control_request *
request_create(struct control_peer_state *from, const char *method, const char *url)
{
    struct control_request *rq = calloc(1, sizeof(*rq));

    if (!rq)
        return NULL;
    rq->from = from;
    rq->path = strdup(url);
    if (!rq->path) {
        free(rq);
        return NULL;
    }
    (void)snprintf(rq->method, sizeof(rq->method), "%s",
                   method); /* a longer one is unknown anyway */
    ev_io_init(&rq->hangup, on_hangup, -1, EV_READ);
    return rq;
}

static void
body_add(struct control_request *rq, const char *bytes, size_t n)
{
    char *bigger;

    if (rq->body_too_large || rq->body_bytes + n > CONTROL_BODY_BYTES) {
        rq->body_too_large = true;
        rq->body_ignored += n;
        return;
    }
    bigger = realloc(rq->body, rq->body_bytes + n);
    if (!bigger) {
        rq->body_too_large = true;
        return;
    }
    memcpy(bigger + rq->body_bytes, bytes, n);
    rq->body = bigger;
    rq->body_bytes += n;
}

/* False: it was answered with what is wrong. */
static bool
body_parse(struct control_request *rq)
{
    json_error_t e;

    if (rq->body_too_large) {
        control_answer_error(rq, MHD_HTTP_CONTENT_TOO_LARGE, "too-large",
                             "the body is larger than %zu bytes", CONTROL_BODY_BYTES);
        return false;
    }
    if (rq->body_bytes == 0) {
        rq->json = json_object();
        return true;
    }
    rq->json = json_loadb(rq->body, rq->body_bytes, JSON_REJECT_DUPLICATES, &e);
    if (!rq->json)
        control_answer_error(rq, MHD_HTTP_BAD_REQUEST, "bad-json",
                             "the body is not JSON: line %d, column %d: %s", e.line, e.column,
                             e.text);
    else if (!json_is_object(rq->json))
        control_answer_error(rq, MHD_HTTP_BAD_REQUEST, "bad-json", "the body is not a JSON object");
    else
        return true;
    return false;
}

static enum MHD_Result
queue(struct control_request *rq)
{
    enum MHD_Result r = MHD_queue_response(rq->from->mhd, rq->status, rq->response);

    MHD_destroy_response(rq->response); /* the queue holds its own reference */
    rq->response = NULL;
    return r;
}

static enum MHD_Result
handle(struct control_request *rq)
{
    struct control *c = rq->from->control;

    c->counters.requests++;
    rq->from->since_us = 0;
    rq->phase = REQUEST_HANDLING;
    if (body_parse(rq))
        c->handler.request(c->handler.env, rq);
    if (rq->response)
        return queue(rq);
    if (rq->gone)
        return MHD_NO; /* no memory for an answer */
    rq->kept = true;
    rq->phase = REQUEST_WAITING;
    suspend(rq);
    return MHD_YES;
}

static bool
announces_too_much(struct MHD_Connection *connection)
{
    const char *length =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

    return length && strtoull(length, NULL, 10) > CONTROL_BODY_BYTES;
}

enum MHD_Result /* NOLINTNEXTLINE(readability-function-size): libmicrohttpd's signature */
control_on_request(void *cls, struct MHD_Connection *connection, const char *url,
                   const char *method, const char *version, const char *upload,
                   size_t *upload_bytes, void **slot)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct control_peer_state *from = info ? info->socket_context : NULL;
    struct control_request *rq = *slot;

    (void)cls;
    (void)version;
    if (!rq) {
        rq = from ? request_create(from, method, url) : NULL;
        *slot = rq;
        if (!rq)
            return MHD_NO;
        from->request = rq;
        rq->body_too_large = announces_too_much(connection);
        if (rq->body_too_large) { /* answered before its body: libmicrohttpd then closes */
            (void)body_parse(rq);
            return rq->response ? queue(rq) : MHD_NO;
        }
        return MHD_YES;
    }
    if (rq->phase == REQUEST_READING && *upload_bytes > 0) {
        body_add(rq, upload, *upload_bytes);
        *upload_bytes = 0;
        return rq->body_ignored > IGNORED_MAX ? MHD_NO : MHD_YES;
    }
    if (rq->phase == REQUEST_READING)
        return handle(rq);
    if (rq->gone)
        return MHD_NO;
    if (rq->response)
        return queue(rq);
    suspend(rq); /* woken for nothing */
    return MHD_YES;
}

void
control_on_completed(void *cls, struct MHD_Connection *connection, void **slot,
                     enum MHD_RequestTerminationCode why)
{
    struct control_request *rq = *slot;
    struct control *c = cls;

    (void)connection;
    if (!rq)
        return;
    *slot = NULL;
    rq->from->request = NULL;
    rq->from->since_us = mono_now_us(); /* the connection stays: the next request is awaited */
    ev_io_stop(c->loop, &rq->hangup);
    if (rq->kept && rq->phase == REQUEST_WAITING)
        c->handler.gone(c->handler.env, rq);
    else if (rq->data && c->handler.left)
        c->handler.left(c->handler.env, rq, why == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    if (rq->has_stream)
        rq->stream.finish(rq->stream.data);
    if (rq->response)
        MHD_destroy_response(rq->response);
    json_decref(rq->json);
    free(rq->body);
    free(rq->path);
    free(rq);
}

/* ---- Answers ----------------------------------------------------------------------------- */

static void
respond(struct control_request *rq, unsigned status, struct MHD_Response *response,
        const char *type)
{
    if (response)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                      type); /* or without */
    rq->status = status;
    rq->response = response;
    rq->gone = rq->gone || !response; /* out of memory: close, rather than keep it waiting */
    if (rq->phase == REQUEST_WAITING || rq->phase == REQUEST_HANDLING)
        rq->phase = rq->has_stream ? REQUEST_STREAMING : REQUEST_ANSWERED;
    control_request_resume(rq);
}

void
control_answer(struct control_request *rq, unsigned status, json_t *body)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    size_t bytes = text ? strlen(text) : 0;
    struct MHD_Response *response = NULL;

    json_decref(body);
    if (text) {
        text[bytes] = '\n'; /* in the place of the NUL: terminals like it, the length is given */
        response = MHD_create_response_from_buffer(bytes + 1, text, MHD_RESPMEM_MUST_FREE);
    }
    respond(rq, status, response, "application/json");
}

void
control_answer_error(struct control_request *rq, unsigned status, const char *code, const char *fmt,
                     ...)
{
    char message[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, ap); /* a cut sentence is still one */
    va_end(ap);
    control_answer(
        rq, status,
        json_pack("{s:{s:s, s:o}}", "error", "code", code, "message", report_text(message)));
}

/* libmicrohttpd asks for more. */
static ssize_t
on_pull(void *cls, uint64_t pos, char *buf, size_t room)
{
    struct control_request *rq = cls;
    long n;

    (void)pos;
    if (rq->gone)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    n = rq->stream.next(rq->stream.data, buf, room);
    if (n < 0)
        return n == -1 ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
    if (n == 0)
        suspend(rq);
    return n;
}

void
control_answer_stream(struct control_request *rq, const struct control_stream *s)
{
    rq->stream = *s;
    rq->has_stream = true;
    respond(rq, MHD_HTTP_OK,
            MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_pull, rq, NULL),
            s->type ? s->type : "application/x-ndjson");
}

void
control_stream_wake(struct control_request *rq)
{
    if (rq->phase == REQUEST_STREAMING)
        control_request_resume(rq);
}

/* ---- What the handler may ask ------------------------------------------------------------ */

const struct control_peer *
control_peer(const struct control_request *rq)
{
    return &rq->from->peer;
}

const char *
control_method(const struct control_request *rq)
{
    return rq->method;
}

const char *
control_path(const struct control_request *rq)
{
    return rq->path;
}

const char *
control_query(const struct control_request *rq, const char *key)
{
    const char *value = NULL;

    if (MHD_lookup_connection_value_n(rq->from->mhd, MHD_GET_ARGUMENT_KIND, key, strlen(key),
                                      &value, NULL) != MHD_YES)
        return NULL;
    return value ? value : "";
}

struct query_search {
    const char *const *known;
    const char *unknown;
};

static enum MHD_Result
on_query_key(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
    struct query_search *search = cls;

    (void)kind;
    (void)value;
    for (const char *const *k = search->known; *k; k++)
        if (strcmp(*k, key) == 0)
            return MHD_YES;
    search->unknown = key;
    return MHD_NO;
}

const char *
control_query_unknown(const struct control_request *rq, const char *const *known)
{
    struct query_search search = {known, NULL};

    (void)MHD_get_connection_values(rq->from->mhd, MHD_GET_ARGUMENT_KIND, on_query_key, &search);
    return search.unknown;
}

json_t *
control_body(const struct control_request *rq)
{
    return rq->json;
}

void
control_set_data(struct control_request *rq, void *data)
{
    rq->data = data;
}

void *
control_data(const struct control_request *rq)
{
    return rq->data;
}
