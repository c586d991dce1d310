/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "worker-api/preload/preload.h"

#define OFFSET_SEQS       sizeof(struct stint_registry_header)
#define OFFSET_SLOTS      (OFFSET_SEQS + STINT_REGISTRY_SEQS * sizeof(uint32_t))
#define OFFSET_SCOPES     (OFFSET_SLOTS + STINT_REGISTRY_SLOTS * sizeof(struct stint_registry_slot))
#define OFFSET_SITES      (OFFSET_SCOPES + STINT_REGISTRY_SCOPES * sizeof(struct stint_registry_scope))
#define KEEP_DONE         64 /* slots of threads that ended, before the first of them is used again */

#define PUT(place, value) __atomic_store_n(&(place), (value), __ATOMIC_RELEASE)

/* What this side knows of the thread in a slot; nobody else sees it. */
struct entry {
    struct preload_start start;
    pthread_t thread; /* valid while `known` */
    bool known;       /* lock: from its making, or its beginning, to its end */
    bool begun;       /* lock */
    uint8_t endings;  /* its own: how often the destructor came */
    char name[16];    /* lock: given before it began */
};

static struct stint_registry_header *registry; /* atomic; NULL: not for this process */
static pid_t owner;                            /* of the registry; a bare clone() is another */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* the caller's slot + 1 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry entries[STINT_REGISTRY_SLOTS];
static uint16_t done[STINT_REGISTRY_SLOTS]; /* lock: a ring, the oldest first */
static uint32_t done_first, done_n;         /* lock */

static struct stint_registry_slot *
slot_at(uint32_t index)
{
    return (struct stint_registry_slot *)(void *)((char *)registry + OFFSET_SLOTS) + index;
}

static void
turn(uint32_t index)
{
    uint32_t *seq = (uint32_t *)(void *)((char *)registry + OFFSET_SEQS) + index;

    PUT(*seq, *seq + 1);
}

static int64_t
now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void
write_slot(uint32_t index, const struct stint_registry_slot *slot)
{
    uint64_t *to = (uint64_t *)(void *)slot_at(index);
    uint64_t words[sizeof(*slot) / sizeof(uint64_t)];

    memcpy(words, slot, sizeof(words));
    turn(index);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        PUT(to[i], words[i]);
    turn(index);
}

static void
copy_name(char *to, size_t size, const char *from)
{
    (void)stpncpy(to, from, size - 1); /* and NULs up to there */
    to[size - 1] = '\0';
}

static void
fill(uint32_t index, const struct preload_start *start, uint16_t flags, const char *name)
{
    struct stint_registry_slot s = {
        .state = STINT_SLOT_LIVE, .flags = flags, .deadline_us = INT64_MAX, .vital_every_us = -1};
    struct timespec boot;

    (void)clock_gettime(CLOCK_BOOTTIME, &boot); /* cannot fail */
    s.tid = (uint32_t)syscall(SYS_gettid);
    s.epoch = slot_at(index)->epoch;
    s.alive_ns = (uint64_t)boot.tv_sec * 1000000000U + (uint64_t)boot.tv_nsec;
    s.started_us = (uint64_t)now_us();
    s.start_pc = start->fn ? (uint64_t)(uintptr_t)start->fn : (uint64_t)(uintptr_t)start->fn_c11;
    s.creator_pc = start->creator_pc;
    s.creator_tid = start->creator_tid;
    copy_name(s.name, sizeof(s.name), name);
    copy_name(s.creator_name, sizeof(s.creator_name), start->creator_name);
    write_slot(index, &s);
}

static void
ending(void *value)
{
    uint32_t slot = (uint32_t)(uintptr_t)value - 1;

    /* Back again for some rounds: who hangs in another destructor is still known. */
    if (preload_is_open() && ++entries[slot].endings < PTHREAD_DESTRUCTOR_ITERATIONS - 1 &&
        pthread_setspecific(key, value) == 0)
        return;
    preload_end(slot);
}

static void
forget(void)
{
    PUT(registry, NULL); /* in a child: it was the parent's, and the mapping is not here */
}

/* ---- Opening ----------------------------------------------------------------------------- */

