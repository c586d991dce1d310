/* SPDX-License-Identifier: MIT */
#include "worker-api/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker-api/state.h"

/*
 * One writer per slot: the thread it describes. It brackets its stores with `seq`; all are atomic
 * release stores, so a reader that sees a new word also sees the odd `seq` before it. Outside of the
 * bracket are single words that mean something alone: beats, cancelled_us, token_cause. A signal
 * handler may write those in the middle of the owner's own bracket.
 */
static struct stint_registry_slot *
slot_at(uint16_t index)
{
    return (struct stint_registry_slot *)(void *)(stn.registry + 1) + index;
}

static void
slots_reset(void)
{
    stn.free_head = 0;
    stn.free_count = STINT_REGISTRY_SLOTS;
    for (uint16_t i = 0; i < STINT_REGISTRY_SLOTS; i++)
        stn.free_slots[i] = i;
}

static void
write_header(struct stint_registry_header *header)
{
    header->major = STINT_REGISTRY_MAJOR;
    header->minor = STINT_REGISTRY_MINOR;
    header->slot_size = sizeof(struct stint_registry_slot);
    header->slots = STINT_REGISTRY_SLOTS;
    __atomic_store_n(&header->magic, STINT_REGISTRY_MAGIC,
                     __ATOMIC_RELEASE); /* last: now it counts */
}

/* A file that could shrink under us would be a SIGBUS: only a sealed one of the right size is mapped. */
static bool
usable(int fd)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);

    return seals >= 0 && (seals & F_SEAL_SHRINK) && fstat(fd, &st) == 0 &&
           st.st_size >= (off_t)STINT_REGISTRY_BYTES;
}

int
stn_registry_open(int fd)
{
    void *map = MAP_FAILED;

    if (fd >= 0 && usable(fd)) {
        map = mmap(NULL, STINT_REGISTRY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd); /* the mapping stays */
    }
    if (map == MAP_FAILED)
        map = mmap(NULL, STINT_REGISTRY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0);
    if (map == MAP_FAILED)
        return -ENOMEM;
    slots_reset();
    write_header(map);
    stn.registry = map;
    return 0;
}

void
stn_registry_after_fork(void)
{
    if (!stn.registry)
        return;
    /* Over the old place: pointers into it stay good, and the parent's slots are out of reach. */
    if (mmap(stn.registry, STINT_REGISTRY_BYTES, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
        stn.registry = NULL;
        return;
    }
    slots_reset();
    write_header(stn.registry);
}

struct stint_registry_slot *
stn_slot_claim(void)
{
    struct stint_registry_slot *slot = NULL;

    if (!stn.registry)
        return NULL;
    stn_lock_take(&stn.slots);
    if (stn.free_count > 0) {
        slot = slot_at(stn.free_slots[stn.free_head]);
        stn.free_head = (stn.free_head + 1) % STINT_REGISTRY_SLOTS;
        stn.free_count--;
    } else {
        (void)__atomic_fetch_add(&stn.registry->overflow, 1, __ATOMIC_RELAXED);
    }
    stn_lock_give(&stn.slots);
    return slot;
}

void
stint_served(unsigned long n)
{
    struct stint_registry_header *header = stn.registry;

    if (header)
        (void)__atomic_fetch_add(&header->served, n, __ATOMIC_RELAXED);
}

static void
begin(struct stint_registry_slot *slot)
{
    __atomic_store_n(&slot->seq, slot->seq + 1, __ATOMIC_RELEASE);
}

static void
end(struct stint_registry_slot *slot)
{
    __atomic_store_n(&slot->seq, slot->seq + 1, __ATOMIC_RELEASE);
}

/* @bytes is a multiple of 8, both sides are aligned to 8: the layout of the slot sees to it. */
static void
store_words(void *to, const void *from, size_t bytes)
{
    uint64_t *word = to;
    const uint64_t *value = from;

    for (size_t i = 0; i < bytes / sizeof(*word); i++)
        __atomic_store_n(&word[i], value[i], __ATOMIC_RELEASE);
}

/* Field 22 of stat: when the thread began, in ticks since boot. 0 when /proc is not there. */
static uint64_t
start_time(uint32_t tid)
{
    char path[64], line[1024];
    const char *at;
    ssize_t n;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%u/stat", tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return 0;
    n = read(fd, line, sizeof(line) - 1);
    close(fd);
    if (n <= 0)
        return 0;
    line[n] = '\0';
    at = strrchr(line, ')'); /* the name before it may hold anything */
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at, NULL, 10) : 0;
}

