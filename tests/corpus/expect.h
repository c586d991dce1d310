/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_CORPUS_EXPECT_H
#define STINT_TESTS_CORPUS_EXPECT_H

/* The rows as data (rows.def, goker.def), and whether a report says what it has to. */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum flavour { REGISTERED = 1, BARE = 2, BOTH = 3 };

enum drive { LIVE, DRAIN, RECOVER, STOPPED, NONE };

struct expect_row {
    const char *id, *name, *origin;
    enum drive registered, bare;
};

struct expect_find {
    const char *row;
    enum flavour flavours;
    const char *verdicts, *thread, *start, *wait, *object, *frame, *creator;
    int count;
};

struct expect_word { /* MAY, PROC, SAYS */
    const char *row;
    enum flavour flavours;
    const char *word;
};

extern const struct expect_row expect_rows[];
extern const struct expect_find expect_finds[];
extern const struct expect_word expect_mays[], expect_procs[], expect_says[];
extern const size_t n_expect_rows, n_expect_finds, n_expect_mays, n_expect_procs, n_expect_says;

enum named { NAMED_CULPRIT, NAMED_WAIT, NAMED_FRAME, NAMED_CREATOR, NAMED_COUNT };

/* What one report is worth. Plain data: it lies in memory that processes share. */
struct outcome {
    bool played;
    bool leaks;           /* there is one to be found */
    bool found;           /* … and all of it was */
    bool blamed;          /* … and one of those is said to be the culprit */
    unsigned wrong;       /* groups reported as leaks that are none */
    unsigned asked, said; /* other things that it has to say, and those it said */
    unsigned to_name[NAMED_COUNT], named[NAMED_COUNT];
    double seconds;
    char why[700]; /* what is not as it should be; "" = all is */
};

struct play {
    const struct expect_row *row;
    enum flavour flavour;
    bool twin;
    unsigned seed;
};

bool is_leak(const char *verdicts);
enum drive play_drive(const struct play *p);
const char *flavour_name(enum flavour f);

/* judge_begin - set what is to be found, before anything was. */
void judge_begin(const struct play *p, struct outcome *out);

/**
 * judge_report - compare a report of stint.probe/1 with what is expected.
 * @report: borrowed; NULL: it left in order, and nobody was accused
 * @counted: what the program told as its count; 0 = nothing
 */
void judge_report(const struct play *p, const json_t *report, int counted, struct outcome *out);

__attribute__((format(printf, 2, 3))) void complain(struct outcome *out, const char *fmt, ...);

#endif
