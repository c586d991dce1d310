/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_UNWIND_INTERNAL_H
#define STINT_PROBE_UNWIND_INTERNAL_H

/* How a frame is left: rows of .eh_frame, and what is known of the registers. x86-64's numbers. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/probe/names_internal.h"

enum {
    COLUMN_RBX = 3,
    COLUMN_RBP = 6,
    COLUMN_RSP = 7,
    COLUMN_R12 = 12,
    COLUMN_R15 = 15,
    COLUMN_RA = 16,
    COLUMNS
};

/* A little reader of bytes that may end anywhere. */
struct bytes {
    const unsigned char *at, *end;
    bool bad; /* more was asked for than there is: all since then is 0 */
};

uint64_t bytes_fixed(struct bytes *b, unsigned n);
int64_t bytes_signed(struct bytes *b, unsigned n);
uint64_t bytes_uleb(struct bytes *b);
int64_t bytes_sleb(struct bytes *b);

enum rule_kind {
    RULE_NONE,       /* nothing said: kept by who has to keep it, lost otherwise */
    RULE_SAME,       /* as in the callee */
    RULE_UNDEFINED,  /* lost; of the return address: there is no caller */
    RULE_OFFSET,     /* saved at CFA + value */
    RULE_VAL_OFFSET, /* is CFA + value */
    RULE_REGISTER,   /* is in register `value`; of the CFA: register `reg` + value */
    RULE_EXPRESSION, /* saved where the expression at `value` says */
    RULE_VAL_EXPRESSION
};

struct rule {
    int64_t value; /* of an expression: where it begins in row->bytes */
    uint32_t bytes;
    uint8_t kind; /* enum rule_kind */
    uint8_t reg;
};

/* How to get from one pc to its caller. */
struct unwind_row {
    struct table_node node; /* by pc */
    uint64_t start, end;    /* of the function, as its description says */
    bool found;             /* else nothing describes this pc */
    bool signal;            /* its caller was interrupted, and did not call */
    bool depth_guessed;     /* `depth` was found by looking around */
    uint64_t depth;         /* from sp to the CFA, in the thread before; 0 = not needed yet */
    struct rule cfa;
    struct rule rules[COLUMNS];
    unsigned char *bytes; /* owned; the expressions; NULL = there are none */
    size_t n_bytes;
};

struct registers {
    uint64_t value[COLUMNS];
    uint32_t known; /* bits */
};

static inline bool
reg_known(const struct registers *regs, unsigned reg)
{
    return reg < COLUMNS && (regs->known >> reg & 1);
}

static inline void
reg_set(struct registers *regs, unsigned reg, uint64_t value)
{
    regs->value[reg] = value;
    regs->known |= 1U << reg;
}

/* unwind_row - of @pc, from the cache or the process. NULL: no memory. Not found: row->found is false. */
struct unwind_row *unwind_row(struct names *names, uint64_t pc);
void unwind_rows_finish(struct names *names);

/* fde_find - address of what describes the function at @pc, 0 = nothing does. */
uint64_t fde_find(struct names *names, struct module *module, uint64_t pc);

/* fde_row - @row->found says whether it could be understood. */
void fde_row(struct names *names, uint64_t fde_at, uint64_t pc, struct unwind_row *row);

#define ENTRY_MAX 8192 /* bytes of a CIE or FDE; those of compilers have some hundred at most */

/* What a CIE says for its FDEs. */
struct cie {
    uint64_t code_align;
    int64_t data_align;
    uint64_t ra; /* column of the return address */
    uint8_t encoding;
    bool augmented, signal;
    struct bytes program; /* instructions, in `raw` */
    unsigned char raw[ENTRY_MAX];
};

/* program_run - @row as the instructions of @cie, then @program leave it for @pc. Return: false: not understood. */
bool program_run(const struct cie *cie, const struct bytes *program, uint64_t pc,
                 struct unwind_row *row);

/* fde_range_read - the function that what lies at @fde_at describes. */
bool fde_range_read(struct names *names, uint64_t fde_at, uint64_t *ret_start, uint64_t *ret_end);

/* What an expression may look at. */
struct expression_world {
    const struct registers *regs;
    bool (*read)(void *env, uint64_t at, uint64_t *ret); /* 8 bytes of the process */
    void *env;
    bool has_cfa; /* it is on the stack at the beginning */
    uint64_t cfa;
};

/* expression_value - bounded; false: not understood, or it needs a register that is not known. */
bool expression_value(const unsigned char *bytes, size_t n, const struct expression_world *world,
                      uint64_t *ret);

/* What stands before an address that may be one to return to. */
enum call_kind {
    CALL_NONE,      /* no call */
    CALL_ELSEWHERE, /* of another function, which may have jumped to this one */
    CALL_INDIRECT,  /* by a pointer */
    CALL_INTO,      /* from another module into this one's */
    CALL_EXACT      /* of this function */
};
enum call_kind call_before(struct names *names, uint64_t address, uint64_t function);

/* called_from - does a call of what lies at or shortly before @pc stand before @address? */
bool called_from(struct names *names, uint64_t address, uint64_t pc);

/* prologue_depth - bytes from the stack pointer at @pc to the CFA of a function that keeps rbp; 0 = not told. */
uint64_t prologue_depth(struct names *names, uint64_t function, uint64_t pc);

#endif
