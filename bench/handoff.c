// SPDX-License-Identifier: GPL-2.0-or-later
/* stint-handoff: ours beside its rivals, under the same load, in the same rounds (README.md). */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "bench/arena.h"
#include "bench/child.h"
#include "bench/table.h"

#define LONG_RELOADS 100
#define FIELDS_MAX   4

static const char usage_text[] =
    "usage: stint-handoff [options]\n"
    "  --rounds N             of every server under every load (default 7)\n"
    "  --reloads-per-round N  in each bout (default 4)\n"
    "  --interval TIME        from command to command (default 2s)\n"
    "  --loads A,B,C          which loads (default A,B)\n"
    "  --only NAMES           of stint, limit-c, nginx-hup, haproxy\n"
    "  --once                 measure each rival once a round, not twice: no A/A control\n"
    "  --by-cli               command reloads by a program (stint reload, nginx -s reload, kill)\n"
    "                         instead of a request or signal from here\n"
    "  --long                 stint alone: 100 handoffs in a row under each load; status 1 when\n"
    "                         a request failed or a handoff did not show\n"
    "  --user NAME            run servers and load as this user\n"
    "  --seed N               of the order of play\n"
    "  --out DIR              keep the load client's accounts and handoff.md there\n"
    "  --stint, --web, --nginx, --haproxy PATH   programs, when not the usual ones\n";

struct game {
    struct arena arena;
    struct measure_options measure;
    unsigned rounds;
    const char *only;  /* comma separated; NULL = all */
    const char *loads; /* comma separated */
    const char *out;   /* NULL: nothing is kept */
    const char *user;
    bool once, endless; /* endless: --long */
    uint64_t chance;
    struct field fields[FIELDS_MAX];
    unsigned n_fields;
};

enum option_id {
    OPT_ROUNDS = 256,
    OPT_RELOADS,
    OPT_INTERVAL,
    OPT_LOADS,
    OPT_ONLY,
    OPT_ONCE,
    OPT_BY_CLI,
    OPT_LONG,
    OPT_USER,
    OPT_SEED,
    OPT_OUT,
    OPT_STINT,
    OPT_WEB,
    OPT_NGINX,
    OPT_HAPROXY,
    OPT_HELP
};

static const struct option long_options[] = {
    {"rounds",            required_argument, NULL, OPT_ROUNDS  },
    {"reloads-per-round", required_argument, NULL, OPT_RELOADS },
    {"interval",          required_argument, NULL, OPT_INTERVAL},
    {"loads",             required_argument, NULL, OPT_LOADS   },
    {"only",              required_argument, NULL, OPT_ONLY    },
    {"once",              no_argument,       NULL, OPT_ONCE    },
    {"by-cli",            no_argument,       NULL, OPT_BY_CLI  },
    {"long",              no_argument,       NULL, OPT_LONG    },
    {"user",              required_argument, NULL, OPT_USER    },
    {"seed",              required_argument, NULL, OPT_SEED    },
    {"out",               required_argument, NULL, OPT_OUT     },
    {"stint",             required_argument, NULL, OPT_STINT   },
    {"web",               required_argument, NULL, OPT_WEB     },
    {"nginx",             required_argument, NULL, OPT_NGINX   },
    {"haproxy",           required_argument, NULL, OPT_HAPROXY },
    {"help",              no_argument,       NULL, OPT_HELP    },
    {NULL,                0,                 NULL, 0           },
};

/* Is @name one of the comma-separated words of @list? */
static bool
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
        g->only = optarg;
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
    else if (id == OPT_NGINX)
        g->arena.nginx = optarg;
    else if (id == OPT_HAPROXY)
        g->arena.haproxy = optarg;
    else if (r == 0 && id != OPT_SEED)
        r = error_say(reterr, -EINVAL, "see --help");
    return r;
}

/* xorshift64*: the order of play only has to be different each time, and the same by its seed. */
static uint64_t
chance(struct game *g, uint64_t below)
{
    g->chance ^= g->chance >> 12;
    g->chance ^= g->chance << 25;
    g->chance ^= g->chance >> 27;
    return (g->chance * UINT64_C(2685821657736338717) >> 33) % below;
}

static void
field_enter(struct game *g, struct field *f, const struct rival *rival, bool again)
{
    if ((g->only && !listed(g->only, rival->name)) || (g->endless && rival != &rival_stint))
        return;
    if (again && (g->once || rival == &rival_stint))
        return;
    f->entries[f->n_entries++] = (struct entry){.rival = rival, .again = again};
}

static int
fields_init(struct game *g, struct error *reterr)
{
    static const char *const names[] = {"stint", "limit-c", "nginx-hup", "haproxy"};

    for (unsigned l = 0; l < n_load_kinds; l++) {
        struct field *f = &g->fields[g->n_fields];

        if (!listed(g->loads, load_kinds[l].name))
            continue;
        g->n_fields++;
        f->load = &load_kinds[l];
        for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
            field_enter(g, f, rival_find(names[i]), false);
            field_enter(g, f, rival_find(names[i]), true);
        }
        if (f->n_entries == 0)
            return error_say(reterr, -EINVAL, "--only leaves nobody");
        for (unsigned i = 0; i < f->n_entries; i++) {
            f->entries[i].samples = calloc(g->rounds, sizeof(struct sample));
            if (!f->entries[i].samples)
                return error_set(reterr, -ENOMEM, "begin");
        }
    }
    return g->n_fields ? 0 : error_say(reterr, -EINVAL, "--loads names none of A, B, C");
}

