/* SPDX-License-Identifier: GPL-2.0-or-later */

/* G, continued: registries that lie, code that was unloaded. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

/* G33: somebody writes over the whole registry, for ever. */
static struct {
    unsigned char *bytes;
    size_t size;
} g33_registry;

/* The library mapped it; it is found where anybody would look. */
static void
g33_find(void)
{
    FILE *f = fopen("/proc/self/maps", "re");
    unsigned long from, to;
    char line[512];

    while (f && fgets(line, sizeof(line), f)) {
        int at = 0;

        if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %n", &from, &to, &at) < 2 || at == 0)
            continue;
        if (__builtin_strstr(line + at, "memfd:stint") && __builtin_strstr(line, "rw-s")) {
            g33_registry.bytes = (unsigned char *)from; /* NOLINT(performance-no-int-to-ptr) */
            g33_registry.size = to - from;
        }
    }
    if (f)
        (void)fclose(f);
}

static NOINLINE THREAD_RESULT
g33_scribble(void *arg)
{
    (void)arg;
    here();
    while (!fixed && g33_registry.bytes && !token_cancelled(root()))
        for (size_t i = 256; i + 4 <= g33_registry.size && i < (1U << 20); i += 4)
            ((volatile uint32_t *)(void *)g33_registry.bytes)[i / 4] = some(0, UINT32_MAX - 1);
    (void)token_await(root(), NEVER);
    LEAVE;
}

void
row_G33(void)
{
    g33_find();
    (void)spawn(root(), "g33-scribbler", g33_scribble, NULL);
    all_here(1);
    serve();
    join_all();
}

/* G35: the plugin is unloaded, its thread is not. */
void
row_G35(void)
{
    char path[512];
    void (*start)(pthread_t *, bool);
    pthread_t thread;
    void *plugin;

    (void)snprintf(path, sizeof(path), "%s",
                   getenv("CORPUS_PLUGIN") ? getenv("CORPUS_PLUGIN") : "");
    plugin = dlopen(path, RTLD_NOW);
    if (!plugin)
        exit(93);
    *(void **)&start = dlsym(plugin, "plugin_start");
    start(&thread, fixed);
    if (fixed)
        (void)pthread_join(thread, NULL);
    (void)dlclose(plugin);
    serve();
    if (!fixed)
        (void)pthread_join(thread, NULL);
}
