/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_ADAPTERS_WRITERS_H
#define STINT_TESTS_ADAPTERS_WRITERS_H

/*
 * Clients that write 1, 2, 3 … into a store and go on only when a number was acknowledged: what fails is
 * written down by kind and tried again. In the end every acknowledged number has to be in the store.
 */
#include <stdint.h>

enum write_outcome {
    WRITE_ACKED,
    WRITE_REFUSED, /* no connection came about */
    WRITE_CUT,     /* the connection ended before the answer */
    WRITE_DENIED,  /* the answer was an error */
    N_WRITE_OUTCOMES
};

/* What one kind of store does. All of it is called by the writer's own thread; @conn is one connection. */
struct store {
    void *(*open)(const char *address); /* NULL: refused */
    enum write_outcome (*write)(void *conn, unsigned writer, long n);
    long (*missing)(void *conn, unsigned writer,
                    long last); /* of 1 … @last; by the test's thread */
    void (*close)(void *conn);
};

struct writers;

struct writers *writers_start(const struct store *store, const char *address, unsigned n);
/* writers_await - each of them gets an acknowledgement for a write that began after this call. */
void writers_await(struct writers *all);
long writers_count(struct writers *all, enum write_outcome outcome);
/* writers_gap_us - the longest time in which one of them had no answer, since the last call of this. */
int64_t writers_gap_us(struct writers *all);
/* writers_finish - stop them: nothing that was acknowledged is missing; and then stint, which had to kill nobody. */
void writers_finish(struct writers *all);

#endif
