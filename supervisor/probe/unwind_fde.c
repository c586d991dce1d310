/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dwarf.h>
#include <string.h>

#include "supervisor/probe/unwind_internal.h"

struct fde {
    uint64_t start, end;
    struct bytes program;
    unsigned char raw[ENTRY_MAX];
};

/* entry_read - length and content of what lies at @at. Return: bytes behind the length; 0 = not one. */
static size_t
entry_read(struct names *names, uint64_t at, unsigned char *raw)
{
    uint32_t n;

    if (!memory_read(&names->memory, at, &n, sizeof(n)) || n < 8 || n > ENTRY_MAX ||
        !memory_read(&names->memory, at + 4, raw, n))
        return 0;
    return n;
}

/* encoded - a pointer, @at being its own address. */
static uint64_t
encoded(struct bytes *b, uint8_t encoding, uint64_t at)
{
    uint64_t v;

    switch (encoding & 0x0f) {
    case DW_EH_PE_absptr:
    case DW_EH_PE_udata8:
    case DW_EH_PE_sdata8:
        v = bytes_fixed(b, 8);
        break;
    case DW_EH_PE_uleb128:
        v = bytes_uleb(b);
        break;
    case DW_EH_PE_udata2:
        v = bytes_fixed(b, 2);
        break;
    case DW_EH_PE_udata4:
        v = bytes_fixed(b, 4);
        break;
    case DW_EH_PE_sleb128:
        v = (uint64_t)bytes_sleb(b);
        break;
    case DW_EH_PE_sdata2:
        v = (uint64_t)bytes_signed(b, 2);
        break;
    case DW_EH_PE_sdata4:
        v = (uint64_t)bytes_signed(b, 4);
        break;
    default:
        b->bad = true;
        return 0;
    }
    if ((encoding & 0x70) == DW_EH_PE_pcrel)
        v += at;
    else if ((encoding & 0x70) != DW_EH_PE_absptr)
        b->bad = true;
    return v;
}

static void
augmentation(struct cie *cie, const char *letters, struct bytes *b)
{
    for (; *letters && !b->bad; letters++) {
        uint8_t e;

        switch (*letters) {
        case 'R':
            cie->encoding = (uint8_t)bytes_fixed(b, 1);
            break;
        case 'L':
            (void)bytes_fixed(b, 1);
            break;
        case 'P': /* its value does not matter here, its size does */
            e = (uint8_t)bytes_fixed(b, 1);
            (void)encoded(b, e & 0x0f, 0);
            break;
        case 'S':
            cie->signal = true;
            break;
        default:
            return; /* the length said where the rest is */
        }
    }
}

static bool
cie_read(struct names *names, uint64_t at, struct cie *cie)
{
    size_t n = entry_read(names, at, cie->raw);
    struct bytes b = {.at = cie->raw, .end = cie->raw + n};
    const char *letters = (const char *)cie->raw + 5;
    unsigned version;

    if (n < 9 || bytes_fixed(&b, 4) != 0 || !memchr(letters, '\0', n - 5))
        return false;
    version = (unsigned)bytes_fixed(&b, 1);
    b.at += strlen(letters) + 1;
    cie->code_align = bytes_uleb(&b);
    cie->data_align = bytes_sleb(&b);
    cie->ra = version == 1 ? bytes_fixed(&b, 1) : bytes_uleb(&b);
    cie->encoding = DW_EH_PE_absptr;
    cie->signal = false;
    cie->augmented = letters[0] == 'z';
    if (cie->augmented) {
        uint64_t bytes = bytes_uleb(&b);
        struct bytes part = b;

        if (b.bad || bytes > (size_t)(b.end - b.at))
            return false;
        b.at += bytes;
        part.end = b.at;
        augmentation(cie, letters + 1, &part);
        if (part.bad)
            return false;
    } else if (letters[0]) {
        return false;
    }
    cie->program = b;
    return !b.bad && (version == 1 || version == 3);
}

static bool
fde_read(struct names *names, uint64_t at, struct cie *cie, struct fde *fde)
{
    size_t n = entry_read(names, at, fde->raw);
    struct bytes b = {.at = fde->raw, .end = fde->raw + n};
    uint64_t back = bytes_fixed(&b, 4);

    if (n == 0 || back == 0 || !cie_read(names, at + 4 - back, cie))
        return false;
    fde->start = encoded(&b, cie->encoding, at + 8);
    fde->end = fde->start + encoded(&b, cie->encoding & 0x0f, 0);
    if (cie->augmented) {
        uint64_t bytes = bytes_uleb(&b);

        if (b.bad || bytes > (size_t)(b.end - b.at))
            return false;
        b.at += bytes;
    }
    fde->program = b;
    return !b.bad;
}

bool
fde_range_read(struct names *names, uint64_t fde_at, uint64_t *ret_start, uint64_t *ret_end)
{
    struct cie cie;
    struct fde fde;

    if (!fde_read(names, fde_at, &cie, &fde))
        return false;
    *ret_start = fde.start;
    *ret_end = fde.end;
    return true;
}

void
fde_row(struct names *names, uint64_t fde_at, uint64_t pc, struct unwind_row *row)
{
    struct cie cie;
    struct fde fde;

    if (!fde_read(names, fde_at, &cie, &fde) || pc < fde.start || pc >= fde.end)
        return;
    row->start = fde.start;
    row->end = fde.end;
    row->signal = cie.signal;
    row->found = program_run(&cie, &fde.program, pc, row);
}
