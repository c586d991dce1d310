/* SPDX-License-Identifier: MIT */
#include "worker-api/prof_note.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "worker-api/state.h"

/*
 * One sample, in a signal handler, wherever the thread may be: within malloc(), the loader, an unwinder
 * that walks an exception. So nothing is unwound here and no lock is looked at. Registers and a piece
 * of the stack are copied out, and whoever reads them unwinds them, in another process.
 */
#if defined(__aarch64__)
#define RED_ZONE 0
#else
#define RED_ZONE 128 /* below the stack pointer, and in use */
#endif
#define PAGE    ((uintptr_t)4096)
#define WAIT_NS 50000

/* Copies what belongs to others, or to nobody yet: a sanitizer would have something to say. */
#if defined(__clang__) || defined(__GNUC__)
#define RAW __attribute__((no_sanitize("address", "thread", "undefined")))
#else
#define RAW
#endif

static struct {
    struct stint_profile_header *ring; /* atomic; NULL = nothing is noted */
    size_t bytes;
    uint32_t count, stride; /* the ring's, as they were when they were checked */
    int64_t until_us;       /* atomic */
    uint32_t inside;        /* atomic; handlers that may be at the ring */
} note;

/* readable - is the page of @at there? The kernel looks at the set before it looks at the operation. */
static bool
readable(uintptr_t at)
{
    uintptr_t page = at & ~(PAGE - 1);

    return syscall(SYS_rt_sigprocmask, -1, page, NULL, 8) == -1 && errno != EFAULT;
}

RAW static void
copy_words(void *to, uintptr_t from, size_t n)
{
    volatile uint64_t *out = to; /* volatile: a loop, and not a call of memcpy() */
    const volatile uint64_t *in =
        (const volatile uint64_t *)from; /* NOLINT(performance-no-int-to-ptr) */

    for (size_t i = 0; i < n / sizeof(*out); i++)
        out[i] = in[i];
}

static void
copy_stack(struct stint_profile_record *record, uintptr_t sp)
{
    size_t room = note.stride - sizeof(*record);
    unsigned char *to = (unsigned char *)(record + 1);
    uintptr_t at = (sp - RED_ZONE) & ~(uintptr_t)7;

    if (!readable(at))
        at = sp & ~(uintptr_t)7;
    record->stack_at = at;
    record->stack_n = 0;
    while (room > 0 && readable(at)) {
        size_t n = PAGE - at % PAGE < room ? PAGE - at % PAGE : room & ~(size_t)7;

        if (n == 0)
            break;
        copy_words(to, at, n);
        record->stack_n += (uint32_t)n;
        to += n;
        at += n;
        room -= n;
    }
}

/* Of the calling thread, unless it was just writing that down. */
RAW static void
copy_claims(struct stint_profile_record *record)
{
    const struct stint_thread *self = stn_self;
    const struct stint_registry_slot *slot = self ? self->slot : NULL;

    record->flags = 0;
    if (!slot || !stn.registry || stn_slot_seq(slot) % 2 != 0 || slot->tid != record->tid)
        return;
    record->flags = STINT_PROFILE_REGISTERED;
    record->slot = (uint32_t)stn_slot_index(slot);
    record->epoch = slot->epoch;
    record->scope = slot->scope;
    copy_words(record->trace_id, (uintptr_t)slot->trace_id, sizeof(record->trace_id));
    copy_words(record->name, (uintptr_t)slot->name, sizeof(record->name));
    copy_words(record->token, (uintptr_t)slot->token, sizeof(record->token));
}

#if defined(__x86_64__)
int
stn_prof_able(void)
{
    return 0;
}

static uintptr_t
copy_registers(struct stint_profile_record *record, const ucontext_t *context)
{
    static const unsigned char by_number[STINT_PROFILE_REGISTERS] = {
        REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
        REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};

    for (unsigned i = 0; i < STINT_PROFILE_REGISTERS; i++)
        record->registers[i] = (uint64_t)context->uc_mcontext.gregs[by_number[i]];
    return (uintptr_t)record->registers[STINT_PROFILE_SP];
}
#elif defined(__aarch64__)
int
stn_prof_able(void)
{
    return 0;
}

static uintptr_t
copy_registers(struct stint_profile_record *record, const ucontext_t *context)
{
    for (unsigned i = 0; i < STINT_PROFILE_SP; i++)
        record->registers[i] = context->uc_mcontext.regs[i];
    record->registers[STINT_PROFILE_SP] = context->uc_mcontext.sp;
    record->registers[STINT_PROFILE_PC] = context->uc_mcontext.pc;
    return (uintptr_t)context->uc_mcontext.sp;
}
#else
int
stn_prof_able(void)
{
    return -ENOSYS;
}

static uintptr_t
copy_registers(struct stint_profile_record *record, const ucontext_t *context)
{
    (void)context;
    record->registers[0] = 0;
    return 0;
}
#endif

