/* SPDX-License-Identifier: MIT */
#include "worker-api/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker-api/state.h"

/*
 * One writer per slot: the thread it describes. It brackets its stores with the slot's seq; all are
 * atomic release stores, so a reader that sees a new word also sees the odd seq before it. Outside of
 * the bracket are single words that mean something alone: beats, waits, cancelled_us, cause. A signal
 * handler may write the latter two in the middle of the owner's own bracket.
 */
#define OFFSET_SEQS     sizeof(struct stint_registry_header)
#define OFFSET_SLOTS    (OFFSET_SEQS + STINT_REGISTRY_SEQS * sizeof(uint32_t))
#define OFFSET_SCOPES   (OFFSET_SLOTS + STINT_REGISTRY_SLOTS * sizeof(struct stint_registry_slot))
#define OFFSET_SITES    (OFFSET_SCOPES + STINT_REGISTRY_SCOPES * sizeof(struct stint_registry_scope))

#define OFFSET_OVERRUNS (OFFSET_SITES + STINT_REGISTRY_SITES * sizeof(struct stint_registry_site))
#define OFFSET_CALLERS \
    (OFFSET_OVERRUNS + STINT_REGISTRY_OVERRUNS * sizeof(struct stint_registry_overrun))

static void *
at(size_t offset)
{
    return (char *)stn.registry + offset;
}

struct stint_registry_slot *
stn_slot_at(size_t index)
{
    return (struct stint_registry_slot *)at(OFFSET_SLOTS) + index;
}

size_t
stn_slot_index(const struct stint_registry_slot *slot)
{
    return (size_t)(slot - stn_slot_at(0));
}

struct stint_registry_scope *
stn_registry_scope(size_t place)
{
    return (struct stint_registry_scope *)at(OFFSET_SCOPES) + place;
}

struct stint_registry_site *
stn_registry_site(size_t index)
{
    return (struct stint_registry_site *)at(OFFSET_SITES) + index;
}

struct stint_registry_overrun *
stn_registry_overrun(size_t index)
{
    return (struct stint_registry_overrun *)at(OFFSET_OVERRUNS) + index;
}

struct stint_registry_caller *
stn_registry_caller(size_t index)
{
    return (struct stint_registry_caller *)at(OFFSET_CALLERS) + index;
}

static void
write_header(struct stint_registry_header *header)
{
    header->major = STINT_REGISTRY_MAJOR;
    header->minor = STINT_REGISTRY_MINOR;
    header->pid = (uint32_t)getpid();
    header->seqs = (struct stint_registry_table){OFFSET_SEQS, sizeof(uint32_t), STINT_REGISTRY_SEQS,
                                                 STINT_REGISTRY_SEQS};
    header->slots = (struct stint_registry_table){OFFSET_SLOTS, sizeof(struct stint_registry_slot),
                                                  STINT_REGISTRY_SLOTS, 0};
    header->scopes =
        (struct stint_registry_table){OFFSET_SCOPES, sizeof(struct stint_registry_scope),
                                      STINT_REGISTRY_SCOPES, header->scopes.used};
    header->sites = (struct stint_registry_table){OFFSET_SITES, sizeof(struct stint_registry_site),
                                                  STINT_REGISTRY_SITES, header->sites.used};
    header->overruns =
        (struct stint_registry_table){OFFSET_OVERRUNS, sizeof(struct stint_registry_overrun),
                                      STINT_REGISTRY_OVERRUNS, header->overruns.used};
    header->callers =
        (struct stint_registry_table){OFFSET_CALLERS, sizeof(struct stint_registry_caller),
                                      STINT_REGISTRY_CALLERS, header->callers.used};
    STN_PUT(header->magic, STINT_REGISTRY_MAGIC); /* last: now it counts */
}

/* A file that could shrink under us would be a SIGBUS: only a sealed one of the right size is mapped. */
static bool
usable(int fd, size_t bytes)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);

    return seals >= 0 && (seals & F_SEAL_SHRINK) && fstat(fd, &st) == 0 &&
           st.st_size >= (off_t)bytes;
}

