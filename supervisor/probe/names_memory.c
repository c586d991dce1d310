/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <sys/uio.h>

#include "supervisor/probe/names_internal.h"

static const unsigned char *
page(struct memory *m, uint64_t at)
{
    size_t i = (size_t)(at / MEMORY_PAGE) % MEMORY_PAGES;
    struct iovec to = {.iov_base = m->pages[i].bytes, .iov_len = MEMORY_PAGE};
    struct iovec from;

    if (m->pages[i].tag == (at | 1))
        return m->pages[i].bytes;
    memcpy(&from.iov_base, &at, sizeof(at)); /* an address, but not one of ours */
    from.iov_len = MEMORY_PAGE;
    m->pages[i].tag = 0;
    if (process_vm_readv(m->tid, &to, 1, &from, 1, 0) != MEMORY_PAGE)
        return NULL;
    m->pages[i].tag = at | 1;
    return m->pages[i].bytes;
}

bool
memory_read(struct memory *memory, uint64_t at, void *to, size_t n)
{
    unsigned char *out = to;

    if (at + n < at)
        return false;
    while (n > 0) {
        size_t skip = (size_t)(at % MEMORY_PAGE);
        size_t part = MEMORY_PAGE - skip < n ? MEMORY_PAGE - skip : n;
        const unsigned char *bytes = page(memory, at - skip);

        if (!bytes)
            return false;
        memcpy(out, bytes + skip, part);
        out += part;
        at += part;
        n -= part;
    }
    return true;
}

bool
stack_word(struct names *names, const struct names_stack *stack, uint64_t at, uint64_t *ret)
{
    if (stack->bytes && at >= stack->base && at - stack->base < stack->n &&
        stack->n - (at - stack->base) >= sizeof(*ret)) {
        memcpy(ret, (const char *)stack->bytes + (at - stack->base), sizeof(*ret));
        return true;
    }
    return !stack->gone && memory_read(&names->memory, at, ret, sizeof(*ret));
}
