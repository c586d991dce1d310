/* SPDX-License-Identifier: MIT */
/*
 * A program that has libstint sample itself, without a supervisor and without a test library: for machines that
 * only an emulator is at hand of. It says what the registers of each sample lead to, and ends with 0 when
 * those are right: nearly all are in burns(), and the frame pointer leads to its caller.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "worker-api/prof.h"
#include "worker-api/stint.h"
#include "worker-api/wire.h"

#define OWN     __attribute__((noinline, visibility("default")))
#define RECORDS 64
#define STRIDE  (sizeof(struct stint_profile_record) + 4096)
#define BYTES   (sizeof(struct stint_profile_header) + RECORDS * STRIDE)
#define WANTED  20

#if defined(__aarch64__)
#define FRAME_POINTER 29
#else
#define FRAME_POINTER 6
#endif

static struct stint_profile_header *ring;
static volatile unsigned long sum;

static const struct stint_profile_record *
record_at(unsigned i)
{
    return (const void *)((const char *)(ring + 1) + i * STRIDE);
}

static unsigned
full(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < RECORDS; i++)
        n += __atomic_load_n(&record_at(i)->state, __ATOMIC_ACQUIRE) == STINT_PROFILE_FULL;
    return n;
}

/* By name, for dladdr(). */
OWN void burns(unsigned long turns);
OWN void calls(int64_t until_us);

void
burns(unsigned long turns)
{
    sum += (uintptr_t)__builtin_frame_address(0) & 1; /* so that it keeps a frame, leaf or not */
    while (turns-- > 0)
        sum = sum * 31 + turns;
}

void
calls(int64_t until_us)
{
    while (full() < WANTED && stint_now_us() < until_us)
        burns(1000000);
}

static bool
lies_in(uint64_t pc, const char *function)
{
    Dl_info info;

    return dladdr((void *)(uintptr_t)pc, &info) != 0 && info.dli_sname &&
           strcmp(info.dli_sname, function) == 0;
}

/* Whoever called the function that the sample is in: behind the frame pointer that was saved. */
static uint64_t
caller_of(const struct stint_profile_record *r)
{
    const char *stack = (const char *)(r + 1);
    uint64_t at = r->registers[FRAME_POINTER] + 8, value = 0;

    if (at >= r->stack_at && at + 8 <= r->stack_at + r->stack_n)
        memcpy(&value, stack + (at - r->stack_at), sizeof(value));
    return value;
}

static int
ring_make(void)
{
    int fd = memfd_create("stint-profile", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || ftruncate(fd, (off_t)BYTES) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0)
        return -1;
    ring = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ring == MAP_FAILED)
        return -1;
    ring->magic = STINT_PROFILE_MAGIC;
    ring->major = STINT_PROFILE_MAJOR;
    ring->count = RECORDS;
    ring->stride = STRIDE;
    return fd;
}

int
main(void)
{
    struct stint_profile_frame frame = {.until_us = stint_now_us() + 60000000, .hz = 100};
    unsigned n = 0, in = 0, called = 0;
    int fd = ring_make();

    if (fd < 0 || stint_init(NULL) < 0)
        return 2;
    stn_prof_asked(&frame, fd);
    if (ring->state != STINT_PROFILE_RUNS) {
        printf("error %d\n", ring->error);
        return 3;
    }
    calls(frame.until_us);
    frame.until_us = 0;
    stn_prof_asked(&frame, -1);
    for (unsigned i = 0; i < RECORDS; i++) {
        const struct stint_profile_record *r = record_at(i);

        if (r->state != STINT_PROFILE_FULL)
            continue;
        n++;
        in += lies_in(r->registers[STINT_PROFILE_PC], "burns");
        called +=
            lies_in(r->registers[STINT_PROFILE_PC], "burns") && lies_in(caller_of(r), "calls");
    }
    printf("samples %u burns %u calls %u threads %u\n", n, in, called, ring->threads);
    return n >= WANTED && in * 10 >= n * 9 && called * 10 >= in * 9 ? 0 : 1;
}
