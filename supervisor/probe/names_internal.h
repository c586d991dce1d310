/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_NAMES_INTERNAL_H
#define STINT_PROBE_NAMES_INTERNAL_H

/* What the parts of names.h share. Everything read of the process is its own claim: each size is bounded. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/table.h"
#include "supervisor/probe/names.h"

#define MEMORY_PAGES      64
#define MEMORY_PAGE       4096
#define MODULE_LOADS      12
#define MODULE_ID_MAX     32
#define NAMES_MODULES_MAX 4096
#define NAMES_WANTED_MAX  32768 /* places that get a name; beyond that module and offset */

/* The memory of the process, by page, as it was when it was first asked for. */
struct memory {
    pid_t tid; /* of a living thread: the first one may have ended */
    struct {
        uint64_t tag; /* address of the page, or'ed with 1; 0 = empty */
        unsigned char bytes[MEMORY_PAGE];
    } pages[MEMORY_PAGES];
};

/* memory_read - @n bytes at @at. Return: false when not all of them can be read; @to is void then. */
bool memory_read(struct memory *memory, uint64_t at, void *to, size_t n);

struct fde_range {
    uint64_t start, fde; /* of the function; address of its description */
};

/* A file that lies in the process as code. */
struct module {
    uint64_t start, end; /* from its first mapping to behind its last */
    uint64_t ino;
    uint64_t map_start, map_end; /* of one mapping: its name in /proc/PID/map_files */
    uint64_t last_offset;        /* in the file, of its last mapping */
    char *path;                  /* owned; as in the process's mount namespace, or "[vdso]" */
    const char *base;            /* its last component, in `path` */
    bool headed;                 /* `start` is the beginning of the file */
    bool exec;                   /* one of its mappings is code */
    bool runtime;                /* libc, loader, vdso, sanitizers, libstint: nobody's business */
    bool library;                /* the system brings it, for whoever wants it */

    bool looked; /* the following are valid: see module_look() */
    bool elf;
    uint64_t bias; /* address in the process minus address in the file */
    struct {
        uint64_t start, end; /* in the process */
        bool write;
    } loads[MODULE_LOADS];
    unsigned n_loads;
    unsigned char id[MODULE_ID_MAX]; /* build id */
    size_t id_n;
    uint64_t hdr, hdr_end;    /* .eh_frame_hdr in the process; 0 = it has none */
    uint64_t table, frames;   /* search table in it; number of its entries, 0 = none */
    bool indexed;             /* `ranges` is as it will be */
    struct fde_range *ranges; /* owned; instead of it, sorted, of a static program */
    size_t n_ranges;
};

struct mapping {
    uint64_t start, end, offset; /* the last: in its file */
    int module;                  /* index; -1 = code in no file */
    bool exec;
};

/* A mapping of no file: a stack, a heap. */
struct area {
    uint64_t start, end;
};

/* What is said of a place when its name was found; written by the child of names_resolve(). */
struct name {
    char function[96], file[128];
    unsigned line;
    bool done;
    uint64_t offset; /* of an object: of the address in its symbol */
};

struct wanted {
    struct table_node node; /* by wanted_key() */
    uint64_t address;       /* of a call: inside of it */
    int module;             /* index; -1 = none */
    bool object;
    struct name *name; /* owned; NULL = not resolved */
};

/* Where the thread that was walked last began. */
struct origin {
    uint64_t sp;      /* of names_stack(): which thread it was */
    uint64_t bottom;  /* stack pointer of its outermost frame; 0 = the walk did not get there */
    uint64_t starter; /* where that one's callee, libc's start_thread(), called … */
    uint64_t routine; /* … somebody, who is here */
};

struct names {
    pid_t pid;
    bool
        sanitized; /* a sanitizer is in the program itself, with functions named as those of libc */
    bool is_static; /* the process has no libc of its own file */
    struct memory memory;
    struct mapping *maps; /* owned; ascending; files and code only */
    size_t n_maps;
    struct area *areas; /* owned; ascending; readable ones only */
    size_t n_areas;
    struct module *modules; /* owned */
    size_t n_modules;
    struct table rows; /* struct unwind_row by pc; owned */
    struct table wanted;
    struct wanted **wants; /* owned, and each of them */
    size_t n_wants, wants_room;
    size_t n_resolved; /* of wants: names_resolve() was there */
    struct origin origin;
    uint64_t
        record; /* from `bottom` to libc's record of a thread, in the thread before; 0 = not known */
    char note[256];
};

/* stack_word - the word at @at: out of the copy of the stack where it lies in there. Return: false: unreadable. */
bool stack_word(struct names *names, const struct names_stack *stack, uint64_t at, uint64_t *ret);

/* modules_read - the maps of the process, once. Return: 0 or negative errno. */
int modules_read(struct names *names, struct error *reterr);
void modules_finish(struct names *names);

/* module_at - index of the module whose code or data @address is, looked at; -1 = none. */
int module_at(struct names *names, uint64_t address);
struct mapping *mapping_at(const struct names *names,
                           uint64_t address); /* NULL = not code, no file */
bool code_at(const struct names *names, uint64_t address);

/* module_look - what its program headers say, read from memory, once. */
void module_look(struct names *names, struct module *module);

/* module_open - its file, if it is still the one that is mapped. Return: a descriptor, or negative errno. */
int module_open(struct names *names, struct module *module);

/* kind_module, kind_function - is it the runtime's: see kinds.def for whose. */
bool kind_module(const char *base);
bool kind_library(const char *path);
bool kind_function(const char *function, const struct names *names);
bool kind_sanitizer(const char *function); /* of its runtime: see names.sanitized */
bool kind_waits(const char *function);     /* of libstint's, that call nobody's code back */

#endif