static long
number(const char *variable)
{
    const char *text = getenv(variable); /* NOLINT(concurrency-mt-unsafe): before main(), mostly */
    char *end;
    long value;

    if (!text || *text < '0' || *text > '9')
        return -1;
    value = strtol(text, &end, 10);
    return *end == '\0' && value <= INT_MAX ? value : -1;
}

/* The master's memfd: sealed and large enough; there may be a ring of spans behind, which is libstint's. */
static bool
is_registry(int fd)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);

    return seals >= 0 && (seals & F_SEAL_SHRINK) && fstat(fd, &st) == 0 &&
           st.st_size >= (off_t)STINT_REGISTRY_BYTES;
}

static void
write_head(struct stint_registry_header *h)
{
    struct stint_registry_scope *process =
        (struct stint_registry_scope *)(void *)((char *)h + OFFSET_SCOPES);

    h->major = STINT_REGISTRY_MAJOR;
    h->minor = STINT_REGISTRY_MINOR;
    h->pid = (uint32_t)owner;
    h->seqs = (struct stint_registry_table){OFFSET_SEQS, sizeof(uint32_t), STINT_REGISTRY_SEQS,
                                            STINT_REGISTRY_SEQS};
    h->slots = (struct stint_registry_table){OFFSET_SLOTS, sizeof(struct stint_registry_slot),
                                             STINT_REGISTRY_SLOTS, 0};
    h->scopes = (struct stint_registry_table){OFFSET_SCOPES, sizeof(struct stint_registry_scope),
                                              STINT_REGISTRY_SCOPES, 1};
    h->sites = (struct stint_registry_table){OFFSET_SITES, sizeof(struct stint_registry_site),
                                             STINT_REGISTRY_SITES, 0};
    process->state = STINT_SCOPE_OPEN;
    process->opened_us = (uint64_t)now_us();
    process->grace_us = INT64_MAX;
    copy_name(process->name, sizeof(process->name), "process");
    PUT(h->magic, STINT_REGISTRY_MAGIC); /* last: now it counts */
}

static void
add_main(void)
{
    const struct preload_start nobody = {.fn = NULL};
    uint32_t epoch, slot = preload_claim(&nobody, &epoch);

    if (slot == NO_SLOT || (pid_t)syscall(SYS_gettid) != owner)
        return; /* the first call came from elsewhere: the kernel knows the main thread */
    entries[slot].thread = pthread_self();
    entries[slot].known = entries[slot].begun = true;
    fill(slot, &nobody, STINT_SLOT_PRELOAD | STINT_SLOT_MAIN, "main");
    (void)pthread_setspecific(key, (void *)(uintptr_t)(slot + 1)); /* NOLINT */
}

/* As stint_init() does: under Yama only ancestors may look into us, and whom we name. */
static void
name_tracer(void)
{
    long pid = number("STINT_PTRACER");

    if (pid > 0)
        (void)prctl(PR_SET_PTRACER, pid, 0, 0, 0); /* EINVAL: no Yama here */
}

