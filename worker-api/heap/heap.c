/* SPDX-License-Identifier: MIT */
#include "worker-api/heap/heap.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker-api/heap/heap_table.h"

#define PUBLIC    __attribute__((visibility("default")))
#define OURS      8 /* frames of this object and of libc's backtrace(), at most, above the caller */
#define NEVER     INT64_MAX
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define CALLER    __builtin_return_address(0)

/*
 * `left`: bytes until the next sample of this thread. 0 at its beginning, which must not be a sample
 * of its own: `state` tells. While the thread is in here it is NEVER, so that what is allocated by the
 * calls below (backtrace() the first time) is not looked at.
 */
static __thread int64_t left __attribute__((tls_model("initial-exec")));
static __thread uint64_t state __attribute__((tls_model("initial-exec")));

static void *first_malloc(size_t bytes);
static void *first_calloc(size_t n, size_t bytes);
static void *first_realloc(void *block, size_t bytes);
static void first_free(void *block);

/* The allocator behind us: the program's own, if it has one, else the C library's. Until it is found, a
 * look for it. */
static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *);
    void *(*memalign)(size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*valloc)(size_t);
    void *(*pvalloc)(size_t);
} next = {first_malloc, first_calloc, first_realloc, first_free, NULL, NULL, NULL, NULL, NULL};

static bool sampling; /* written by the constructor, before there are threads of the program's */

/* dlsym() may allocate before it has found anything: that is served from here, and never given back. */
static char early[16 << 10] __attribute__((aligned(16)));
static size_t early_used;

static bool
is_early(const void *block)
{
    return (uintptr_t)block - (uintptr_t)early < sizeof(early);
}

static void *
early_alloc(size_t bytes)
{
    size_t at = early_used;

    if (bytes > sizeof(early) - at) {
        errno = ENOMEM;
        return NULL;
    }
    early_used += (bytes + 15) & ~(size_t)15;
    heap_filter_for_ever(early + at); /* so that free() looks twice at it */
    return early + at;
}

static void
find(void)
{
    static bool busy; /* the first call comes from the loader or from main(): one thread */

    if (next.free != first_free || busy)
        return;
    busy = true;
    *(void **)&next.memalign = dlsym(RTLD_NEXT, "memalign");
    *(void **)&next.aligned_alloc = dlsym(RTLD_NEXT, "aligned_alloc");
    *(void **)&next.posix_memalign = dlsym(RTLD_NEXT, "posix_memalign");
    *(void **)&next.valloc = dlsym(RTLD_NEXT, "valloc");
    *(void **)&next.pvalloc = dlsym(RTLD_NEXT, "pvalloc");
    *(void **)&next.malloc = dlsym(RTLD_NEXT, "malloc");
    *(void **)&next.calloc = dlsym(RTLD_NEXT, "calloc");
    *(void **)&next.realloc = dlsym(RTLD_NEXT, "realloc");
    *(void **)&next.free = dlsym(RTLD_NEXT, "free");
    busy = false;
}

static void *
first_malloc(size_t bytes)
{
    find();
    return next.malloc != first_malloc ? next.malloc(bytes) : early_alloc(bytes);
}

static void *
first_calloc(size_t n, size_t bytes)
{
    find();
    if (next.calloc != first_calloc)
        return next.calloc(n, bytes);
    return bytes && n > SIZE_MAX / bytes ? NULL : early_alloc(n * bytes); /* that is zero */
}

static void *
first_realloc(void *block, size_t bytes)
{
    find();
    if (next.realloc != first_realloc)
        return next.realloc(block, bytes);
    return block ? NULL : early_alloc(bytes);
}

static void
first_free(void *block)
{
    find();
    if (next.free != first_free)
        next.free(block);
}

static void
prepare(void)
{
    heap_live_lock();
    heap_stacks_lock();
}

static void
release(void)
{
    heap_stacks_unlock();
    heap_live_unlock();
}

__attribute__((constructor)) static void
start(void)
{
    void *pcs[4];

    find();
    left = NEVER;
    (void)backtrace(
        pcs, 4); /* loads what it needs: not below a malloc(), where the loader may be held */
    left = 0;
    if (pthread_atfork(prepare, release, release) == 0)
        sampling = heap_open();
}

/* due - is this allocation a sample? Before that, a thread's first distance is drawn. */
static bool
due(size_t bytes)
{
    if (!sampling) { /* somebody's constructor came before ours, or there is no memory for it */
        left = (int64_t)heap_mean();
        return false;
    }
    if (state == 0) {
        state = heap_seed();
        left = heap_distance(&state, heap_mean()) - (int64_t)(bytes & INT64_MAX);
        if (left > 0)
            return false;
    }
    return true;
}

