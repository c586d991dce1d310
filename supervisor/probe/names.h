/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_NAMES_H
#define STINT_PROBE_NAMES_H

/*
 * Where the threads of a process are, in the words of its source: from the program counter, the
 * stack pointer and a copy of the stack of a thread that is blocked in a system call, without ptrace
 * and without its other registers. In two steps, "pcs first, names afterwards":
 *
 *   names_open() · names_stack() for each thread · names_resolve() once · names_place() · names_close()
 *
 * The first two read the process's memory only (its maps, its .eh_frame, its stacks), by bounded code
 * of our own. What has to parse the process's files (symbols, and libdw for lines) is done for all at
 * once by a child of names_resolve(), so that a hostile or broken ELF file costs names and nothing
 * else. One thread; for a short-lived helper process, never for the master's loop.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/probe/facts.h"

struct error;
struct names; /* what is known of one process: modules, unwind rows, names */

/* What the kernel says of a blocked thread (proc_syscall: sp, pc) and what was copied of its stack. */
struct names_stack {
    uint64_t sp, pc;
    const void *bytes; /* borrowed; NULL: nothing was copied, and all is read from the process */
    size_t n;          /* 16 KiB from sp upwards are plenty; what lies beyond is read when needed */
    uint64_t base;     /* address in the process of the first byte: sp, or less */

    /* Of a thread that was caught running (x86-64); all zero: only sp and pc are known. */
    const uint64_t
        *registers; /* borrowed; NAMES_REGISTERS of them by DWARF's numbers: rax is 0, r15 is 15 */
    bool gone;      /* the thread runs on: what of its stack is not in `bytes` is not to be had */
};

#define NAMES_REGISTERS 16

struct names_frame {
    uint64_t pc;  /* the innermost: where it waits; of a caller: the address it will return to */
    bool call;    /* it is such a return address: hand this on to names_place() */
    bool guessed; /* found by scanning the stack, not by unwind tables */
};

/**
 * names_open - begin to look at @pid: its modules, none of its files.
 *
 * A process whose first thread ended is looked at through another one.
 * Return: 0; -ESRCH: it is gone; -EACCES or -EPERM: it may not be looked at; -ENOMEM.
 */
int names_open(pid_t pid, struct names **ret, struct error *reterr);
void names_close(struct names *names); /* NULL is fine */

/**
 * names_stack - the frames of one thread, innermost first. Every pc is noted for names_resolve().
 *
 * About a microsecond for each frame that another thread had before.
 * Return: how many of @max were written; 0 when not even the first pc is code.
 */
unsigned names_stack(struct names *names, const struct names_stack *stack, struct names_frame *ret,
                     unsigned max);

/**
 * names_start - the function that thread @tid was given to pthread_create(), wherever it is now.
 *
 * From the libc's own record at the top of the stack, where that is understood (glibc on x86-64).
 * @stack: as for names_stack()
 * Return: its address, noted for names_resolve(); 0: not known (the main thread has none).
 */
uint64_t names_start(struct names *names, pid_t tid, const struct names_stack *stack);

/* Note what else shall have a name: a start or creator pc that the registry claims, a mutex. */
void names_want(struct names *names, uint64_t pc, bool call);
void names_want_object(struct names *names, uint64_t address);

/**
 * names_resolve - find the names of all that was noted, in a child that may die of it.
 *
 * Those of somebody's own code come first, so a deadline costs the others.
 * @deadline_us: CLOCK_MONOTONIC, absolute
 * Return: 0: all was done; -ETIME: the deadline came first; -EIO: the child died; or another negative
 * errno. What was found until then stays known, and names_note() has the sentence.
 */
int names_resolve(struct names *names, int64_t deadline_us);

/**
 * names_place - what is known of the code at @pc. Before names_resolve(): module and offset.
 *
 * Code that was made at run time is business in no module; a pc in no mapping at all is `unmapped`.
 */
void names_place(struct names *names, uint64_t pc, bool call, struct place *ret);

/**
 * names_object - which variable holds @address: symbol in `function`, offset from it in `offset`.
 *
 * Without a symbol: module, and offset in it. On the heap or on a stack: all empty but pc.
 * Return: whether it lies in a module.
 */
bool names_object(struct names *names, uint64_t address, struct place *ret);

/* The file that a place lies in, as profiles tell it. */
struct names_mapping {
    uint64_t start, end; /* of the mapping that holds the place, in the process */
    uint64_t offset;     /* in the file, of `start` */
    const char
        *path; /* as in the process's mount namespace, or "[vdso]"; valid until names_close() */
    char build_id[65]; /* in hex; "" = it has none */
};

/* names_mapping - of the code at @pc. Return: false: it is in no file. */
bool names_mapping(struct names *names, uint64_t pc, struct names_mapping *ret);

/* names_code - is @pc code, by the maps as they were at names_open()? */
bool names_code(const struct names *names, uint64_t pc);

/* names_area - where the readable mapping of no file ends in which @address lies, a stack say; 0 = in none. */
uint64_t names_area(const struct names *names, uint64_t address);

/* names_libc - the code of a C library that is a file of its own. Return: false: there is none, or not glibc. */
bool names_libc(const struct names *names, uint64_t *ret_begin, uint64_t *ret_end);

/*
 * names_business - index of the innermost frame that is somebody's own code; -1 = none. What a wait of
 * libstint calls is none of it, whatever it is called: the library may be inside the program. Libraries
 * that the system brings (GLib's loop, say) count only where there is nothing else on the stack.
 */
int names_business(struct place *frames, unsigned n);

/* names_wait_class - what a function of libc waits for: "pthread_cond_wait" is WAIT_COND. Else WAIT_UNKNOWN. */
enum wait_class names_wait_class(const char *function);

/* names_note - why names are less good than they could be, or "". Valid until names_close(). */
const char *names_note(const struct names *names);

#endif
