/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "supervisor/probe/unwind_internal.h"

/* The machine code that is looked at: calls before return addresses, and how functions begin. x86-64. */

#define CALL_MAX     7 /* bytes of the longest call: FF /2 with SIB and 32 bits, and a prefix */
#define PROLOGUE_MAX 96
#define LEAF_MAX     4096 /* bytes of a function that calls nobody and keeps no frame */

/* Bytes of an instruction FF /2 at @at, a call by a pointer; 0 = it is not one. */
static size_t
indirect_call(const unsigned char *at, size_t n)
{
    unsigned mod, rm;
    size_t bytes = 2;

    if (n < 2 || at[0] != 0xff || (at[1] >> 3 & 7) != 2)
        return 0;
    mod = at[1] >> 6;
    rm = at[1] & 7;
    if (mod == 3)
        return bytes;
    if (rm == 4) {
        if (n < 3)
            return 0;
        bytes += 1 + (mod == 0 && (at[2] & 7) == 5 ? 4U : 0);
    } else if (rm == 5 && mod == 0) {
        bytes += 4;
    }
    return bytes + (mod == 1 ? 1U : 0) + (mod == 2 ? 4U : 0);
}

/* jumps_to - where a stub of the PLT at @at leads, or @at itself. */
static uint64_t
jumps_to(struct names *names, uint64_t at)
{
    unsigned char code[12];
    size_t skip = 0;
    uint64_t target;
    int32_t by;

    if (!memory_read(&names->memory, at, code, sizeof(code)))
        return at;
    if (!memcmp(code, "\xf3\x0f\x1e\xfa", 4))
        skip = 4;
    skip += code[skip] == 0xf2;
    if (code[skip] != 0xff || code[skip + 1] != 0x25)
        return at;
    memcpy(&by, code + skip + 2, sizeof(by));
    if (!memory_read(&names->memory, at + skip + 6 + (uint64_t)(int64_t)by, &target,
                     sizeof(target)))
        return at;
    return target;
}

/* bytes_before - CALL_MAX bytes before @address; what is on a page before the first one of code is 0. */
static bool
bytes_before(struct names *names, uint64_t address, unsigned char *ret)
{
    size_t here = (size_t)((address - 1) % MEMORY_PAGE) + 1;

    memset(ret, 0, CALL_MAX);
    if (here < CALL_MAX && memory_read(&names->memory, address - CALL_MAX, ret, CALL_MAX))
        return true;
    here = here < CALL_MAX ? here : CALL_MAX;
    return memory_read(&names->memory, address - here, ret + CALL_MAX - here, here);
}

/* is_signal_return - what the kernel has handlers return to: mov $15, %rax; syscall. */
static bool
is_signal_return(struct names *names, uint64_t address)
{
    unsigned char code[9];

    return memory_read(&names->memory, address, code, sizeof(code)) &&
           !memcmp(code, "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05", sizeof(code));
}

static int
module_of(const struct names *names, uint64_t address)
{
    const struct mapping *m = mapping_at(names, address);

    return m ? m->module : -1;
}

static enum call_kind
direct_call(struct names *names, uint64_t address, uint64_t target, uint64_t function)
{
    int module;

    if (!function)
        return CALL_ELSEWHERE;
    if (target != function)
        target = jumps_to(names, target);
    if (target == function)
        return CALL_EXACT;
    module = module_of(names, function);
    if (module_of(names, target) == module && module_of(names, address - 1) != module)
        return CALL_INTO;
    return CALL_ELSEWHERE;
}

enum call_kind
call_before(struct names *names, uint64_t address, uint64_t function)
{
    unsigned char code[CALL_MAX];
    uint64_t target;
    int32_t by;

    if (address < CALL_MAX || !code_at(names, address - 1) || !bytes_before(names, address, code))
        return CALL_NONE;
    memcpy(&by, code + CALL_MAX - 4, sizeof(by));
    target = address + (uint64_t)(int64_t)by;
    if (code[CALL_MAX - 5] == 0xe8 && code_at(names, target))
        return direct_call(names, address, target, function);
    for (size_t n = 2; n <= CALL_MAX; n++) {
        if (indirect_call(code + CALL_MAX - n, n) != n)
            continue;
        if (n == 6 && code[CALL_MAX - 5] == 0x15 &&
            function && /* by a pointer that never changes */
            memory_read(&names->memory, target, &target, sizeof(target)) && target == function)
            return CALL_EXACT;
        return CALL_INDIRECT;
    }
    return is_signal_return(names, address) ? CALL_INDIRECT : CALL_NONE;
}

bool
called_from(struct names *names, uint64_t address, uint64_t pc)
{
    unsigned char code[CALL_MAX];
    uint64_t target;
    int32_t by;

    if (address < CALL_MAX || !code_at(names, address - 1) || !bytes_before(names, address, code) ||
        code[CALL_MAX - 5] != 0xe8)
        return false;
    memcpy(&by, code + CALL_MAX - 4, sizeof(by));
    target = address + (uint64_t)(int64_t)by;
    return target <= pc && pc - target < LEAF_MAX;
}

/* What one instruction of a prologue pushes or reserves, and its length; 0 = it is none. */
static size_t
prologue_step(const unsigned char *code, size_t n, uint64_t *depth)
{
    int32_t by;

    if (n >= 1 && code[0] >= 0x50 && code[0] <= 0x57) { /* push */
        *depth += 8;
        return 1;
    }
    if (n >= 2 && code[0] == 0x41 && code[1] >= 0x50 && code[1] <= 0x57) {
        *depth += 8;
        return 2;
    }
    if (n >= 4 && !memcmp(code, "\x48\x83\xec", 3)) { /* sub $imm8, %rsp */
        *depth += (uint64_t)(int64_t)(int8_t)code[3];
        return 4;
    }
    if (n >= 7 && !memcmp(code, "\x48\x81\xec", 3)) { /* sub $imm32, %rsp */
        memcpy(&by, code + 3, sizeof(by));
        *depth += (uint64_t)(int64_t)by;
        return 7;
    }
    if (n >= 5 && !memcmp(code, "\x48\x83\x0c\x24\x00", 5)) /* orq $0, (%rsp): touches the page */
        return 5;
    return 0;
}

uint64_t
prologue_depth(struct names *names, uint64_t function, uint64_t pc)
{
    unsigned char code[PROLOGUE_MAX];
    size_t n =
        pc > function && pc - function < sizeof(code) ? (size_t)(pc - function) : sizeof(code);
    uint64_t depth = 16; /* the return address, and rbp */
    size_t at = 0;

    if (pc <= function || !memory_read(&names->memory, function, code, n))
        return 0;
    if (n >= 4 && !memcmp(code, "\xf3\x0f\x1e\xfa", 4)) /* endbr64 */
        at = 4;
    if (n < at + 4 || code[at] != 0x55 || /* push %rbp; mov %rsp, %rbp */
        (memcmp(code + at + 1, "\x48\x89\xe5", 3) != 0 &&
         memcmp(code + at + 1, "\x48\x8b\xec", 3) != 0))
        return 0;
    at += 4;
    for (size_t step = 1; step && at < n; at += step)
        step = prologue_step(code + at, n - at, &depth);
    return depth;
}
