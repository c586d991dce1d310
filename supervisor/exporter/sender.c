/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/exporter/sender.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>

#include "base/error.h"
#include "base/mem.h"
#include "supervisor/export/reply.h"
#include "supervisor/exporter/request.h"
#include "supervisor/exporter/settings.h"

#define WAIT_MS 60000 /* libcurl wakes up earlier when it has to */

struct sender {
    CURLM *multi;
    int fd; /* borrowed: the socket */
    struct export_queue queue;
    struct settings settings;
    struct request requests[OTLP_SIGNALS];
};

/* Best effort: a master that does not read has ended, or asks anew. */
static void
tell(const struct sender *s, const struct export_answer *a)
{
    ssize_t n;

    do
        n = send(s->fd, a, sizeof(*a), MSG_NOSIGNAL);
    while (n == -1 && errno == EINTR);
}

static void
begin(struct sender *s, const struct export_order *order)
{
    struct request *rq = &s->requests[order->signal];
    struct export_answer a;

    if (rq->under_way) /* one at a time, as agreed: the master has forgotten that one */
        (void)curl_multi_remove_handle(s->multi, rq->curl);
    if (!request_begin(rq, order, &s->settings, &s->queue, &a))
        tell(s, &a);
    else
        (void)curl_multi_add_handle(s->multi,
                                    rq->curl); /* not: the master does not wait for ever */
}

static int
configure(struct sender *s, const char *json, size_t n)
{
    struct settings now;
    int r = settings_read(json, n, &now);

    if (r < 0)
        return r;
    settings_finish(&s->settings);
    s->settings = now;
    return 0;
}

/* False: it is over. */
static bool
hear_one(struct sender *s)
{
    static char packet[sizeof(struct export_order) + EXPORT_SETTINGS_MAX];
    struct export_order order;
    ssize_t n = recv(s->fd, packet, sizeof(packet), MSG_DONTWAIT);

    if (n == -1 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n < (ssize_t)sizeof(order))
        return false;
    memcpy(&order, packet, sizeof(order));
    if (order.type == EXPORT_ORDER_SETTINGS)
        return configure(s, packet + sizeof(order), (size_t)n - sizeof(order)) == 0;
    if (order.type == EXPORT_ORDER_SEND && order.signal < OTLP_SIGNALS && s->settings.endpoint &&
        order.from <= order.to && order.to - order.from <= s->queue.room)
        begin(s, &order);
    return true;
}

static void
tell_ended(struct sender *s)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(s->multi, &left)) != NULL) {
        struct export_answer a;
        CURLcode code = m->data.result;
        CURL *curl = m->easy_handle;
        char *rq = NULL;

        if (m->msg != CURLMSG_DONE || curl_easy_getinfo(curl, CURLINFO_PRIVATE, &rq) != CURLE_OK)
            continue;
        (void)curl_multi_remove_handle(s->multi, curl); /* it was in there; @m is gone */
        request_end((struct request *)(void *)rq, code, &a);
        tell(s, &a);
    }
}

static void
loop(struct sender *s)
{
    struct curl_waitfd fd = {.fd = s->fd, .events = CURL_WAIT_POLLIN};
    int running;

    for (;;) {
        if (curl_multi_perform(s->multi, &running) != CURLM_OK)
            return;
        tell_ended(s);
        fd.revents = 0;
        if (curl_multi_poll(s->multi, &fd, 1, WAIT_MS, NULL) != CURLM_OK)
            return;
        if (fd.revents && !hear_one(s))
            return;
    }
}

int
sender_run(int socket_fd, int memory_fd)
{
    struct sender s = {.fd = socket_fd, .queue = {.fd = -1}};
    struct error why = {0};
    int status = EX_OSERR;

    if (export_queue_adopt(&s.queue, memory_fd, false, &why) < 0)
        return EX_PROTOCOL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK && (s.multi = curl_multi_init())) {
        for (unsigned i = 0; i < OTLP_SIGNALS; i++)
            request_init(&s.requests[i]);
        loop(&s);
        for (unsigned i = 0; i < OTLP_SIGNALS; i++) {
            if (s.requests[i].under_way)
                (void)curl_multi_remove_handle(s.multi, s.requests[i].curl);
            request_finish(&s.requests[i]);
        }
        (void)curl_multi_cleanup(s.multi);
        curl_global_cleanup();
        status = 0;
    }
    settings_finish(&s.settings);
    export_queue_close(&s.queue);
    return status;
}
