/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Condition variables, read-write locks and semaphores, told apart by the memory around the futex. */
#include <linux/futex.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/probe/capture_futex.h"

/* libc_waits - as the C library does: by the wall clock when for ever. Rust does not, nor does Go. */
static bool
libc_waits(const struct thread_facts *t)
{
    return futex_command(t) == FUTEX_WAIT_BITSET &&
           (t->args[3] != 0 || (t->args[1] & FUTEX_CLOCK_REALTIME));
}

/* pthread_cond_t in words: where the two groups' signals are, their waiters, and the flags of all. */
static const struct cond_layout {
    unsigned signals, refs; /* refs 0: none, since glibc 2.41 */
    unsigned wrefs;
} cond_layouts[] = {
    {10, 4, 9},
    {8,  0, 7},
};

#define COND_WORDS 12

static bool
cond_plausible(const struct cond_layout *layout, const uint32_t *w, unsigned group, bool private,
               uint32_t waiting)
{
    uint64_t seen = (((uint64_t)w[1] << 32) | w[0]) >> 1,
             begun = (((uint64_t)w[3] << 32) | w[2]) >> 1;
    uint32_t all = w[layout->wrefs] >> 3;

    if (all == 0 || all > TID_MAX || (private && all < waiting) || seen < begun || seen < waiting)
        return false;
    if (((w[layout->wrefs] & 1) == 0) != private)
        return false;
    return layout->refs == 0 || (w[layout->refs + group] >> 1 <= all &&
                                 w[layout->refs + group] >> 1 >= (private ? waiting : 1));
}

bool
capture_is_cond(struct capture *c, struct thread_facts *t)
{
    uint32_t waiting = capture_waiting_at(c, t->args[0]);

    if (!libc_waits(t))
        return false;
    for (size_t k = 0; k < ARRAY_LEN(cond_layouts); k++) {
        const struct cond_layout *layout = &cond_layouts[k];

        for (unsigned group = 0; group < 2; group++) {
            uint64_t base = t->args[0] - 4 * (uint64_t)(layout->signals + group);
            uint32_t w[COND_WORDS];

            if (base % 8 != 0 || remote_read(&c->memory, base, w, sizeof(w)) < 0 ||
                !cond_plausible(layout, w, group, futex_private(t), waiting))
                continue;
            t->wait = WAIT_COND;
            t->object = base;
            t->shared = !futex_private(t);
            t->value = w[layout->wrefs] >> 3;
            return true;
        }
    }
    return false;
}

bool
capture_is_sem(struct capture *c, struct thread_facts *t)
{
    struct {
        uint32_t value, waiters, shared; /* sem_t */
    } s;
    uint32_t waiting = capture_waiting_at(c, t->args[0]);

    if (!libc_waits(t) || (uint32_t)t->args[2] != 0 || t->args[0] % 8 != 0 ||
        remote_read(&c->memory, t->args[0], &s, sizeof(s)) < 0)
        return false;
    if (s.waiters < waiting || s.waiters > TID_MAX ||
        s.shared != (futex_private(t) ? 0U : FUTEX_SHARED_WORD))
        return false;
    t->wait = WAIT_SEM;
    t->object = t->args[0];
    t->shared = !futex_private(t);
    t->value = s.value;
    return true;
}

/* pthread_rwlock_t. */
struct rwlock {
    uint32_t readers, writers, phase_futex, writers_futex;
    uint32_t pad3, pad4;
    uint32_t writer, shared;
    uint64_t elision, pad2;
    uint32_t flags;
};

/* Where in it the thread waits, for what value of that word, and what it wants then. */
static const struct rwlock_wait {
    unsigned offset;
    uint32_t want; /* 0: any with the bit "a reader waits" */
    bool write;
} rwlock_waits[] = {
    {offsetof(struct rwlock, phase_futex),   3, false},
    {offsetof(struct rwlock, phase_futex),   2, true },
    {offsetof(struct rwlock, writers_futex), 3, true },
    {offsetof(struct rwlock, readers),       0, false},
};

#define READERS_WAIT     4U /* bit in `readers` */
#define WRITE_PHASE      1U
#define READERS_SHIFT    3
#define RWLOCK_FLAGS_MAX 2U

static bool
rwlock_plausible(const struct thread_facts *t, const struct rwlock *l)
{
    return l->flags <= RWLOCK_FLAGS_MAX && l->pad2 == 0 && l->pad3 == 0 && l->pad4 == 0 &&
           l->shared == (futex_private(t) ? 0U : 1U) && l->phase_futex <= 3 &&
           l->writers_futex <= 3 && l->writer <= TID_MAX && l->writers <= TID_MAX &&
           l->readers >> READERS_SHIFT <= TID_MAX && (l->readers != 0 || l->writer != 0);
}

bool
capture_is_rwlock(struct capture *c, struct thread_facts *t)
{
    uint32_t want = (uint32_t)t->args[2];

    if (!libc_waits(t))
        return false;
    for (size_t k = 0; k < ARRAY_LEN(rwlock_waits); k++) {
        const struct rwlock_wait *w = &rwlock_waits[k];
        uint64_t base = t->args[0] - w->offset;
        struct rwlock l;

        if (w->want != 0 ? want != w->want : !(want & READERS_WAIT))
            continue;
        if (base % 8 != 0 || remote_read(&c->memory, base, &l, sizeof(l)) < 0 ||
            !rwlock_plausible(t, &l))
            continue;
        t->wait = WAIT_RWLOCK;
        t->object = base;
        t->shared = !futex_private(t);
        t->value = l.readers >> READERS_SHIFT;
        (void)snprintf(t->object_note, sizeof(t->object_note), "%s%s",
                       w->write ? "wants to write" : "wants to read",
                       l.flags == RWLOCK_FLAGS_MAX ? ", writers first" : "");
        if (l.writer != 0 && (l.readers & WRITE_PHASE))
            capture_owner(c, t, l.writer, base + offsetof(struct rwlock, writer));
        return true;
    }
    return false;
}
