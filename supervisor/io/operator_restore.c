/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/operator_image.h"
#include "supervisor/io/operator_internal.h"

/*
 * Nothing in an image is trusted: it was written by a process that was killed, or by another
 * version of this program. What is not there has its default; what is there has to be possible.
 */

#define CLAIMS_MAX     65536
#define LAST_LINES_MAX 65536

/* What is being read, and what was wrong with it first. */
struct reader {
    const json_t *o;   /* borrowed: the present object */
    const char *wrong; /* a key; NULL: nothing */
    bool no_memory;
};

static int64_t
take_number(struct reader *r, const char *key, int64_t min, int64_t max)
{
    const json_t *v = json_object_get(r->o, key);
    int64_t n = v ? json_integer_value(v) : min;

    if (v && (!json_is_integer(v) || n < min || n > max)) {
        r->wrong = key;
        return min;
    }
    return n;
}

static bool
take_flag(struct reader *r, const char *key)
{
    const json_t *v = json_object_get(r->o, key);

    if (v && !json_is_boolean(v))
        r->wrong = key;
    return json_is_true(v);
}

static void
take_text(struct reader *r, const char *key, char *to, size_t room)
{
    const json_t *v = json_object_get(r->o, key);

    if (!v)
        return;
    if (!json_is_string(v) || json_string_length(v) >= room) {
        r->wrong = key;
        return;
    }
    memcpy(to, json_string_value(v), json_string_length(v) + 1);
}

/* An array, or NULL when there is none. */
static const json_t *
take_array(struct reader *r, const char *key, size_t max)
{
    const json_t *v = json_object_get(r->o, key);

    if (v && (!json_is_array(v) || json_array_size(v) > max)) {
        r->wrong = key;
        return NULL;
    }
    return v;
}

static void
take_relieved(struct reader *r, struct claim *c)
{
    const json_t *whole = r->o, *array = take_array(r, "relieved", RELIEVED_MAX);

    for (size_t i = 0; i < json_array_size(array) && !r->wrong; i++) {
        struct relieved *rel = &c->relieved[c->n_relieved++];

        r->o = json_array_get(array, i);
        rel->number = (uint64_t)take_number(r, "number", 0, INT64_MAX);
        rel->gone = take_flag(r, "gone");
        rel->leaks = (unsigned)take_number(r, "leaks", 0, INT32_MAX);
    }
    r->o = whole;
}

static void
take_leaks(struct reader *r, struct claim *c)
{
    const json_t *leaks = take_array(r, "leaks", CLAIMS_MAX);

    for (size_t i = 0; i < json_array_size(leaks); i++)
        if (!json_is_object(json_array_get(leaks, i)))
            r->wrong = "leaks";
    if (leaks && !r->wrong) {
        c->leaks = json_deep_copy(leaks); /* it grows, and what it is from does not stay */
        r->no_memory = !c->leaks;
    }
}

static void
take_last_lines(struct reader *r, struct claim *c)
{
    const json_t *v = json_object_get(r->o, "last_lines");

    if (!v)
        return;
    if (!json_is_string(v) || json_string_length(v) > LAST_LINES_MAX) {
        r->wrong = "last_lines";
        return;
    }
    c->last_lines = strdup(json_string_value(v));
    r->no_memory = r->no_memory || !c->last_lines;
}

static void
take_claim(struct reader *r, const struct core *core, struct claim *c)
{
    const struct service *s;

    c->service_id = (uint32_t)take_number(r, "id", 0, UINT32_MAX);
    take_text(r, "service", c->service, sizeof(c->service));
    c->awaited = (uint64_t)take_number(r, "awaited", 0, INT64_MAX);
    c->last_before = (uint64_t)take_number(r, "last_before", 0, INT64_MAX);
    c->before = (uint64_t)take_number(r, "before", 0, INT64_MAX);
    c->was_up = take_flag(r, "was_up");
    c->decided = take_flag(r, "decided");
    c->good = take_flag(r, "good");
    take_text(r, "outcome", c->outcome, sizeof(c->outcome));
    c->generation = (uint64_t)take_number(r, "generation", 0, INT64_MAX);
    c->duration_us = take_number(r, "duration_us", 0, INT64_MAX);
    take_text(r, "cause", c->cause, sizeof(c->cause));
    take_text(r, "reason", c->reason, sizeof(c->reason));
    take_text(r, "trace", c->trace, sizeof(c->trace));
    take_text(r, "evidence", c->evidence, sizeof(c->evidence));
    take_last_lines(r, c);
    take_relieved(r, c);
    take_leaks(r, c);
    s = core_service(core, c->service_id);
    if (c->service_id == 0 || !c->service[0] || (s && strcmp(s->name, c->service) != 0))
        r->wrong = "service";
    if (c->decided && !c->outcome[0])
        r->wrong = "outcome";
}

static void
take_claims(struct reader *r, struct ticket *t)
{
    const json_t *whole = r->o, *claims = take_array(r, "claims", CLAIMS_MAX);

    if (!ticket_make_room(t, json_array_size(claims))) {
        r->no_memory = true;
        return;
    }
    for (size_t i = 0; i < json_array_size(claims) && !r->wrong; i++) {
        r->o = json_array_get(claims, i);
        take_claim(r, t->op->options.sources.core, &t->claims[t->n_claims++]);
    }
    r->o = whole;
}

