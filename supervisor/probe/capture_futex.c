/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which lock is behind a futex? The arguments of the system call narrow it down, the memory around
 * the word decides: the members of the C library's objects (glibc 2.25 and later) have to agree with
 * each other, and with how many are seen waiting there. Whatever does not stays a plain futex.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "supervisor/probe/capture_futex.h"

static int
by_address(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

int
capture_futex_prepare(struct capture *c)
{
    c->waiters = calloc(c->facts->n + 1, sizeof(*c->waiters));
    if (!c->waiters)
        return -ENOMEM;
    for (size_t i = 0; i < c->facts->n; i++)
        if (c->second[i].called && !c->second[i].call.running &&
            c->second[i].call.number == SYS_futex)
            c->waiters[c->n_waiters++] = c->second[i].call.args[0];
    qsort(c->waiters, c->n_waiters, sizeof(*c->waiters), by_address);
    return 0;
}

uint32_t
capture_waiting_at(const struct capture *c, uint64_t address)
{
    size_t low = 0, high = c->n_waiters;
    uint32_t n = 0;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (c->waiters[mid] < address)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < c->n_waiters && c->waiters[low] == address; low++)
        n++;
    return n > 0 ? n : 1;
}

static bool
in_libc(const struct capture *c, const struct thread_facts *t)
{
    return c->glibc && t->pc >= c->libc_begin && t->pc < c->libc_end;
}

/* thread_inside - the living thread that the process itself knows by that number. */
static const struct thread_facts *
thread_inside(const struct capture *c, uint32_t tid)
{
    pid_t outer = tid <= TID_MAX ? capture_outer(c, (pid_t)tid) : 0;

    return outer > 0 ? capture_thread(c, (uint64_t)outer) : NULL;
}

/*
 * Nobody of that number was there when the threads were listed. One born since may have been quicker
 * than those that wait; and what was read may be over: then the holder left in order.
 */
static bool
is_newcomer(struct capture *c, uint32_t tid, uint64_t word)
{
    char name[16];
    uint32_t now;

    (void)snprintf(name, sizeof(name), "%u", tid);
    if (!c->inner && faccessat(c->task_fd, name, F_OK, 0) == 0)
        return true;
    return word != 0 &&
           (remote_read(&c->memory, word, &now, sizeof(now)) < 0 || (now & FUTEX_TID_MASK) != tid);
}

void
capture_owner(struct capture *c, struct thread_facts *t, uint32_t tid, uint64_t word)
{
    const struct thread_facts *owner;
    char path[48];

    if (tid == 0 || tid > TID_MAX)
        return;
    owner = thread_inside(c, tid);
    t->owner = owner ? owner->tid : (pid_t)tid;
    if (owner)
        return;
    /* Of another process, when it is shared: then somebody of that number is there. */
    (void)snprintf(path, sizeof(path), "/proc/%u/stat", tid);
    t->owner_gone = !c->late && c->facts->n == c->facts->n_threads &&
                    (!t->shared || (!c->inner && access(path, F_OK) != 0)) &&
                    !is_newcomer(c, tid, word);
}

/* pthread_mutex_t, its first members; pthread_mutexattr_* say the rest of what `kind` holds. */
struct mutex {
    uint32_t lock, count;
    uint32_t owner, users;
    uint32_t kind;
};

enum {
    KIND_TYPE = 3,
    KIND_RECURSIVE = 1,
    KIND_ERRORCHECK = 2,
    KIND_ROBUST = 16,
    KIND_INHERIT = 32, /* priority inheritance: the kernel knows the owner */
    KIND_SHARED = 128,
    KIND_ALL = 1023
};

static bool
mutex_plausible(const struct capture *c, const struct thread_facts *t, const struct mutex *m)
{
    if ((m->kind & ~(uint32_t)KIND_ALL) != 0 || m->owner == 0 || m->owner > TID_MAX)
        return false;
    if (m->users == 0 || m->users > TID_MAX || m->count > TID_MAX)
        return false;
    return thread_inside(c, m->owner) || in_libc(c, t);
}

static void
mutex_note(struct thread_facts *t, const struct mutex *m)
{
    const char *robust = m->kind & KIND_ROBUST ? "robust" : "";

    if ((m->kind & KIND_TYPE) == KIND_RECURSIVE)
        (void)snprintf(t->object_note, sizeof(t->object_note), "recursive, taken %u times%s%s",
                       m->count, robust[0] != '\0' ? ", " : "", robust);
    else if (robust[0] != '\0')
        (void)snprintf(t->object_note, sizeof(t->object_note), "%s", robust);
}

/* mutex_read - of those that a thousand wait for, once. */
static bool
mutex_read(struct capture *c, uint64_t address, struct mutex *ret)
{
    static uint64_t last; /* one process is looked at, by one thread */
    static struct mutex was;

    if (!c->mutex_known || last != address) {
        c->mutex_known = remote_read(&c->memory, address, &was, sizeof(was)) == 0;
        last = address;
    }
    *ret = was;
    return c->mutex_known;
}

