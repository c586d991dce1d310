/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_LEDGER_INTERNAL_H
#define STINT_IO_LEDGER_INTERNAL_H

/* Shared by ledger.c (the books), ledger_file.c (the file) and ledger_report.c (for people). */
#include "base/list.h"
#include "base/table.h"
#include "supervisor/io/ledger.h"
#include "supervisor/probe/judge_history.h"

struct ledger_book {
    struct list node; /* in ledger.books */
    struct table_node by_name;
    struct history history;
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

/* In words; "" when there is no difference or nothing to compare with. */
void ledger_compare(const struct history *h, uint64_t generation, char *buf, size_t room);

#endif
