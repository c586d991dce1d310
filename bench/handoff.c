// SPDX-License-Identifier: GPL-2.0-or-later
/* stint-handoff: ours beside its rivals, under the same load, in the same rounds (README.md). */
#include "bench/handoff.h"

#include <errno.h>
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

#define LONG_RELOADS 100

/* xorshift64*: the order of play only has to be different each time, and the same by its seed. */
static uint64_t
chance(struct game *g, uint64_t below)
{
    g->chance ^= g->chance >> 12;
    g->chance ^= g->chance << 25;
    g->chance ^= g->chance >> 27;
    return (g->chance * UINT64_C(2685821657736338717) >> 33) % below;
}

/* Whoever was asked for is entered, whether or not he can be measured. */
static void
field_enter(struct game *g, struct field *f, const struct rival *rival, bool again)
{
    const char *lacks = rival_lacks(rival, &g->arena);
    struct entry *e = &f->entries[f->n_entries];

    if ((g->only && !listed(g->only, rival->name)) || (g->endless && rival != &rival_stint))
        return;
    if (again && (g->once || !rival->measured_twice || lacks))
        return;
    f->n_entries++;
    *e = (struct entry){.rival = rival, .again = again};
    if (lacks && strcmp(lacks, "root") == 0)
        (void)snprintf(e->why_not, sizeof(e->why_not), "needs root");
    else if (lacks)
        (void)snprintf(e->why_not, sizeof(e->why_not), "not installed (%s)", lacks);
    else if (f->load->heavy && rival->modest)
        (void)snprintf(e->why_not, sizeof(e->why_not), "too much for this server");
}

static int
fields_init(struct game *g, struct error *reterr)
{
    for (unsigned l = 0; l < n_load_kinds; l++) {
        struct field *f = &g->fields[g->n_fields];

        if (!listed(g->loads, load_kinds[l].name))
            continue;
        g->n_fields++;
        f->load = &load_kinds[l];
        for (size_t i = 0; i < n_rivals; i++) {
            field_enter(g, f, rivals[i], false);
            field_enter(g, f, rivals[i], true);
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

/* Who needs more time between reloads gets it, and fewer of them. */
static struct measure_options
options_for(const struct game *g, const struct field *f, const struct rival *rival)
{
    struct measure_options o = g->measure;

    o.load = f->load;
    if (rival->interval_us <= o.interval_us)
        return o;
    o.reloads = (unsigned)((int64_t)o.reloads * o.interval_us / rival->interval_us);
    o.reloads = o.reloads < 2 ? 2 : o.reloads;
    o.interval_us = rival->interval_us;
    return o;
}

/* A bout that went wrong ends this entry, not the game: the others can still be compared. */
static void
play_bout(struct game *g, const struct field *f, struct entry *e)
{
    struct measure_options o = options_for(g, f, e->rival);
    struct sample *s = &e->samples[e->n];
    struct error error = {0};
    char json[PATH_MAX];
    int r;

    if (e->why_not[0] != '\0')
        return;
    (void)snprintf(json, sizeof(json), "%s/%s-round%u-%s%s.json", g->out ? g->out : "",
                   f->load->name, e->n + 1, e->rival->name, e->again ? "-again" : "");
    o.json = g->out ? json : NULL;
    r = measure(&g->arena, e->rival, &o, s, &error);
    if (r < 0) {
        (void)snprintf(e->why_not, sizeof(e->why_not), "%.*s", (int)sizeof(e->why_not) - 1,
                       error.text[0] ? error.text : strerrordesc_np(-r));
        (void)fprintf(stderr, "load %s %s: %s\n", f->load->name, e->rival->name, e->why_not);
        e->broken = true;
        return;
    }
    e->n++;
    (void)fprintf(stderr,
                  "load %s round %u %-19s requests %" PRIu64 " failed %" PRIu64
                  " gap %.1f ms, first new answer %.1f ms%s\n",
                  f->load->name, e->n, e->rival->name, s->requests, s->failed, s->gap_ms,
                  s->first_ms, s->missed ? ", MISSED HANDOFFS" : "");
}

/* Every entry once, in an order of its own each time. */
static void
play_round(struct game *g, struct field *f)
{
    unsigned order[ENTRIES_MAX] = {0};

    for (unsigned i = 0; i < f->n_entries; i++)
        order[i] = i;
    for (unsigned i = f->n_entries; i > 1; i--) {
        unsigned k = (unsigned)chance(g, i);
        unsigned last = order[i - 1];

        order[i - 1] = order[k];
        order[k] = last;
    }
    for (unsigned i = 0; i < f->n_entries; i++)
        play_bout(g, f, &f->entries[order[i]]);
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

/* Whether all who could be measured were. */
static bool
all_measured(const struct game *g)
{
    for (unsigned l = 0; l < g->n_fields; l++)
        for (unsigned i = 0; i < g->fields[l].n_entries; i++)
            if (g->fields[l].entries[i].broken)
                return false;
    return true;
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
        for (unsigned l = 0; l < g->n_fields; l++)
            play_round(g, &g->fields[l]);
    return r < 0 ? r : publish(g, reterr);
}

static void
list(const struct game *g)
{
    for (size_t i = 0; i < n_rivals; i++) {
        const char *lacks = rival_lacks(rivals[i], &g->arena);

        (void)printf("%-20s %-42s %s%s\n", rivals[i]->name, rivals[i]->serves,
                     lacks ? "needs " : "", lacks ? lacks : "");
    }
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
    int r = arena_init(&g.arena, &error);

    g.chance = (uint64_t)mono_now_us() | 1;
    if (r == 0)
        r = handoff_options(&g, argc, argv, &error);
    if (r == 0 && g.help)
        (void)fputs(handoff_usage, stdout);
    else if (r == 0 && g.list)
        list(&g);
    else if (r == 0)
        r = play(&g, &error);
    if (r < 0)
        (void)fprintf(stderr, "stint-handoff: %s\n",
                      error.text[0] ? error.text : strerrordesc_np(-r));
    if (r < 0 || !all_measured(&g))
        status = 2;
    else if (g.endless && !flawless(&g))
        status = 1;
    game_finish(&g);
    return status;
}
