/* SPDX-License-Identifier: MIT */
#include "examples/web/cache.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <stint.h>

#define FLUSH_EVERY_US 1000000

struct cache {
    struct stint_thread *flush_1; /* leaves when told to */
    struct stint_thread *flush_2; /* NULL, or the one that does not */
    int pipe[2];                  /* that one's work queue: nobody ever writes to it */
};

static void
flush_regularly(void *arg)
{
    (void)arg;
    while (stint_token_sleep(stint_current(), FLUSH_EVERY_US) == 0)
        stint_beat();
}

/* The planted bug: a read without the token beside it. Cancelling cannot wake it. */
static void
flush_on_demand(void *arg)
{
    struct cache *cache = arg;
    char order;

    STINT_BLOCK("read of the flush queue", cache)
    while (read(cache->pipe[0], &order, 1) == 1)
        stint_beat();
}

static int
cache_start_flusher(struct cache *cache, struct stint_token *token, bool deaf)
{
    if (deaf)
        return stint_thread_spawn(&cache->flush_2, token, "flush-2", flush_on_demand, cache);
    return stint_thread_spawn(&cache->flush_1, token, "flush-1", flush_regularly, cache);
}

struct cache *
cache_start(struct stint_token *token, bool leak)
{
    struct cache *cache = calloc(1, sizeof(*cache));

    if (!cache)
        return NULL;
    if (pipe2(cache->pipe, O_CLOEXEC) == -1) {
        free(cache);
        return NULL;
    }
    if (cache_start_flusher(cache, token, false) < 0 ||
        (leak && cache_start_flusher(cache, token, true) < 0))
        return NULL; /* the caller exits: a thread that runs may use `cache` until then */
    return cache;
}

void
cache_stop(struct cache *cache)
{
    if (!cache)
        return;
    (void)stint_thread_join(cache->flush_1, NULL, STINT_NEVER); /* waits without a limit */
    if (cache->flush_2)
        (void)stint_thread_join(cache->flush_2, NULL, STINT_NEVER); /* and here it hangs */
    close(cache->pipe[0]);
    close(cache->pipe[1]);
    free(cache);
}
