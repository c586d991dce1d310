/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_BASE_MEM_H
#define STINT_BASE_MEM_H

#include <stddef.h>
#include <stdlib.h>

/* Ownership in daylight: `auto_free char *p` is released at scope end unless it was stolen. */

#define ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void
mem_free_ptr(void *p)
{
    free(*(void **)p);
}

#define auto_free __attribute__((cleanup(mem_free_ptr)))

/* steal - hand the pointer over and forget it here, so that a cleanup variable does not free it. */
#define steal(ptr)                       \
    __extension__({                      \
        __typeof__(ptr) stolen_ = (ptr); \
        (ptr) = NULL;                    \
        stolen_;                         \
    })

#endif
