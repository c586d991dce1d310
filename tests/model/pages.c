/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The program's variables, as far as they have ever been written to: they are read-only at first, and a
 * page is part of the state from the first fault on. So a table of which nothing is used costs nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/model/inside.h"

#define PAGE 4096

extern char __data_start[], _end[];

static struct pages {
    char *begin, *end;
    char *first; /* what was there before anything ran */
    unsigned n;
    unsigned page[PAGES_MAX]; /* in the order of their first writes */
} * pages;                    /* mapped: no part of the state */

void
mc_pages_open(void)
{
    struct pages *p = mc_map(sizeof(*p));

    p->begin = (char *)((uintptr_t)__data_start & ~(uintptr_t)(PAGE - 1));
    p->end = (char *)(((uintptr_t)_end + PAGE - 1) & ~(uintptr_t)(PAGE - 1));
    p->first = mc_map((size_t)(p->end - p->begin));
    pages = p;
    memcpy(p->first, p->begin, (size_t)(p->end - p->begin));
    if (mprotect(p->begin, (size_t)(p->end - p->begin), PROT_READ) == -1)
        abort();
}

bool
mc_pages_fault(const void *at)
{
    size_t page;

    if (!pages || (const char *)at < pages->begin || (const char *)at >= pages->end)
        return false;
    page = (size_t)((const char *)at - pages->begin) / PAGE;
    for (unsigned i = 0; i < pages->n; i++)
        if (pages->page[i] == page)
            return false;
    if (pages->n == PAGES_MAX ||
        mprotect(pages->begin + page * PAGE, PAGE, PROT_READ | PROT_WRITE) == -1)
        return false;
    pages->page[pages->n++] = (unsigned)page;
    return true;
}

unsigned
mc_pages_count(void)
{
    return pages->n;
}

struct mc_range
mc_pages_range(unsigned i)
{
    return (struct mc_range){pages->begin + (size_t)pages->page[i] * PAGE, PAGE};
}

void
mc_pages_forget(unsigned n)
{
    for (unsigned i = n; i < pages->n; i++) {
        size_t at = (size_t)pages->page[i] * PAGE;

        memcpy(pages->begin + at, pages->first + at, PAGE);
    }
}
