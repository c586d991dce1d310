/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/unwind_internal.h"

uint64_t
bytes_fixed(struct bytes *b, unsigned n)
{
    uint64_t v = 0;

    if (b->bad || (size_t)(b->end - b->at) < n) {
        b->bad = true;
        return 0;
    }
    for (unsigned i = 0; i < n; i++)
        v |= (uint64_t)b->at[i] << (8 * i);
    b->at += n;
    return v;
}

int64_t
bytes_signed(struct bytes *b, unsigned n)
{
    uint64_t v = bytes_fixed(b, n);
    uint64_t sign = n ? UINT64_C(1) << (8 * n - 1) : 0;

    return (int64_t)((v ^ sign) - sign);
}

uint64_t
bytes_uleb(struct bytes *b)
{
    uint64_t v = 0;

    for (unsigned shift = 0;; shift += 7) {
        uint64_t byte = bytes_fixed(b, 1);

        if (shift < 64)
            v |= (byte & 0x7f) << shift;
        if (!(byte & 0x80) || b->bad)
            return v;
    }
}

int64_t
bytes_sleb(struct bytes *b)
{
    uint64_t v = 0;

    for (unsigned shift = 0;;) {
        uint64_t byte = bytes_fixed(b, 1);

        if (shift < 64)
            v |= (byte & 0x7f) << shift;
        shift += 7;
        if (!(byte & 0x80) || b->bad) {
            if ((byte & 0x40) && shift < 64)
                v |= UINT64_MAX << shift;
            return (int64_t)v;
        }
    }
}
