/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/io/master_deadlines.h"
#include "supervisor/io/master_state.h"

/* What was seen of workers that are gone: bounded, and of this master only. */
#define ROWS_MAX 64

struct overrun_book *
deadlines_book_find(struct master *m, const char *service)
{
    if (!m->deadlines.books.next)
        return NULL; /* whoever records may have no deadlines_init() */
    list_for_each (n, &m->deadlines.books) {
        struct overrun_book *book = container_of(n, struct overrun_book, node);

        if (strcmp(book->service, service) == 0)
            return book;
    }
    return NULL;
}

struct overrun_book *
deadlines_book(struct master *m, const char *service)
{
    struct overrun_book *book = deadlines_book_find(m, service);

    if (book)
        return book;
    book = calloc(1, sizeof(*book));
    if (!book)
        return NULL;
    (void)snprintf(book->service, sizeof(book->service), "%s", service);
    list_add(&m->deadlines.books, &book->node);
    return book;
}

/* Who is alike, or, when there is no room for another, NULL. */
static struct overrun *
row_for(struct overruns *to, const struct overrun *like)
{
    struct overrun *bigger;

    for (size_t i = 0; i < to->n; i++) {
        struct overrun *o = &to->of[i];

        if (!o->live && strcmp(o->thread, like->thread) == 0 &&
            strcmp(o->creator, like->creator) == 0 && strcmp(o->scope, like->scope) == 0)
            return o;
    }
    if (to->n >= ROWS_MAX)
        return NULL;
    bigger = realloc(to->of, (to->n + 1) * sizeof(*bigger));
    if (!bigger)
        return NULL;
    to->of = bigger;
    to->of[to->n] = (struct overrun){.count = 0};
    return &to->of[to->n++];
}

static void
add_row(struct overruns *to, const struct overrun *from)
{
    struct overrun *row = row_for(to, from);
    uint64_t count;
    int64_t most_us;

    if (!row)
        return; /* it is in the total */
    count = row->count + from->count;
    most_us = row->most_us > from->most_us ? row->most_us : from->most_us;
    if (from->last_us >= row->last_us)
        *row = *from;
    row->live = false;
    row->count = count;
    row->most_us = most_us;
}

static void
add_caller(struct overruns *to, const struct overrun_caller *from)
{
    struct overrun_caller *bigger, *c = NULL;

    for (size_t i = 0; i < to->n_callers && !c; i++)
        if (strcmp(to->callers[i].name, from->name) == 0)
            c = &to->callers[i];
    if (!c && to->n_callers < ROWS_MAX) {
        bigger = realloc(to->callers, (to->n_callers + 1) * sizeof(*bigger));
        if (!bigger)
            return;
        to->callers = bigger;
        c = &to->callers[to->n_callers++];
        *c = (struct overrun_caller){.calls = 0};
        memcpy(c->name, from->name, sizeof(c->name));
    }
    if (!c)
        return;
    c->calls += from->calls;
    c->without += from->without;
    c->malformed += from->malformed;
    c->expired += from->expired;
    c->cut += from->cut;
    c->overruns += from->overruns;
    if (from->least_us > 0 && (c->least_us == 0 || from->least_us < c->least_us))
        c->least_us = from->least_us;
    c->most_us = from->most_us > c->most_us ? from->most_us : c->most_us;
}

void
overruns_add(struct overruns *to, const struct overruns *from)
{
    for (size_t i = 0; i < from->n; i++)
        add_row(to, &from->of[i]);
    for (size_t i = 0; i < from->n_callers; i++)
        add_caller(to, &from->callers[i]);
    to->total += from->total + from->n_live;
    to->unseen_callers += from->unseen_callers;
}

static void
book_free(struct overrun_book *book)
{
    list_del(&book->node);
    overruns_finish(&book->sum);
    free(book);
}

void
deadlines_forget(struct master *m, const char *service)
{
    struct overrun_book *book = deadlines_book_find(m, service);

    if (book)
        book_free(book);
}

void
deadlines_books_finish(struct master *m)
{
    list_for_each_safe (n, &m->deadlines.books)
        book_free(container_of(n, struct overrun_book, node));
}
