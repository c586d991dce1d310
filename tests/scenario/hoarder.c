/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A worker that knows nothing of stint and has no sanitizer, and keeps memory: what the file ./hoard says, in KiB,
 * and 4 MiB more where the file ./leak is. It gives back what else it allocates.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK 1024

static void *volatile kept;

__attribute__((noinline)) static void
hoard(long blocks)
{
    while (blocks-- > 0)
        kept = malloc(BLOCK);
}

/* Not as in hoard(): a compiler makes one function of two that are alike. */
__attribute__((noinline)) static void
leak(long blocks)
{
    while (blocks-- > 0)
        kept = calloc(1, BLOCK);
}

__attribute__((noinline)) static void
borrow(long blocks)
{
    while (blocks-- > 0) {
        kept = malloc(BLOCK);
        free(kept);
    }
}

int
main(void)
{
    FILE *f = fopen("hoard", "r");
    char line[32] = "";

    if (f && fgets(line, sizeof(line), f)) {
        hoard(strtol(line, NULL, 10));
        (void)fclose(f);
    }
    if (access("leak", F_OK) == 0)
        leak(4096);
    borrow(20480);
    (void)puts("hoarded");
    (void)fflush(stdout);
    for (;;)
        (void)pause();
}
