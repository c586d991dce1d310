/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "worker-api/heap/heap.h"
#include "worker-api/heap/heap_table.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct stint_heap_anchor *anchor; /* lock; NULL = not open */
static struct stint_heap_stack *table;   /* lock */
static uint64_t mean = STINT_HEAP_DEFAULT;

static uint64_t
mean_wanted(void)
{
    const char *text = getenv("STINT_HEAP_SAMPLE"); /* bytes */
    char *end;
    unsigned long long n = text ? strtoull(text, &end, 10) : 0;

    return n >= 1024 && *end == '\0' && n <= (1ULL << 40) ? n : STINT_HEAP_DEFAULT;
}

bool
heap_open(void)
{
    const size_t bytes = STINT_HEAP_STACKS * sizeof(*table);
    struct timespec now = {0};
    void *page, *room;
    int fd = memfd_create(STINT_HEAP_NAME, MFD_CLOEXEC);

    if (fd == -1)
        return false;
    if (ftruncate(fd, (off_t)sizeof(*anchor)) != 0) {
        (void)close(fd);
        return false;
    }
    /* Private both: a child goes on with a copy, and never writes into its parent's. */
    page = mmap(NULL, sizeof(*anchor), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    (void)close(fd);
    room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                -1, 0);
    if (page == MAP_FAILED || room == MAP_FAILED) {
        if (page != MAP_FAILED)
            (void)munmap(page, sizeof(*anchor));
        if (room != MAP_FAILED)
            (void)munmap(room, bytes);
        return false;
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    mean = mean_wanted();
    table = room;
    anchor = page;
    anchor->stack_bytes = sizeof(*table);
    anchor->stacks = STINT_HEAP_STACKS;
    anchor->table = (uint64_t)(uintptr_t)table;
    anchor->mean_bytes = mean;
    anchor->pid = (uint32_t)getpid();
    anchor->start_ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
    __atomic_store_n(&anchor->magic, STINT_HEAP_MAGIC, __ATOMIC_RELEASE);
    return true;
}

uint64_t
heap_mean(void)
{
    return mean;
}

/* A child's history begins with what it inherited; what its parent had freed is its parent's. Lock held. */
static void
own(void)
{
    struct timespec now = {0};

    if (anchor->pid == (uint32_t)getpid())
        return;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    for (uint32_t i = 0; i < STINT_HEAP_STACKS; i++) {
        if (table[i].n == 0)
            continue;
        table[i].objects[0] = table[i].objects[1];
        table[i].bytes[0] = table[i].bytes[1];
    }
    anchor->samples = anchor->lost = 0;
    anchor->start_ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
    anchor->pid = (uint32_t)getpid();
}

static uint64_t
hash_of(void *const *pcs, int n)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (int i = 0; i < n; i++)
        hash = (hash ^ (uint64_t)(uintptr_t)pcs[i]) * UINT64_C(0x9e3779b97f4a7c15) ^ hash >> 29;
    return hash;
}

/* find - the place of that stack, made if it is new. Lock held. Return: STINT_HEAP_STACKS: no room. */
static uint32_t
find(void *const *pcs, int n)
{
    uint64_t hash = hash_of(pcs, n);
    uint32_t at = (uint32_t)(hash >> 32) % STINT_HEAP_STACKS;

    for (uint32_t tries = 0; tries < 64; tries++, at = (at + 1) % STINT_HEAP_STACKS) {
        struct stint_heap_stack *s = &table[at];

        if (s->n == 0) {
            s->hash = hash;
            for (int i = 0; i < n; i++)
                s->pcs[i] = (uint64_t)(uintptr_t)pcs[i];
            __atomic_store_n(&s->n, (uint32_t)n, __ATOMIC_RELEASE);
            __atomic_store_n(&anchor->used, anchor->used + 1, __ATOMIC_RELAXED);
            return at;
        }
        if (s->hash == hash && s->n == (uint32_t)n)
            return at; /* 64 bits: two stacks that share them are not to be expected */
    }
    return STINT_HEAP_STACKS;
}

static void
sum(uint32_t index, unsigned first, double objects, double bytes)
{
    struct stint_heap_stack *s = &table[index];

    __atomic_store_n(&s->seq, s->seq + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    for (unsigned i = first; i < 2; i++) {
        s->objects[i] += objects;
        s->bytes[i] += bytes;
    }
    __atomic_store_n(&s->seq, s->seq + 1, __ATOMIC_RELEASE);
}

void
heap_add(struct heap_sample *ret, void *const *pcs, int n, size_t bytes)
{
    double weight = heap_weight(bytes, mean);

    *ret = (struct heap_sample){STINT_HEAP_STACKS, (float)weight, bytes};
    (void)pthread_mutex_lock(&lock);
    own();
    if (n > 0)
        ret->stack = find(pcs, n);
    if (ret->stack < STINT_HEAP_STACKS) {
        sum(ret->stack, 0, (double)ret->weight, (double)ret->weight * (double)bytes);
        anchor->samples++;
    } else {
        anchor->lost++;
    }
    (void)pthread_mutex_unlock(&lock);
}

static void
in_use(const struct heap_sample *sample, double sign)
{
    if (sample->stack >= STINT_HEAP_STACKS)
        return;
    (void)pthread_mutex_lock(&lock);
    own();
    sum(sample->stack, 1, sign * (double)sample->weight,
        sign * (double)sample->weight * (double)sample->bytes);
    (void)pthread_mutex_unlock(&lock);
}

void
heap_again(const struct heap_sample *sample)
{
    in_use(sample, 1);
}

void
heap_gone(const struct heap_sample *sample)
{
    in_use(sample, -1);
}

void
heap_lost(void)
{
    (void)pthread_mutex_lock(&lock);
    anchor->lost++;
    (void)pthread_mutex_unlock(&lock);
}

void
heap_stacks_lock(void)
{
    (void)pthread_mutex_lock(&lock);
}

void
heap_stacks_unlock(void)
{
    (void)pthread_mutex_unlock(&lock);
}