static void
game_finish(struct game *g)
{
    for (unsigned l = 0; l < g->n_fields; l++)
        for (unsigned i = 0; i < g->fields[l].n_entries; i++)
            free(g->fields[l].entries[i].samples);
    arena_finish(&g->arena);
}

static int
play_bout(struct game *g, const struct field *f, struct entry *e, struct error *reterr)
{
    struct measure_options o = g->measure;
    struct sample *s = &e->samples[e->n];
    char json[PATH_MAX];
    int r;

    (void)snprintf(json, sizeof(json), "%s/%s-round%u-%s%s.json", g->out ? g->out : "",
                   f->load->name, e->n + 1, e->rival->name, e->again ? "-again" : "");
    o.load = f->load;
    o.json = g->out ? json : NULL;
    r = measure(&g->arena, e->rival, &o, s, reterr);
    if (r < 0)
        return r;
    e->n++;
    (void)fprintf(stderr,
                  "load %s round %u %-10s requests %" PRIu64 " failed %" PRIu64
                  " gap %.1f ms, first new answer %.1f ms%s\n",
                  f->load->name, e->n, e->rival->name, s->requests, s->failed, s->gap_ms,
                  s->first_ms, s->missed ? ", MISSED HANDOFFS" : "");
    return 0;
}

/* Every entry once, in an order of its own each time. */
static int
play_round(struct game *g, struct field *f, struct error *reterr)
{
    unsigned order[ENTRIES_MAX];
    int r = 0;

    for (unsigned i = 0; i < f->n_entries; i++)
        order[i] = i;
    for (unsigned i = f->n_entries; i > 1; i--) {
        unsigned k = (unsigned)chance(g, i);
        unsigned last = order[i - 1];

        order[i - 1] = order[k];
        order[k] = last;
    }
    for (unsigned i = 0; i < f->n_entries && r == 0; i++)
        r = play_bout(g, f, &f->entries[order[i]], reterr);
    return r;
}

static int
publish(const struct game *g, struct error *reterr)
{
    auto_text struct text out = TEXT_INIT;
    char path[PATH_MAX];

    for (unsigned l = 0; l < g->n_fields; l++) {
        table_add(&out, &g->fields[l]);
        table_ratios_add(&out, &g->fields[l]);
    }
    if (out.failed)
        return error_set(reterr, -ENOMEM, "write the table");
    (void)fputs(text_str(&out), stdout);
    if (!g->out)
        return 0;
    (void)snprintf(path, sizeof(path), "%s/handoff.md", g->out);
    return file_replace(path, text_str(&out), out.bytes, 0644, reterr);
}

/* --long asks for one thing: nothing failed, and every handoff happened. */
static bool
flawless(const struct game *g)
{
    for (unsigned l = 0; l < g->n_fields; l++)
        for (unsigned i = 0; i < g->fields[l].n_entries; i++)
            for (unsigned n = 0; n < g->fields[l].entries[i].n; n++)
                if (g->fields[l].entries[i].samples[n].failed > 0 ||
                    g->fields[l].entries[i].samples[n].missed > 0)
                    return false;
    return true;
}

static int
play(struct game *g, struct error *reterr)
{
    int r = child_adopt();

    if (r < 0)
        return error_set(reterr, r, "become a subreaper");
    if (g->endless) {
        g->rounds = 1;
        g->measure.reloads = LONG_RELOADS;
    }
    if (g->out && mkdir(g->out, 0777) == -1 && errno != EEXIST)
        return error_set(reterr, -errno, "make '%s'", g->out);
    r = fields_init(g, reterr);
    for (unsigned round = 0; round < g->rounds && r == 0; round++)
        for (unsigned l = 0; l < g->n_fields && r == 0; l++)
            r = play_round(g, &g->fields[l], reterr);
    return r < 0 ? r : publish(g, reterr);
}

int
main(int argc, char **argv)
{
    static struct game g = {
        .measure = {.reloads = 4, .interval_us = 2 * US_PER_S, .warmup_us = US_PER_S},
        .rounds = 7,
        .loads = "A,B",
    };
    struct error error = {0};
    int status = EXIT_SUCCESS;
    int id;
    int r = arena_init(&g.arena, &error);

    g.chance = (uint64_t)mono_now_us() | 1;
    while (r == 0 && (id = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (id == OPT_HELP) {
            (void)fputs(usage_text, stdout);
            arena_finish(&g.arena);
            return EXIT_SUCCESS;
        }
        r = take_option(&g, id, &error);
    }
    if (r == 0 && optind < argc)
        r = error_say(&error, -EINVAL, "'%s' is not an option; see --help", argv[optind]);
    if (r == 0)
        r = play(&g, &error);
    if (r < 0) {
        (void)fprintf(stderr, "stint-handoff: %s\n",
                      error.text[0] ? error.text : strerrordesc_np(-r));
        status = 2;
    } else if (g.endless && !flawless(&g)) {
        status = 1;
    }
    game_finish(&g);
    return status;
}
