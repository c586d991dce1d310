/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * corpus-run [-j N] [--seeds N] [--row ID] [--flavour registered|bare] [--quick] [--no-twins]
 *            [--json] [--markdown] [--logs FOLDER]: every row of the corpus under the real stint, in
 * both flavours, with its twin. Exit 0: the targets are met. Called by ./run.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "play.h"

struct options {
    int jobs;
    unsigned seeds;
    bool quick, no_twins;
    const char *row; /* the beginning of an id; NULL: all */
    enum flavour flavours;
    enum table_form form;
    const char *logs;
};

/* In the normal run of tests: some of each kind. */
static bool
is_quick(const char *id)
{
    static const char *const few[] = {"A01", "A03", "A06", "A11",           "A14",      "B01",
                                      "C01", "C21", "D01", "D04",           "E01",      "F01",
                                      "F07", "F13", "G11", "G13",           "G15",      "G23",
                                      "H01", "H38", "H53", "cockroach_584", "grpc_1460"};

    for (size_t i = 0; i < sizeof(few) / sizeof(few[0]); i++)
        if (strcmp(few[i], id) == 0)
            return true;
    return false;
}

static size_t
plan(const struct options *o, struct play **ret)
{
    struct play *plays = calloc(n_expect_rows * 4 * (o->seeds + 1), sizeof(*plays));
    size_t n = 0;

    if (!plays)
        exit(EXIT_FAILURE);
    for (unsigned seed = 1; seed <= o->seeds; seed++) {
        for (size_t i = 0; i < n_expect_rows; i++) {
            /* each seed has an order of its own: what runs beside what */
            const struct expect_row *row =
                &expect_rows[(i * 37 + (size_t)seed * 11) % n_expect_rows];

            if ((o->row && strncmp(row->id, o->row, strlen(o->row)) != 0) ||
                (o->quick && !is_quick(row->id)))
                continue;
            for (int f = REGISTERED; f <= BARE; f++) {
                for (int twin = 0; twin <= !o->no_twins; twin++) {
                    struct play p = {row, (enum flavour)f, twin, seed};

                    if ((o->flavours & (enum flavour)f) && play_drive(&p) != NONE)
                        plays[n++] = p;
                }
            }
        }
    }
    *ret = plays;
    return n;
}

/* 0: it is none. */
static enum flavour
flavour_named(const char *name)
{
    for (int f = REGISTERED; f <= BARE; f++)
        if (strcmp(flavour_name((enum flavour)f), name) == 0)
            return (enum flavour)f;
    (void)fprintf(stderr, "corpus-run: --flavour is registered or bare, not '%s'\n", name);
    return 0;
}

static int
parse(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"seeds",    required_argument, NULL, 's'},
        {"row",      required_argument, NULL, 'r'},
        {"flavour",  required_argument, NULL, 'f'},
        {"quick",    no_argument,       NULL, 'q'},
        {"no-twins", no_argument,       NULL, 't'},
        {"json",     no_argument,       NULL, 'J'},
        {"markdown", no_argument,       NULL, 'm'},
        {"logs",     required_argument, NULL, 'L'},
        {NULL,       0,                 NULL, 0  }
    };
    int c;

    while ((c = getopt_long(argc, argv, "j:", known, NULL)) != -1) {
        switch (c) {
        case 'j':
            o->jobs = (int)strtol(optarg, NULL, 10);
            break;
        case 's':
            o->seeds = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'r':
            o->row = optarg;
            break;
        case 'f':
            o->flavours = flavour_named(optarg);
            if (!o->flavours)
                return -1;
            break;
        case 'q':
            o->quick = true;
            break;
        case 't':
            o->no_twins = true;
            break;
        case 'J':
            o->form = TABLE_JSON;
            break;
        case 'm':
            o->form = TABLE_MARKDOWN;
            break;
        case 'L':
            o->logs = optarg;
            break;
        default:
            return -1;
        }
    }
    return optind == argc && o->jobs > 0 && o->seeds > 0 && o->seeds <= 1000 ? 0 : -1;
}

int
main(int argc, char **argv)
{
    struct options o = {.jobs = 8, .seeds = 1, .flavours = BOTH, .logs = "."};
    struct outcome *outcomes;
    struct play *plays;
    size_t n;
    bool good;

    if (parse(argc, argv, &o) < 0) {
        (void)fprintf(stderr, "usage: corpus-run [-j N] [--seeds N] [--row ID] [--flavour "
                              "registered|bare] [--quick] [--no-twins] [--json] [--markdown] "
                              "[--logs FOLDER]\n");
        return 64;
    }
    if (dir_make(o.logs, 0755, NULL) < 0)
        return EXIT_FAILURE;
    n = plan(&o, &plays);
    outcomes = calloc(n + 1, sizeof(*outcomes));
    if (n == 0 || !outcomes)
        return EXIT_FAILURE;
    pool_play(plays, outcomes, n, o.jobs, o.logs);
    good = table_say(plays, outcomes, n, o.seeds, o.form);
    free(outcomes);
    free(plays);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
