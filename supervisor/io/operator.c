/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/operator.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "supervisor/io/operator_internal.h"

/* ---- What is only read ------------------------------------------------------------------- */

struct service *
operator_service(struct desk *op, struct control_request *rq, const char *name)
{
    struct service *s = core_service_by_name(op->options.sources.core, name);
    auto_text struct text names = TEXT_INIT;

    if (s)
        return s;
    list_for_each (pos, &op->options.sources.core->services)
        text_addf(&names, "%s%s", names.bytes > 0 ? ", " : "",
                  container_of(pos, struct service, node)->name);
    control_answer_error(rq, 404, "no-such-service", "no service is named '%.65s'; there %s %s",
                         name, names.bytes > 0 ? "are:" : "is",
                         names.bytes > 0 ? names.data : "none");
    return NULL;
}

bool
operator_query_number(struct control_request *rq, const char *key, uint64_t max, uint64_t *ret)
{
    const char *s = control_query(rq, key);
    char *end = NULL;
    uint64_t n;

    if (!s)
        return true;
    errno = 0;
    n = strtoull(s, &end, 10);
    if (s[0] < '0' || s[0] > '9' || *end || errno != 0 || n > max) {
        control_answer_error(rq, 400, "bad-query", "'%s' must be a number from 0 to %" PRIu64, key,
                             max);
        return false;
    }
    *ret = n;
    return true;
}

bool
operator_query_flag(const struct control_request *rq, const char *key)
{
    const char *s = control_query(rq, key);

    return s && strcmp(s, "0") != 0 && strcmp(s, "false") != 0;
}

/* Also of a service that is not there any more: its history is. */
static void
answer_leaks(struct desk *op, struct control_request *rq)
{
    const struct report_sources *from = &op->options.sources;
    const char *name = control_query(rq, "service");
    json_t *report = from->leaks ? from->leaks(from->env, name) : NULL;

    if (name && json_array_size(json_object_get(report, "services")) == 0 &&
        !operator_service(op, rq, name))
        json_decref(report);
    else
        control_answer(rq, 200, report);
}

static void
answer_version(struct desk *op, struct control_request *rq)
{
    control_answer(rq, 200, report_version(&op->options.sources, mono_now_us()));
}

/* ---- Routes ------------------------------------------------------------------------------ */

#define STREAM_QUERY                                         \
    {                                                        \
        "since", "lines", "service", "follow", "trace", NULL \
    }

#define PROFILE_QUERY                                                                             \
    {                                                                                             \
        "service", "kind", "seconds", "generation", "slot", "hz", "progress", "previous", "kept", \
            NULL                                                                                  \
    }

static const struct route {
    const char *method, *path;
    bool changes; /* root and the master's own user only */
    void (*serve)(struct desk *op, struct control_request *rq);
    const char *query[10]; /* the keys it knows, NULL-terminated */
} routes[] = {
    {"GET",  "/v1/status",  false, operator_status,  {"service", NULL}                             },
    {"GET",  "/v1/threads", false, operator_threads, {"service", "generation", "slot", "all", NULL}},
    {"GET",  "/v1/leaks",   false, answer_leaks,     {"service", NULL}                             },
    {"GET",  "/v1/events",  false, operator_events,  STREAM_QUERY                                  },
    {"GET",  "/v1/logs",    false, operator_logs,    STREAM_QUERY                                  },
    {"GET",  "/v1/spans",   false, operator_spans,   {"since", "service", "follow", "trace", NULL} },
    {"GET",  "/v1/metrics", false, operator_metrics, {"format", NULL}                              },
    {"GET",  "/v1/version", false, answer_version,   {NULL}                                        },
    {"GET",  "/v1/wait",    false, operator_wait,    {"service", "for", "timeout_ms", NULL}        },
    {"POST", "/v1/reload",  true,  operator_reload,  {NULL}                                        },
    {"POST", "/v1/start",   true,  operator_start,   {NULL}                                        },
    {"POST", "/v1/stop",    true,  operator_stop,    {NULL}                                        },
    {"POST", "/v1/upgrade", true,  operator_upgrade, {NULL}                                        },
    {"POST", "/v1/reopen",  true,  operator_reopen,  {NULL}                                        },
    {"POST", "/v1/profile", true,  operator_profile, PROFILE_QUERY                                 },
};

static void
audit_refusal(struct desk *op, const struct control_request *rq)
{
    const struct control_peer *peer = control_peer(rq);
    struct journal_field fields[] = {
        FIELD_TEXT("verb", strrchr(control_path(rq), '/') + 1), /* every route has one */
        FIELD_NUMBER("by_uid", peer->uid),
        FIELD_NUMBER("by_pid", peer->pid),
        FIELD_BOOL("allowed", false),
        FIELD_TEXT("msg", "only root and stint's own user may change something"),
    };

    journal_event(op->options.journal, LOG_LEVEL_WARNING, "audit", fields, ARRAY_LEN(fields));
}

