// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "bench/sample.h"

static int
compare(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;

    return (*x > *y) - (*x < *y);
}

double
median_of(double *values, unsigned n)
{
    if (n == 0)
        return 0;
    qsort(values, n, sizeof(*values), compare);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static double
ms_of(const json_t *object, const char *key)
{
    return (double)json_integer_value(json_object_get(object, key)) / 1000;
}

static struct latency
latency_of(const json_t *accounts, const char *key)
{
    const json_t *h = json_object_get(accounts, key);

    return (struct latency){ms_of(h, "p50_us"), ms_of(h, "p99_us"), ms_of(h, "p999_us")};
}

/* When the first generation that is newer than @after_us answered; 0: none did before @before_us. */
static int64_t
first_answer(const json_t *generations, int64_t after_us, int64_t before_us)
{
    size_t i;
    const json_t *g;

    json_array_foreach(generations, i, g)
    {
        int64_t first_us = json_integer_value(json_object_get(g, "first_us"));

        if (first_us > after_us)
            return first_us < before_us ? first_us : 0;
    }
    return 0;
}

static int
read_reloads(const json_t *generations, const int64_t *commanded_us, unsigned n, struct sample *ret)
{
    auto_free double *first_ms = calloc(n + 1, sizeof(*first_ms));
    unsigned known = 0;

    if (!first_ms)
        return -ENOMEM;
    ret->reloads = n;
    for (unsigned i = 0; i < n; i++) {
        int64_t before_us = i + 1 < n ? commanded_us[i + 1] : INT64_MAX;
        int64_t first_us = first_answer(generations, commanded_us[i], before_us);

        if (first_us == 0)
            ret->missed++;
        else
            first_ms[known++] = (double)(first_us - commanded_us[i]) / 1000;
    }
    ret->first_ms = median_of(first_ms, known);
    ret->first_max_ms = known ? first_ms[known - 1] : 0;
    return 0;
}

int
sample_read(const char *json, const int64_t *commanded_us, unsigned n, struct sample *ret,
            struct error *reterr)
{
    json_error_t at;
    json_t *accounts = json_load_file(json, 0, &at);
    const json_t *kinds = json_object_get(accounts, "failed_by_kind");
    int r;

    memset(ret, 0, sizeof(*ret));
    if (!accounts || !kinds) {
        json_decref(accounts);
        return error_say(reterr, -EBADMSG, "'%s' is not the load client's: %s", json, at.text);
    }
    ret->requests = (uint64_t)json_integer_value(json_object_get(accounts, "requests"));
    ret->failed = (uint64_t)json_integer_value(json_object_get(accounts, "failed"));
    for (enum load_failure k = 0; k < LOAD_FAILURE_COUNT; k++)
        ret->failed_by_kind[k] =
            (uint64_t)json_integer_value(json_object_get(kinds, load_failure_name(k)));
    ret->gap_ms = ms_of(accounts, "longest_gap_us");
    ret->steady = latency_of(accounts, "latency_steady");
    ret->reload = latency_of(accounts, "latency_reload");
    r = read_reloads(json_object_get(accounts, "generations"), commanded_us, n, ret);
    json_decref(accounts);
    return r < 0 ? error_set(reterr, r, "read '%s'", json) : 0;
}
