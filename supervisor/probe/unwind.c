/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/mem.h"
#include "supervisor/probe/unwind_internal.h"

/*
 * The walk. At its beginning two registers are known, sp and pc; others become known when a frame on
 * the way saved them. Where the tables need one that is not (a function that keeps rbp, right under a
 * system call that did not touch it), the place of the return address is found by how the function
 * begins, or by looking for it: a word that is behind a call of this very function, if there is one.
 */

#define SCAN_WORDS 2048 /* 16 KiB */
#define NEAR       (UINT64_C(1) << 20)
#define USER_END   (UINT64_C(1) << 47)
#define FRAMES_MAX 4096 /* that are walked, to find where the thread began */

struct walk {
    struct names *names;
    const struct names_stack *stack;
    struct registers regs;
    bool call, guessed;
};

static bool
read_for_expression(void *env, uint64_t at, uint64_t *ret)
{
    const struct walk *w = env;

    return stack_word(w->names, w->stack, at, ret);
}

static bool
evaluate(struct walk *w, const struct unwind_row *row, const struct rule *rule, const uint64_t *cfa,
         uint64_t *ret)
{
    struct expression_world world = {.regs = &w->regs,
                                     .read = read_for_expression,
                                     .env = w,
                                     .has_cfa = cfa != NULL,
                                     .cfa = cfa ? *cfa : 0};

    return row->bytes && expression_value(row->bytes + rule->value, rule->bytes, &world, ret);
}

static bool
cfa_of(struct walk *w, const struct unwind_row *row, uint64_t *ret)
{
    const struct rule *rule = &row->cfa;

    if (rule->kind == RULE_EXPRESSION)
        return evaluate(w, row, rule, NULL, ret);
    if (!reg_known(&w->regs, rule->reg))
        return false;
    *ret = w->regs.value[rule->reg] + (uint64_t)rule->value;
    return true;
}

/* Kept by whom is called, as the ABI has it: without a rule it is as it was. */
static bool
is_kept(unsigned reg)
{
    return reg == COLUMN_RBX || reg == COLUMN_RBP || (reg >= COLUMN_R12 && reg <= COLUMN_R15);
}

/* restored - register @reg of the caller. Return: false = not known. */
static bool
restored(struct walk *w, const struct unwind_row *row, unsigned reg, uint64_t cfa, uint64_t *ret)
{
    const struct rule *rule = &row->rules[reg];

    switch ((enum rule_kind)rule->kind) {
    case RULE_NONE:
        if (!is_kept(reg))
            return false;
        __attribute__((fallthrough));
    case RULE_SAME:
        *ret = w->regs.value[reg];
        return reg_known(&w->regs, reg);
    case RULE_OFFSET:
        return stack_word(w->names, w->stack, cfa + (uint64_t)rule->value, ret);
    case RULE_VAL_OFFSET:
        *ret = cfa + (uint64_t)rule->value;
        return true;
    case RULE_REGISTER:
        if (!reg_known(&w->regs, (unsigned)rule->value))
            return false;
        *ret = w->regs.value[rule->value];
        return true;
    case RULE_EXPRESSION:
        return evaluate(w, row, rule, &cfa, ret) && stack_word(w->names, w->stack, *ret, ret);
    case RULE_VAL_EXPRESSION:
        return evaluate(w, row, rule, &cfa, ret);
    case RULE_UNDEFINED:
    default:
        return false;
    }
}

/* leave - the registers of the caller, by @row and the CFA. Return: false: where it is was not found. */
static bool
leave(struct walk *w, const struct unwind_row *row, uint64_t cfa)
{
    struct registers next = {.known = 0};
    uint64_t value;

    for (unsigned reg = 0; reg < COLUMNS; reg++) {
        if (restored(w, row, reg, cfa, &value))
            reg_set(&next, reg, value);
    }
    if (!reg_known(&next, COLUMN_RA))
        return false;
    if (row->rules[COLUMN_RSP].kind == RULE_NONE)
        reg_set(&next, COLUMN_RSP, cfa);
    w->regs = next;
    w->call = !row->signal;
    return reg_known(&next, COLUMN_RSP);
}

