/* SPDX-License-Identifier: MIT */
/*
 * ticker - takes over a new configuration without a new process, and leaves no thread of the old one
 * behind. See README.md.
 *
 * What to look at: each configuration is a generation with threads of its own. The new one runs before
 * the old one is asked to leave; a file that makes no sense changes nothing; and the memory of the old one
 * is freed when its threads have gone, not when they were asked to.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stint.h>

#include "examples/reload/watch.h"

#define TICKERS_MAX 16
#define GRACE_US    INT64_C(2000000)

struct ticker {
    char name[STINT_NAME_MAX];
    int64_t period_us; /* 0: deaf, the planted bug */
};

struct settings {
    struct ticker tickers[TICKERS_MAX];
    unsigned n;
    char text[4096]; /* of the file, to see whether it is another */
};

static struct {
    const char *path;
    struct settings *settings;
    struct stint_scope *generation;
} now;

static pthread_mutex_t deaf_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t deaf = PTHREAD_COND_INITIALIZER; /* that nobody signals */

/* Return: NULL and a sentence on standard error when it makes no sense. */
static struct settings *
settings_read(const char *path)
{
    struct settings *s = calloc(1, sizeof(*s));
    FILE *file = s ? fopen(path, "re") : NULL;
    char line[256], period[32];
    unsigned number = 0;

    while (file && fgets(line, sizeof(line), file)) {
        struct ticker *t = &s->tickers[s->n];
        size_t used = strlen(s->text);

        (void)snprintf(s->text + used, sizeof(s->text) - used, "%s", line);
        number++;
        if (line[strspn(line, " \t\n")] == '\0' || line[0] == '#')
            continue;
        if (s->n == TICKERS_MAX || sscanf(line, "%39s %31s", t->name, period) != 2 ||
            (strcmp(period, "deaf") != 0 &&
             (t->period_us = strtol(period, NULL, 10) * 1000) <= 0)) {
            (void)fprintf(stderr, "ticker: %s:%u: expected NAME PERIOD_MS, %d of them at most\n",
                          path, number, TICKERS_MAX);
            s->n = 0;
            break;
        }
        s->n++;
    }
    if (!file)
        (void)fprintf(stderr, "ticker: %s: %s\n", path, strerror(errno));
    else
        (void)fclose(file); /* only read from */
    if (s && s->n > 0)
        return s;
    free(s);
    return NULL;
}

/* The planted bug: a wait without the token beside it. */
static void
hear_nothing(void)
{
    (void)pthread_mutex_lock(&deaf_lock);
    STINT_BLOCK("for a word that nobody says", &deaf)
    for (;;)
        (void)pthread_cond_wait(&deaf, &deaf_lock);
}

static void
tick(void *arg)
{
    const struct ticker *t = arg;

    if (t->period_us == 0)
        hear_nothing();
    while (stint_token_sleep(stint_current(), t->period_us) == 0)
        stint_beat();
}

static struct stint_scope *
start(struct settings *s)
{
    char label[STINT_NAME_MAX];
    struct stint_scope *generation;
    int r = 0;

    (void)snprintf(label, sizeof(label), "%u tickers", s->n);
    generation = stint_generation_open(label);
    for (unsigned i = 0; generation && i < s->n && r == 0; i++)
        r = stint_scope_spawn(generation, s->tickers[i].name, tick, &s->tickers[i]);
    if (r < 0) {
        (void)stint_generation_retire(generation, GRACE_US, "it could not start");
        return NULL;
    }
    return generation;
}

/* Its threads read @settings: what is not left is not freed. Better some bytes than a use after free. */
static void
relieve(struct stint_scope *generation, struct settings *settings)
{
    struct stint_straggler left[4] = {{.size = sizeof(left[0])}};
    int n = stint_scope_close(generation, GRACE_US, left, 4);

    for (int i = 0; i < n && i < 4; i++)
        (void)fprintf(stderr, "ticker: %s (%s:%u) does not leave, it waits %s\n", left[i].name,
                      left[i].file, left[i].line, left[i].waits);
    if (n > 0)
        stint_scope_abandon(generation);
    else
        free(settings);
}

static void
reload(void *env)
{
    struct settings *settings = settings_read(now.path), *old = now.settings;
    struct stint_scope *generation, *before = now.generation;

    (void)env;
    if (!settings || strcmp(settings->text, old->text) == 0) {
        free(settings); /* what runs goes on */
        return;
    }
    generation = start(settings);
    if (!generation) {
        (void)fprintf(stderr, "ticker: no memory or no thread for another configuration\n");
        return; /* its threads are leaving, and read `settings` until then */
    }
    now.settings = settings;
    now.generation = generation;
    (void)printf("ticker: generation %llu of %s\n",
                 (unsigned long long)stint_generation_number(generation), now.path);
    (void)fflush(stdout);
    relieve(before, old);
}

int
main(int argc, char **argv)
{
    int r;

    if (argc != 2) {
        (void)fprintf(stderr, "usage: ticker FILE\n");
        return 2;
    }
    now.path = argv[1];
    now.settings = settings_read(now.path);
    r = stint_init(NULL);
    if (!now.settings || r < 0 || !(now.generation = start(now.settings)))
        return EXIT_FAILURE;
    r = stint_ready();
    if (r == 0)
        r = watch_file(stint_root(), now.path, reload, NULL);
    relieve(now.generation, now.settings);
    return r == -ECANCELED ? EXIT_SUCCESS : EXIT_FAILURE;
}
