/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_JOURNAL_MEMORY_H
#define STINT_IO_JOURNAL_MEMORY_H

/*
 * The memory of the journal that outlives the process: a memfd whose descriptor somebody else keeps.
 *
 *   header │ queue of records to be written │ slots, data of the last events │ … of the last output
 *
 * It is sealed against shrinking and all of its pages exist, so touching it never faults for want of
 * memory. Only who has the descriptor writes to it: this process, then its successor. Children do
 * not inherit the mapping. Part of the journal.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/io/journal_queue.h"
#include "supervisor/io/journal_ring.h"

struct error;

#define MEMORY_QUEUE_MIN    ((size_t)4 << 10)
#define MEMORY_QUEUE_MAX    ((size_t)64 << 20)
#define MEMORY_EVENT_BYTES  ((size_t)1 << 20)
#define MEMORY_OUTPUT_LINES 2048 /* of all services together */
#define MEMORY_OUTPUT_BYTES ((size_t)512 << 10)

struct journal_header {
    char magic[8];
    uint32_t version;
    uint32_t header_bytes;
    uint64_t total_bytes;
    uint64_t queue_bytes;
    shared_u64 last_event, last_output; /* numbers given; that of the newest slot may be ahead */
    struct journal_queue_shared queue;
    struct journal_ring_shared events, outputs;
    /* Behind header_bytes: a program of before does not know it, and leaves it 0. */
    shared_u64 telling; /* whose lines are told now: journal_tells() */
};

struct journal_memory {
    struct journal_header *header; /* start of the mapping, owned; NULL: none */
    char *queue;
    struct journal_slot *event_slots, *output_slots;
    char *event_data, *output_data;
    size_t total_bytes, queue_bytes;
    int fd;       /* owned; -1: private memory, gone with the process */
    bool adopted; /* it was there before us */
};

/**
 * journal_memory_open - take over @fd, or make new memory.
 * @fd:          owned from here on; -1: none
 * @queue_bytes: of a new queue
 * @reterr:      what could not be had, when the return is 1
 *
 * Return: 0; 1: there is memory, but not that of @fd, or none that outlives us; -ENOMEM: none.
 */
int journal_memory_open(struct journal_memory *m, int fd, size_t queue_bytes, struct error *reterr);
void journal_memory_close(struct journal_memory *m);

#endif
