/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "play.h"

/*
 * The figures. A run of a row is found (true positive) when every leak that its row names was reported,
 * with its verdict and its count; a run of a row or of a twin counts as a false positive when a leak is
 * reported that is none. precision = found / (found + false), recall = found / there.
 */
struct sum {
    unsigned runs, there, found, wrong, not_played, asked, said;
    unsigned to_name[NAMED_COUNT], named[NAMED_COUNT];
};

static const struct {
    const char *title, *prefix; /* of the id, or of the row's name where it has an own title */
} groups[] = {
    {"A waits for what does not come", "A"            },
    {"B patterns of a study",          "B"            },
    {"C messages",                     "C"            },
    {"D locks",                        "D"            },
    {"E a lock and something else",    "E"            },
    {"F reloads",                      "F"            },
    {"G traps",                        "G"            },
    {"H other shapes",                 "H"            },
    {"I written blind",                "I"            },
    {"GoKer: resource",                "Resource"     },
    {"GoKer: communication",           "Communication"},
    {"GoKer: mixed",                   "Mixed"        },
};
#define SECTION_4 9 /* groups before GoKer's */

static bool
is_goker(const struct play *p)
{
    return islower((unsigned char)p->row->id[0]);
}

static bool
is_in(const struct play *p, size_t group)
{
    const char *name = group < SECTION_4 ? p->row->id : p->row->name;

    return is_goker(p) == (group >= SECTION_4) &&
           strncmp(name, groups[group].prefix, strlen(groups[group].prefix)) == 0;
}

static void
add(struct sum *s, const struct outcome *o)
{
    s->runs++;
    s->not_played += !o->played;
    s->there += o->leaks;
    s->found += o->leaks && o->found;
    s->wrong += o->wrong > 0;
    s->asked += o->asked;
    s->said += o->said;
    for (int k = 0; k < NAMED_COUNT; k++) {
        s->to_name[k] += o->to_name[k];
        s->named[k] += o->named[k];
    }
}

static double
percent(unsigned part, unsigned whole)
{
    return whole ? 100.0 * part / whole : 100.0;
}

static void
say_share(const char *before, unsigned part, unsigned whole, const char *after)
{
    if (whole)
        (void)printf("%s%u/%u%s", before, part, whole, after);
    else
        (void)printf("%s–%s", before, after);
}

static void
say_sum(const char *title, const struct sum *s, enum table_form form)
{
    const char *bar = form == TABLE_MARKDOWN ? " | " : "  ";

    (void)printf("%s%-32s%s%5u", form == TABLE_MARKDOWN ? "| " : "", title, bar, s->runs);
    (void)printf("%s%5u%s%5u%s%5u", bar, s->there, bar, s->found, bar, s->wrong);
    (void)printf("%s%6.1f %%%s%6.1f %%", bar, percent(s->found, s->found + s->wrong), bar,
                 percent(s->found, s->there));
    for (int k = 0; k < NAMED_COUNT; k++)
        say_share(bar, s->named[k], s->to_name[k], "");
    say_share(bar, s->said, s->asked, form == TABLE_MARKDOWN ? " |\n" : "\n");
}

static void
say_head(enum flavour f, unsigned seeds, enum table_form form)
{
    if (form == TABLE_MARKDOWN)
        (void)printf("\n### %s, %u seed%s\n\n| group | runs | leaks | found | false | precision | "
                     "recall | culprit | wait | frame | creator | other verdicts |\n|%s\n",
                     f == REGISTERED ? "Registered (links libstint)" : "Bare (/proc only)", seeds,
                     seeds == 1 ? "" : "s", "---|---|---|---|---|---|---|---|---|---|---|---|");
    else
        (void)printf(
            "\n%-32s   runs  leaks  found  false  precision  recall  culprit  wait  frame  "
            "creator  other\n",
            flavour_name(f));
}

static void
sum_up(const struct play *plays, const struct outcome *o, size_t n, enum flavour f, int group,
       struct sum *ret)
{
    *ret = (struct sum){0};
    for (size_t i = 0; i < n; i++) {
        if (plays[i].flavour != f)
            continue;
        if (group < 0 ? is_goker(&plays[i]) == (group == -2) : is_in(&plays[i], (size_t)group))
            add(ret, &o[i]);
    }
}

