/* SPDX-License-Identifier: MIT */
/* A program that links libstint, for preload_test.c: two registered threads, by its own doing. */
#include <stdio.h>

#include "worker-api/stint.h"

static void
leave(void *arg)
{
    (void)arg;
}

int
main(void)
{
    struct stint_thread *thread;
    int r = stint_init(NULL);

    if (r == 0)
        r = stint_thread_spawn(&thread, stint_root(), "spoken", leave, NULL);
    if (r == 0)
        r = stint_thread_join(thread, NULL, STINT_NEVER);
    printf("%d\n", r);
    return r != 0;
}
