// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <signal.h>
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
#include "bench/child.h"
#include "bench/sample.h"

#define LOAD_END_BUDGET_US (20 * US_PER_S)

#define MODEST             "--rate", "500", "--keepalive", "16", "--single", "200"
#define HEAVY              "--rate", "10000", "--keepalive", "16", "--single", "0"

const struct load_kind load_kinds[] = {
    {"A",
     "500 requests/s over 16 keep-alive connections and 200/s on a connection each",            {MODEST, "--blind"},
     false},
    {"B",
     "10,000 requests/s over 16 keep-alive connections, all kept busy",                         {HEAVY, "--blind"},
     true },
    {"C",
     "as B, by a client that looks for a close just before it sends (which no network allows)", {HEAVY},
     true },
};
const unsigned n_load_kinds = ARRAY_LEN(load_kinds);

/* The timetable of the benchmark: one command each interval, however long a command takes. */
static void
sleep_until(int64_t us)
{
    const struct timespec at = {us / US_PER_S, (us % US_PER_S) * 1000};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        continue;
}

static pid_t
start_load(const struct bout *b, const struct load_kind *load, const char *json,
           struct error *reterr)
{
    char address[32];
    const char *argv[24] = {b->arena->load, "--address",          address, "--json",
                            json,           "--expect-substring", "hello"};
    unsigned n = 7;

    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", b->port);
    for (unsigned i = 0; i < ARRAY_LEN(load->arguments) && load->arguments[i]; i++)
        argv[n++] = load->arguments[i];
    return bout_child(b, argv, reterr);
}

/* Command the reloads by the timetable. Return: 0 or negative errno. */
static int
reload_all(struct bout *b, pid_t load, const struct measure_options *o, int64_t *commanded_us,
           struct error *reterr)
{
    int64_t next_us = mono_now_us() + o->warmup_us;
    int r = 0;

    for (unsigned i = 0; i < o->reloads && r == 0; i++) {
        sleep_until(next_us);
        next_us += o->interval_us;
        (void)kill(load, SIGUSR1);
        r = bout_command_reload(b, &commanded_us[i], reterr);
        if (r < 0)
            return error_wrap(reterr, r, "reload %u of %s", i + 1, b->rival->name);
    }
    sleep_until(next_us);
    return r;
}

/* Stop the load and take its accounts; whether requests failed is for the table, not for here. */
static int
end_load(pid_t load, struct error *reterr)
{
    int status = 0;

    (void)kill(load, SIGTERM);
    if (child_wait(load, mono_now_us() + LOAD_END_BUDGET_US, &status) < 0) {
        (void)child_end(load, SIGKILL, US_PER_S);
        return error_say(reterr, -ETIMEDOUT, "the load client did not end");
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
        return error_say(reterr, -EIO, "the load client ended with wait status %#x",
                         (unsigned)status);
    return 0;
}

static int
press(struct bout *b, const struct measure_options *o, struct sample *ret, struct error *reterr)
{
    auto_free int64_t *commanded_us = calloc(o->reloads + 1, sizeof(*commanded_us));
    char json[PATH_MAX + 16];
    auto_free char *accounts = NULL;
    size_t bytes = 0;
    struct error other;
    pid_t pid;
    int r;

    if (!commanded_us)
        return -ENOMEM;
    (void)snprintf(json, sizeof(json), "%s/load.json", b->dir);
    pid = start_load(b, o->load, json, reterr);
    if (pid < 0)
        return pid;
    r = reload_all(b, pid, o, commanded_us, reterr);
    if (r < 0) {
        (void)end_load(pid, &other);
        return r;
    }
    r = end_load(pid, reterr);
    if (r == 0)
        r = sample_read(json, commanded_us, o->reloads, ret, reterr);
    if (r == 0 && o->json)
        r = file_read(json, (size_t)64 << 20, &accounts, &bytes, reterr);
    if (r == 0 && o->json)
        r = file_replace(o->json, accounts, bytes, 0644, reterr);
    return r;
}

int
measure(const struct arena *arena, const struct rival *rival, const struct measure_options *o,
        struct sample *ret, struct error *reterr)
{
    struct bout b;
    int r = bout_open(&b, arena, rival, reterr);
    int killed;

    if (r == 0)
        r = press(&b, o, ret, reterr);
    if (r < 0)
        bout_show_log(&b);
    killed = bout_close(&b);
    if (killed > 0)
        (void)fprintf(stderr, "%s: %d processes did not end by themselves and were killed\n",
                      rival->name, killed);
    return r;
}
