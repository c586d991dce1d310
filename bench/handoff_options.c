// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/units.h"
#include "bench/arena.h"
#include "bench/handoff.h"

const char handoff_usage[] =
    "usage: stint-handoff [options]\n"
    "  --rounds N             of every server under every load (default 7)\n"
    "  --reloads-per-round N  in each bout (default 4; fewer, but 2, where the server's own "
    "interval is\n"
    "                         longer, so that bouts take about the same time)\n"
    "  --interval TIME        from command to command (default 2s; the server's own if that is "
    "longer)\n"
    "  --loads A,B,C          which loads (default A,B)\n"
    "  --only NAMES           of those that --list names\n"
    "  --quick                one round of two reloads under load A, 1 s apart: is all in order "
    "here?\n"
    "  --list                 the servers, and what is missing here for them\n"
    "  --once                 measure each rival once a round: no A/A control\n"
    "  --by-cli               command reloads by a program (stint reload, nginx -s reload, kill)\n"
    "                         instead of a request or signal from here\n"
    "  --long                 stint alone: 100 handoffs in a row under each load; status 1 when\n"
    "                         a request failed or a handoff did not show\n"
    "  --user NAME            run servers and load as this user\n"
    "  --seed N               of the order of play\n"
    "  --out DIR              keep the load client's accounts and handoff.md there\n"
    "  --stint, --web PATH    programs of ours, when not those beside this one\n"
    "Peers are looked for in PATH, then in the usual directories of daemons, then where "
    "bench/peers puts\n"
    "them. One that is not there has its row all the same.\n";

enum option_id {
    OPT_ROUNDS = 256,
    OPT_RELOADS,
    OPT_INTERVAL,
    OPT_LOADS,
    OPT_ONLY,
    OPT_QUICK,
    OPT_LIST,
    OPT_ONCE,
    OPT_BY_CLI,
    OPT_LONG,
    OPT_USER,
    OPT_SEED,
    OPT_OUT,
    OPT_STINT,
    OPT_WEB,
    OPT_HELP
};

static const struct option long_options[] = {
    {"rounds",            required_argument, NULL, OPT_ROUNDS  },
    {"reloads-per-round", required_argument, NULL, OPT_RELOADS },
    {"interval",          required_argument, NULL, OPT_INTERVAL},
    {"loads",             required_argument, NULL, OPT_LOADS   },
    {"only",              required_argument, NULL, OPT_ONLY    },
    {"quick",             no_argument,       NULL, OPT_QUICK   },
    {"list",              no_argument,       NULL, OPT_LIST    },
    {"once",              no_argument,       NULL, OPT_ONCE    },
    {"by-cli",            no_argument,       NULL, OPT_BY_CLI  },
    {"long",              no_argument,       NULL, OPT_LONG    },
    {"user",              required_argument, NULL, OPT_USER    },
    {"seed",              required_argument, NULL, OPT_SEED    },
    {"out",               required_argument, NULL, OPT_OUT     },
    {"stint",             required_argument, NULL, OPT_STINT   },
    {"web",               required_argument, NULL, OPT_WEB     },
    {"help",              no_argument,       NULL, OPT_HELP    },
    {NULL,                0,                 NULL, 0           },
};

bool
listed(const char *list, const char *name)
{
    size_t n = strlen(name);

    while (list && *list != '\0') {
        size_t part = strcspn(list, ",");

        if (part == n && strncmp(list, name, n) == 0)
            return true;
        list += part + (list[part] == ',');
    }
    return false;
}

static int
take_number(unsigned *ret, unsigned max, struct error *reterr)
{
    char *end = NULL;
    unsigned long n = strtoul(optarg, &end, 10);

    if (optarg[0] < '1' || optarg[0] > '9' || *end != '\0' || n > max)
        return error_say(reterr, -EINVAL, "'%s' is not a number from 1 to %u", optarg, max);
    *ret = (unsigned)n;
    return 0;
}

static int
take_path(char to[PATH_MAX], struct error *reterr)
{
    return realpath(optarg, to) ? 0 : error_set(reterr, -errno, "'%s'", optarg);
}

/* Each word is the name of a server. */
static int
take_names(struct game *g, struct error *reterr)
{
    char name[64];

    for (const char *at = optarg; *at != '\0';) {
        size_t n = strcspn(at, ",");

        if (n >= sizeof(name))
            return error_say(reterr, -EINVAL, "'%s' is not the name of a server", at);
        memcpy(name, at, n);
        name[n] = '\0';
        if (!rival_find(name))
            return error_say(reterr, -EINVAL, "'%s' is not the name of a server; see --list", name);
        at += n + (at[n] == ',');
    }
    g->only = optarg;
    return 0;
}

static void
take_quick(struct game *g)
{
    g->rounds = 1;
    g->measure.reloads = 2;
    g->measure.interval_us = US_PER_S;
    g->loads = "A";
    g->once = true;
}

static int
take_option(struct game *g, int id, struct error *reterr)
{
    unsigned seed = 0;
    int r = 0;

    if (id == OPT_ROUNDS)
        r = take_number(&g->rounds, 1000, reterr);
    else if (id == OPT_RELOADS)
        r = take_number(&g->measure.reloads, 100000, reterr);
    else if (id == OPT_INTERVAL)
        r = duration_parse(optarg, &g->measure.interval_us);
    else if (id == OPT_LOADS)
        g->loads = optarg;
    else if (id == OPT_ONLY)
        r = take_names(g, reterr);
    else if (id == OPT_QUICK)
        take_quick(g);
    else if (id == OPT_LIST)
        g->list = true;
    else if (id == OPT_ONCE)
        g->once = true;
    else if (id == OPT_BY_CLI)
        g->arena.by_cli = true;
    else if (id == OPT_LONG)
        g->endless = true;
    else if (id == OPT_USER)
        r = arena_user(&g->arena, optarg, reterr);
    else if (id == OPT_SEED && (r = take_number(&seed, UINT32_MAX, reterr)) == 0)
        g->chance = seed;
    else if (id == OPT_OUT)
        g->out = optarg;
    else if (id == OPT_STINT)
        r = take_path(g->arena.stint, reterr);
    else if (id == OPT_WEB)
        r = take_path(g->arena.web, reterr);
    else if (id == OPT_HELP)
        g->help = true;
    else if (r == 0 && id != OPT_SEED)
        r = error_say(reterr, -EINVAL, "see --help");
    return r;
}

int
handoff_options(struct game *g, int argc, char **argv, struct error *reterr)
{
    int r = 0;
    int id;

    while (r == 0 && (id = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        r = take_option(g, id, reterr);
    if (r == 0 && optind < argc)
        r = error_say(reterr, -EINVAL, "'%s' is not an option; see --help", argv[optind]);
    return r;
}