/* The end of a path tells more than its beginning. */
static const char *
tail(const char *path, size_t size)
{
    size_t n = path ? strlen(path) : 0;

    return n < size ? path : path + n - (size - 1);
}

void
stn_slot_fill(const struct stint_thread *thread)
{
    struct stint_registry_slot *slot = thread->slot;
    struct stint_registry_slot s = {.tid = (uint32_t)syscall(SYS_gettid)};
    const size_t head = offsetof(struct stint_registry_slot, tid);

    if (!slot)
        return;
    s.creator_tid = thread->creator_tid;
    s.start_time = start_time(s.tid);
    s.started_us = (uint64_t)stint_now_us();
    s.deadline_us = thread->token ? thread->token->deadline_us : STINT_NEVER;
    s.line = thread->birth.line;
    stn_text_copy(s.name, sizeof(s.name), thread->name);
    stn_text_copy(s.file, sizeof(s.file), tail(thread->birth.file, sizeof(s.file)));
    stn_text_copy(s.function, sizeof(s.function), thread->birth.function);
    stn_text_copy(s.creator_name, sizeof(s.creator_name), thread->creator_name);
    stn_text_copy(s.token, sizeof(s.token), thread->token ? thread->token->name : "");
    stn_text_copy(s.trace_id, sizeof(s.trace_id), stn.trace_id);
    begin(slot);
    store_words(&slot->tid, &s.tid, sizeof(s) - head);
    __atomic_store_n(&slot->state, STINT_SLOT_LIVE, __ATOMIC_RELEASE);
    end(slot);
}

void
stn_slot_done(struct stint_registry_slot *slot)
{
    if (!slot)
        return;
    begin(slot);
    __atomic_store_n(&slot->state, STINT_SLOT_DONE, __ATOMIC_RELEASE);
    end(slot);
    stn_lock_take(&stn.slots);
    stn.free_slots[(stn.free_head + stn.free_count) % STINT_REGISTRY_SLOTS] =
        (uint16_t)(slot - slot_at(0));
    stn.free_count++;
    stn_lock_give(&stn.slots);
}

void
stn_slot_cancelled(struct stint_registry_slot *slot, const struct token *origin)
{
    if (!slot)
        return;
    __atomic_store_n(&slot->token_cause, origin->cause, __ATOMIC_RELEASE);
    __atomic_store_n(&slot->cancelled_us, (uint64_t)origin->at_us, __ATOMIC_RELEASE);
}

void
stn_slot_text(struct stint_registry_slot *slot, char *field, size_t size, const char *text)
{
    uint64_t words[sizeof(slot->wait_site) / sizeof(uint64_t)]; /* the longest field */

    stn_text_copy((char *)words, size, text);
    begin(slot);
    store_words(field, words, size);
    end(slot);
}

void
stn_slot_exempt(struct stint_registry_slot *slot, const char *reason)
{
    stn_slot_text(slot, slot->reason, sizeof(slot->reason), reason);
    begin(slot);
    __atomic_store_n(&slot->exempt, reason ? 1u : 0u, __ATOMIC_RELEASE);
    end(slot);
}

_Static_assert(sizeof(struct stint_registry_header) == 64, "the header is a cache line");
_Static_assert(offsetof(struct stint_registry_header, served) % 8 == 0, "added to atomically");
_Static_assert(offsetof(struct stint_registry_slot, tid) % 8 == 0, "copied in words");
_Static_assert(offsetof(struct stint_registry_slot, wait_site) % 8 == 0, "copied in words");
_Static_assert(offsetof(struct stint_registry_slot, reason) % 8 == 0, "copied in words");
_Static_assert(sizeof(struct stint_registry_slot) % 8 == 0, "copied in words");
