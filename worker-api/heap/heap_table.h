/* SPDX-License-Identifier: MIT */
#ifndef STINT_HEAP_TABLE_H
#define STINT_HEAP_TABLE_H

/*
 * What libstint-heap.so keeps in the memory of the process it is loaded into, and what a reader copies
 * from there (process_vm_readv). Nothing is sent, no descriptor stays open, and a fork takes its copy
 * along: what the child inherited is still in use there.
 *
 * It is found by its anchor, one page with the name of a memfd: "/memfd:stint-heap" in /proc/PID/maps.
 * Nothing in here is believed: a reader checks each number, and follows no address but through the
 * kernel.
 *
 * The sums are estimates of the whole, each sampled allocation having been counted 1/p times, where
 * p = 1 - exp(-size / mean) is how likely it was to be sampled: so they are without bias for each size
 * (averaging sizes first is not: jemalloc/jemalloc#1897).
 */
#include <stdint.h>

#define STINT_HEAP_NAME    "stint-heap"
#define STINT_HEAP_MAGIC   UINT64_C(0x32706165685f7473) /* "st_heap2" */
#define STINT_HEAP_FRAMES  30U
#define STINT_HEAP_STACKS  8192U
#define STINT_HEAP_LABELS  1024U
#define STINT_HEAP_DEFAULT (UINT64_C(512) << 10) /* mean bytes between two samples */

/*
 * Who allocated: what libstint says of the thread, where the program has it, else the name that the
 * kernel has of it. Texts are filled up with zeros, and need not end with one.
 */
struct stint_heap_label {
    uint32_t used;       /* written last; 0 = there is none */
    uint32_t line;       /* of `file` */
    uint64_t creator_pc; /* where the thread was started, behind the call; 0 = see `function` */
    char thread[40];
    char scope[96]; /* that owned the thread, as a path; the end is kept when it is too long */
    char function[64], file[96]; /* where it was started; "" = not known */
};

/*
 * One sum: of a stack, and of who allocated there, and in which trace. A trace has a sum of its own
 * while something of it is in use, and then until room is needed: so there is always room for stacks.
 */
struct stint_heap_stack {
    uint32_t seq;      /* odd: being written */
    uint32_t n;        /* frames; 0 = not used */
    double objects[2]; /* allocated since the beginning, in use */
    double bytes[2];
    uint64_t hash;                   /* 0 = never used */
    uint32_t label;                  /* index + 1; 0 = not known, or no room for it */
    uint32_t live;                   /* sampled blocks of it that are in use */
    uint8_t trace_id[16];            /* all 0 = none */
    uint64_t pcs[STINT_HEAP_FRAMES]; /* return addresses, innermost first */
};

struct stint_heap_anchor {
    uint64_t magic;
    uint32_t stack_bytes, stacks; /* of one, and how many there are room for */
    uint32_t label_bytes, labels;
    uint64_t table;       /* address of the first stack in this process */
    uint64_t label_table; /* the same of labels */
    uint64_t mean_bytes;
    uint32_t pid;      /* whose history it is; a child that has not sampled yet has its parent's */
    uint32_t used;     /* stacks */
    uint32_t folds;    /* odd: sums are being moved from one stack to another */
    uint32_t traced;   /* stacks of a trace */
    uint64_t samples;  /* taken */
    uint64_t lost;     /* samples that found no room: the sums are too small */
    uint64_t untraced; /* samples that found none for their trace … */
    uint64_t unlabelled; /* … and none for who allocated */
    uint64_t start_ns;   /* CLOCK_REALTIME */
};

#endif
