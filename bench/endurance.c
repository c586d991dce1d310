// SPDX-License-Identifier: GPL-2.0-or-later
/* stint-endurance: many reloads in a row under light load; the master must hold no more at the end. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/units.h"
#include "bench/arena.h"
#include "bench/child.h"
#include "bench/sample.h"
#include "bench/stint_control.h"
#include "bench/vitals.h"

#define GROWTH_MAX_KIB   256
#define SETTLE_BUDGET_US (3 * US_PER_S)
#define SAMPLES_MAX      1001

static const char usage_text[] =
    "usage: stint-endurance [--reloads N] [--every N] [--stint PATH] [--web PATH]\n"
    "  --reloads N   in a row, each waited for until the old generation is gone (default 1000)\n"
    "  --every N     look at the master after every N reloads (default: a tenth of them)\n"
    "Status 1: descriptors, watches, threads or children are not as after the first look, the\n"
    "master grew by more than 256 KiB since then, its loop stalled, or a request failed.\n";

struct course {
    struct arena arena;
    struct bout bout;
    unsigned reloads, every;
    pid_t load;
    unsigned done; /* reloads so far */
    struct vitals looks[SAMPLES_MAX], keepers[SAMPLES_MAX];
    unsigned n_looks;
    json_int_t stalls, longest_turn_us; /* as of the last look */
    struct sample sample;               /* of the load */
};

static bool
same_holdings(const struct vitals *a, const struct vitals *b)
{
    return a->fds == b->fds && a->watches == b->watches && a->threads == b->threads &&
           a->children == b->children;
}

/*
 * The answer "gone" may come before the master has closed the connection that asked, so a look
 * that differs from the first is taken again for a while: what stays is a leak.
 */
static int
look(struct course *c, struct error *reterr)
{
    const struct timespec pause = {0, 20000000};
    int64_t deadline = mono_now_us() + SETTLE_BUDGET_US;
    struct vitals *v = &c->looks[c->n_looks], *keeper = &c->keepers[c->n_looks];
    pid_t master;
    json_t *status = NULL;
    const json_t *counters;
    int r = stint_control(&c->bout, "GET /v1/status", NULL, &status, reterr);

    if (r < 0)
        return r;
    counters = json_object_get(status, "counters");
    if (!json_is_integer(json_object_get(counters, "loop_stalls")))
        r = error_say(reterr, -EBADMSG, "status has no counters.loop_stalls");
    c->stalls = json_integer_value(json_object_get(counters, "loop_stalls"));
    c->longest_turn_us = json_integer_value(json_object_get(counters, "longest_turn_us"));
    master =
        (pid_t)json_integer_value(json_object_get(json_object_get(status, "supervisor"), "master"));
    json_decref(status);
    if (r < 0)
        return r;
    (void)nanosleep(&pause, NULL);
    while ((r = vitals_read(master, v, reterr)) == 0 &&
           (r = vitals_read(c->bout.pid, keeper, reterr)) == 0 && c->n_looks > 0 &&
           !(same_holdings(v, &c->looks[0]) && same_holdings(keeper, &c->keepers[0])) &&
           mono_now_us() < deadline)
        (void)nanosleep(&pause, NULL);
    if (r < 0)
        return r;
    c->n_looks++;
    (void)printf("| %u | %u | %u | %u | %u | %ld | %u | %ld | %" JSON_INTEGER_FORMAT
                 " | %.1f | %.0f |\n",
                 c->done, v->fds, v->watches, v->threads, v->children, v->rss_kib, keeper->fds,
                 keeper->rss_kib, c->stalls, (double)c->longest_turn_us / 1000, v->waited_ms);
    return fflush(stdout) == EOF ? -errno : 0;
}

static int
run_course(struct course *c, struct error *reterr)
{
    static const char order[] = "{\"services\": [\"web\"], \"force\": true, \"wait\": \"gone\"}";
    unsigned next_look = c->every;
    int r = 0;

    (void)printf("| reloads | fds | inotify watches | threads | children | RSS KiB | keeper: fds | "
                 "RSS KiB | "
                 "stalls | longest turn ms | waited for a CPU ms |\n"
                 "|---|---|---|---|---|---|---|---|---|---|---|\n");
    while (c->done < c->reloads && r == 0) {
        r = stint_control(&c->bout, "POST /v1/reload", order, NULL, reterr);
        if (r < 0)
            return error_wrap(reterr, r, "reload %u", c->done + 1);
        if (++c->done == next_look) {
            next_look += c->every;
            r = look(c, reterr);
        }
    }
    return r;
}

static int
start_load(struct course *c, const char *json, struct error *reterr)
{
    char address[32];
    const char *const argv[] = {c->arena.load, "--address", address,    "--rate", "100",
                                "--keepalive", "4",         "--single", "20",     "--json",
                                json,          "--blind",   NULL};

    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", c->bout.port);
    c->load = bout_child(&c->bout, argv, reterr);
    return c->load < 0 ? c->load : 0;
}

