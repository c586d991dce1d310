/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The kill matrix: every named place of the master (supervisor/io/edge.h) times whom it strikes.
 *
 *   kill-matrix [-j N] [--quick] [--markdown] [--list] [--edge E] [--victim V] [--story S] …
 *
 * Every story (stories.c) is played undisturbed first, and its trace says which places it comes by.
 * Then each place is struck in the first story that comes by it, once for each victim, and where the
 * master dies also in each story that is STORY_EVERY. Places that no story comes by have to be excused
 * in the file `not-reached`, with a reason.
 */
#include "matrix.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/core/core.h"

#define ROUNDS 5 /* of undisturbed stories, for places that depend on what comes first */

struct edge edges[EDGES_MAX];
size_t n_edges;

__attribute__((format(printf, 1, 2))) static void
edge_add(const char *fmt, ...)
{
    va_list ap;

    if (n_edges == EDGES_MAX)
        abort();
    va_start(ap, fmt);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was, one line above */
    (void)vsnprintf(edges[n_edges++].name, sizeof(edges[0].name), fmt, ap);
    va_end(ap);
}

void
edges_name(void)
{
    static const char *const whens[] = {"stepped", "written", "told"};

#define EDGE_NAME(name) edge_add("%s", name);
#include "supervisor/io/edge_names.def"
#undef EDGE_NAME
    for (int e = FX_LOOK; e <= FX_RECORD; e++) {
        edge_add("before:%s", effect_type_name((enum effect_type)e));
        edge_add("after:%s", effect_type_name((enum effect_type)e));
    }
    for (size_t i = 0; move_edge(i); i++)
        for (size_t w = 0; w < ARRAY_LEN(whens); w++)
            edge_add("%s:%s", whens[w], move_edge(i));
}

struct edge *
edge_named(const char *name)
{
    for (size_t i = 0; i < n_edges; i++)
        if (strcmp(edges[i].name, name) == 0)
            return &edges[i];
    return NULL;
}

/* ---- files ------------------------------------------------------------------------------------------ */

/* Lines "EDGE reason" and "sometimes EDGE reason". */
static int
read_excuses(const struct options *o)
{
    auto_free char *text = NULL;
    struct error err = {0};
    char *rest, *line;

    if (!o->not_reached)
        return 0;
    if (file_read(o->not_reached, 1 << 20, &text, NULL, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char name[96];
        struct edge *e;

        if (line[0] == '#')
            continue;
        bool sometimes = strncmp(line, "sometimes ", 10) == 0;

        if (sscanf(sometimes ? line + 10 : line, "%95s", name) != 1 || !(e = edge_named(name))) {
            (void)fprintf(stderr, "%s: there is no place of that name: %s\n", o->not_reached, line);
            return -1;
        }
        *(sometimes ? &e->sometimes : &e->excused) = true;
    }
    return 0;
}

/* What an undisturbed story came by. Return: -1: a name that nobody knows. */
static int
read_trace(const struct cell *c, const struct options *o)
{
    auto_free char *text = NULL;
    char path[512], *rest, *line;
    int r = 0;

    cell_path(c, o, "trace", path, sizeof(path));
    if (file_read(path, (size_t)64 << 20, &text, NULL, NULL) < 0)
        return 0; /* it came by none */
    for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        struct edge *e = edge_named(line);

        if (line[0] == '!')
            continue;
        if (e) {
            e->stories |= UINT64_C(1) << (c->story - stories);
        } else {
            (void)fprintf(stderr, "a place that is in no list: %s\n", line);
            r = -1;
        }
    }
    if (!o->keep)
        (void)unlink(path);
    return r;
}

/* ---- the plan ----------------------------------------------------------------------------------------- */

static bool
wanted(const char *part, const char *name)
{
    return !part || strstr(name, part);
}

/* One round. @racy: only those that may come by something else the next time. */
static int
play_stories(const struct options *o, bool racy)
{
    static struct cell cells[STORIES_MAX];
    size_t n = 0;
    int r = 0;

    for (size_t i = 0; i < n_stories; i++)
        if (wanted(o->story, stories[i].name) && (!racy || (stories[i].flags & STORY_RACY)))
            cells[n++] = (struct cell){.story = &stories[i], .victim = VICTIM_NONE};
    pool_play(cells, n, o);
    for (size_t i = 0; i < n; i++)
        if (read_trace(&cells[i], o) < 0 || cells[i].verdict != CELL_OK)
            r = -1;
    return r;
}

