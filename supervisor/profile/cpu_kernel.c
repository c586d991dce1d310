/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/profile/cpu_stacks_internal.h"

#define TEXT_MAX ((size_t)64 << 20)

struct symbol {
    uint64_t at;
    const char *name; /* in `text` */
};

struct kernel_names {
    char *text; /* owned; /proc/kallsyms, cut into its words */
    struct symbol *symbols;
    size_t n;
};

static int
by_address(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;

    return (x->at > y->at) - (x->at < y->at);
}

static size_t
lines_in(const char *text)
{
    size_t n = 1;

    for (; *text != '\0';
         text++) /* not by strchr(), which a sanitizer has measure all of it each time */
        n += *text == '\n';
    return n;
}

/* "ffffffff81000000 T _stext\t[module]": functions only. */
static bool
parse(char *line, struct symbol *ret)
{
    char *at;

    ret->at = strtoull(line, &at, 16);
    if (ret->at == 0 || at[0] != ' ' || at[1] == '\0' || !strchr("tTwW", at[1]) || at[2] != ' ')
        return false; /* all of them are 0 for whom the kernel does not tell */
    ret->name = at + 3;
    at[3 + strcspn(at + 3, "\t ")] = '\0';
    return true;
}

struct kernel_names *
kernel_names_read(void)
{
    struct kernel_names *k = calloc(1, sizeof(*k));
    char *rest;

    if (!k)
        return NULL;
    if (file_read("/proc/kallsyms", TEXT_MAX, &k->text, NULL, NULL) < 0) {
        free(k);
        return NULL;
    }
    k->symbols = calloc(lines_in(k->text), sizeof(*k->symbols));
    rest = k->text;
    if (!k->symbols) {
        kernel_names_free(k);
        return NULL;
    }
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
        k->n += parse(line, &k->symbols[k->n]);
    if (k->n == 0) {
        kernel_names_free(k);
        return NULL;
    }
    qsort(k->symbols, k->n, sizeof(*k->symbols), by_address);
    return k;
}

const char *
kernel_names_find(const struct kernel_names *k, uint64_t pc)
{
    size_t low = 0, high = k ? k->n : 0; /* behind the last that begins at or before it */

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (k->symbols[middle].at <= pc)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? k->symbols[low - 1].name : NULL;
}

void
kernel_names_free(struct kernel_names *k)
{
    if (!k)
        return;
    free(k->symbols);
    free(k->text);
    free(k);
}
