/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/operator_profile.h"

/*
 * Profiles of workers, for those who may change something, of services that say so. Who took which is in
 * the log. The profile is the answer; with `progress` lines of JSON come before it, and the last of
 * them says how many bytes of it follow.
 */

void
profiled_destroy(struct profiled *p)
{
    list_del(&p->node);
    profiling_cancel(p->profiling);
    text_finish(&p->line);
    (void)fd_close(p->fd);
    free(p);
}

/* ---- the log -------------------------------------------------------------------------------------- */

void
profiled_tell(const struct profiled *p, const char *outcome, uint64_t bytes, const char *msg)
{
    struct journal_field fields[] = {
        FIELD_TEXT("service", p->service),
        FIELD_TEXT("kind", profile_kind_name(p->kind)),
        FIELD_TEXT("outcome", outcome),
        FIELD_NUMBER("workers", (int64_t)p->n),
        FIELD_NUMBER("seconds", p->seconds),
        FIELD_NUMBER("by_uid", p->uid),
        FIELD_NUMBER("by_pid", p->pid),
        FIELD_BOOL("allowed", true),
        FIELD_NUMBER("bytes", (int64_t)bytes),
        FIELD_NUMBER("duration_ms", (mono_now_us() - p->started_us) / US_PER_MS),
        FIELD_TEXT("msg", msg && msg[0] ? msg : NULL),
    };

    journal_event(p->op->options.journal, LOG_LEVEL_INFO, "profile", fields, ARRAY_LEN(fields));
}

/* ---- the stream ----------------------------------------------------------------------------------- */

static long
on_next(void *data, char *buf, size_t room)
{
    struct profiled *p = data;
    size_t n = p->line.bytes - p->sent;
    ssize_t r;

    if (n > 0) {
        n = n < room ? n : room;
        memcpy(buf, p->line.data + p->sent, n);
        p->sent += n;
        return (long)n;
    }
    if (!p->ended && !p->op->closing)
        return 0;
    if (p->left == 0 || p->fd < 0)
        return -1;
    r = pread(p->fd, buf, p->left < room ? p->left : room, p->at);
    if (r <= 0)
        return -1; /* shorter than was said: whoever reads it sees that */
    p->at += r;
    p->left -= (size_t)r;
    return r;
}

static void
on_finish(void *data)
{
    struct profiled *p = data;

    if (p->profiling)
        profiled_tell(p, "cancelled", 0, "the client went away");
    profiled_destroy(p);
}

static void
say(struct profiled *p, const char *line)
{
    if (p->sent == p->line.bytes) {
        text_clear(&p->line);
        p->sent = 0;
    }
    text_addf(&p->line, "%s\n", line);
    control_stream_wake(p->rq);
}

void
profiled_stream(struct profiled *p, const char *type)
{
    p->streaming = true;
    control_answer_stream(
        p->rq,
        &(struct control_stream){.next = on_next, .finish = on_finish, .data = p, .type = type});
}

void
profiled_progress(void *env, unsigned percent)
{
    struct profiled *p = env;
    char line[32];

    if (!p->streaming)
        return;
    (void)snprintf(line, sizeof(line), "{\"percent\":%u}", percent);
    say(p, line);
}

/* ---- its end --------------------------------------------------------------------------------------- */

static void
done_streaming(struct profiled *p, const struct profiling_answer *a)
{
    auto_text struct text line = TEXT_INIT;

    if (p->fd >= 0)
        text_addf(&line, "{\"bytes\":%zu,\"missing\":", a->bytes);
    else
        text_add(&line, "{\"error\":{\"code\":\"no-profile\",\"message\":");
    text_add_json(&line, a->words, strlen(a->words));
    text_add(&line, p->fd >= 0 ? "}" : "}}");
    p->ended = true;
    say(p, text_str(&line));
}

static void
done_at_once(struct profiled *p, const struct profiling_answer *a)
{
    struct control_request *rq = p->rq;

    p->ended = true;
    if (p->fd >= 0) {
        profiled_stream(p, "application/octet-stream");
        return;
    }
    profiled_destroy(p);
    control_answer_error(rq, 500, "no-profile", "%s", a->words);
}

void
profiled_done(void *env, const struct profiling_answer *a)
{
    struct profiled *p = env;
    struct profiling_answer mine = *a;

    p->profiling = NULL;
    if (mine.ok) {
        p->fd = fcntl(a->fd, F_DUPFD_CLOEXEC, 3);
        p->at = a->at;
        p->left = a->bytes;
        if (p->fd < 0)
            mine.words = "no descriptor was free";
    }
    profiled_tell(p, p->fd >= 0 ? "taken" : "failed", p->fd >= 0 ? a->bytes : 0, mine.words);
    if (p->streaming)
        done_streaming(p, &mine);
    else
        done_at_once(p, &mine);
}

/* ---- others end ------------------------------------------------------------------------------------ */

void
profile_gone(struct desk *op, const struct control_request *rq)
{
    list_for_each_safe (n, &op->profiled) {
        struct profiled *p = container_of(n, struct profiled, node);

        if (p->rq != rq || p->streaming)
            continue;
        profiled_tell(p, "cancelled", 0, "the client went away");
        profiled_destroy(p);
    }
}

void
profile_farewell(struct desk *op)
{
    const struct profiling_answer none = {.words = "stint is about to end", .fd = -1};

    list_for_each_safe (n, &op->profiled) {
        struct profiled *p = container_of(n, struct profiled, node);

        if (!p->profiling)
            continue; /* what is there is still sent */
        profiling_cancel(p->profiling);
        profiled_done(p, &none);
    }
}

void
profile_drop(struct desk *op)
{
    list_for_each_safe (n, &op->profiled) {
        struct profiled *p = container_of(n, struct profiled, node);

        if (!p->streaming) /* else control_destroy() ends it */
            profiled_destroy(p);
    }
}