/* plausible - might the return address lie right below @cfa? */
static bool
plausible(struct walk *w, const struct unwind_row *row, uint64_t cfa)
{
    uint64_t sp = w->regs.value[COLUMN_RSP], address;

    if (row->signal || row->rules[COLUMN_RA].kind != RULE_OFFSET)
        return true;
    return cfa > sp && cfa % 8 == 0 &&
           stack_word(w->names, w->stack, cfa + (uint64_t)row->rules[COLUMN_RA].value, &address) &&
           code_at(w->names, address - 1);
}

/* by_depth - is the CFA that far from sp? It is when a call stands before the return address there. */
static bool
by_depth(struct walk *w, const struct unwind_row *row, uint64_t depth, uint64_t *ret)
{
    uint64_t cfa = w->regs.value[COLUMN_RSP] + depth, address;

    if (depth == 0 || !stack_word(w->names, w->stack, cfa - 8, &address) ||
        call_before(w->names, address, row->start) == CALL_NONE)
        return false;
    *ret = cfa;
    return true;
}

/* by_prologue - the CFA of a function that keeps rbp, from how it begins. */
static bool
by_prologue(struct walk *w, const struct unwind_row *row, uint64_t *ret)
{
    if (row->cfa.kind != RULE_REGISTER || row->cfa.reg != COLUMN_RBP || row->cfa.value != 16)
        return false;
    return by_depth(w, row, prologue_depth(w->names, row->start, w->regs.value[COLUMN_RA]), ret);
}

/* is_frame - is @saved, found below @at, an rbp? Then a return address is behind what it points to. */
static bool
is_frame(const struct walk *w, uint64_t at, uint64_t saved)
{
    uint64_t address;

    return saved > at && saved - at < NEAR && saved % 8 == 0 &&
           stack_word(w->names, w->stack, saved + 8, &address) &&
           call_before(w->names, address, 0) != CALL_NONE;
}

/*
 * trust - in a return address at @at, the word below it being @saved. A call of the very function is
 * the best; one into the function itself is left over from whom it called before.
 */
static unsigned
trust(struct walk *w, const struct unwind_row *row, uint64_t at, uint64_t address, uint64_t saved)
{
    enum call_kind kind;

    if (!code_at(w->names, address - 1))
        return 0;
    kind = call_before(w->names, address, row->start);
    if (kind == CALL_NONE || kind == CALL_EXACT)
        return kind == CALL_EXACT ? 5 : 0;
    if (kind == CALL_INTO)
        return 4;
    if (address > row->start && address <= row->end)
        return 0;
    return row->found && is_frame(w, at, saved) ? 3 : 1;
}

/* by_scan - the CFA by looking for a return address: the best, and of those the nearest. */
static bool
by_scan(struct walk *w, const struct unwind_row *row, uint64_t *ret)
{
    uint64_t at = (w->regs.value[COLUMN_RSP] + 7) & ~UINT64_C(7), address, saved = 0;
    unsigned best = 0, enough = row->found ? 5 : 1;

    for (unsigned i = 0;
         i < SCAN_WORDS && best < enough && stack_word(w->names, w->stack, at, &address); i++) {
        unsigned trusted = trust(w, row, at, address, saved);

        if (trusted > best) {
            best = trusted;
            *ret = at + 8;
        }
        saved = address;
        at += 8;
    }
    return best > 0;
}

/* leave_by_guess - nothing describes the function, so where its registers are is not known either. */
static bool
leave_by_guess(struct walk *w, uint64_t cfa)
{
    struct registers next = {.known = 0};
    uint64_t value;

    if (!stack_word(w->names, w->stack, cfa - 8, &value))
        return false;
    reg_set(&next, COLUMN_RA, value);
    reg_set(&next, COLUMN_RSP, cfa);
    if (stack_word(w->names, w->stack, cfa - 16, &value) && value >= cfa && value - cfa < NEAR)
        reg_set(&next, COLUMN_RBP, value);
    w->regs = next;
    w->call = true;
    w->guessed = true;
    return true;
}

/* recover - the CFA of a function whose tables need a register that is not known. */
static bool
recover(struct walk *w, struct unwind_row *row, uint64_t *ret)
{
    if (by_depth(w, row, row->depth, ret)) { /* as in the thread before */
        w->guessed |= row->depth_guessed;
        return true;
    }
    if (by_prologue(w, row, ret)) {
        row->depth_guessed = false;
    } else if (by_scan(w, row, ret)) {
        row->depth_guessed = true;
        w->guessed = true;
    } else {
        return false;
    }
    row->depth = *ret - w->regs.value[COLUMN_RSP];
    return true;
}