static bool
all_reached(bool quick)
{
    for (size_t i = 0; i < n_edges; i++)
        if (edges[i].stories == 0 && !edges[i].excused && !(quick && edges[i].sometimes))
            return false;
    return true;
}

static int
play_undisturbed(const struct options *o)
{
    int r = play_stories(o, false);

    for (int i = 1; r == 0 && i < ROUNDS && !all_reached(o->quick) && !o->story; i++)
        r = play_stories(o, true);
    return r;
}

/* With --quick: where a master is killed, each place once, and a tenth of everything else. */
static bool
is_quick(const struct edge *e, enum victim v, size_t i)
{
    if (v == VICTIM_MASTER)
        return strncmp(e->name, "stepped:", 8) != 0 && strncmp(e->name, "told:", 5) != 0;
    return (i * VICTIM_COUNT + v) % 23 == 0;
}

/* Is this place struck in this story, too, though it was in one before? */
static bool
is_again(const struct story *s, enum victim v, size_t i, const struct options *o)
{
    return (s->flags & STORY_EVERY) && v == VICTIM_MASTER && (!o->quick || i % 5 == 0);
}

static size_t
plan(struct cell **ret, const struct options *o)
{
    struct cell *cells = calloc(n_edges * VICTIM_COUNT * STORIES_MAX, sizeof(*cells));
    size_t n = 0;

    if (!cells)
        exit(EXIT_FAILURE);
    for (size_t i = 0; i < n_edges; i++) {
        for (int v = 0; v < VICTIM_COUNT && wanted(o->edge, edges[i].name); v++) {
            bool first = true;

            if (!wanted(o->victim, victim_action[v]) ||
                (o->quick && !is_quick(&edges[i], (enum victim)v, i)))
                continue;
            for (size_t s = 0; s < n_stories; s++) {
                if (!(edges[i].stories & UINT64_C(1) << s) ||
                    !(first || o->all_stories || is_again(&stories[s], (enum victim)v, i, o)))
                    continue;
                cells[n++] = (struct cell){.edge = &edges[i],
                                           .victim = (enum victim)v,
                                           .again = !first,
                                           .story = &stories[s]};
                first = false;
            }
        }
    }
    *ret = cells;
    return n;
}

static int
parse(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"quick",       no_argument,       NULL, 'q'},
        {"markdown",    no_argument,       NULL, 'm'},
        {"list",        no_argument,       NULL, 'l'},
        {"all-stories", no_argument,       NULL, 'a'},
        {"keep",        no_argument,       NULL, 'k'},
        {"edge",        required_argument, NULL, 'e'},
        {"victim",      required_argument, NULL, 'v'},
        {"story",       required_argument, NULL, 's'},
        {"logs",        required_argument, NULL, 'L'},
        {"not-reached", required_argument, NULL, 'n'},
        {NULL,          0,                 NULL, 0  }
    };
    int c;

    while ((c = getopt_long(argc, argv, "j:", known, NULL)) != -1) {
        switch (c) {
        case 'j':
            o->jobs = (int)strtol(optarg, NULL, 10);
            break;
        case 'q':
            o->quick = true;
            break;
        case 'm':
            o->markdown = true;
            break;
        case 'l':
            o->list = true;
            break;
        case 'a':
            o->all_stories = true;
            break;
        case 'k':
            o->keep = true;
            break;
        case 'e':
            o->edge = optarg;
            break;
        case 'v':
            o->victim = optarg;
            break;
        case 's':
            o->story = optarg;
            break;
        case 'L':
            o->logs = optarg;
            break;
        case 'n':
            o->not_reached = optarg;
            break;
        default:
            return -1;
        }
    }
    return optind == argc && o->jobs > 0 ? 0 : -1;
}

int
main(int argc, char **argv)
{
    struct options o = {.jobs = 4, .logs = "."};
    int64_t began_us = mono_now_us();
    struct cell *cells = NULL;
    size_t n;
    int r;

    if (parse(argc, argv, &o) < 0)
        return 64;
    edges_name();
    for (size_t i = 0; o.list && i < n_edges; i++)
        (void)printf("%s\n", edges[i].name);
    if (o.list)
        return 0;
    if (read_excuses(&o) < 0 || dir_make(o.logs, 0755, NULL) < 0 || play_undisturbed(&o) < 0)
        return EXIT_FAILURE;
    n = plan(&cells, &o);
    pool_play(cells, n, &o);
    r = table_say(cells, n, &o, (double)(mono_now_us() - began_us) / (double)US_PER_S);
    free(cells);
    return r;
}