static bool
is_mutex(struct capture *c, struct thread_facts *t)
{
    const uint64_t plain = 2; /* "locked, and somebody waits" */
    uint32_t command = futex_command(t);
    uint32_t want = (uint32_t)t->args[2];
    bool inherit = command == FUTEX_LOCK_PI || command == 13 /* FUTEX_LOCK_PI2, Linux 5.14 */;
    bool in_word; /* the owner's number is in the word that is waited on */
    struct mutex m;

    if (!inherit && want != plain && !(want & FUTEX_WAITERS))
        return false;
    /* The library waits so for a limited time only; others, such as Rust's, always. */
    if (command == FUTEX_WAIT_BITSET && t->args[3] == 0)
        return false;
    if (t->args[0] % 8 != 0 || !mutex_read(c, t->args[0], &m))
        return false;
    in_word = inherit || (m.kind & KIND_ROBUST);
    if (in_word)
        m.owner = m.lock & FUTEX_TID_MASK;
    if (!mutex_plausible(c, t, &m) || (inherit && !(m.kind & KIND_INHERIT)))
        return false;
    t->wait = WAIT_MUTEX;
    t->object = t->args[0];
    t->shared = (m.kind & KIND_SHARED) && !(m.kind & KIND_ROBUST) ? true : false;
    mutex_note(t, &m);
    capture_owner(c, t, m.owner, t->args[0] + (in_word ? 0 : offsetof(struct mutex, owner)));
    return true;
}

#if defined(__x86_64__)
#define PTHREAD_SELF 0x10  /* in struct pthread: its own address … */
#define PTHREAD_TID  0x2d0 /* … and its thread's number: glibc 2.34 to 2.41 */
#endif

/* is_stream - the lock of a FILE, and the loader's: whose owner is told by the address of his struct pthread. */
static bool
is_stream(struct capture *c, struct thread_facts *t)
{
#if defined(__x86_64__)
    struct {
        uint32_t lock, count;
        uint64_t owner;
    } s;
    uint64_t self;
    uint32_t tid;

    if (futex_command(t) != FUTEX_WAIT || t->args[2] != 2 || !in_libc(c, t) ||
        remote_read(&c->memory, t->args[0], &s, sizeof(s)) < 0 || s.count == 0 ||
        remote_read(&c->memory, s.owner + PTHREAD_SELF, &self, sizeof(self)) < 0 ||
        self != s.owner || remote_read(&c->memory, s.owner + PTHREAD_TID, &tid, sizeof(tid)) < 0 ||
        !thread_inside(c, tid))
        return false;
    t->wait = WAIT_MUTEX;
    t->object = t->args[0];
    (void)snprintf(t->object_note, sizeof(t->object_note), "of a stdio stream");
    capture_owner(c, t, tid, 0);
    return true;
#else
    (void)c;
    (void)t;
    return false;
#endif
}

static bool
is_barrier(struct capture *c, struct thread_facts *t)
{
    struct {
        uint32_t in, round, count, shared, out; /* pthread_barrier_t */
    } b;
    uint32_t waiting = capture_waiting_at(c, t->args[0]);

    if (futex_command(t) != FUTEX_WAIT || t->args[3] != 0 || !in_libc(c, t) ||
        remote_read(&c->memory, t->args[0] - 4, &b, sizeof(b)) < 0)
        return false;
    if (b.round != (uint32_t)t->args[2] || b.count < 2 || b.count > INT_MAX || b.out > b.in ||
        b.in - b.round >= b.count || b.in - b.round < (futex_private(t) ? waiting : 1) ||
        b.shared != (futex_private(t) ? 0U : FUTEX_SHARED_WORD))
        return false;
    t->wait = WAIT_BARRIER;
    t->object = t->args[0] - 4;
    t->shared = !futex_private(t);
    t->value = b.in - b.round;
    (void)snprintf(t->object_note, sizeof(t->object_note), "%u of %u are there", b.in - b.round,
                   b.count);
    return true;
}

/* is_join - the kernel clears and wakes the word that holds a thread's number when that thread ends. */
static bool
is_join(struct capture *c, struct thread_facts *t)
{
    uint32_t tid = (uint32_t)t->args[2], now;
    const struct thread_facts *other;

    if (futex_private(t) || tid == 0 || tid > TID_MAX || !(other = thread_inside(c, tid)) ||
        remote_read(&c->memory, t->args[0], &now, sizeof(now)) < 0 || now != tid)
        return false;
    t->wait = WAIT_JOIN;
    t->object = t->args[0];
    t->owner = other->tid;
    return true;
}

/* A futex of libstint's, which says whose end is waited for. */
static bool
is_claimed_join(struct capture *c, struct thread_facts *t)
{
    if (!t->claimed || t->claim.awaits_tid == 0 ||
        !capture_thread(c, (uint64_t)t->claim.awaits_tid))
        return false;
    t->wait = WAIT_JOIN;
    t->owner = t->claim.awaits_tid;
    return true;
}

void
capture_futex(struct capture *c, size_t i)
{
    static bool (*const kinds[])(struct capture *, struct thread_facts *) = {
        is_mutex,        is_stream,         is_join,        is_barrier,
        capture_is_cond, capture_is_rwlock, capture_is_sem, is_claimed_join};
    struct thread_facts *t = &c->facts->threads[i];

    t->object = t->args[0];
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
        if (kinds[k](c, t))
            return;
    t->shared = !futex_private(t);
}
