/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "base/mem.h"
#include "supervisor/io/operator_internal.h"
#include "supervisor/io/probing.h"

/* The threads of workers, looked at now: the answer is given when the last look has ended. */

/* A worker of one request. */
struct probed_worker {
    struct probed *of;
    json_t *report; /* borrowed from of->workers */
    struct probing_look *look;
};

/* A request that waits for looks. */
struct probed {
    struct list node; /* in desk.probed */
    struct desk *op;
    struct control_request *rq; /* borrowed */
    json_t *workers;            /* owned; array */
    struct probed_worker *each; /* owned */
    size_t n, pending;
    bool asking; /* not all were asked yet */
};

static void
probed_destroy(struct probed *p)
{
    list_del(&p->node);
    for (size_t i = 0; i < p->n; i++)
        probing_cancel(p->each[i].look);
    json_decref(p->workers);
    free(p->each);
    free(p);
}

static void
probed_answer(struct probed *p)
{
    struct control_request *rq = p->rq;
    json_t *body = json_pack("{s:s, s:O}", "schema", "stint.threads/2", "workers", p->workers);

    probed_destroy(p);
    control_answer(rq, 200, body);
}

static void
on_looked_at(void *env, const struct probing_answer *a)
{
    struct probed_worker *w = env;
    struct probed *p = w->of;

    if (a->report) /* no memory: it is answered without */
        (void)json_object_set(w->report, "evidence", a->report);
    else
        (void)json_object_set_new(w->report, "note", report_text(a->summary));
    if (--p->pending == 0 && !p->asking)
        probed_answer(p);
}

/* What of it was asked for. */
struct filter {
    const struct service *service; /* NULL: all */
    uint64_t generation, slot;     /* UINT64_MAX: all */
};

static bool
wanted(const struct filter *f, const struct worker *w)
{
    const struct generation *g = w->generation;

    return (!f->service || g->service == f->service) &&
           (f->generation == UINT64_MAX || g->number == f->generation) &&
           (f->slot == UINT64_MAX || w->slot == f->slot) && w->pid > 0;
}

/* All that is there, counted first. @ret NULL: count only. */
static size_t
pick(const struct core *core, const struct filter *f, const struct worker **ret)
{
    size_t n = 0;

    list_for_each (s, &core->services)
        list_for_each (g, &container_of(s, struct service, node)->generations)
            list_for_each (k, &container_of(g, struct generation, node)->workers) {
                const struct worker *w = container_of(k, struct worker, node);

                if (!wanted(f, w))
                    continue;
                if (ret)
                    ret[n] = w;
                n++;
            }
    return n;
}

static struct probed *
probed_create(struct desk *op, struct control_request *rq, const struct worker **of, size_t n)
{
    struct probed *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    list_init(&p->node);
    p->op = op;
    p->rq = rq;
    p->workers = json_array();
    p->each = calloc(n + 1, sizeof(*p->each));
    for (size_t i = 0; p->workers && p->each && i < n; i++) {
        json_t *report = report_of_worker(of[i]);

        if (json_array_append_new(p->workers, report) < 0) /* of NULL, too */
            break;
        p->each[i] = (struct probed_worker){.of = p, .report = report};
        p->n++;
    }
    if (p->n == n && p->workers && p->each)
        return p;
    probed_destroy(p);
    return NULL;
}

/* Nobody of them ends from within this, so they may be kept for its length. */
static void
probe_all(struct desk *op, struct control_request *rq, const struct filter *f)
{
    size_t n = pick(op->options.sources.core, f, NULL);
    auto_free const struct worker **of = calloc(n + 1, sizeof(struct worker *));
    struct probed *p = of ? probed_create(op, rq, of, pick(op->options.sources.core, f, of)) : NULL;

    if (!p) {
        control_answer_error(rq, 500, "out-of-memory", "out of memory");
        return;
    }
    list_add(&op->probed, &p->node);
    p->asking = true;
    p->pending = n;
    for (size_t i = 0; i < n; i++) {
        struct probing_request want = {
            .all = operator_query_flag(rq, "all"), .on_done = on_looked_at, .env = &p->each[i]};

        if (op->options.threads)
            op->options.threads(op->options.env, of[i], &want, &p->each[i].look);
        else
            p->pending--;
    }
    p->asking = false;
    if (p->pending == 0)
        probed_answer(p);
}

void
operator_threads(struct desk *op, struct control_request *rq)
{
    struct filter f = {.generation = UINT64_MAX, .slot = UINT64_MAX};
    struct service *s;

    if (!query_service(op, rq, &s) ||
        !operator_query_number(rq, "generation", INT64_MAX, &f.generation) ||
        !operator_query_number(rq, "slot", UINT32_MAX, &f.slot))
        return;
    f.service = s;
    if (f.generation == 0)
        f.generation = UINT64_MAX;
    probe_all(op, rq, &f);
}

void
threads_gone(struct desk *op, const struct control_request *rq)
{
    list_for_each_safe (n, &op->probed) {
        struct probed *p = container_of(n, struct probed, node);

        if (p->rq == rq)
            probed_destroy(p);
    }
}

void
threads_farewell(struct desk *op)
{
    list_for_each_safe (n, &op->probed)
        probed_answer(container_of(n, struct probed, node));
}

void
threads_drop(struct desk *op)
{
    list_for_each_safe (n, &op->probed)
        probed_destroy(container_of(n, struct probed, node));
}