int
stn_registry_open(int fd)
{
    size_t bytes = STINT_REGISTRY_BYTES;
    void *map = MAP_FAILED;

    if (fd >= 0 && usable(fd, STINT_REGISTRY_BYTES)) {
        if (usable(fd, STINT_REGISTRY_WITH_SPANS))
            bytes = STINT_REGISTRY_WITH_SPANS;
        map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd); /* the mapping stays */
    }
    if (map == MAP_FAILED) {
        bytes = STINT_REGISTRY_BYTES;
        map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    if (map == MAP_FAILED)
        return -ENOMEM;
    stn_spans_open(map, bytes);
    write_header(map);
    __atomic_store_n(&stn.registry, map, __ATOMIC_RELEASE);
    return 0;
}

/* Sites keep their numbers, since static memory all over the program knows them. */
void
stn_registry_after_fork(void)
{
    struct stint_registry_header *old = stn.registry, *anew;

    if (!old)
        return;
    anew = mmap(NULL, STINT_REGISTRY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0);
    if (anew != MAP_FAILED) {
        anew->sites.used = stn.sites;
        memcpy((char *)anew + OFFSET_SITES, (char *)old + OFFSET_SITES,
               stn.sites * sizeof(struct stint_registry_site));
        /* Over the old place: pointers into it stay good, and the parent's slots are out of reach. */
        if (mremap(anew, STINT_REGISTRY_BYTES, STINT_REGISTRY_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED,
                   old) == MAP_FAILED)
            anew = MAP_FAILED;
    }
    stn_slots_reset();
    stn_ring_after_fork();
    if (anew == MAP_FAILED) /* no memory: what is the parent's must not be written */
        stn.registry = NULL;
    else
        write_header(old);
}

void
stint_served(unsigned long n)
{
    struct stint_registry_header *header;

    stn_here();
    header = __atomic_load_n(&stn.registry, __ATOMIC_ACQUIRE);
    if (header)
        (void)__atomic_fetch_add(&header->served, n, __ATOMIC_RELAXED);
}

void
stn_seq_turn(size_t index)
{
    uint32_t *seq = (uint32_t *)at(OFFSET_SEQS) + index;

    STN_PUT(*seq, *seq + 1); /* one writer */
}

uint32_t
stn_slot_seq(const struct stint_registry_slot *slot)
{
    return __atomic_load_n((uint32_t *)at(OFFSET_SEQS) + stn_slot_index(slot), __ATOMIC_RELAXED);
}

void
stn_slot_begin(const struct stint_registry_slot *slot)
{
    stn_seq_turn(stn_slot_index(slot));
}

void
stn_slot_end(const struct stint_registry_slot *slot)
{
    stn_seq_turn(stn_slot_index(slot));
}

void
stn_put_words(void *to, const void *from, size_t bytes)
{
    uint64_t *word = to;
    const uint64_t *value = from;

    for (size_t i = 0; i < bytes / sizeof(*word); i++)
        STN_PUT(word[i], value[i]);
}

void
stn_slot_cancelled(struct stint_registry_slot *slot, const struct token *origin)
{
    if (!slot)
        return;
    STN_PUT(slot->cause, origin->cause);
    STN_PUT(slot->cancelled_us, (uint64_t)origin->at_us);
}

_Static_assert(sizeof(struct stint_registry_header) == 256, "tables begin at round places");
_Static_assert(OFFSET_SLOTS % 64 == 0, "a slot lies in four cache lines, not five");
_Static_assert(sizeof(struct stint_registry_slot) == 256, "a slot is four cache lines");
_Static_assert(sizeof(struct stint_registry_scope) == 256, "as the slots");
_Static_assert(sizeof(struct stint_registry_site) == 256, "as the slots");
_Static_assert(sizeof(struct stint_registry_overrun) == 256, "as the slots");
_Static_assert(sizeof(struct stint_registry_caller) == 128, "two to each of the others");
_Static_assert(OFFSET_CALLERS + STINT_REGISTRY_CALLERS * sizeof(struct stint_registry_caller) ==
                   STINT_REGISTRY_BYTES,
               "all tables fit");
_Static_assert(STINT_REGISTRY_BYTES == 256 + 4352 * sizeof(uint32_t) + (size_t)5376 * 256,
               "older releases know files of this size only");
_Static_assert(offsetof(struct stint_registry_slot, wait_site) -
                       offsetof(struct stint_registry_slot, wait_object) ==
                   offsetof(struct stint_wait_cell, site),
               "the cell of STINT_BLOCK lies in the slot");
_Static_assert(STINT_NAME_MAX == sizeof(((struct stint_registry_slot *)0)->name), "a name fits");
