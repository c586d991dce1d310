/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "worker-api/heap/heap.h"
#include "worker-api/heap/heap_ask.h"
#include "worker-api/heap/heap_table.h"

/* One in four may be of a trace, three in four of a trace or of somebody: the rest is for stacks alone. */
#define TRACED_MAX (STINT_HEAP_STACKS / 4)
#define NAMED_MAX  (STINT_HEAP_STACKS / 4 * 3)
#define FOLD_EVERY 512 /* samples, where folding makes no room */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct stint_heap_anchor *anchor; /* lock; NULL = not open */
static struct stint_heap_stack *table;   /* lock */
static uint64_t mean = STINT_HEAP_DEFAULT;
static uint64_t next_fold; /* lock; in samples */

static uint64_t
mean_wanted(void)
{
    const char *text = getenv("STINT_HEAP_SAMPLE"); /* bytes */
    char *end;
    unsigned long long n = text ? strtoull(text, &end, 10) : 0;

    return n >= 1024 && *end == '\0' && n <= (1ULL << 40) ? n : STINT_HEAP_DEFAULT;
}

/* As stint_init() does: under Yama only ancestors may look into us, and whom we name. Not our children. */
static void
name_tracer(void)
{
    const char *who = getenv("STINT_PTRACER"), *self = getenv("LISTEN_PID");
    long pid = who ? strtol(who, NULL, 10) : 0;

    if (pid > 0 && self && strtol(self, NULL, 10) == (long)getpid())
        (void)prctl(PR_SET_PTRACER, pid, 0, 0, 0); /* EINVAL: no Yama here */
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
    if (page == MAP_FAILED || room == MAP_FAILED || !heap_labels_open(page)) {
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
    name_tracer();
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
    anchor->samples = anchor->lost = anchor->untraced = anchor->unlabelled = next_fold = 0;
    anchor->start_ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
    anchor->pid = (uint32_t)getpid();
}

/* ---- Which sum it is ---------------------------------------------------------------------- */

struct key {
    uint32_t n, label; /* as in a stack */
    uint8_t trace_id[16];
    uint64_t pcs[STINT_HEAP_FRAMES];
};

static const uint8_t no_trace[16];

static bool
has_trace(const uint8_t *trace_id)
{
    return memcmp(trace_id, no_trace, sizeof(no_trace)) != 0;
}

static uint64_t
mix(uint64_t hash, uint64_t word)
{
    return (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15) ^ hash >> 29;
}

static uint64_t
hash_of(const struct key *key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325), trace[2];

    memcpy(trace, key->trace_id, sizeof(trace));
    hash = mix(mix(mix(hash, key->label), trace[0]), trace[1]);
    for (uint32_t i = 0; i < key->n; i++)
        hash = mix(hash, key->pcs[i]);
    return hash | 1; /* 0 is never used */
}

static void
put(struct stint_heap_stack *s, const struct key *key, uint64_t hash)
{
    s->hash = hash;
    s->label = key->label;
    s->live = 0;
    memcpy(s->trace_id, key->trace_id, sizeof(s->trace_id));
    memcpy(s->pcs, key->pcs, key->n * sizeof(key->pcs[0]));
    for (int i = 0; i < 2; i++)
        s->objects[i] = s->bytes[i] = 0;
    __atomic_store_n(&s->n, key->n, __ATOMIC_RELEASE);
    __atomic_store_n(&anchor->used, anchor->used + 1, __ATOMIC_RELAXED);
    anchor->traced += has_trace(key->trace_id);
}

/* find - the place of that sum; @make: made if it is new. Lock held. Return: STINT_HEAP_STACKS: none. */
static uint32_t
find(const struct key *key, bool make)
{
    uint64_t hash = hash_of(key);
    uint32_t at = (uint32_t)(hash >> 32) % STINT_HEAP_STACKS, room = STINT_HEAP_STACKS;

    for (uint32_t tries = 0; tries < 64; tries++, at = (at + 1) % STINT_HEAP_STACKS) {
        const struct stint_heap_stack *s = &table[at];

        if (s->n == 0 && room == STINT_HEAP_STACKS)
            room = at;
        if (s->n == 0 && s->hash == 0)
            break; /* nobody went further */
        if (s->hash == hash && s->n == key->n && s->label == key->label)
            return at; /* 64 bits: two stacks that share them are not to be expected */
    }
    if (room < STINT_HEAP_STACKS && make)
        put(&table[room], key, hash);
    return make ? room : STINT_HEAP_STACKS;
}