/* by_frame - the CFA of a function that nothing describes, if it keeps rbp as compilers do. */
static bool
by_frame(struct walk *w, uint64_t *ret)
{
    uint64_t sp = w->regs.value[COLUMN_RSP], frame = w->regs.value[COLUMN_RBP], address;

    if (!reg_known(&w->regs, COLUMN_RBP) || frame < sp || frame - sp > NEAR || frame % 8 != 0 ||
        !stack_word(w->names, w->stack, frame + 8, &address) ||
        call_before(w->names, address, 0) == CALL_NONE)
        return false;
    *ret = frame + 16;
    return true;
}

/* leave_leaf - nothing describes the innermost function, and it keeps no frame: its return address is at sp. */
static bool
leave_leaf(struct walk *w)
{
    uint64_t sp = w->regs.value[COLUMN_RSP], address;

    if (w->call || !reg_known(&w->regs, COLUMN_RBP) ||
        !stack_word(w->names, w->stack, sp, &address) ||
        !called_from(w->names, address, w->regs.value[COLUMN_RA]))
        return false;
    reg_set(&w->regs, COLUMN_RA, address);
    reg_set(&w->regs, COLUMN_RSP, sp + 8);
    w->call = true;
    return true;
}

/* caller - go on to it. Return: false: there is none, or it was not found. */
static bool
caller(struct walk *w)
{
    uint64_t pc = w->regs.value[COLUMN_RA];
    struct unwind_row *row = unwind_row(w->names, pc - w->call);
    uint64_t cfa = 0;

    if (!row)
        return false;
    if (!row->found)
        return leave_leaf(w) ||
               ((by_frame(w, &cfa) || by_scan(w, row, &cfa)) && leave_by_guess(w, cfa));
    if (row->rules[COLUMN_RA].kind == RULE_UNDEFINED) /* where threads begin */
        return false;
    if (cfa_of(w, row, &cfa) && (!w->guessed || plausible(w, row, cfa)))
        return leave(w, row, cfa);
    if (!recover(w, row, &cfa))
        return false;
    if (row->cfa.kind == RULE_REGISTER)
        reg_set(&w->regs, row->cfa.reg, cfa - (uint64_t)row->cfa.value);
    return leave(w, row, cfa);
}

/* begun - the walk came to where the thread began: whom the libc's own code there called, and where. */
static void
begun(struct walk *w, const struct names_frame *last3)
{
    const struct unwind_row *row = unwind_row(w->names, w->regs.value[COLUMN_RA] - w->call);

    if (!row || !row->found || row->rules[COLUMN_RA].kind != RULE_UNDEFINED)
        return;
    w->names->origin.bottom = w->regs.value[COLUMN_RSP];
    w->names->origin.starter = last3[1].pc;
    w->names->origin.routine = last3[0].pc - last3[0].call;
}

unsigned
names_stack(struct names *names, const struct names_stack *stack, struct names_frame *ret,
            unsigned max)
{
    struct walk w = {.names = names, .stack = stack};
    struct names_frame last3[3] = {{.pc = 0}};
    unsigned n = 0;
    uint64_t sp;

    names->origin = (struct origin){.sp = stack->sp};
    for (unsigned i = 0; stack->registers && i < NAMES_REGISTERS; i++)
        reg_set(&w.regs, i, stack->registers[i]);
    reg_set(&w.regs, COLUMN_RA, stack->pc);
    reg_set(&w.regs, COLUMN_RSP, stack->sp);
    for (unsigned i = 0; i < FRAMES_MAX; i++) {
        uint64_t pc = w.regs.value[COLUMN_RA];
        struct names_frame frame = {.pc = pc, .call = w.call, .guessed = w.guessed};

        if (pc < MEMORY_PAGE || pc >= USER_END)
            break;
        last3[0] = last3[1];
        last3[1] = last3[2];
        last3[2] = frame;
        if (n < max) {
            ret[n++] = frame;
            names_want(names, pc, w.call);
        }
        sp = w.regs.value[COLUMN_RSP];
        if (!caller(&w)) {
            begun(&w, last3);
            break;
        }
        if (w.call && w.regs.value[COLUMN_RSP] <= sp)
            break; /* nobody's frame is below that of whom he called, but for signals */
    }
    return n;
}
