/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/probe/unwind_internal.h"

#define STATES_MAX 8 /* remembered at a time */

/* A run of the instructions up to one pc. */
struct run {
    const struct cie *cie;
    struct unwind_row *row;
    struct rule first[COLUMNS]; /* as the CIE left them: what "restore" means */
    struct {
        struct rule rules[COLUMNS], cfa;
    } kept[STATES_MAX];
    unsigned n_kept;
    uint64_t at, pc; /* instructions at `at` are for code from there on */
    bool failed;
};

static void
set(struct run *run, uint64_t reg, enum rule_kind kind, int64_t value)
{
    if (reg == run->cie->ra)
        reg = COLUMN_RA;
    if (reg < COLUMNS) /* others hold nothing that matters here */
        run->row->rules[reg] = (struct rule){.kind = (uint8_t)kind, .value = value};
}

static struct rule
expression(struct run *run, struct bytes *b, enum rule_kind kind)
{
    uint64_t n = bytes_uleb(b);
    struct unwind_row *row = run->row;
    unsigned char *grown;
    struct rule rule = {.kind = (uint8_t)kind, .value = (int64_t)row->n_bytes};

    if (b->bad || n > (size_t)(b->end - b->at) || row->n_bytes + n > ENTRY_MAX) {
        b->bad = true;
        return rule;
    }
    grown = realloc(row->bytes, row->n_bytes + (size_t)n + 1);
    if (!grown) {
        run->failed = true;
        return rule;
    }
    memcpy(grown + row->n_bytes, b->at, (size_t)n);
    row->bytes = grown;
    row->n_bytes += (size_t)n;
    rule.bytes = (uint32_t)n;
    b->at += n;
    return rule;
}

static void
cfa_set(struct run *run, uint64_t reg, int64_t offset)
{
    if (reg >= COLUMNS)
        run->failed = true;
    else
        run->row->cfa = (struct rule){.kind = RULE_REGISTER, .reg = (uint8_t)reg, .value = offset};
}

static void
keep(struct run *run, bool back)
{
    size_t bytes = sizeof(run->row->rules);

    if (back ? run->n_kept == 0 : run->n_kept == STATES_MAX) {
        run->failed = true;
        return;
    }
    if (back) {
        run->n_kept--;
        memcpy(run->row->rules, run->kept[run->n_kept].rules, bytes);
        run->row->cfa = run->kept[run->n_kept].cfa;
    } else {
        memcpy(run->kept[run->n_kept].rules, run->row->rules, bytes);
        run->kept[run->n_kept++].cfa = run->row->cfa;
    }
}

static void
restore(struct run *run, uint64_t reg)
{
    if (reg == run->cie->ra)
        reg = COLUMN_RA;
    if (reg < COLUMNS)
        run->row->rules[reg] = run->first[reg];
}

/* Instructions about the CFA and the state as a whole. Return: whether it was one. */
static bool
about_cfa(struct run *run, struct bytes *b, unsigned op)
{
    struct rule *cfa = &run->row->cfa;
    int64_t data = run->cie->data_align;
    uint64_t reg;

    switch (op) {
    case DW_CFA_nop:
        return true;
    case DW_CFA_def_cfa:
        reg = bytes_uleb(b);
        cfa_set(run, reg, (int64_t)bytes_uleb(b));
        return true;
    case DW_CFA_def_cfa_sf:
        reg = bytes_uleb(b);
        cfa_set(run, reg, bytes_sleb(b) * data);
        return true;
    case DW_CFA_def_cfa_register:
        cfa_set(run, bytes_uleb(b), cfa->value);
        return true;
    case DW_CFA_def_cfa_offset:
        cfa->value = (int64_t)bytes_uleb(b);
        return true;
    case DW_CFA_def_cfa_offset_sf:
        cfa->value = bytes_sleb(b) * data;
        return true;
    case DW_CFA_def_cfa_expression:
        *cfa = expression(run, b, RULE_EXPRESSION);
        return true;
    case DW_CFA_remember_state:
    case DW_CFA_restore_state:
        keep(run, op == DW_CFA_restore_state);
        return true;
    case DW_CFA_GNU_args_size:
        (void)bytes_uleb(b);
        return true;
    default:
        return false;
    }
}

static void
about_register(struct run *run, struct bytes *b, unsigned op)
{
    uint64_t reg = bytes_uleb(b);
    int64_t data = run->cie->data_align;
    struct rule rule;

    switch (op) {
    case DW_CFA_offset_extended:
        set(run, reg, RULE_OFFSET, (int64_t)bytes_uleb(b) * data);
        return;
    case DW_CFA_offset_extended_sf:
        set(run, reg, RULE_OFFSET, bytes_sleb(b) * data);
        return;
    case DW_CFA_val_offset:
        set(run, reg, RULE_VAL_OFFSET, (int64_t)bytes_uleb(b) * data);
        return;
    case DW_CFA_val_offset_sf:
        set(run, reg, RULE_VAL_OFFSET, bytes_sleb(b) * data);
        return;
    case DW_CFA_register:
        set(run, reg, RULE_REGISTER, (int64_t)bytes_uleb(b));
        return;
    case DW_CFA_undefined:
        set(run, reg, RULE_UNDEFINED, 0);
        return;
    case DW_CFA_same_value:
        set(run, reg, RULE_SAME, 0);
        return;
    case DW_CFA_restore_extended:
        restore(run, reg);
        return;
    case DW_CFA_expression:
    case DW_CFA_val_expression:
        rule = expression(run, b, op == DW_CFA_expression ? RULE_EXPRESSION : RULE_VAL_EXPRESSION);
        set(run, reg, (enum rule_kind)rule.kind, rule.value);
        if (reg < COLUMNS)
            run->row->rules[reg].bytes = rule.bytes;
        return;
    default:
        run->failed = true;
    }
}

/* Return: false: this instruction is for code behind the pc. */
static bool
instruction(struct run *run, struct bytes *b)
{
    unsigned op = (unsigned)bytes_fixed(b, 1), low = op & 0x3f;
    uint64_t by = 0;

    switch (op & 0xc0) {
    case DW_CFA_advance_loc:
        by = low;
        break;
    case DW_CFA_offset:
        set(run, low, RULE_OFFSET, (int64_t)bytes_uleb(b) * run->cie->data_align);
        return true;
    case DW_CFA_restore:
        restore(run, low);
        return true;
    default:
        if (op < DW_CFA_advance_loc1 || op > DW_CFA_advance_loc4) {
            if (op == DW_CFA_set_loc)
                run->failed = true; /* no compiler writes it here */
            else if (!about_cfa(run, b, op))
                about_register(run, b, op);
            return true;
        }
        by = bytes_fixed(b, 1U << (op - DW_CFA_advance_loc1));
    }
    run->at += by * run->cie->code_align;
    return run->at <= run->pc;
}

static void
execute(struct run *run, struct bytes program)
{
    while (program.at < program.end && !program.bad && !run->failed) {
        if (!instruction(run, &program))
            return;
    }
    run->failed |= program.bad;
}

bool
program_run(const struct cie *cie, const struct bytes *program, uint64_t pc, struct unwind_row *row)
{
    struct run run = {.cie = cie, .row = row, .pc = pc};

    run.at = row->start;
    execute(&run, cie->program);
    memcpy(run.first, row->rules, sizeof(run.first));
    run.at = row->start;
    execute(&run, *program);
    return !run.failed && row->cfa.kind != RULE_NONE;
}
