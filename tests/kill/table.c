/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "matrix.h"

static const char *const words[] = {
    [CELL_NOT_PLAYED] = "",   [CELL_OK] = "ok",         [CELL_NOBODY] = "–",
    [CELL_FAILED] = "FAILED", [CELL_MISSED] = "missed",
};

/*
 * The story came by once, and not when it should strike. Of a place where others are struck that says no
 * more than that it is a matter of chance there: how much was written, which of two came first.
 */
static bool
is_lost(const struct cell *cells, size_t n, const struct cell *c)
{
    if (c->verdict != CELL_MISSED || c->edge->sometimes)
        return c->verdict == CELL_MISSED;
    for (size_t i = 0; c->again && i < n; i++)
        if (cells[i].edge == c->edge && cells[i].victim == c->victim && cells[i].verdict == CELL_OK)
            return true;
    return false;
}

/* The worst of the cells of one place and victim. */
static enum result
worst(const struct cell *cells, size_t n, const struct edge *e, int v)
{
    enum result found = CELL_NOT_PLAYED;

    for (size_t i = 0; i < n; i++)
        if (cells[i].edge == e && (int)cells[i].victim == v && cells[i].verdict > found &&
            !(cells[i].again && is_lost(cells, n, &cells[i])))
            found = cells[i].verdict;
    return found;
}

static const char *
story_of(const struct edge *e)
{
    for (size_t s = 0; s < n_stories; s++)
        if (e->stories & UINT64_C(1) << s)
            return stories[s].name;
    return "";
}

static void
say_row(const struct cell *cells, size_t n, const struct edge *e, const struct options *o)
{
    (void)printf(o->markdown ? "| `%s` | %s |" : "%-48s %-18s", e->name, story_of(e));
    for (int v = 0; v < VICTIM_COUNT; v++)
        (void)printf(o->markdown ? " %s |" : " %-16s", words[worst(cells, n, e, v)]);
    (void)printf("\n");
}

static void
say_head(const struct options *o)
{
    (void)printf(o->markdown ? "| edge | story |" : "%-48s %-18s", "edge", "story");
    for (int v = 0; v < VICTIM_COUNT; v++)
        (void)printf(o->markdown ? " %s |" : " %-16s", victim_names[v]);
    (void)printf("\n");
    if (o->markdown) {
        (void)printf("|---|---|");
        for (int v = 0; v < VICTIM_COUNT; v++)
            (void)printf("---|");
        (void)printf("\n");
    }
}

static void
say_title(void)
{
    (void)printf(
        "# The kill matrix\n\n"
        "Written by `tests/kill/matrix --markdown`. Each row is a place between two instructions "
        "of the\n"
        "master: around an effect, on the way of a new process, in the middle of writing the state "
        "down,\n"
        "at a row of a life table (`stepped`: decided, `written`: in the state, `told`: in the "
        "log), in a\n"
        "takeover. Each column is whom it strikes there, once, while a handoff runs under load:\n"
        "SIGKILL to the master, SIGKILL to a worker of the newest or of the oldest generation, "
        "SIGSTOP\n"
        "to the master (the keeper has to notice).\n\n"
        "*ok*: the place was reached; no request failed but those that a killed worker held; each "
        "reload\n"
        "ended in a verdict; each process in one obituary, each generation in one certificate; "
        "each line\n"
        "that a worker printed is in the log, and what is there twice says so; `stint run` "
        "stopped with\n"
        "status 0 and left no process. *–*: there is no such worker at that place. *missed*: a "
        "matter of\n"
        "milliseconds, which the story came by once, and not when somebody was to be struck.\n"
        "The story is what was going on, see `tests/kill/`; the master was also killed at every "
        "place of:");
    for (size_t i = 0, n = 0; i < n_stories; i++)
        if (stories[i].flags & STORY_EVERY)
            (void)printf("%s %s", n++ ? "," : "", stories[i].name);
    (void)printf(".\n\n");
}

/* Places that no story comes by. Return: whether the list of the excused is right. */
static bool
say_not_reached(const struct options *o)
{
    bool right = true;
    size_t count = 0;

    for (size_t i = 0; i < n_edges; i++) {
        const struct edge *e = &edges[i];

        count += e->stories == 0;
        if (e->stories == 0 && !e->excused && !e->sometimes) {
            (void)fprintf(stderr, "not reached by any story, and not excused: %s\n", e->name);
            right = false;
        } else if (e->stories != 0 && e->excused) {
            (void)fprintf(stderr, "excused, but the story '%s' reaches it: %s\n", story_of(e),
                          e->name);
            right = false;
        }
    }
    (void)printf("%s%zu of %zu places are not reached by any story%s\n", o->markdown ? "\n" : "",
                 count, n_edges, o->not_reached ? "; why is in tests/kill/not-reached" : "");
    return right;
}

int
table_say(const struct cell *cells, size_t n, const struct options *o, double seconds)
{
    unsigned counts[CELL_MISSED + 1] = {0}, races = 0;
    bool right = true;

    if (o->markdown)
        say_title();
    say_head(o);
    for (size_t i = 0; i < n_edges; i++)
        for (size_t k = 0; k < n; k++)
            if (cells[k].edge == &edges[i]) {
                say_row(cells, n, &edges[i], o);
                break;
            }
    for (size_t i = 0; i < n; i++) {
        counts[cells[i].verdict]++;
        if (cells[i].verdict == CELL_FAILED) /* once more, where it is read */
            (void)printf("failed: %s, %s, in '%s': %s\n", cells[i].edge->name,
                         victim_names[cells[i].victim], cells[i].story->name, cells[i].why);
        if (cells[i].verdict != CELL_MISSED)
            continue;
        bool lost = is_lost(cells, n, &cells[i]);

        races += lost;
        (void)fprintf(stderr, "%s: %s, %s, in '%s'\n", lost ? "lost to a race" : "missed",
                      cells[i].edge->name, victim_names[cells[i].victim], cells[i].story->name);
    }
    if (!o->story)
        right = say_not_reached(o);
    (void)printf("%s%zu cells in %.0f s: %u ok, %u with nobody to kill, %u failed, %u missed, %u "
                 "lost to a race\n",
                 o->markdown ? "\n" : "", n, seconds, counts[CELL_OK], counts[CELL_NOBODY],
                 counts[CELL_FAILED], counts[CELL_MISSED] - races, races);
    return right && counts[CELL_FAILED] + counts[CELL_MISSED] == races ? EXIT_SUCCESS
                                                                       : EXIT_FAILURE;
}
