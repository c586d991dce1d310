/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/preflight/talk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "config/spec.h"
#include "supervisor/preflight/cage.h"

#define ASK_US   (20 * US_PER_S) /* a look at threads takes seconds on a busy machine */
#define PAUSE_NS 15000000

const char *
word_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

int64_t
number_of(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

void
view_finish(struct view *v)
{
    json_decref(v->status);
    *v = (struct view){0};
}

int
cage_ask(const struct cage *c, const char *method, const char *path, const char *body, json_t **ret,
         struct error *reterr)
{
    struct preflight_ask ask = {.socket = c->control,
                                .method = method,
                                .path = path,
                                .body = body,
                                .deadline_us = mono_now_us() + ASK_US};

    return c->hooks->ask(c->hooks->env, &ask, ret, reterr);
}

static void
take_generation(struct view *v, const json_t *g)
{
    const char *state = word_of(g, "state");
    size_t i;
    json_t *w;

    if ((uint64_t)number_of(g, "number") != v->serving) {
        v->leaving += strcmp(state, "retired") != 0;
        return;
    }
    json_array_foreach(json_object_get(g, "workers"), i,
                       w) if (number_of(w, "pid") > 0 && v->n_pids < VIEW_WORKERS)
        v->pids[v->n_pids++] = (pid_t)number_of(w, "pid");
}

int
cage_look(const struct cage *c, struct view *v, struct error *reterr)
{
    const json_t *verdict;
    json_t *g;
    size_t i;
    int r;

    view_finish(v);
    r = cage_ask(c, "GET", "/v1/status", NULL, &v->status, reterr);
    if (r < 0)
        return r;
    v->service = json_array_get(json_object_get(v->status, "services"), 0);
    v->serving = (uint64_t)number_of(v->service, "serving");
    verdict = json_object_get(v->service, "last_verdict");
    v->reload = (uint64_t)number_of(verdict, "reload");
    (void)snprintf(v->outcome, sizeof(v->outcome), "%s", word_of(verdict, "outcome"));
    (void)snprintf(v->reason, sizeof(v->reason), "%s", word_of(verdict, "reason"));
    json_array_foreach(json_object_get(v->service, "generations"), i, g) take_generation(v, g);
    return 0;
}

bool
cage_find_message(const struct cage *c, bool (*is_it)(const json_t *event, const char *msg),
                  char *buf, size_t room)
{
    auto_text struct text path = TEXT_INIT;
    char *line = NULL;
    size_t bytes = 0;
    FILE *log;

    buf[0] = '\0';
    text_addf(&path, "%s/log", c->directory);
    log = fopen(text_str(&path), "re");
    while (log && !buf[0] && getline(&line, &bytes, log) > 0) {
        json_t *o = json_loads(line, 0, NULL);

        if (is_it(o, word_of(o, "msg")))
            (void)snprintf(buf, room, "%s", word_of(o, "msg"));
        json_decref(o);
    }
    free(line);
    if (log)
        (void)fclose(log);
    return buf[0] != '\0';
}

/* Looked at, not collected: that is for cage_stop(). */
static bool
supervisor_ended(const struct cage *c)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)c->supervisor, &info, WEXITED | WNOHANG | WNOWAIT) == -1 ||
           info.si_pid == c->supervisor;
}

static int
why_it_ended(const struct cage *c, struct error *reterr)
{
    auto_text struct text path = TEXT_INIT;
    auto_free char *log = NULL;
    struct error e;
    size_t n = 0;

    text_addf(&path, "%s/log", c->directory);
    if (file_read(text_str(&path), 1 << 20, &log, &n, &e) < 0)
        n = 0;
    return error_say(reterr, -ECHILD, "the supervisor of the rehearsal has ended: %s",
                     n == 0    ? "it said nothing"
                     : n > 300 ? log + n - 300
                               : log);
}

int
cage_await(const struct cage *c, struct view *v, bool (*done)(const struct view *v, void *env),
           void *env, int64_t deadline_us, struct error *reterr)
{
    for (;;) {
        int r = cage_look(c, v, reterr);

        if (cage_interrupted(c))
            return error_say(reterr, -EINTR, "interrupted");
        if (r == 0 && done(v, env))
            return 0;
        if (supervisor_ended(c))
            return why_it_ended(c, reterr);
        if (mono_now_us() >= deadline_us)
            return error_say(reterr, -ETIMEDOUT, "not in its time");
        (void)nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
}

int
cage_reload(const struct cage *c, uint64_t *ret_id, struct error *reterr)
{
    auto_text struct text body = TEXT_INIT;
    json_t *answer = NULL;
    int r;

    text_addf(&body, "{\"services\":[\"%s\"],\"force\":true,\"wait\":\"none\"}", c->spec->name);
    r = cage_ask(c, "POST", "/v1/reload", text_str(&body), &answer, reterr);
    if (r < 0)
        return r;
    *ret_id = (uint64_t)number_of(json_array_get(json_object_get(answer, "services"), 0), "reload");
    json_decref(answer);
    return *ret_id ? 0 : error_say(reterr, -EPROTO, "the reload was not taken up");
}
