// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What do many services cost, and how long does it take to start and to stop them? Every supervisor
 * starts the same tiny static program N times. Each worker says on a FIFO when its main() began, and
 * holds it open: the last of N stamps is the end of the start, the end of the FIFO that of the stop.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "bench/child.h"
#include "bench/sample.h"
#include "bench/scale.h"

#define ROUNDS_MAX 25
#define SIZES_MAX  8
#define RIVALS_MAX 12

static const char usage_text[] =
    "usage: stint-scale [OPTION...]\n"
    "  --only NAME,...   stint,limit,s6,runit,daemontools,supervisord,systemd (default: all)\n"
    "  --sizes N,...     services (default: 100,1000,5000)\n"
    "  --rounds N        medians of so many rounds (default: 3)\n"
    "  --idle SECONDS    how long nothing happens, watched (default: 10)\n"
    "  --stint PATH      that one instead of the one of this build\n";

struct entry {
    const struct scale_rival *rival;
    struct scale_result results[ROUNDS_MAX];
    unsigned n;
    char failure[256]; /* of the first trial that failed; no other is begun */
};

static struct {
    const char *only, *stint;
    unsigned sizes[SIZES_MAX], n_sizes, rounds;
    double idle_s;
    char build[PATH_MAX];
    struct entry entries[SIZES_MAX][RIVALS_MAX];
    unsigned n_entries;
} game = {
    .sizes = {100, 1000, 5000},
      .n_sizes = 3, .rounds = 3, .idle_s = 10
};

static void
trial(struct entry *e, unsigned n)
{
    struct error err = {0};
    struct scale_result *ret = &e->results[e->n];
    struct trial t = {.rival = e->rival, .n = n, .idle_s = game.idle_s};
    int r = trial_init(&t, game.build, game.stint, &err);

    if (r == 0)
        r = trial_play(&t, ret, &err);
    trial_finish(&t, r < 0);
    if (r < 0) {
        (void)snprintf(e->failure, sizeof(e->failure), "%.250s", err.text);
        (void)fprintf(stderr, "%5u %-12s %s\n", n, e->rival->name, e->failure);
        return;
    }
    e->n++;
    (void)fprintf(stderr,
                  "%5u %-12s start %8.1f ms, stop %8.1f ms, %5.0f processes, %7.2f KiB each, "
                  "idle %.3f ms/s, %.1f switches/s\n",
                  n, e->rival->name, ret->start_ms, ret->stop_ms, ret->processes, ret->pss_kib / n,
                  ret->cpu_ms_s, ret->switches_s);
}

/* ---- the table ---------------------------------------------------------------------------------------- */

#define COLUMN(e, member)                        \
    __extension__({                              \
        static double v_[ROUNDS_MAX];            \
        for (unsigned i_ = 0; i_ < (e)->n; i_++) \
            v_[i_] = (e)->results[i_].member;    \
        median_of(v_, (e)->n);                   \
    })

static const struct entry *
entry_of(unsigned size, const char *name)
{
    for (unsigned i = 0; i < game.n_entries; i++)
        if (strcmp(game.entries[size][i].rival->name, name) == 0)
            return &game.entries[size][i];
    return NULL;
}

/* The start over that of the bare loop, round by round. */
static double
over_limit(const struct entry *e, const struct entry *limit)
{
    double ratios[ROUNDS_MAX];
    unsigned n = 0;

    for (; limit && n < e->n && n < limit->n; n++)
        ratios[n] = e->results[n].start_ms / limit->results[n].start_ms;
    return median_of(ratios, n);
}

static void
row(unsigned size, const struct entry *e)
{
    double n = game.sizes[size], low = 1e300, high = 0;

    if (e->n == 0) {
        (void)printf("| %u | %s | %s | | | | | | |\n", game.sizes[size], e->rival->name,
                     e->failure);
        return;
    }
    for (unsigned i = 0; i < e->n; i++) {
        double ms = e->results[i].start_ms;

        low = ms < low ? ms : low;
        high = ms > high ? ms : high;
    }
    (void)printf("| %u | %s | %.3f (%.3f..%.3f) | %.1f | %.0f | %.2f | %.3f | %.1f | %.3f |\n",
                 game.sizes[size], e->rival->name, COLUMN(e, start_ms) / 1000, low / 1000,
                 high / 1000, over_limit(e, entry_of(size, "limit")), COLUMN(e, processes),
                 COLUMN(e, pss_kib) / n, COLUMN(e, cpu_ms_s), COLUMN(e, switches_s),
                 COLUMN(e, stop_ms) / 1000);
}

