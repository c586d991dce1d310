/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/identity_ask.h"

#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/list.h"
#include "base/mem.h"
#include "supervisor/io/helper.h"
#include "supervisor/io/identity.h"

#define ANSWER_MAX ((size_t)1024 * 1024) /* 65536 groups and three texts are less */

/* What is being looked up now, by one helper for all who ask for it. */
struct question {
    struct list node;      /* in `questions` */
    char *user, *group;    /* owned; NULL = not given */
    struct helper *helper; /* owned */
    struct list asks;      /* struct identity_ask.node */
};

struct identity_ask {
    struct list node;          /* in question.asks */
    struct question *question; /* borrowed */
    void (*on_done)(void *env, struct identity *id, const struct error *why);
    void *env; /* borrowed */
};

/* The beginning of what a helper tells; the groups and the three texts follow. */
struct told {
    struct error error; /* code 0: none */
    uid_t uid;
    gid_t gid;
    size_t n_groups;
    size_t texts[3]; /* name, home, shell: bytes with the NUL; 0 = NULL */
};

static struct list questions = LIST_INIT(questions);

static void
question_destroy(struct question *q)
{
    list_del(&q->node);
    free(q->user);
    free(q->group);
    free(q);
}

/* ---- in the helper ------------------------------------------------------------------------- */

static bool
tell(int out, const void *bytes, size_t n)
{
    return n == 0 || write(out, bytes, n) == (ssize_t)n;
}

static bool
look_up(const void *task, int keep, int out)
{
    const struct question *q = task;
    struct identity id = IDENTITY_KEEP;
    struct told told = {0};
    const char *texts[3];
    bool ok;

    (void)keep;
    told.error.code = identity_resolve(q->user, q->group, &id, &told.error);
    texts[0] = id.name;
    texts[1] = id.home;
    texts[2] = id.shell;
    told.uid = id.uid;
    told.gid = id.gid;
    told.n_groups = id.n_groups;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        told.texts[i] = texts[i] ? strlen(texts[i]) + 1 : 0;
    ok = tell(out, &told, sizeof(told)) && tell(out, id.groups, id.n_groups * sizeof(*id.groups));
    for (size_t i = 0; ok && i < ARRAY_LEN(texts); i++)
        ok = tell(out, texts[i], told.texts[i]);
    identity_finish(&id);
    return ok;
}

/* ---- in the master -------------------------------------------------------------------------- */

/* take_text - the next @n bytes. False: there are not that many, or they are no text. */
static bool
take_text(const char **at, size_t *left, size_t n, char **ret)
{
    if (n == 0)
        return true;
    if (n > *left || (*at)[n - 1] != '\0')
        return false;
    *ret = strdup(*at);
    *at += n;
    *left -= n;
    return *ret != NULL;
}

static bool
take_identity(const char *bytes, size_t n, const struct told *told, struct identity *id)
{
    size_t groups = told->n_groups * sizeof(gid_t);

    if (told->n_groups > n / sizeof(gid_t))
        return false;
    id->uid = told->uid;
    id->gid = told->gid;
    id->n_groups = told->n_groups;
    id->groups = groups > 0 ? malloc(groups) : NULL;
    if (groups > 0 && !id->groups)
        return false;
    if (groups > 0)
        memcpy(id->groups, bytes, groups);
    bytes += groups;
    n -= groups;
    return take_text(&bytes, &n, told->texts[0], &id->name) &&
           take_text(&bytes, &n, told->texts[1], &id->home) &&
           take_text(&bytes, &n, told->texts[2], &id->shell);
}