static void
say_table(const struct play *plays, const struct outcome *o, size_t n, enum flavour f,
          unsigned seeds, enum table_form form)
{
    struct sum s;

    say_head(f, seeds, form);
    for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
        sum_up(plays, o, n, f, (int)g, &s);
        if (s.runs)
            say_sum(groups[g].title, &s, form);
        if (g + 1 != SECTION_4 && g + 1 != ARRAY_LEN(groups))
            continue;
        sum_up(plays, o, n, f, g + 1 == SECTION_4 ? -1 : -2, &s);
        if (s.runs)
            say_sum(g + 1 == SECTION_4 ? "**A to I**" : "**GoKer**", &s, form);
    }
}

static void
say_failures(const struct play *plays, const struct outcome *o, size_t n)
{
    unsigned said = 0;

    for (size_t i = 0; i < n; i++) {
        if (!o[i].why[0])
            continue;
        if (said++ == 0)
            (void)printf("\n### Not as it should be\n\n");
        (void)printf("- %s %s, %s%s, seed %u: %s\n", plays[i].row->id, plays[i].row->name,
                     flavour_name(plays[i].flavour), plays[i].twin ? ", twin" : "", plays[i].seed,
                     o[i].why);
    }
}

static void
say_json(const struct play *plays, const struct outcome *o, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:b, s:i, s:b, s:b, s:b, s:i, s:i, s:i, s:f, s:s}", "row",
                            plays[i].row->id, "flavour", flavour_name(plays[i].flavour), "twin",
                            plays[i].twin, "seed", (int)plays[i].seed, "played", o[i].played,
                            "leak", o[i].leaks, "found", o[i].found, "false", (int)o[i].wrong,
                            "asked", (int)o[i].asked, "said", (int)o[i].said, "seconds",
                            o[i].seconds, "why", o[i].why));
    (void)json_dumpf(list, stdout, JSON_INDENT(1));
    (void)printf("\n");
    json_decref(list);
}

/* A line of the table of the published figures: all 68 kernels, and each of their classes. */
static void
say_beside(const struct play *plays, const struct outcome *o, size_t n, enum flavour f)
{
    struct sum s;

    sum_up(plays, o, n, f, -2, &s);
    if (!s.runs)
        return;
    (void)printf("| stint, %s | %.0f %% | %.1f %% |", flavour_name(f),
                 percent(s.found, s.found + s.wrong), percent(s.found, s.there));
    for (int g = SECTION_4; g < (int)ARRAY_LEN(groups); g++) {
        sum_up(plays, o, n, f, g, &s);
        (void)printf(" %.1f %% |", percent(s.found, s.there));
    }
    (void)printf("\n");
}

/* Registered: nothing missed, nothing wrong, everybody named. Bare: 95, 90 and 90 of a hundred. */
static bool
meets(const struct sum *s, enum flavour f)
{
    double precision = percent(s->found, s->found + s->wrong), recall = percent(s->found, s->there);
    double culprit = percent(s->named[NAMED_CULPRIT], s->to_name[NAMED_CULPRIT]);
    double wait = percent(s->named[NAMED_WAIT], s->to_name[NAMED_WAIT]);
    double frame = percent(s->named[NAMED_FRAME], s->to_name[NAMED_FRAME]);

    if (s->not_played)
        return false;
    if (f == BARE)
        return precision >= 95 && recall >= 90 && frame >= 90;
    return s->wrong == 0 && s->found == s->there && s->said == s->asked && culprit >= 100 &&
           wait >= 100;
}

bool
table_say(const struct play *plays, const struct outcome *o, size_t n, unsigned seeds,
          enum table_form form)
{
    bool good = true;

    if (form == TABLE_MARKDOWN)
        page_head();
    for (int f = REGISTERED; f <= BARE; f++) {
        struct sum all = {0};

        for (size_t i = 0; i < n; i++)
            if (plays[i].flavour == (enum flavour)f)
                add(&all, &o[i]);
        good &= !all.runs || meets(&all, (enum flavour)f);
        if (all.runs && form != TABLE_JSON)
            say_table(plays, o, n, (enum flavour)f, seeds, form);
    }
    if (form == TABLE_MARKDOWN) {
        page_anchors();
        say_beside(plays, o, n, REGISTERED);
        say_beside(plays, o, n, BARE);
        page_blind();
        page_rows();
    }
    if (form == TABLE_JSON)
        say_json(plays, o, n);
    else
        say_failures(plays, o, n);
    return good;
}
