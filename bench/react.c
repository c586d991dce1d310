// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How long is a service away when it crashes, and how long until the new one begins when its executable is replaced?
 * All supervisors are up together, each with the same static program, and take their turns in an order that is shuffled
 * in each round; what the others do meanwhile is nothing.
 *
 *     stint-react crash|change [OPTION...]
 */
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"
#include "bench/child.h"
#include "bench/react.h"
#include "bench/sample.h"

#define ENTRIES_MAX 16

static const char usage_text[] =
    "usage: stint-react crash|change [OPTION...]\n"
    "  --only NAME,...   these, and the limit that they are compared with (default: all)\n"
    "  --rounds N        (default: 15, at most 200)\n"
    "  --stint PATH      that one instead of the one of this build\n";

static struct {
    enum react_to to;
    const char *only;
    unsigned rounds;
    char build[PATH_MAX], stint[PATH_MAX], work[64];
    struct react entries[ENTRIES_MAX];
    unsigned n, limit, again; /* entries; which of them are the limit and its second measurement */
} game = {.rounds = 15};

/* ---- the table ---------------------------------------------------------------------------------------- */

/* The answers of all rounds, or their ratios to @over's of the same round; sorted by median_of(). */
static unsigned
collect(const double *ms, const double *over, unsigned n, double *ret)
{
    unsigned k = 0;

    for (unsigned i = 0; i < n; i++)
        if (ms[i] >= 0 && (!over || over[i] > 0))
            ret[k++] = over ? ms[i] / over[i] : ms[i];
    return k;
}

/* "median (lowest..highest)", or "-". */
static const char *
spread(const double *ms, const double *over, unsigned n, char *buf, size_t room)
{
    static double values[REACT_ROUNDS_MAX];
    unsigned k = collect(ms, over, n, values);
    double median = median_of(values, k);

    if (k == 0)
        (void)snprintf(buf, room, "-");
    else
        (void)snprintf(buf, room, "%.2f (%.2f..%.2f)", median, values[0], values[k - 1]);
    return buf;
}

static void
row(const struct react *r, const struct react *limit, bool again)
{
    unsigned n = r->n < limit->n ? r->n : limit->n;
    char first[64], ratio[64], second[64];

    (void)printf("| %s%s | %s |", r->rival->name, again ? " (again)" : "", r->rival->how);
    if (r->n == 0) {
        (void)printf(" %s | | | |%s\n", r->failure, game.to == REACT_CRASH ? " |" : "");
        return;
    }
    (void)printf(" %s | %s |", spread(r->first_ms, NULL, r->n, first, sizeof(first)),
                 spread(r->first_ms, limit->first_ms, n, ratio, sizeof(ratio)));
    if (game.to == REACT_CRASH)
        (void)printf(" %s |", spread(r->again_ms, NULL, r->n, second, sizeof(second)));
    (void)printf(" %u | %u%s%s |\n", r->n, r->missed,
                 r->extra ? ", and starts nobody asked for" : "",
                 r->failure[0] ? ": it stayed away" : "");
}

static void
publish(void)
{
    const struct react *limit = &game.entries[game.limit];

    (void)printf(
        "| supervisor | how | %s() ms | × limit |%s n | missed |\n|---|---|---|---|%s---|---|\n",
        game.to == REACT_CRASH ? "SIGKILL to main" : "rename() to main",
        game.to == REACT_CRASH ? " again, 50 ms after it was back: ms |" : "",
        game.to == REACT_CRASH ? "---|" : "");
    for (unsigned i = 0; i < game.n; i++)
        row(&game.entries[i], limit, i == game.again && game.again != game.limit);
}

/* ---- the rounds ----------------------------------------------------------------------------------------- */

static void
shuffle(unsigned *order, unsigned n, uint64_t *chance)
{
    for (unsigned i = 0; i < n; i++)
        order[i] = i;
    for (unsigned i = n; i > 1; i--) {
        unsigned last = order[i - 1], k;

        *chance = *chance * UINT64_C(6364136223846793005) + 1442695040888963407;
        k = (unsigned)((*chance >> 33) % i);
        order[i - 1] = order[k];
        order[k] = last;
    }
}