static int
end_load(struct course *c, const char *json, struct error *reterr)
{
    int status = 0;

    (void)kill(c->load, SIGTERM);
    if (child_wait(c->load, mono_now_us() + 20 * US_PER_S, &status) < 0) {
        (void)child_end(c->load, SIGKILL, US_PER_S);
        return error_say(reterr, -ETIMEDOUT, "the load client did not end");
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
        return error_say(reterr, -EIO, "the load client ended with wait status %#x",
                         (unsigned)status);
    return sample_read(json, NULL, 0, &c->sample, reterr);
}

/* Return: how many promises were broken; each is said. */
static int
judge(const struct course *c)
{
    const struct vitals *first = &c->looks[0];
    const struct vitals *last = &c->looks[c->n_looks - 1];
    long growth = last->rss_kib - first->rss_kib;
    long keeper_growth = c->keepers[c->n_looks - 1].rss_kib - c->keepers[0].rss_kib;
    int broken = 0;

    (void)printf("\nrequests %" PRIu64 ", failed %" PRIu64 "; the master grew by %ld KiB from "
                 "reload %u to %u\n",
                 c->sample.requests, c->sample.failed, growth, c->every, c->done);
    for (unsigned i = 1; i < c->n_looks; i++)
        if (!same_holdings(&c->looks[i], first) || !same_holdings(&c->keepers[i], &c->keepers[0])) {
            (void)printf("BROKEN: after %u reloads it holds something else than after %u\n",
                         (i + 1) * c->every, c->every);
            broken++;
        }
    if (growth > GROWTH_MAX_KIB || keeper_growth > GROWTH_MAX_KIB)
        broken += printf("BROKEN: it grew by more than %d KiB\n", GROWTH_MAX_KIB) > 0;
    if (c->stalls > 0)
        broken += printf("BROKEN: its loop stalled %" JSON_INTEGER_FORMAT
                         " times, the longest for %.0f ms "
                         "(it waited %.0f ms for a CPU in all)\n",
                         c->stalls, (double)c->longest_turn_us / 1000, last->waited_ms) > 0;
    if (c->sample.failed > 0)
        broken += printf("BROKEN: requests failed\n") > 0;
    return broken;
}

static int
run_all(struct course *c, struct error *reterr)
{
    char json[PATH_MAX + 16];
    struct error other;
    int r = child_adopt();

    if (r == 0)
        r = bout_open(&c->bout, &c->arena, &rival_stint_watching, reterr);
    (void)snprintf(json, sizeof(json), "%s/load.json", c->bout.dir);
    if (r == 0)
        r = start_load(c, json, reterr);
    if (r == 0)
        r = run_course(c, reterr);
    if (c->load > 0) {
        int ended = end_load(c, json, r < 0 ? &other : reterr);

        r = r < 0 ? r : ended;
    }
    if (r < 0)
        bout_show_log(&c->bout);
    if (bout_close(&c->bout) > 0 && r == 0)
        r = error_say(reterr, -ETIMEDOUT, "stint did not end by itself");
    return r;
}

static int
take_option(struct course *c, int id, struct error *reterr)
{
    if (id == 'r' || id == 'e') {
        *(id == 'r' ? &c->reloads : &c->every) = (unsigned)strtoul(optarg, NULL, 10);
        return 0;
    }
    if (id == 's' || id == 'w')
        return realpath(optarg, id == 's' ? c->arena.stint : c->arena.web)
                   ? 0
                   : error_set(reterr, -errno, "'%s'", optarg);
    if (id != 'h')
        return error_say(reterr, -EINVAL, "see --help");
    (void)fputs(usage_text, stdout);
    arena_finish(&c->arena);
    exit(EXIT_SUCCESS);
}

static int
parse(int argc, char **argv, struct course *c, struct error *reterr)
{
    static const struct option options[] = {
        {"reloads", required_argument, NULL, 'r'},
        {"every",   required_argument, NULL, 'e'},
        {"stint",   required_argument, NULL, 's'},
        {"web",     required_argument, NULL, 'w'},
        {"help",    no_argument,       NULL, 'h'},
        {NULL,      0,                 NULL, 0  }
    };
    int id;

    while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
        int r = take_option(c, id, reterr);

        if (r < 0)
            return r;
    }
    if (c->every == 0)
        c->every = c->reloads / 10;
    if (optind < argc || c->every == 0 || c->reloads < 2 * c->every ||
        c->reloads / c->every >= SAMPLES_MAX)
        return error_say(reterr, -EINVAL, "there must be from 2 to 1000 looks; see --help");
    return 0;
}

int
main(int argc, char **argv)
{
    static struct course c = {.reloads = 1000};
    struct error error = {0};
    int status = 2;
    int r = arena_init(&c.arena, &error);

    if (r == 0)
        r = parse(argc, argv, &c, &error);
    if (r == 0)
        r = run_all(&c, &error);
    if (r < 0)
        (void)fprintf(stderr, "stint-endurance: %s\n",
                      error.text[0] ? error.text : strerrordesc_np(-r));
    else
        status = judge(&c) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    arena_finish(&c.arena);
    return status;
}