static void
publish(void)
{
    (void)printf("| services | supervisor | start all s | × limit | its processes | PSS "
                 "KiB/service | idle CPU ms/s | idle switches/s | stop all s |\n"
                 "|---|---|---|---|---|---|---|---|---|\n");
    for (unsigned s = 0; s < game.n_sizes; s++) {
        const struct entry *ours = entry_of(s, "stint"), *theirs = entry_of(s, "systemd");

        for (unsigned i = 0; i < game.n_entries; i++)
            row(s, &game.entries[s][i]);
        if (ours && theirs && ours->n > 0 && theirs->n > 0)
            (void)fprintf(stderr, "%u services: stint's memory is %.2f of systemd's\n",
                          game.sizes[s], COLUMN(ours, pss_kib) / COLUMN(theirs, pss_kib));
    }
}

/* ---- beginning ------------------------------------------------------------------------------------------ */

static bool
is_wanted(const char *name)
{
    const char *at = game.only;
    size_t n = strlen(name);

    for (; at && *at; at += strcspn(at, ","), at += *at == ',')
        if (strncmp(at, name, n) == 0 && (at[n] == ',' || !at[n]))
            return true;
    return !game.only;
}

static bool
is_installed(const char *program)
{
    char command[128];

    (void)snprintf(command, sizeof(command), "command -v %s >/dev/null", program);
    return system(command) == 0; /* NOLINT(cert-env33-c,concurrency-mt-unsafe): a name of our own */
}

static void
enter(const struct scale_rival *rival)
{
    bool installed = !rival->program || is_installed(rival->program);

    for (unsigned s = 0; s < game.n_sizes; s++) {
        struct entry *e = &game.entries[s][game.n_entries];

        e->rival = rival;
        if (!installed)
            (void)snprintf(e->failure, sizeof(e->failure), "not installed");
        else if (rival->most > 0 && game.sizes[s] > rival->most)
            (void)snprintf(e->failure, sizeof(e->failure), "starts %u at most", rival->most);
    }
    game.n_entries++;
}

static void
shuffle(unsigned *order, unsigned n, uint64_t *chance)
{
    for (unsigned i = n; i > 1; i--) {
        unsigned last = order[i - 1], k;

        *chance = *chance * UINT64_C(6364136223846793005) + 1442695040888963407;
        k = (unsigned)((*chance >> 33) % i);
        order[i - 1] = order[k];
        order[k] = last;
    }
}

static bool
take_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"only",   required_argument, NULL, 'o'},
        {"sizes",  required_argument, NULL, 's'},
        {"rounds", required_argument, NULL, 'r'},
        {"idle",   required_argument, NULL, 'i'},
        {"stint",  required_argument, NULL, 'p'},
        {NULL,     0,                 NULL, 0  }
    };
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        char *at = optarg;

        if (c == 'o')
            game.only = optarg;
        else if (c == 'r')
            game.rounds = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'i')
            game.idle_s = strtod(optarg, NULL);
        else if (c == 'p')
            game.stint = optarg;
        else if (c == 's')
            for (game.n_sizes = 0; *at && game.n_sizes < SIZES_MAX; at += *at == ',')
                game.sizes[game.n_sizes++] = (unsigned)strtoul(at, &at, 10);
        else
            return false;
    }
    for (unsigned i = 0; i < game.n_sizes; i++)
        if (game.sizes[i] < 1 || game.sizes[i] > 10000)
            return false;
    return optind == argc && game.n_sizes > 0 && game.rounds >= 1 && game.rounds <= ROUNDS_MAX &&
           game.idle_s > 0;
}

int
main(int argc, char **argv)
{
    uint64_t chance = (uint64_t)mono_now_us();
    ssize_t n = readlink("/proc/self/exe", game.build, sizeof(game.build) - 1);

    if (!take_options(argc, argv)) {
        (void)fputs(usage_text, stderr);
        return 64;
    }
    for (int up = 0; up < 2 && n > 0; up++)
        if (strrchr(game.build, '/'))
            *strrchr(game.build, '/') = '\0';
    if (child_adopt() < 0)
        return EXIT_FAILURE;
    for (unsigned i = 0; scale_rivals[i]; i++)
        if (is_wanted(scale_rivals[i]->name))
            enter(scale_rivals[i]);
    for (unsigned round = 0; round < game.rounds; round++)
        for (unsigned s = 0; s < game.n_sizes; s++) {
            unsigned order[RIVALS_MAX];

            for (unsigned i = 0; i < game.n_entries; i++)
                order[i] = i;
            shuffle(order, game.n_entries, &chance);
            for (unsigned i = 0; i < game.n_entries; i++)
                if (!game.entries[s][order[i]].failure[0])
                    trial(&game.entries[s][order[i]], game.sizes[s]);
        }
    publish();
    return EXIT_SUCCESS;
}
