/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/heaps.h"

#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/helper.h"

#define PATIENCE_US (60 * US_PER_S)

struct heap_keep {
    struct helper *helper; /* owned */
    char *state_dir;       /* owned */
    void (*on_done)(void *env, const struct heap_keep_answer *answer);
    void *env;
};

static void
destroy(struct heap_keep *k)
{
    free(k->state_dir);
    free(k);
}

static bool
read_told(int out, struct heap_keep_told *told)
{
    return pread(out, told, sizeof(*told), 0) == sizeof(*told) && told->magic == HEAP_KEEP_MAGIC &&
           memchr(told->name, '\0', sizeof(told->name)) != NULL &&
           memchr(told->words, '\0', sizeof(told->words)) != NULL;
}

static void
on_end(void *env, enum helper_end how, int out)
{
    struct heap_keep *k = env;
    void (*on_done)(void *, const struct heap_keep_answer *) = k->on_done;
    void *whose = k->env;
    struct heap_keep_answer a = {.error = -EIO, .words = "the process that looked died"};
    struct heap_keep_told told;
    auto_free char *path = NULL;

    if (how == HELPER_LATE) {
        a.error = -ETIMEDOUT;
        a.words = "it took too long";
    } else if (how == HELPER_DONE && read_told(out, &told)) {
        a.error = told.error;
        a.words = told.words;
        a.bytes = told.bytes;
        if (told.error == 0 && asprintf(&path, "%s/heaps/%s", k->state_dir, told.name) == -1)
            path = NULL;
        a.path = path;
    }
    destroy(k);
    on_done(whose, &a);
}

static bool
work(const void *env, int keep, int out)
{
    (void)keep;
    return heap_keep_work(env, out);
}

int
heap_keep_start(struct ev_loop *loop, const struct heap_keep_request *rq, struct heap_keep **ret)
{
    struct heap_keep *k = calloc(1, sizeof(*k));
    const struct helper_job job = {.name = "stint-heap",
                                   .work = work,
                                   .task = rq,
                                   .keep = -1,
                                   .deadline_us = mono_now_us() + PATIENCE_US,
                                   .on_end = on_end,
                                   .env = k};
    int r = -ENOMEM;

    if (!k)
        return r;
    k->state_dir = strdup(rq->state_dir);
    k->on_done = rq->on_done;
    k->env = rq->env;
    if (k->state_dir)
        r = helper_start(loop, &job, &k->helper);
    if (r < 0)
        destroy(k);
    else
        *ret = k;
    return r;
}

void
heap_keep_cancel(struct heap_keep *k)
{
    if (!k)
        return;
    helper_cancel(k->helper);
    destroy(k);
}
