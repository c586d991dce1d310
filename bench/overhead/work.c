/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Work of a known amount, some of it in the program, some in libc, some levels deep, in two threads: what
 * the profilers of bench/overhead are put beside. Prints what CPU time it took, in microseconds. With
 * $WORK_GO it waits for a byte on that descriptor first, so that who samples from outside has begun.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <stint.h>

#define SORTED 4096
#define DEPTH  12

static long rounds;

static uint64_t
mix(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    return x ^ x >> 29;
}

static int
compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

__attribute__((noinline)) static uint64_t
deep(unsigned depth, uint64_t x)
{
    if (depth > 0)
        return deep(depth - 1, x + depth) + 1;
    for (unsigned i = 0; i < 200000; i++)
        x = mix(x + i);
    return x;
}

static void *
work(void *arg)
{
    uint64_t *numbers = arg, x = 1;

    for (long r = 0; r < rounds; r++) {
        for (unsigned i = 0; i < SORTED; i++)
            numbers[i] = x = mix(x + i);
        qsort(numbers, SORTED, sizeof(numbers[0]), compare);
        x += deep(DEPTH, numbers[0]);
    }
    numbers[0] = x;
    return NULL;
}

static long
cpu_us(void)
{
    struct rusage used;

    (void)getrusage(RUSAGE_SELF, &used); /* cannot fail */
    return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000L + used.ru_utime.tv_usec +
           used.ru_stime.tv_usec;
}

int
main(int argc, char **argv)
{
    const char *go = getenv("WORK_GO");
    struct stint_options options = {.size = sizeof(options), .flags = STINT_OPT_LISTENER};
    static uint64_t numbers[2][SORTED];
    pthread_t threads[2];
    long before;
    char byte;

    rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 600;
    if (getenv("STINT_CHANNEL") && stint_init(&options) < 0)
        return 1;
    for (int i = 0; i < 2; i++) /* somewhere, so that no sample is of their making */
        memset(numbers[i], i, sizeof(numbers[i]));
    if (go && read((int)strtol(go, NULL, 10), &byte, 1) != 1)
        return 1;
    before = cpu_us();
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, work, numbers[i]) != 0)
            return 1;
    for (int i = 0; i < 2; i++)
        (void)pthread_join(threads[i], NULL); /* they are ours */
    (void)printf("cpu_us %ld\n", cpu_us() - before);
    return 0;
}