static void
open_once(void)
{
    long fd = number("STINT_REGISTRY"), pid = number("LISTEN_PID");
    void *map;

    if (fd < 0 || !is_registry((int)fd) || dlsym(RTLD_DEFAULT, "stint_init"))
        return; /* no stint; or it is libstint's business */
    if (pid != (long)getpid()) {
        (void)close((int)fd); /* the worker's, inherited by us */
        return;
    }
    name_tracer();
    map = mmap(NULL, STINT_REGISTRY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
    if (map == MAP_FAILED)
        return;
    if (pthread_key_create(&key, ending) != 0 || pthread_atfork(NULL, NULL, forget) != 0) {
        (void)munmap(map, STINT_REGISTRY_BYTES);
        return;
    }
    (void)madvise(map, STINT_REGISTRY_BYTES,
                  MADV_DONTFORK); /* else `forget` and the pid see to it */
    /* What another program of this process wrote before its exec: those threads are gone. */
    (void)fallocate((int)fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                    (off_t)STINT_REGISTRY_BYTES);
    owner = getpid();
    write_head(map);
    PUT(registry, map);
    add_main();
}

void
preload_open(void)
{
    (void)pthread_once(&once, open_once); /* cannot fail */
}

bool
preload_is_open(void)
{
    preload_open();
    return __atomic_load_n(&registry, __ATOMIC_ACQUIRE) && owner == getpid();
}

/* ---- Threads ----------------------------------------------------------------------------- */

uint32_t
preload_claim(const struct preload_start *start, uint32_t *ret_epoch)
{
    uint32_t slot = NO_SLOT, used;

    (void)pthread_mutex_lock(&lock); /* ours alone, never held over a call out */
    used = registry->slots.used;
    if (used < STINT_REGISTRY_SLOTS && done_n < KEEP_DONE) {
        slot = used;
    } else if (done_n > 0) {
        slot = done[done_first];
        done_first = (done_first + 1) % STINT_REGISTRY_SLOTS;
        done_n--;
    } else {
        (void)__atomic_fetch_add(&registry->overflow, 1, __ATOMIC_RELAXED);
    }
    if (slot != NO_SLOT) {
        PUT(slot_at(slot)->epoch, slot_at(slot)->epoch + 1);
        entries[slot] = (struct entry){.start = *start};
        *ret_epoch = slot_at(slot)->epoch;
    }
    if (slot == used)
        PUT(registry->slots.used, used + 1);
    (void)pthread_mutex_unlock(&lock);
    return slot;
}

void
preload_release(uint32_t slot)
{
    if (!preload_is_open())
        return;
    (void)pthread_mutex_lock(&lock);
    done[(done_first + done_n++) % STINT_REGISTRY_SLOTS] = (uint16_t)slot;
    (void)pthread_mutex_unlock(&lock);
}

void
preload_made(uint32_t slot, uint32_t epoch, pthread_t thread)
{
    (void)pthread_mutex_lock(&lock);
    if (slot_at(slot)->epoch == epoch &&
        !entries[slot].begun) { /* else it knows itself, or is gone */
        entries[slot].thread = thread;
        entries[slot].known = true;
    }
    (void)pthread_mutex_unlock(&lock);
}

struct preload_start
preload_begin(uint32_t slot)
{
    struct entry *e = &entries[slot];
    struct preload_start start = e->start;

    if (!preload_is_open())
        return start;
    (void)pthread_mutex_lock(&lock);
    e->thread = pthread_self();
    e->known = e->begun = true;
    fill(slot, &start, STINT_SLOT_PRELOAD, e->name);
    (void)pthread_mutex_unlock(&lock);
    (void)pthread_setspecific(key, (void *)(uintptr_t)(slot + 1)); /* NOLINT: a number */
    return start;
}

/* From the thread function's return, or from its destructors: whichever comes last, once. */
void
preload_end(uint32_t slot)
{
    if (!preload_is_open())
        return;
    if (entries[slot].endings == 0 && pthread_getspecific(key))
        return; /* it returned: its destructors are still to run, and then we come again */
    (void)pthread_mutex_lock(&lock);
    entries[slot].known = false;
    turn(slot);
    PUT(slot_at(slot)->state, STINT_SLOT_DONE);
    turn(slot);
    (void)pthread_mutex_unlock(&lock);
    preload_release(slot);
}

static void
write_name(uint32_t index, const char *name)
{
    struct stint_registry_slot *slot = slot_at(index);
    uint64_t words[sizeof(slot->name) / sizeof(uint64_t)];
    uint64_t *to = (uint64_t *)(void *)slot->name;

    copy_name((char *)words, sizeof(words), name);
    turn(index);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        PUT(to[i], words[i]);
    turn(index);
}

void
preload_name(pthread_t thread, const char *name)
{
    (void)pthread_mutex_lock(&lock);
    for (uint32_t i = 0; i < registry->slots.used; i++) {
        struct entry *e = &entries[i];

        if (!e->known || !pthread_equal(e->thread, thread))
            continue;
        copy_name(e->name, sizeof(e->name), name);
        if (e->begun)
            write_name(i, name);
        break;
    }
    (void)pthread_mutex_unlock(&lock);
}

_Static_assert(OFFSET_SITES + STINT_REGISTRY_SITES * sizeof(struct stint_registry_site) <=
                   STINT_REGISTRY_BYTES,
               "the same places as libstint's");