static void
serve(struct desk *op, struct control_request *rq, const struct route *route)
{
    const struct control_peer *peer = control_peer(rq);
    const char *unknown = control_query_unknown(rq, route->query);

    if (unknown) {
        control_answer_error(rq, 400, "bad-query", "%s knows no parameter '%.64s'", route->path,
                             unknown);
    } else if (route->changes && !peer->may_change) {
        audit_refusal(op, rq);
        control_answer_error(rq, 403, "not-permitted",
                             "uid %u may look but not change: only root and stint's own user may",
                             (unsigned)peer->uid);
    } else if (op->closing) {
        control_answer_error(rq, 503, "stopping", "stint is about to end");
    } else {
        route->serve(op, rq);
    }
}

static void
on_request(void *env, struct control_request *rq)
{
    const struct route *other = NULL;

    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (strcmp(routes[i].path, control_path(rq)) != 0)
            continue;
        other = &routes[i];
        if (strcmp(other->method, control_method(rq)) == 0) {
            serve(env, rq, other);
            return;
        }
    }
    if (other)
        control_answer_error(rq, 405, "wrong-method", "%s wants %s, not %s", other->path,
                             other->method, control_method(rq));
    else
        control_answer_error(rq, 404, "no-such-route", "there is no '%.128s'; see docs/api.md",
                             control_path(rq));
}

static void
on_gone(void *env, struct control_request *rq)
{
    struct ticket *t = control_data(rq);

    if (t) {
        ticket_left(t, false); /* what was asked for goes on */
    } else {
        status_gone(env, rq);
        threads_gone(env, rq);
        profile_gone(env, rq);
    }
}

static void
on_left(void *env, struct control_request *rq, bool whole)
{
    (void)env;
    ticket_left(control_data(rq), whole);
}

/* ---- Life -------------------------------------------------------------------------------- */

int
operator_create(const struct operator_options *options, struct desk **ret, struct error *reterr)
{
    struct desk *op = calloc(1, sizeof(*op));
    struct control_options control = {
        .loop = options->loop,
        .runtime_dir = options->runtime_dir,
        .handler = {.request = on_request, .gone = on_gone, .left = on_left, .env = op},
        .listen_fd = options->listen_fd,
        .lock_fd = options->lock_fd,
        .pid = options->pid,
    };
    int r;

    if (!op) {
        (void)fd_close(options->listen_fd > 0 ? options->listen_fd : -1);
        (void)fd_close(options->lock_fd > 0 ? options->lock_fd : -1);
        return error_set(reterr, -ENOMEM, "operator");
    }
    op->options = *options;
    list_init(&op->tickets);
    list_init(&op->readers);
    list_init(&op->metrics);
    list_init(&op->looking);
    list_init(&op->probed);
    list_init(&op->profiled);
    ev_prepare_init(&op->settle, operator_on_settle);
    op->settle.data = op;
    ev_set_priority(&op->settle,
                    EV_MAXPRI); /* whoever persists before the loop sleeps sees it all */
    r = control_create(&control, &op->control, reterr);
    if (r < 0) {
        free(op);
        return r;
    }
    *ret = op;
    return 0;
}

void
operator_destroy(struct desk *op)
{
    if (!op)
        return;
    op->leaving = true;
    threads_drop(op);
    profile_drop(op);
    control_destroy(op->control); /* every stream ends with its connection, not every ticket */
    list_for_each_safe (pos, &op->tickets)
        ticket_destroy(container_of(pos, struct ticket, node));
    ev_prepare_stop(op->options.loop, &op->settle);
    free(op);
}

int
operator_listen_fd(const struct desk *op)
{
    return control_listen_fd(op->control);
}

int
operator_lock_fd(const struct desk *op)
{
    return control_lock_fd(op->control);
}

void
operator_leave(struct desk *op)
{
    op->leaving = true;
    control_leave(op->control);
}

void
operator_record(struct desk *op, const struct record *r)
{
    list_for_each (pos, &op->tickets)
        ticket_record(container_of(pos, struct ticket, node), r);
}

void
operator_farewell(struct desk *op, int64_t budget_us)
{
    op->closing = op->leaving = true;
    list_for_each_safe (pos, &op->tickets)
        ticket_settle(container_of(pos, struct ticket, node));
    list_for_each_safe (pos, &op->tickets) {
        struct ticket *t = container_of(pos, struct ticket, node);

        if (!t->answer)
            ticket_answer(t, 503, false);
    }
    operator_end_readers(op);
    operator_end_metrics(op);
    operator_looked(op);
    threads_farewell(op);
    profile_farewell(op);
    control_flush(op->control, budget_us);
}
