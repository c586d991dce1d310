/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/preflight/threads.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "supervisor/preflight/cage.h"
#include "supervisor/preflight/talk.h"

#define KINDS_SAID 3

int
threads_take(const struct cage *c, json_t **ret, struct error *reterr)
{
    return cage_ask(c, "GET", "/v1/threads", NULL, ret, reterr);
}

int64_t
threads_leaked(const json_t *threads, struct text *words)
{
    int64_t n = 0;
    size_t i, k;
    json_t *w, *g;

    json_array_foreach(json_object_get(threads, "workers"), i, w)
    {
        const json_t *evidence = json_object_get(w, "evidence");

        n += number_of(evidence, "leaked");
        json_array_foreach(json_object_get(evidence, "groups"), k, g)
        {
            if (json_is_true(json_object_get(g, "leak")) && !words->bytes)
                text_add(words, word_of(g, "text"));
        }
    }
    return n;
}

/* Of one kind are those that began alike, wherever they are now: "watch<reload|futex@…", up to the bar. */
static bool
same_kind(const char *a, const char *b)
{
    size_t n = strcspn(a, "|");

    return n == strcspn(b, "|") && strncmp(a, b, n) == 0;
}

/* Threads of one kind, over all workers that serve. */
static int64_t
count_of(const json_t *threads, const char *key)
{
    int64_t n = 0;
    size_t i, k;
    json_t *w, *g;

    json_array_foreach(json_object_get(threads, "workers"), i, w)
    {
        json_array_foreach(json_object_get(json_object_get(w, "evidence"), "groups"), k, g)
        {
            if (same_kind(word_of(g, "key"), key))
                n += number_of(g, "count");
        }
    }
    return n;
}

static void
describe(const json_t *group, int64_t before, int64_t after, struct text *out)
{
    const json_t *first = json_object_get(group, "first");
    const json_t *creator = json_object_get(json_object_get(first, "claim"), "creator");
    const json_t *start = json_object_get(first, "start");
    const char *name = word_of(first, "name"), *file = word_of(creator, "file");
    const char *base = strrchr(file, '/');

    if (out->bytes)
        text_add(out, ", ");
    text_addf(out, "threads like `%s`", name[0] ? name : word_of(first, "comm"));
    if (file[0])
        text_addf(out, ", started at %s:%" PRId64 " (%s)", base ? base + 1 : file,
                  number_of(creator, "line"), word_of(creator, "function"));
    else if (word_of(start, "function")[0])
        text_addf(out, ", that began in %s()", word_of(start, "function"));
    text_addf(out, ": %" PRId64 ", then %" PRId64, before, after);
}

/* Has this kind been met before in @now, in an earlier worker or group? */
static bool
met(const json_t *now, const char *key, const json_t *at)
{
    size_t i, k;
    json_t *w, *g;

    json_array_foreach(json_object_get(now, "workers"), i, w)
    {
        json_array_foreach(json_object_get(json_object_get(w, "evidence"), "groups"), k, g)
        {
            if (g == at)
                return false;
            if (same_kind(word_of(g, "key"), key))
                return true;
        }
    }
    return false;
}

int64_t
threads_grown(const json_t *then, const json_t *now, struct text *words)
{
    int64_t more = 0;
    unsigned said = 0;
    size_t i, k;
    json_t *w, *g;

    json_array_foreach(json_object_get(now, "workers"), i, w)
    {
        json_array_foreach(json_object_get(json_object_get(w, "evidence"), "groups"), k, g)
        {
            const char *key = word_of(g, "key");
            int64_t before = count_of(then, key), after = count_of(now, key);

            if (after <= before || met(now, key, g))
                continue;
            more += after - before;
            if (said++ < KINDS_SAID)
                describe(g, before, after, words);
        }
    }
    return more;
}
