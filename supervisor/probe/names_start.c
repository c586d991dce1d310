/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "supervisor/probe/unwind_internal.h"

/*
 * A start routine that ends in a call jumps there instead (a tail call), and is on no stack. glibc
 * keeps it in its record of the thread (struct pthread), above the stack: the record begins with
 * two pointers to itself, and where the routine is in it is said by the call in start_thread().
 */

#define RECORD_WORDS 2048 /* from the outermost frame to the record: the static TLS is between */
#define RECORD_SELF  0x10
#define CALL_BYTES   6 /* FF /2 with 32 bits: call *offset(%reg) */

static bool
is_record(struct names *names, const struct names_stack *stack, uint64_t at)
{
    uint64_t self;

    return stack_word(names, stack, at, &self) && self == at &&
           stack_word(names, stack, at + RECORD_SELF, &self) && self == at;
}

static uint64_t
record_find(struct names *names, const struct names_stack *stack)
{
    uint64_t bottom = names->origin.bottom & ~UINT64_C(15), value;

    if (names->record && is_record(names, stack, bottom + names->record))
        return bottom + names->record;
    for (uint64_t i = 0; i < RECORD_WORDS; i++) {
        uint64_t at = bottom + i * 8;

        if (!stack_word(names, stack, at, &value))
            break;
        if (value == at && is_record(names, stack, at)) {
            names->record = at - bottom;
            return at;
        }
    }
    return 0;
}

/* offset_of - of the routine in the record, from the instruction that calls it. */
static bool
offset_of(struct names *names, uint32_t *ret)
{
    unsigned char code[CALL_BYTES];

    if (!memory_read(&names->memory, names->origin.starter - CALL_BYTES, code, sizeof(code)) ||
        code[0] != 0xff || (code[1] & 0xf8) != 0x90 || (code[1] & 7) == 4)
        return false;
    memcpy(ret, code + 2, sizeof(*ret));
    return *ret < 0x2000;
}

uint64_t
names_start(struct names *names, pid_t tid, const struct names_stack *stack)
{
    uint64_t record, routine = 0;
    const struct unwind_row *row;
    struct names_frame frame;
    uint32_t offset;

    if (tid == names->pid)
        return 0;
    if (names->origin.sp != stack->sp)
        (void)names_stack(names, stack, &frame, 1);
    if (!names->origin.bottom)
        return 0;
    record = record_find(names, stack);
    if (record && offset_of(names, &offset) &&
        stack_word(names, stack, record + offset, &routine) && code_at(names, routine)) {
        names_want(names, routine, false);
        return routine;
    }
    row = names->origin.routine ? unwind_row(names, names->origin.routine) : NULL;
    if (!row || !row->found)
        return 0;
    names_want(names, row->start, false);
    return row->start;
}
