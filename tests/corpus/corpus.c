/* SPDX-License-Identifier: GPL-2.0-or-later */

/* corpus ROW twin|bug SEED: one program of the corpus, for both flavours. */
#include "corpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

bool fixed;
unsigned seed;

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t more;
    unsigned n;
} arrived = {.mutex = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static uint64_t state;
static pthread_mutex_t chance = PTHREAD_MUTEX_INITIALIZER;

int64_t
now_us(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

unsigned
some(unsigned least, unsigned most)
{
    uint64_t x;

    (void)pthread_mutex_lock(&chance);
    state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    x = state;
    (void)pthread_mutex_unlock(&chance);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return least + (unsigned)((x ^ (x >> 31)) % (most - least + 1));
}

void
jitter(void)
{
    struct timespec ts = {.tv_nsec = (long)some(0, 2000) * 1000};

    (void)nanosleep(&ts, NULL);
}

void
here(void)
{
    (void)pthread_mutex_lock(&arrived.mutex);
    arrived.n++;
    (void)pthread_cond_broadcast(&arrived.more);
    (void)pthread_mutex_unlock(&arrived.mutex);
}

void
all_here(unsigned n)
{
    (void)pthread_mutex_lock(&arrived.mutex);
    while (arrived.n < n)
        (void)pthread_cond_wait(&arrived.more, &arrived.mutex);
    (void)pthread_mutex_unlock(&arrived.mutex);
}

void
tell(const char *name, long value)
{
    char from[64], to[64];
    FILE *f;

    (void)snprintf(from, sizeof(from), "tell.%s.%d", name, (int)getpid());
    (void)snprintf(to, sizeof(to), "tell.%s", name);
    f = fopen(from, "we");
    if (!f || fprintf(f, "%ld\n", value) < 0 || fclose(f) != 0 || rename(from, to) != 0)
        exit(90);
}

void
serve(void)
{
    jitter();
    say_ready();
    while (!token_await(root(), NEVER))
        ;
}

/* ---- the rows ------------------------------------------------------------------------------- */

#define FIND(...)
#define MAY(...)
#define PROC(...)
#define SAYS(...)
/* Weak: the program without libraries has no rows about them. */
#define ROW(id, ...) void row_##id(void) __attribute__((weak));
#include "goker.def"
#include "rows.def"
#undef ROW

static const struct {
    const char *id;
    void (*play)(void);
} rows[] = {
#define ROW(id, ...) {#id, row_##id},
#include "goker.def"
#include "rows.def"
#undef ROW
};

int
main(int argc, char **argv)
{
    if (argc < 2)
        return 64;
    fixed = argc > 2 && strcmp(argv[2], "twin") == 0;
    seed = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 1;
    state = seed;
    for (const char *p = argv[1]; *p; p++)
        state = state * 31 + (unsigned char)*p;
    flavour_init();
    if (strcmp(argv[1], "idle") == 0) { /* the next generation, which is not looked at */
        serve();
        return 0;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].id, argv[1]) != 0 || !rows[i].play)
            continue;
        rows[i].play();
        return 0;
    }
    (void)fprintf(stderr, "there is no row %s\n", argv[1]);
    return 64;
}
