/* SPDX-License-Identifier: MIT */
#include "worker-api/preload/preload.h"

#include <dlfcn.h>
#include <errno.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <threads.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

typedef int create_fn(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
typedef int create_c11_fn(thrd_t *, thrd_start_t, void *);
typedef int setname_fn(pthread_t, const char *);

void *
preload_next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

/* Found by whoever comes first, which may be before our constructor; the same for everyone. */
#define NEXT(type, name)                                     \
    __extension__({                                          \
        static void *found;                                  \
        void *f = __atomic_load_n(&found, __ATOMIC_RELAXED); \
        if (!f) {                                            \
            f = preload_next(name);                          \
            __atomic_store_n(&found, f, __ATOMIC_RELAXED);   \
        }                                                    \
        (type *)f;                                           \
    })

__attribute__((constructor)) static void
start(void)
{
    preload_open();
}

static void *
run(void *arg)
{
    uint32_t slot = (uint32_t)(uintptr_t)arg;
    struct preload_start start = preload_begin(slot);
    void *result = start.fn(start.arg);

    preload_end(slot);
    return result;
}

static int
run_c11(void *arg)
{
    uint32_t slot = (uint32_t)(uintptr_t)arg;
    struct preload_start start = preload_begin(slot);
    int result = start.fn_c11(start.arg);

    preload_end(slot);
    return result;
}

static uint32_t
claim(struct preload_start *start, uint32_t *ret_epoch, const void *pc, const void *frame)
{
    if (!preload_is_open())
        return NO_SLOT;
    start->creator_pc = preload_creator(pc, frame);
    start->creator_tid = (uint32_t)syscall(SYS_gettid);
    (void)prctl(PR_GET_NAME, start->creator_name); /* 16 bytes; cannot fail */
    return preload_claim(start, ret_epoch);
}

PUBLIC int
pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
    create_fn *next = NEXT(create_fn, "pthread_create");
    struct preload_start start = {.fn = fn, .arg = arg};
    uint32_t slot, epoch;
    int r;

    if (!next)
        return EAGAIN; /* no libc with threads: cannot be */
    slot = claim(&start, &epoch, __builtin_return_address(0), __builtin_frame_address(0));
    if (slot == NO_SLOT)
        return next(thread, attr, fn, arg);
    r = next(thread, attr, run, (void *)(uintptr_t)slot); /* NOLINT(performance-no-int-to-ptr) */
    if (r != 0)
        preload_release(slot);
    else if (preload_is_open())
        preload_made(slot, epoch, *thread);
    return r;
}

PUBLIC int
thrd_create(thrd_t *thread, thrd_start_t fn, void *arg)
{
    create_c11_fn *next = NEXT(create_c11_fn, "thrd_create");
    struct preload_start start = {.fn_c11 = fn, .arg = arg};
    uint32_t slot, epoch;
    int r;

    if (!next)
        return thrd_error;
    slot = claim(&start, &epoch, __builtin_return_address(0), __builtin_frame_address(0));
    if (slot == NO_SLOT)
        return next(thread, fn, arg);
    r = next(thread, run_c11, (void *)(uintptr_t)slot); /* NOLINT(performance-no-int-to-ptr) */
    if (r != thrd_success)
        preload_release(slot);
    else if (preload_is_open())
        preload_made(slot, epoch, *thread);
    return r;
}

PUBLIC int
pthread_setname_np(pthread_t thread, const char *name)
{
    setname_fn *next = NEXT(setname_fn, "pthread_setname_np");
    int r = next ? next(thread, name) : ENOSYS;

    if (r == 0 && preload_is_open())
        preload_name(thread, name);
    return r;
}
