/* SPDX-License-Identifier: MIT */
#include <link.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "worker-api/preload/preload.h"

/*
 * Who starts a thread by way of a language's runtime (std::thread) returns into that, which tells
 * nothing. Then the stack is looked through for the first return address into something else: no
 * frame is unwound, nothing is allocated, and a wrong guess is a place that had made a call.
 */
#define RANGES 256
#define WORDS  128 /* of stack: some frames of a runtime's */

struct range {
    uintptr_t begin, end;
    bool runtime;
};

static struct range ranges[RANGES]; /* lock */
static size_t n_ranges;             /* lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool
is_runtime(const char *path)
{
    static const char *const names[] = {"libstdc++.so", "libc++.so", "libc.so", "libpthread.so",
                                        "libstint-preload.so"};
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    return strncmp(name, "ld-linux", 8) == 0;
}

static int
note(struct dl_phdr_info *info, size_t size, void *env)
{
    (void)size;
    (void)env;
    for (size_t i = 0; i < info->dlpi_phnum && n_ranges < RANGES; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];

        if (p->p_type == PT_LOAD && (p->p_flags & PF_X))
            ranges[n_ranges++] = (struct range){info->dlpi_addr + p->p_vaddr,
                                                info->dlpi_addr + p->p_vaddr + p->p_memsz,
                                                is_runtime(info->dlpi_name)};
    }
    return 0;
}

static const struct range *
range_of(uintptr_t pc)
{
    for (size_t i = 0; i < n_ranges; i++)
        if (pc >= ranges[i].begin && pc < ranges[i].end)
            return &ranges[i];
    return NULL;
}

/* Is the instruction before @pc a call? @r holds it. */
static bool
follows_call(uintptr_t pc, const struct range *r)
{
#if defined(__x86_64__)
    const unsigned char *at = (const unsigned char *)pc; /* NOLINT(performance-no-int-to-ptr) */

    if (pc - r->begin < 8)
        return false;
    return at[-5] == 0xe8 || (at[-2] == 0xff && (at[-1] & 0x38) == 0x10) ||
           (at[-3] == 0xff && (at[-2] & 0x38) == 0x10) ||
           (at[-6] == 0xff && (at[-5] & 0x38) == 0x10);
#else
    return pc - r->begin >= 4;
#endif
}

static uint64_t
scan(uintptr_t pc, const void *frame)
{
    uintptr_t words[WORDS];
    struct iovec to = {.iov_base = words, .iov_len = sizeof(words)};
    struct iovec from = {.iov_base = (void *)(uintptr_t)frame, .iov_len = sizeof(words)};
    /* Not by plain loads: a small stack may end before. */
    ssize_t n = process_vm_readv(getpid(), &to, 1, &from, 1, 0);

    for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(words[0]); i++) {
        const struct range *r = range_of(words[i]);

        if (r && !r->runtime && follows_call(words[i], r))
            return words[i];
    }
    return pc;
}

uint64_t
preload_creator(const void *return_address, const void *frame)
{
    uintptr_t pc = (uintptr_t)return_address;
    const struct range *r;
    uint64_t found = pc;

    /* Only if it is free: whoever has it may wait for the loader, and that for us. */
    if (pthread_mutex_trylock(&lock) != 0)
        return pc;
    r = range_of(pc);
    if (!r) { /* the first time, or loaded since */
        n_ranges = 0;
        (void)dl_iterate_phdr(note, NULL); /* always 0 */
        r = range_of(pc);
    }
    if (r && r->runtime)
        found = scan(pc, frame);
    (void)pthread_mutex_unlock(&lock);
    return found;
}
