/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HELGRIND_ANNOTATE_H
#define HELGRIND_ANNOTATE_H

/*
 * Forced into libstint and its tests (-include): helgrind knows the locks of pthreads and no atomic
 * operations. So each of ours says what its order means: a release happens before the acquire that
 * sees it, and a relaxed one says nothing. The words themselves are not checked; what they guard is.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <valgrind/helgrind.h>

#define HG_ATOMIC(p) VALGRIND_HG_DISABLE_CHECKING((p), sizeof(*(p)))
#define HG_BEFORE(p, order)                             \
    do {                                                \
        HG_ATOMIC(p);                                   \
        if ((order) != __ATOMIC_RELAXED)                \
            ANNOTATE_HAPPENS_BEFORE((const void *)(p)); \
    } while (0)
#define HG_AFTER(p, order)                             \
    do {                                               \
        if ((order) != __ATOMIC_RELAXED)               \
            ANNOTATE_HAPPENS_AFTER((const void *)(p)); \
    } while (0)

#define __atomic_load_n(p, order)                              \
    ({                                                         \
        HG_ATOMIC(p);                                          \
        __typeof__(*(p)) hg_value = __atomic_load_n(p, order); \
        HG_AFTER(p, order);                                    \
        hg_value;                                              \
    })
#define __atomic_store_n(p, value, order)  \
    ({                                     \
        HG_BEFORE(p, order);               \
        __atomic_store_n(p, value, order); \
    })
#define HG_CHANGE(p, order, change)         \
    ({                                      \
        HG_BEFORE(p, order);                \
        __typeof__(*(p)) hg_value = change; \
        HG_AFTER(p, order);                 \
        hg_value;                           \
    })
#define __atomic_exchange_n(p, value, order) \
    HG_CHANGE(p, order, __atomic_exchange_n(p, value, order))
#define __atomic_fetch_add(p, value, order) HG_CHANGE(p, order, __atomic_fetch_add(p, value, order))
#define __atomic_fetch_sub(p, value, order) HG_CHANGE(p, order, __atomic_fetch_sub(p, value, order))
#define __atomic_fetch_or(p, value, order)  HG_CHANGE(p, order, __atomic_fetch_or(p, value, order))
#define __atomic_fetch_and(p, value, order) HG_CHANGE(p, order, __atomic_fetch_and(p, value, order))
#define __atomic_compare_exchange_n(p, expected, value, weak, order, otherwise)                 \
    ({                                                                                          \
        HG_BEFORE(p, order);                                                                    \
        bool hg_same = __atomic_compare_exchange_n(p, expected, value, weak, order, otherwise); \
        if (hg_same)                                                                            \
            HG_AFTER(p, order);                                                                 \
        else                                                                                    \
            HG_AFTER(p, otherwise);                                                             \
        hg_same;                                                                                \
    })

/* Nor does it know pthread_once(): what the one who was first did happens before all others return. */
static __thread pthread_once_t *hg_once;
static __thread void (*hg_init)(void);

static inline void
hg_first(void)
{
    hg_init();
    ANNOTATE_HAPPENS_BEFORE(hg_once);
}

static inline int
hg_pthread_once(pthread_once_t *once, void (*init)(void))
{
    int r;

    hg_once = once;
    hg_init = init;
    r = pthread_once(once, hg_first);
    ANNOTATE_HAPPENS_AFTER(once);
    return r;
}
#define pthread_once(once, init) hg_pthread_once(once, init)

#endif
