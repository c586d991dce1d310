/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/io/master_deadlines.h"
#include "supervisor/io/master_state.h"

/* How much was said of each service lately: of this master only. What was seen is in the ledger. */

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

static void
book_free(struct overrun_book *book)
{
    list_del(&book->node);
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
