/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dwarf.h>

#include "supervisor/probe/unwind_internal.h"

#define STACK_MAX 32
#define STEPS_MAX 256

struct machine {
    const struct expression_world *world;
    struct bytes code;
    const unsigned char *begin;
    uint64_t stack[STACK_MAX];
    unsigned n;
    bool failed;
};

static uint64_t
pop(struct machine *m)
{
    if (m->n == 0) {
        m->failed = true;
        return 0;
    }
    return m->stack[--m->n];
}

static void
push(struct machine *m, uint64_t v)
{
    if (m->n == STACK_MAX)
        m->failed = true;
    else
        m->stack[m->n++] = v;
}

static void
push_register(struct machine *m, uint64_t reg)
{
    int64_t offset = bytes_sleb(&m->code);

    if (reg >= COLUMNS || !reg_known(m->world->regs, (unsigned)reg))
        m->failed = true;
    else
        push(m, m->world->regs->value[reg] + (uint64_t)offset);
}

static void
deref(struct machine *m, unsigned bytes)
{
    uint64_t v = 0;

    if (bytes == 0 || bytes > 8 || !m->world->read(m->world->env, pop(m), &v))
        m->failed = true;
    push(m, bytes < 8 ? v & ((UINT64_C(1) << 8 * (bytes & 7)) - 1) : v);
}

static void
jump(struct machine *m, bool taken)
{
    int64_t by = bytes_signed(&m->code, 2);

    if (!taken)
        return;
    if (by < m->begin - m->code.at || by > m->code.end - m->code.at)
        m->failed = true;
    else
        m->code.at += by;
}

static void
constant(struct machine *m, unsigned op)
{
    unsigned size = 1U << (op - DW_OP_const1u) / 2;

    if (op == DW_OP_constu)
        push(m, bytes_uleb(&m->code));
    else if (op == DW_OP_consts)
        push(m, (uint64_t)bytes_sleb(&m->code));
    else if ((op - DW_OP_const1u) % 2)
        push(m, (uint64_t)bytes_signed(&m->code, size));
    else
        push(m, bytes_fixed(&m->code, size));
}

static void
shuffle(struct machine *m, unsigned op)
{
    unsigned depth = op == DW_OP_dup ? 0 : 1;
    uint64_t a, b, c;

    switch (op) {
    case DW_OP_pick:
        depth = (unsigned)bytes_fixed(&m->code, 1);
        __attribute__((fallthrough));
    case DW_OP_dup:
    case DW_OP_over:
        if (depth >= m->n)
            m->failed = true;
        else
            push(m, m->stack[m->n - 1 - depth]);
        return;
    case DW_OP_drop:
        (void)pop(m);
        return;
    case DW_OP_swap:
        a = pop(m);
        b = pop(m);
        push(m, a);
        push(m, b);
        return;
    default: /* DW_OP_rot */
        a = pop(m);
        b = pop(m);
        c = pop(m);
        push(m, a);
        push(m, c);
        push(m, b);
    }
}

static void
unary(struct machine *m, unsigned op)
{
    uint64_t a = pop(m);

    if (op == DW_OP_not)
        push(m, ~a);
    else if (op == DW_OP_neg || (op == DW_OP_abs && (int64_t)a < 0))
        push(m, 0 - a);
    else
        push(m, a);
}

static uint64_t
shifted(struct machine *m, unsigned op, uint64_t a, uint64_t by)
{
    m->failed |= op != DW_OP_shl && op != DW_OP_shr && op != DW_OP_shra;
    if (by > 63)
        return op == DW_OP_shra && (int64_t)a < 0 ? UINT64_MAX : 0;
    if (op == DW_OP_shl)
        return a << by;
    if (op == DW_OP_shr)
        return a >> by;
    return (uint64_t)((int64_t)a >> by);
}

static void
binary(struct machine *m, unsigned op)
{
    uint64_t b = pop(m), a = pop(m);
    int64_t sb = (int64_t)b, sa = (int64_t)a;

    switch (op) {
    case DW_OP_plus:
        push(m, a + b);
        return;
    case DW_OP_minus:
        push(m, a - b);
        return;
    case DW_OP_mul:
        push(m, a * b);
        return;
    case DW_OP_and:
        push(m, a & b);
        return;
    case DW_OP_or:
        push(m, a | b);
        return;
    case DW_OP_xor:
        push(m, a ^ b);
        return;
    case DW_OP_eq:
        push(m, a == b);
        return;
    case DW_OP_ne:
        push(m, a != b);
        return;
    case DW_OP_ge:
        push(m, sa >= sb);
        return;
    case DW_OP_gt:
        push(m, sa > sb);
        return;
    case DW_OP_le:
        push(m, sa <= sb);
        return;
    case DW_OP_lt:
        push(m, sa < sb);
        return;
    default:
        push(m, shifted(m, op, a, b));
    }
}

static void
step(struct machine *m)
{
    unsigned op = (unsigned)bytes_fixed(&m->code, 1);

    if (op >= DW_OP_lit0 && op <= DW_OP_lit31)
        push(m, op - DW_OP_lit0);
    else if (op >= DW_OP_breg0 && op <= DW_OP_breg31)
        push_register(m, op - DW_OP_breg0);
    else if (op == DW_OP_bregx)
        push_register(m, bytes_uleb(&m->code));
    else if (op == DW_OP_deref)
        deref(m, 8);
    else if (op == DW_OP_deref_size)
        deref(m, (unsigned)bytes_fixed(&m->code, 1));
    else if (op >= DW_OP_const1u && op <= DW_OP_consts)
        constant(m, op);
    else if (op >= DW_OP_dup && op <= DW_OP_rot)
        shuffle(m, op);
    else if (op == DW_OP_plus_uconst)
        push(m, pop(m) + bytes_uleb(&m->code));
    else if (op == DW_OP_abs || op == DW_OP_neg || op == DW_OP_not)
        unary(m, op);
    else if (op == DW_OP_skip)
        jump(m, true);
    else if (op == DW_OP_bra)
        jump(m, pop(m) != 0);
    else if (op >= DW_OP_and && op <= DW_OP_ne)
        binary(m, op);
    else if (op != DW_OP_nop)
        m->failed = true;
}

bool
expression_value(const unsigned char *bytes, size_t n, const struct expression_world *world,
                 uint64_t *ret)
{
    struct machine m = {
        .world = world, .code = {.at = bytes, .end = bytes + n},
             .begin = bytes
    };

    if (world->has_cfa)
        push(&m, world->cfa);
    for (unsigned i = 0; m.code.at < m.code.end; i++) {
        if (i == STEPS_MAX)
            return false;
        step(&m);
        if (m.failed || m.code.bad)
            return false;
    }
    if (m.n == 0)
        return false;
    *ret = m.stack[m.n - 1];
    return true;
}
