/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "writers.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/units.h"
#include "tests/scenario/harness.h"

#define PACE_MS  1     /* between two writes, and between two tries */
#define AWAIT_MS 20000 /* an outage may be as long as a start; SCN_PATIENCE comes on top */

struct writer {
    struct writers *all;
    pthread_t thread;
    _Atomic long counts[N_WRITE_OUTCOMES];
    _Atomic int64_t longest_us; /* to an acknowledgement, since the last question */
    unsigned id;
};

struct writers {
    const struct store *store;
    const char *address; /* borrowed */
    atomic_bool stop;
    unsigned n;
    struct writer items[];
};

static void
writer_acked(struct writer *w, int64_t began_us)
{
    int64_t now_us = mono_now_us(), took_us = now_us - began_us;

    if (took_us > atomic_load(&w->longest_us))
        atomic_store(&w->longest_us, took_us);
}

/* One number until it is acknowledged. Return: the connection that is left, or NULL. */
static void *
writer_put(struct writer *w, void *conn, long n)
{
    const struct store *store = w->all->store;
    int64_t began_us = mono_now_us();
    enum write_outcome outcome;

    while (!atomic_load(&w->all->stop)) {
        if (!conn)
            conn = store->open(w->all->address);
        outcome = conn ? store->write(conn, w->id, n) : WRITE_REFUSED;
        if (outcome == WRITE_ACKED) {
            writer_acked(w, began_us);
            atomic_fetch_add(&w->counts[WRITE_ACKED], 1);
            return conn;
        }
        atomic_fetch_add(&w->counts[outcome], 1);
        if (conn && outcome == WRITE_CUT) {
            store->close(conn);
            conn = NULL;
        }
        (void)poll(NULL, 0, PACE_MS);
    }
    return conn;
}

static void *
writer_run(void *arg)
{
    struct writer *w = arg;
    void *conn = NULL;

    for (long n = 1; !atomic_load(&w->all->stop); n++) {
        conn = writer_put(w, conn, n);
        (void)poll(NULL, 0, PACE_MS);
    }
    if (conn)
        w->all->store->close(conn);
    return NULL;
}

struct writers *
writers_start(const struct store *store, const char *address, unsigned n)
{
    struct writers *all = calloc(1, sizeof(*all) + n * sizeof(all->items[0]));

    ck_assert_ptr_nonnull(all);
    all->store = store;
    all->address = address;
    all->n = n;
    for (unsigned i = 0; i < n; i++) {
        all->items[i].all = all;
        all->items[i].id = i;
        ck_assert_int_eq(pthread_create(&all->items[i].thread, NULL, writer_run, &all->items[i]),
                         0);
    }
    writers_await(all);
    return all;
}

void
writers_await(struct writers *all)
{
    int64_t deadline_us = mono_now_us() + (int64_t)SCN_PATIENCE * AWAIT_MS * US_PER_MS;

    for (unsigned i = 0; i < all->n; i++) {
        struct writer *w = &all->items[i];
        long enough = atomic_load(&w->counts[WRITE_ACKED]) + 2; /* one may be under way */

        while (atomic_load(&w->counts[WRITE_ACKED]) < enough) {
            ck_assert_msg(mono_now_us() < deadline_us, "writer %u gets no answer any more", i);
            (void)poll(NULL, 0, PACE_MS);
        }
    }
}

long
writers_count(struct writers *all, enum write_outcome outcome)
{
    long sum = 0;

    for (unsigned i = 0; i < all->n; i++)
        sum += atomic_load(&all->items[i].counts[outcome]);
    return sum;
}

int64_t
writers_gap_us(struct writers *all)
{
    int64_t longest_us = 0;

    for (unsigned i = 0; i < all->n; i++) {
        int64_t one_us = atomic_exchange(&all->items[i].longest_us, 0);

        longest_us = one_us > longest_us ? one_us : longest_us;
    }
    return longest_us;
}

static void
writers_stop(struct writers *all)
{
    atomic_store(&all->stop, true);
    for (unsigned i = 0; i < all->n; i++)
        (void)pthread_join(all->items[i].thread, NULL);
}

static void
writers_verify(struct writers *all)
{
    void *conn = all->store->open(all->address);

    ck_assert_ptr_nonnull(conn);
    for (unsigned i = 0; i < all->n; i++) {
        long acked = atomic_load(&all->items[i].counts[WRITE_ACKED]);
        long missing = all->store->missing(conn, i, acked);

        ck_assert_msg(missing == 0, "writer %u: of %ld acknowledged writes %ld are not there", i,
                      acked, missing);
    }
    all->store->close(conn);
}

static void
writers_free(struct writers *all)
{
    free(all);
}

void
writers_finish(struct writers *all)
{
    writers_stop(all);
    writers_verify(all);
    ck_assert_uint_eq(scn_count("event=bug"), 0);
    ck_assert_uint_eq(scn_count("event=worker_kill"), 0);
    writers_free(all);
    ck_assert_int_eq(scn_stop(), 0);
}