static void
play(void)
{
    uint64_t chance = (uint64_t)mono_now_us();
    unsigned order[ENTRIES_MAX];

    for (unsigned round = 0; round < game.rounds; round++) {
        shuffle(order, game.n, &chance);
        for (unsigned i = 0; i < game.n; i++) {
            struct react *r = &game.entries[order[i]];

            if (r->failure[0])
                continue;
            react_measure(r, game.to);
            (void)fprintf(stderr, "%3u %-12s %8.2f ms, again %8.2f ms\n", round + 1, r->rival->name,
                          r->first_ms[r->n - 1], r->again_ms[r->n - 1]);
        }
    }
}

/* ---- beginning and end ------------------------------------------------------------------------------------ */

static bool
is_wanted(const struct react_rival *rival)
{
    const char *at = game.only;
    size_t n = strlen(rival->name);

    if (game.to == REACT_CRASH ? !rival->crash : !rival->change)
        return false;
    for (; at && *at; at += strcspn(at, ","), at += *at == ',')
        if (strncmp(at, rival->name, n) == 0 && (at[n] == ',' || !at[n]))
            return true;
    return !game.only || rival->twice;
}

static void
enter(const struct react_rival *rival, bool again)
{
    struct react *r = &game.entries[game.n];
    struct error err = {0};
    char name[32];

    r->rival = rival;
    r->build = game.build;
    r->stint = game.stint;
    r->work = game.work;
    r->socket = -1;
    if (rival->twice)
        *(again ? &game.again : &game.limit) = game.n;
    game.n++;
    (void)snprintf(name, sizeof(name), "%s%s", rival->name, again ? "2" : "");
    if (rival->root && geteuid() != 0)
        (void)snprintf(r->failure, sizeof(r->failure), "needs root");
    else if (rival->program && !react_installed(game.build, rival->program))
        (void)snprintf(r->failure, sizeof(r->failure), "not installed");
    else if (react_begin(r, name, &err) < 0)
        (void)snprintf(r->failure, sizeof(r->failure), "%.290s", err.text);
    if (r->failure[0])
        (void)fprintf(stderr, "%s: %s\n", rival->name, r->failure);
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static bool
take_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"only",   required_argument, NULL, 'o'},
        {"rounds", required_argument, NULL, 'r'},
        {"stint",  required_argument, NULL, 'p'},
        {NULL,     0,                 NULL, 0  }
    };
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1)
        if (c == 'o')
            game.only = optarg;
        else if (c == 'r')
            game.rounds = (unsigned)strtoul(optarg, NULL, 10);
        else if (c != 'p' ||
                 snprintf(game.stint, sizeof(game.stint), "%s", optarg) >= (int)sizeof(game.stint))
            return false;
    if (optind != argc - 1 || game.rounds < 1 || game.rounds > REACT_ROUNDS_MAX)
        return false;
    game.to = strcmp(argv[optind], "crash") == 0 ? REACT_CRASH : REACT_CHANGE;
    return game.to == REACT_CRASH || strcmp(argv[optind], "change") == 0;
}

int
main(int argc, char **argv)
{
    ssize_t n = readlink("/proc/self/exe", game.build, sizeof(game.build) - 32);

    if (!take_options(argc, argv)) {
        (void)fputs(usage_text, stderr);
        return 64;
    }
    for (int up = 0; up < 2 && n > 0; up++)
        if (strrchr(game.build, '/'))
            *strrchr(game.build, '/') = '\0';
    if (!game.stint[0])
        (void)snprintf(game.stint, sizeof(game.stint), "%.4000s/bin/stint", game.build);
    (void)strcpy(game.work,
                 "/tmp/react-XXXXXX"); /* not in /dev/shm: systemd mounts its own there */
    if (child_adopt() < 0 || !mkdtemp(game.work))
        return EXIT_FAILURE;
    (void)chmod(game.work, 0755);
    for (unsigned i = 0; react_rivals[i]; i++) {
        if (!is_wanted(react_rivals[i]))
            continue;
        enter(react_rivals[i], false);
        if (react_rivals[i]->twice)
            enter(react_rivals[i], true);
    }
    play();
    publish();
    for (unsigned i = 0; i < game.n; i++)
        react_end(&game.entries[i]);
    (void)child_end_orphans(US_PER_S);
    (void)nftw(game.work, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return EXIT_SUCCESS;
}
