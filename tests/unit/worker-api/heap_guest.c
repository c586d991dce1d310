/* SPDX-License-Identifier: MIT */
/*
 * A program whose heap is known: `heap_guest SCENE` plays one, then says what libstint-heap.so counted
 * in this process, by the function that called the allocator:
 *   NAME objects bytes objects-in-use bytes-in-use
 * With a second argument it waits for the end of its input after that.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker-api/heap/heap_table.h"

#define OWN __attribute__((noinline, visibility("default")))

enum { BLOCKS = 200000, BLOCK = 1000 };

static void *volatile sink;
static void *held[BLOCKS];

OWN void
keeps(void)
{
    for (int i = 0; i < BLOCKS; i++)
        held[i] = sink = malloc(BLOCK);
}

OWN void
drops(void)
{
    for (int i = 0; i < BLOCKS; i++) {
        sink = malloc(BLOCK);
        free(sink);
    }
}

OWN void
clears(void)
{
    for (int i = 0; i < BLOCKS; i++)
        held[i] = sink = calloc(10, BLOCK / 10);
}

OWN void
grows(void)
{
    for (int i = 0; i < BLOCKS / 2; i++) {
        sink = realloc(NULL, BLOCK / 2);
        held[i] = sink = realloc(sink, BLOCK);
    }
}

OWN void
aligns(void)
{
    for (int i = 0; i < BLOCKS; i++) {
        void *block = NULL;

        switch (i % 5) {
        case 0:
            block = aligned_alloc(64, BLOCK);
            break;
        case 1:
            block = memalign(64, BLOCK);
            break;
        case 2:
            if (posix_memalign(&block, 64, BLOCK) != 0)
                abort();
            break;
        default:
            block = reallocarray(NULL, 10, BLOCK / 10);
            break;
        }
        if (!block || malloc_usable_size(block) < BLOCK)
            abort();
        held[i] = block;
    }
}

OWN void
lets_go(void)
{
    for (int i = 0; i < BLOCKS; i++)
        free(held[i]);
}

OWN void *
one_of_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < BLOCKS / 4; i++) {
        void *block = malloc(BLOCK);

        memset(block, i, BLOCK);
        block = realloc(block, (size_t)2 * BLOCK);
        free(block);
    }
    return NULL;
}

static void
threads(void)
{
    pthread_t t[4];

    for (int i = 0; i < 4; i++)
        if (pthread_create(&t[i], NULL, one_of_many, NULL) != 0)
            abort();
    for (int i = 0; i < 4; i++)
        (void)pthread_join(t[i], NULL);
}

static void *
free_all(void *arg)
{
    lets_go();
    return arg;
}

/* What one thread allocates, another gives back. */
static void
lets_another_go(void)
{
    pthread_t t;

    if (pthread_create(&t, NULL, free_all, NULL) != 0 || pthread_join(t, NULL) != 0)
        abort();
}

static void
cxx(void)
{
    void *object = dlopen(getenv("HEAP_GUEST_CXX"), RTLD_NOW);
    void (*news)(void);

    if (!object)
        abort();
    *(void **)&news = dlsym(object, "news");
    news();
}

static const struct stint_heap_anchor *
anchor(void)
{
    const struct stint_heap_anchor *found = NULL;
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");

    while (maps && fgets(line, sizeof(line), maps))
        if (strstr(line, "/memfd:" STINT_HEAP_NAME))
            found = (const struct stint_heap_anchor *)(uintptr_t)strtoull(line, NULL, 16);
    if (maps)
        (void)fclose(maps);
    return found;
}

static void
say(const struct stint_heap_anchor *a)
{
    const struct stint_heap_stack *table = (const struct stint_heap_stack *)(uintptr_t)a->table;

    for (uint32_t i = 0; i < a->stacks; i++) {
        Dl_info info;

        if (table[i].n > 0 && dladdr((void *)(uintptr_t)table[i].pcs[0], &info) != 0 &&
            info.dli_sname)
            printf("%s %.0f %.0f %.0f %.0f\n", info.dli_sname, table[i].objects[0],
                   table[i].bytes[0], table[i].objects[1], table[i].bytes[1]);
    }
    printf("lost %llu own %d\n", (unsigned long long)a->lost, a->pid == (uint32_t)getpid());
    (void)fflush(stdout);
}

/* The child frees what it inherited and allocates what its parent does not have. */
static int
forks(void)
{
    pid_t child;
    int status = 1;

    keeps();
    child = fork();
    if (child == 0) {
        lets_go();
        drops();
        say(anchor());
        _exit(0);
    }
    (void)waitpid(child, &status, 0);
    printf("parent\n");
    return status;
}

int
main(int argc, char **argv)
{
    const char *scene = argc > 1 ? argv[1] : "";
    static const struct {
        const char *name;
        void (*play[2])(void);
    } scenes[] = {
        {"keeps",     {keeps, NULL}            },
        {"drops",     {drops, NULL}            },
        {"clears",    {clears, NULL}           },
        {"grows",     {grows, NULL}            },
        {"aligns",    {aligns, NULL}           },
        {"returns",   {keeps, lets_go}         },
        {"elsewhere", {aligns, lets_another_go}},
        {"threads",   {threads, NULL}          },
        {"cxx",       {cxx, NULL}              }
    };
    char c;

    if (!anchor())
        return 3;
    if (strcmp(scene, "forks") == 0 && forks() != 0)
        return 4;
    for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
        for (int k = 0; k < 2 && strcmp(scene, scenes[i].name) == 0; k++)
            if (scenes[i].play[k])
                scenes[i].play[k]();
    say(anchor());
    if (argc > 2 && read(0, &c, 1) < 0)
        return 5;
    return 0;
}