static void
sum(uint32_t index, unsigned first, unsigned last, double objects, double bytes)
{
    struct stint_heap_stack *s = &table[index];

    __atomic_store_n(&s->seq, s->seq + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    for (unsigned i = first; i <= last; i++) {
        s->objects[i] += objects;
        s->bytes[i] += bytes;
    }
    if (s->live == 0) /* what rounding left */
        s->objects[1] = s->bytes[1] = 0;
    __atomic_store_n(&s->seq, s->seq + 1, __ATOMIC_RELEASE);
}

/* Of a trace of which nothing is in use: its sum goes to what the same stack has without one. */
static void
fold_one(struct stint_heap_stack *s)
{
    struct key key = {.n = s->n, .label = s->label};
    uint32_t to;

    memcpy(key.pcs, s->pcs, key.n * sizeof(key.pcs[0]));
    to = find(&key, true);
    if (to == STINT_HEAP_STACKS)
        return;
    sum(to, 0, 0, s->objects[0], s->bytes[0]);
    __atomic_store_n(&s->n, 0, __ATOMIC_RELAXED);
    anchor->used--;
    anchor->traced--;
}

static void
fold(void)
{
    __atomic_store_n(&anchor->folds, anchor->folds + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    for (uint32_t i = 0; i < STINT_HEAP_STACKS; i++)
        if (table[i].n > 0 && table[i].live == 0 && has_trace(table[i].trace_id))
            fold_one(&table[i]);
    __atomic_store_n(&anchor->folds, anchor->folds + 1, __ATOMIC_RELEASE);
    next_fold = anchor->samples + FOLD_EVERY;
}

/* place - the finest sum that there is room for. Lock held. */
static uint32_t
place(struct key *key)
{
    uint32_t at;

    if (has_trace(key->trace_id)) {
        if (anchor->traced >= TRACED_MAX && anchor->samples >= next_fold)
            fold();
        at = find(key, anchor->traced < TRACED_MAX && anchor->used < NAMED_MAX);
        if (at < STINT_HEAP_STACKS)
            return at;
        anchor->untraced++;
        memcpy(key->trace_id, no_trace, sizeof(no_trace));
    }
    if (key->label != 0) {
        at = find(key, anchor->used < NAMED_MAX);
        if (at < STINT_HEAP_STACKS)
            return at;
        anchor->unlabelled++;
        key->label = 0;
    }
    return find(key, true);
}

/* ---- Samples ------------------------------------------------------------------------------ */

void
heap_add(struct heap_sample *ret, void *const *pcs, int n, size_t bytes)
{
    double weight = heap_weight(bytes, mean);
    struct stint_heap_context context;
    struct key key = {.n = n > 0 ? (uint32_t)n : 0};

    *ret = (struct heap_sample){STINT_HEAP_STACKS, (float)weight, bytes};
    heap_context(&context);
    memcpy(key.trace_id, context.trace_id, sizeof(key.trace_id));
    for (uint32_t i = 0; i < key.n; i++)
        key.pcs[i] = (uint64_t)(uintptr_t)pcs[i];
    (void)pthread_mutex_lock(&lock);
    own();
    key.label = heap_label(&context.label);
    anchor->unlabelled += key.label == 0;
    if (key.n > 0)
        ret->stack = place(&key);
    if (ret->stack < STINT_HEAP_STACKS) {
        table[ret->stack].live++;
        sum(ret->stack, 0, 1, (double)ret->weight, (double)ret->weight * (double)bytes);
        anchor->samples++;
    } else {
        anchor->lost++;
    }
    (void)pthread_mutex_unlock(&lock);
}

void
heap_gone(const struct heap_sample *sample)
{
    if (sample->stack >= STINT_HEAP_STACKS)
        return;
    (void)pthread_mutex_lock(&lock);
    own();
    table[sample->stack].live--;
    sum(sample->stack, 1, 1, -(double)sample->weight,
        -(double)sample->weight * (double)sample->bytes);
    (void)pthread_mutex_unlock(&lock);
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
