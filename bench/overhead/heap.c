/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An allocator's worst day: two threads that do nothing but allocate, touch and free, sizes from 16 bytes to
 * 4 KiB and now and then 64 KiB, some thousand blocks alive. What the samplers of bench/overhead/heap are
 * put beside. `overhead-heap ROUNDS`; prints what CPU time it took, in microseconds.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define ALIVE 4096

static long rounds;

static uint64_t
next(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    return *x ^= *x << 17;
}

static size_t
size_of(uint64_t r)
{
    return r % 256 == 0 ? (size_t)64 << 10 : (size_t)16 << (r % 256 * 9 / 256);
}

__attribute__((noinline)) static char *
replace(char *old, size_t bytes)
{
    char *block;

    free(old);
    block = malloc(bytes);
    if (!block)
        abort();
    block[0] = block[bytes - 1] = 1;
    return block;
}

static void *
work(void *arg)
{
    char **blocks = calloc(ALIVE, sizeof(*blocks));
    uint64_t x = (uint64_t)(uintptr_t)arg;

    for (long i = 0; blocks && i < rounds * 1000; i++) {
        uint64_t r = next(&x);
        char **at = &blocks[r % ALIVE];

        *at = replace(*at, size_of(r >> 32));
    }
    for (size_t i = 0; blocks && i < ALIVE; i++)
        free(blocks[i]);
    free((void *)blocks);
    return NULL;
}

int
main(int argc, char **argv)
{
    struct rusage used;
    pthread_t other;

    rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 4000;
    if (pthread_create(&other, NULL, work, (void *)(uintptr_t)0x9e3779b97f4a7c15U) != 0)
        return 1;
    (void)work((void *)(uintptr_t)88172645463325252U);
    (void)pthread_join(other, NULL);
    (void)getrusage(RUSAGE_SELF, &used); /* cannot fail */
    printf("cpu_us %lld\n", (long long)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
                                used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    return 0;
}