static void
note_down(struct stint_profile_header *ring, const siginfo_t *info, const ucontext_t *context,
          int64_t now_us)
{
    uint64_t ticket = __atomic_fetch_add(&ring->next, 1, __ATOMIC_RELAXED);
    unsigned char *first = (unsigned char *)(ring + 1);
    struct stint_profile_record *record =
        (void *)(first + (size_t)(ticket % note.count) * note.stride);
    uint32_t free_one = STINT_PROFILE_FREE,
             missed = info->si_overrun > 0 ? (uint32_t)info->si_overrun : 0;

    if (missed > 0)
        (void)__atomic_fetch_add(&ring->overruns, missed, __ATOMIC_RELAXED);
    if (!__atomic_compare_exchange_n(&record->state, &free_one, STINT_PROFILE_WRITTEN, false,
                                     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        (void)__atomic_fetch_add(&ring->lost, 1 + (uint64_t)missed, __ATOMIC_RELAXED);
        return;
    }
    record->tid = (uint32_t)syscall(SYS_gettid);
    record->overruns = missed;
    record->at_us = now_us;
    copy_claims(record);
    copy_stack(record, copy_registers(record, context));
    __atomic_store_n(&record->state, STINT_PROFILE_FULL, __ATOMIC_RELEASE);
}

static bool
asker_gone(struct stint_profile_header *ring, int64_t now_us)
{
    int64_t alive_us = __atomic_load_n(&ring->alive_us, __ATOMIC_RELAXED);

    return alive_us > 0 && alive_us < now_us - STINT_PROFILE_PATIENCE;
}

void
stn_prof_on_tick(int signo, siginfo_t *info, void *context)
{
    int saved = errno;
    struct stint_profile_header *ring;
    int64_t now_us;

    (void)signo;
    (void)__atomic_fetch_add(&note.inside, 1, __ATOMIC_SEQ_CST);
    ring = __atomic_load_n(&note.ring, __ATOMIC_SEQ_CST);
    if (ring && info->si_code == SI_TIMER) {
        now_us = stint_now_us();
        if (asker_gone(ring, now_us)) /* as if its time were over, for all threads */
            __atomic_store_n(&note.until_us, now_us, __ATOMIC_RELAXED);
        if (now_us < __atomic_load_n(&note.until_us, __ATOMIC_RELAXED)) {
            note_down(ring, info, context, now_us);
        } else { /* who asked may have gone: then nobody says stop */
            const struct itimerspec never = {.it_value = {.tv_nsec = 0}};

            (void)syscall(SYS_timer_settime, info->si_timerid, 0, &never, NULL);
        }
    }
    (void)__atomic_fetch_sub(&note.inside, 1, __ATOMIC_SEQ_CST);
    errno = saved;
}

/* ---- The ring ---------------------------------------------------------------------------- */

struct stint_profile_header *
stn_prof_open(int fd, off_t bytes, int64_t until_us)
{
    struct stint_profile_header *ring;
    int seals = fcntl(fd, F_GET_SEALS);

    /* One that could shrink would be a SIGBUS. */
    if (seals < 0 || !(seals & F_SEAL_SHRINK) || bytes < (off_t)sizeof(*ring))
        return NULL;
    ring = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ring == MAP_FAILED)
        return NULL;
    note.count = ring->count;
    note.stride = ring->stride;
    if (ring->magic != STINT_PROFILE_MAGIC || ring->major != STINT_PROFILE_MAJOR ||
        note.count == 0 || note.stride < sizeof(struct stint_profile_record) ||
        note.stride % sizeof(uint64_t) != 0 ||
        note.count > ((size_t)bytes - sizeof(*ring)) / note.stride) {
        (void)munmap(ring, (size_t)bytes);
        return NULL;
    }
    (void)madvise(ring, (size_t)bytes, MADV_DONTFORK); /* else `forget` sees to it */
    note.bytes = (size_t)bytes;
    note.until_us = until_us;
    __atomic_store_n(&note.ring, ring, __ATOMIC_SEQ_CST);
    return ring;
}

struct stint_profile_header *
stn_prof_ring(void)
{
    return __atomic_load_n(&note.ring, __ATOMIC_RELAXED);
}

int64_t
stn_prof_until(void)
{
    return __atomic_load_n(&note.until_us, __ATOMIC_RELAXED);
}

void
stn_prof_close(void)
{
    struct stint_profile_header *ring = __atomic_exchange_n(&note.ring, NULL, __ATOMIC_SEQ_CST);
    const struct timespec nap = {.tv_nsec = WAIT_NS};

    if (!ring)
        return;
    while (__atomic_load_n(&note.inside, __ATOMIC_SEQ_CST) != 0) /* some microseconds each */
        (void)syscall(SYS_nanosleep, &nap, NULL);
    (void)munmap(ring, note.bytes);
}

void
stn_prof_forget(void)
{
    __atomic_store_n(&note.ring, NULL, __ATOMIC_SEQ_CST);
    note.inside = 0;
}

_Static_assert(sizeof(struct stint_profile_header) == 128, "records are aligned as they are");
_Static_assert(sizeof(struct stint_profile_record) % 16 == 0, "and so is what follows them");
_Static_assert(sizeof(((struct stint_profile_record *)0)->name) ==
                       sizeof(((struct stint_registry_slot *)0)->name) &&
                   sizeof(((struct stint_profile_record *)0)->token) ==
                       sizeof(((struct stint_registry_slot *)0)->token),
               "copied word by word");