static void
take_kind(struct reader *r, struct ticket *t)
{
    const char *kind = json_string_value(json_object_get(r->o, "kind"));

    t->kind = TICKET_KIND_COUNT;
    for (int i = 0; kind && i < TICKET_KIND_COUNT; i++)
        if (image_kinds[i] && strcmp(kind, image_kinds[i]) == 0)
            t->kind = (enum ticket_kind)i;
    if (t->kind == TICKET_KIND_COUNT)
        r->wrong = "kind";
}

/* Either decided, or with something left to decide it by. */
static void
take_answer(struct reader *r, struct ticket *t)
{
    const json_t *answer = json_object_get(r->o, "answer");

    if (!answer) {
        take_claims(r, t);
        t->n_asked = (size_t)take_number(r, "n_asked", 0, (int64_t)t->n_claims);
        if (t->asked && t->n_asked < t->n_claims)
            r->wrong = "n_asked";
        return;
    }
    t->status = (unsigned)take_number(r, "status", 0, 599);
    if (!json_is_object(answer) || t->status < 200)
        r->wrong = "answer";
    t->answer = json_deep_copy(answer);
    r->no_memory = !t->answer;
}

static void
take_times(struct reader *r, struct ticket *t)
{
    int64_t now_us = mono_now_us();

    t->started_us = take_number(r, "started_us", 0, now_us);
    t->deadline_us = take_number(r, "deadline_us", 0, now_us + TIMEOUT_MAX_MS * US_PER_MS);
    t->away_us = now_us; /* until it finds out that the master it spoke with is gone */
    if (t->deadline_us < t->started_us)
        r->wrong = "deadline_us";
}

static void
take_ticket(struct reader *r, struct ticket *t)
{
    char id[TICKET_ID_MAX + 1] = "";

    take_kind(r, t);
    take_text(r, "id", id, sizeof(id));
    t->uid = (uid_t)take_number(r, "uid", 0, UINT32_MAX);
    t->pid = (pid_t)take_number(r, "pid", 0, INT32_MAX);
    t->wait = (enum ticket_wait)take_number(r, "wait", WAIT_SERVING, WAIT_NONE);
    t->all = take_flag(r, "all");
    t->force = take_flag(r, "force");
    t->reading = t->read_again = take_flag(r, "reading");
    t->asked = take_flag(r, "asked");
    take_times(r, t);
    take_answer(r, t);
    if (!ticket_id_valid(id) || ticket_find(t->op, t->uid, id))
        r->wrong = "id";
    if (t->reading && (t->kind != TICKET_RELOAD || !t->all || t->asked || t->n_claims > 0))
        r->wrong = "reading";
    if ((t->all && t->kind == TICKET_STOP) || (!t->all && t->kind == TICKET_STOP_ALL) ||
        (!t->asked && t->kind == TICKET_UPGRADE))
        r->wrong = "kind"; /* or one of the two is not what it says */
    if (!r->wrong && !r->no_memory)
        ticket_identify(t, id);
}

static int
complain(const struct reader *r, size_t i, struct error *reterr)
{
    if (r->no_memory)
        return error_set(reterr, -ENOMEM, "the changes under way");
    return error_say(reterr, -EBADMSG, "the changes under way: number %zu: '%s' is impossible",
                     i + 1, r->wrong);
}

/* All of them or none. */
static int
take_tickets(struct desk *op, const json_t *tickets, struct error *reterr)
{
    struct ticket *taken[OPERATOR_REMEMBERED_MAX];
    size_t n = 0, size = json_array_size(tickets);
    int r = 0;

    for (size_t i = 0; i < size && r == 0; i++) {
        struct reader reader = {.o = json_array_get(tickets, i)};
        struct ticket *t = ticket_create(op, NULL, 0);

        if (!t) {
            r = error_set(reterr, -ENOMEM, "the changes under way");
            break;
        }
        taken[n++] = t;
        take_ticket(&reader, t);
        if (reader.wrong || reader.no_memory)
            r = complain(&reader, i, reterr);
        else
            ticket_begin(t);
    }
    while (r < 0 && n > 0)
        ticket_destroy(taken[--n]);
    return r;
}

int
operator_restore(struct desk *op, const void *bytes, size_t n, struct error *reterr)
{
    json_t *whole = json_loadb(bytes, n, JSON_REJECT_DUPLICATES, NULL);
    const json_t *version = json_object_get(whole, "desk");
    const json_t *tickets = json_object_get(whole, "tickets");
    size_t room = OPERATOR_REMEMBERED_MAX - op->n_remembered;
    bool told = op->leaving;
    int r;

    if (json_is_integer(version) && json_integer_value(version) != OPERATOR_IMAGE_VERSION)
        r = error_say(reterr, -EPROTO, "the changes under way are of version %" JSON_INTEGER_FORMAT,
                      json_integer_value(version));
    else if (!json_is_integer(version) || !json_is_array(tickets) ||
             json_array_size(tickets) > room)
        r = error_say(reterr, -EBADMSG, "the changes under way are not what a desk writes");
    else {
        op->leaving = true; /* what it says is known */
        r = take_tickets(op, tickets, reterr);
        op->leaving = told;
    }
    json_decref(whole);
    return r;
}
