/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_LEDGER_INTERNAL_H
#define STINT_IO_LEDGER_INTERNAL_H

/* Shared by ledger.c (the books), ledger_file.c (the file) and ledger_report.c (for people). */
#include "base/list.h"
#include "base/table.h"
#include "supervisor/io/ledger.h"
#include "supervisor/probe/judge_history.h"
#include "supervisor/probe/overruns.h"

#define LEDGER_ADDED 64 /* the last workers that were added: more do not die in one turn */

/* Of workers that are gone: ledger_overruns.c */
struct ledger_overruns {
    struct overruns sum;
    struct {
        uint64_t generation;
        pid_t pid; /* 0: none */
    } added[LEDGER_ADDED];
    unsigned next;
};

struct ledger_book {
    struct list node; /* in ledger.books */
    struct table_node by_name;
    struct history history;
    struct ledger_overruns *overruns; /* owned; NULL: there never were any */
    char service[65];
};

struct ledger {
    struct list books; /* struct ledger_book.node */
    struct table by_name;
    size_t n_books;
    char *path; /* owned; NULL: in memory only */
    int fd;     /* owned; appends; -1: it cannot be written */
    size_t bytes;
    void (*say)(void *env, const char *sentence);
    void *env;         /* borrowed */
    bool loud;         /* that it cannot be written was said */
    unsigned left_out; /* lines that made no sense */
};

struct ledger_book *ledger_find(const struct ledger *l,
                                const char *service); /* NULL: it has none */
struct ledger_book *ledger_make(struct ledger *l,
                                const char *service); /* NULL: no memory, no room */

/* Take one line in, as it was or will be written. False: it makes no sense. @news: NULL allowed */
bool ledger_take(struct ledger *l, const json_t *line, struct ledger_news *news);

void ledger_read(struct ledger *l);                      /* replay the file, and open it */
void ledger_write(struct ledger *l, const json_t *line); /* append; said once when it fails */

/* ---- ledger_overruns.c ------------------------------------------------------------------------ */

bool ledger_overruns_take(struct ledger_book *b, const json_t *line);
json_t *ledger_overruns_save(const struct ledger_book *b); /* a line, new; NULL: there are none */
/* The line for a worker that is gone, new; NULL: it was added before. */
json_t *ledger_overruns_line(const struct ledger *l, const char *service, uint64_t generation,
                             pid_t pid, const struct overruns *o);
void ledger_overruns_free(struct ledger_book *b);

/* In words; "" when there is no difference or nothing to compare with. */
void ledger_compare(const struct history *h, uint64_t generation, char *buf, size_t room);

#endif