/* answer_read - Return: as identity_resolve(). */
static int
answer_read(int out, struct identity *ret, struct error *reterr)
{
    __attribute__((cleanup(identity_finish))) struct identity id = IDENTITY_KEEP;
    auto_free char *rest = NULL;
    struct told told;
    struct stat st;
    size_t n;

    if (fstat(out, &st) == -1 || st.st_size < (off_t)sizeof(told) ||
        st.st_size > (off_t)ANSWER_MAX || pread(out, &told, sizeof(told), 0) != sizeof(told))
        return error_say(reterr, -EBADMSG, "look up users and groups: the answer is none");
    told.error.text[sizeof(told.error.text) - 1] = '\0';
    if (told.error.code != 0)
        return error_say(reterr, told.error.code < 0 ? told.error.code : -EBADMSG, "%s",
                         told.error.text);
    n = (size_t)st.st_size - sizeof(told);
    rest = malloc(n + 1);
    if (!rest)
        return error_set(reterr, -ENOMEM, "look up users and groups");
    if (pread(out, rest, n, sizeof(told)) != (ssize_t)n || !take_identity(rest, n, &told, &id))
        return error_say(reterr, -EBADMSG, "look up users and groups: the answer is none");
    *ret = id;
    id = (struct identity)IDENTITY_KEEP;
    return 0;
}

static void
say_whom(const struct question *q, struct error *err, int code, const char *what)
{
    const char *user = q->user, *group = q->group;

    if (user && group)
        (void)error_say(err, code, "look up user '%s' and group '%s': %s", user, group, what);
    else
        (void)error_say(err, code, "look up %s '%s': %s", user ? "user" : "group",
                        user ? user : group, what);
}

static void
on_end(void *env, enum helper_end how, int out)
{
    struct question *q = env;

    list_del(&q->node); /* who asks from now on begins anew */
    while (!list_empty(&q->asks)) {
        struct identity_ask *ask = container_of(q->asks.next, struct identity_ask, node);
        struct identity id = IDENTITY_KEEP;
        struct error why = {0};

        if (how == HELPER_LATE)
            say_whom(q, &why, -ETIMEDOUT, "the name service did not answer in time");
        else if (how == HELPER_DIED)
            say_whom(q, &why, -ECHILD, "the process that asked the name service died");
        else
            (void)answer_read(out, &id, &why);
        list_del(&ask->node);
        ask->on_done(ask->env, why.code == 0 ? &id : NULL, &why);
        identity_finish(&id);
        free(ask);
    }
    question_destroy(q);
}

static struct question *
question_find(const char *user, const char *group)
{
    list_for_each (pos, &questions) {
        struct question *q = container_of(pos, struct question, node);

        if (identity_same_name(q->user, user) && identity_same_name(q->group, group))
            return q;
    }
    return NULL;
}

static int
question_create(struct ev_loop *loop, const struct identity_request *rq, struct question **ret)
{
    struct question *q = calloc(1, sizeof(*q));
    struct helper_job job = {.name = "stint-names",
                             .work = look_up,
                             .task = q,
                             .keep = -1,
                             .deadline_us = rq->deadline_us,
                             .on_end = on_end,
                             .env = q};
    int r = -ENOMEM;

    if (!q)
        return r;
    list_init(&q->node);
    list_init(&q->asks);
    q->user = rq->user ? strdup(rq->user) : NULL;
    q->group = rq->group ? strdup(rq->group) : NULL;
    if ((!rq->user || q->user) && (!rq->group || q->group))
        r = helper_start(loop, &job, &q->helper);
    if (r < 0) {
        question_destroy(q);
        return r;
    }
    list_add(&questions, &q->node);
    *ret = q;
    return 0;
}

int
identity_ask(struct ev_loop *loop, const struct identity_request *rq, struct identity_ask **ret,
             struct error *reterr)
{
    struct question *q = question_find(rq->user, rq->group);
    struct identity_ask *ask = calloc(1, sizeof(*ask));
    int r = ask ? 0 : -ENOMEM;

    if (r == 0 && !q)
        r = question_create(loop, rq, &q);
    if (r < 0) {
        free(ask);
        return error_set(reterr, r, "look up users and groups");
    }
    ask->question = q;
    ask->on_done = rq->on_done;
    ask->env = rq->env;
    list_add(&q->asks, &ask->node);
    *ret = ask;
    return 0;
}

void
identity_ask_cancel(struct identity_ask *ask)
{
    struct question *q;

    if (!ask)
        return;
    q = ask->question;
    list_del(&ask->node);
    free(ask);
    if (list_empty(&q->asks) && !list_empty(&q->node)) { /* not from within its own end */
        helper_cancel(q->helper);
        question_destroy(q);
    }
}