/* note - @block, allocated by a call that returns to @caller, is a sample. Keeps errno. */
static __attribute__((noinline)) void
note(const void *block, size_t bytes, const void *caller)
{
    void *pcs[STINT_HEAP_FRAMES + OURS];
    struct heap_sample sample;
    int error = errno, n, first = 0;

    left = NEVER;
    n = backtrace(pcs, (int)(STINT_HEAP_FRAMES + OURS));
    while (first < n && first < OURS && pcs[first] != caller)
        first++;
    if (first == n ||
        pcs[first] != caller) { /* the walk did not get that far: one frame is known */
        memcpy(pcs, &caller, sizeof(caller));
        first = 0;
        n = 1;
    }
    n -= first;
    heap_add(&sample, pcs + first, n < (int)STINT_HEAP_FRAMES ? n : (int)STINT_HEAP_FRAMES, bytes);
    if (!heap_live_add(block, &sample)) {
        heap_gone(&sample);
        heap_lost();
    }
    left = heap_distance(&state, heap_mean());
    errno = error;
}

/*
 * inside - a signal handler frees something, and interrupted this thread in here: its locks may be ours.
 * It may not do that, by POSIX, and many do. Then the block counts as in use until its address is somebody else's.
 */
static bool
inside(void)
{
    return left > NEVER / 2;
}

#define COUNTED(bytes) LIKELY((left -= (int64_t)((bytes)&INT64_MAX)) > 0)

static __attribute__((noinline)) void *
slow_malloc(size_t bytes, const void *caller)
{
    void *block = next.malloc(bytes);

    if (block && due(bytes))
        note(block, bytes, caller);
    return block;
}

PUBLIC void *
malloc(size_t bytes)
{
    return COUNTED(bytes) ? next.malloc(bytes) : slow_malloc(bytes, CALLER);
}

static __attribute__((noinline)) void *
slow_calloc(size_t n, size_t bytes, const void *caller)
{
    void *block = next.calloc(n, bytes);

    if (block && due(n * bytes))
        note(block, n * bytes, caller);
    return block;
}

PUBLIC void *
calloc(size_t n, size_t bytes)
{
    return COUNTED(n * bytes) ? next.calloc(n, bytes) : slow_calloc(n, bytes, CALLER);
}

static __attribute__((noinline)) void
slow_free(void *block)
{
    struct heap_sample sample;
    int64_t kept = left;

    if (is_early(block))
        return;
    if (!inside()) {
        left = NEVER;
        if (heap_live_take(block, &sample)) /* before it can be anybody else's */
            heap_gone(&sample);
        left = kept;
    }
    next.free(block);
}

PUBLIC void
free(void *block)
{
    if (LIKELY(!heap_maybe(block)))
        next.free(block);
    else
        slow_free(block);
}

static __attribute__((noinline)) void *
slow_realloc(void *block, size_t bytes, const void *caller)
{
    struct heap_sample sample;
    bool sampled;
    void *moved;

    if (is_early(block)) {
        moved = next.malloc(bytes);
        if (moved) { /* it may be shorter than that, and what lies behind it is ours as well */
            size_t rest = sizeof(early) - (size_t)((char *)block - early);

            memcpy(moved, block, bytes < rest ? bytes : rest);
        }
        return moved;
    }
    sampled = !inside() && heap_maybe(block) && heap_live_take(block, &sample);
    moved = next.realloc(block, bytes);
    if (!moved && bytes > 0) { /* it is where it was */
        if (sampled && !heap_live_add(block, &sample))
            heap_gone(&sample);
        return NULL;
    }
    if (sampled)
        heap_gone(&sample);
    if (moved && left <= 0 && due(bytes))
        note(moved, bytes, caller);
    return moved;
}

static inline void *
resize(void *block, size_t bytes, const void *caller)
{
    bool counted = COUNTED(bytes);

    if (LIKELY(counted && !heap_maybe(block)))
        return next.realloc(block, bytes);
    return slow_realloc(block, bytes, caller);
}

PUBLIC void *
realloc(void *block, size_t bytes)
{
    return resize(block, bytes, CALLER);
}

PUBLIC void *
reallocarray(void *block, size_t n, size_t bytes)
{
    if (bytes && n > SIZE_MAX / bytes) {
        errno = ENOMEM;
        return NULL;
    }
    return resize(block, n * bytes, CALLER);
}

/* What is aligned is rare: no short way. */
static void *
aligned(void *block, size_t bytes, const void *caller)
{
    left -= (int64_t)(bytes & INT64_MAX);
    if (block && left <= 0 && due(bytes))
        note(block, bytes, caller);
    return block;
}

PUBLIC void *
memalign(size_t alignment, size_t bytes)
{
    find();
    return aligned(next.memalign ? next.memalign(alignment, bytes) : NULL, bytes, CALLER);
}

PUBLIC void *
aligned_alloc(size_t alignment, size_t bytes)
{
    find();
    return aligned(next.aligned_alloc ? next.aligned_alloc(alignment, bytes) : NULL, bytes, CALLER);
}

PUBLIC void *
valloc(size_t bytes)
{
    find();
    return aligned(next.valloc ? next.valloc(bytes) : NULL, bytes, CALLER);
}

PUBLIC void *
pvalloc(size_t bytes)
{
    find();
    return aligned(next.pvalloc ? next.pvalloc(bytes) : NULL, bytes, CALLER);
}

PUBLIC int
posix_memalign(void **ret, size_t alignment, size_t bytes)
{
    int r;

    find();
    r = next.posix_memalign ? next.posix_memalign(ret, alignment, bytes) : ENOMEM;
    if (r == 0)
        (void)aligned(*ret, bytes, CALLER);
    return r;
}
