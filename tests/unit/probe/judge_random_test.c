/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Facts by chance, within reason and without: nothing crashes, each thread has one verdict and one
 * group, circles are real, and the order of the threads decides nothing.
 */
#include "supervisor/probe/report.h"

#include <inttypes.h>

#include "tests/unit/probe/judge_world.h"

#define ROUNDS 1500
#define MOST   24

static uint64_t state;

static uint64_t
any(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static unsigned
below(unsigned n)
{
    return (unsigned)(any() % n);
}

static bool
one_in(unsigned n)
{
    return below(n) == 0;
}

static int64_t
any_time(void)
{
    static const int64_t odd[] = {0, 1, -1, INT64_MIN, INT64_MAX, INT64_MAX - 1};

    return one_in(12) ? odd[below(ARRAY_LEN(odd))]
                      : NOW_US - (int64_t)(any() % (30 * US_PER_S)) + US_PER_S;
}

static void
any_words(char *to, size_t room)
{
    static const char *const words[] = {"",
                                        "app",
                                        "libc.so.6",
                                        "wait_for",
                                        "flush-17",
                                        "main",
                                        "tcp 1.2.3.4:80 ← 5.6.7.8:9",
                                        "tcp x",
                                        "unix",
                                        "tcp 1:2 → 3:4, not established",
                                        "this process",
                                        "\xff\x01",
                                        "pthread_rwlock_wrlock",
                                        "wants to read"};

    (void)snprintf(to, room, "%s", words[below(ARRAY_LEN(words))]);
}

static void
any_claim(struct claim *c)
{
    any_words(c->name, sizeof(c->name));
    any_words(c->creator_function, sizeof(c->creator_function));
    any_words(c->reason, sizeof(c->reason));
    any_words(c->trace_id, sizeof(c->trace_id));
    c->creator_tid = 1000 + (pid_t)below(MOST + 4);
    c->started_us = any_time();
    c->cancelled_us = one_in(3) ? 0 : any_time();
    c->deadline_us = one_in(2) ? INT64_MAX : any_time();
    c->grace_us = one_in(2) ? INT64_MAX : any_time() / 50;
    c->beats = any();
    c->beats_before = one_in(3) ? c->beats : any();
    c->beats_before_us = one_in(2) ? 0 : any_time();
    c->vital_every_us = one_in(2) ? -1 : any_time() / 10;
    c->exempt = one_in(8);
    c->exempt_until_us = any_time();
    c->shield_until_us = one_in(6) ? any_time() : 0;
    c->task = one_in(5);
    c->preload = one_in(9);
    c->scope_index = below(6);
    c->awaits_tid = one_in(9) ? 1000 + (pid_t)below(MOST) : 0;
    c->awaits_scope = one_in(9) ? below(7) : 0;
}

static void
any_thread(struct thread_facts *t, unsigned n)
{
    t->wait = (enum wait_class)below(WAIT_CLASS_COUNT);
    t->state = "RSDTtZXI"[below(8)];
    t->still = !one_in(3);
    t->fresh = one_in(9);
    t->kernel = one_in(20);
    t->shared = one_in(9);
    t->owner_gone = one_in(20);
    t->owner = one_in(2) ? 1000 + (pid_t)below(n + 2) : 0;
    t->object = one_in(3) ? 0 : 0x7000 + below(3);
    t->value = below(4);
    t->timeout_us = one_in(2) ? INT64_MAX : any_time();
    t->cpu_delta_us = any_time() / 1000;
    t->started_us = any_time();
    t->business = (int)below(30) - 2;
    t->n_frames = below(FACTS_FRAMES_MAX + 3);
    t->fd = (int)below(9) - 1;
    t->n_fds = below(4);
    any_words(t->object_note, sizeof(t->object_note));
    any_words(t->fd_target, sizeof(t->fd_target));
    any_words(t->fd_peer, sizeof(t->fd_peer));
    any_words(t->start.function, sizeof(t->start.function));
    any_words(t->start.module, sizeof(t->start.module));
    any_words(t->frames[0].function, sizeof(t->frames[0].function));
    t->start.unmapped = one_in(20);
    if (one_in(2)) {
        registered(t);
        any_claim(&t->claim);
    }
}

static void
any_process(void)
{
    unsigned n = 1 + below(MOST);

    w_begin();
    for (unsigned i = 0; i < n; i++)
        any_thread(w_thread("t"), n);
    w_threads[0].main = !one_in(9);
    w.cancelled_us = one_in(3) ? 0 : any_time();
    w.grace_us = any_time() / 50;
    w.between_us = one_in(9) ? 0 : 100 * US_PER_MS;
    w.n_threads = w.n + below(2);
    w.untrusted = one_in(12);
    w.zombie_leader = one_in(12);
    w.connections = below(3);
    any_words(w.peers, sizeof(w.peers));
    w.torn = below(2);
    w.overflow = below(2);
    w.grade = (enum evidence_grade)below(3);
    w.n_dead = below(ARRAY_LEN(w_dead));
    for (size_t i = 0; i < w.n_dead; i++) {
        w_dead[i].tid = 1000 + (pid_t)below(MOST + 9);
        w_dead[i].ghost = one_in(2);
        w_dead[i].joinable = one_in(2);
        any_claim(&w_dead[i].claim);
    }
    w.n_scopes = below(6);
    for (size_t i = 0; i < w.n_scopes; i++) {
        w_scopes[i].parent = below(8);
        w_scopes[i].cancelled_us = one_in(2) ? any_time() : 0;
        w_scopes[i].retired = one_in(5);
        any_words(w_scopes[i].who, sizeof(w_scopes[i].who));
    }
}

/* ---- what holds of each ------------------------------------------------------------------------- */

static void
judgements_hold(uint64_t seed)
{
    size_t counted = 0, leaked = 0, culprits = 0;

    ck_assert_uint_ge(js.n, w.n);
    ck_assert_uint_le(js.n, w.n + w.n_dead);
    for (size_t i = 0; i < js.n; i++) {
        const struct judgement *j = &js.of[i];

        ck_assert_msg(i < w.n ? j->thread == i && j->dead == NOBODY
                              : j->thread == NOBODY && j->dead < w.n_dead,
                      "seed %" PRIu64, seed);
        ck_assert(j->verdict < VERDICT_COUNT);
        ck_assert(j->group < js.n_groups);
        ck_assert(js.groups[j->group].verdict == j->verdict);
        ck_assert(j->waits_for == NOBODY || j->waits_for < w.n);
        leaked += verdict_is_leak(j->verdict);
        culprits += j->culprit;
    }
    ck_assert_uint_eq(leaked, js.n_leaked);
    ck_assert_msg(leaked == 0 || culprits > 0, "seed %" PRIu64 ": nobody is the cause", seed);
    for (size_t g = 0; g < js.n_groups; g++) {
        ck_assert(js.groups[g].count > 0);
        ck_assert_uint_eq(js.of[js.groups[g].first].group, g);
        for (size_t k = 0; k < g; k++)
            ck_assert(js.groups[k].verdict != js.groups[g].verdict ||
                      strcmp(js.groups[k].key, js.groups[g].key) != 0);
        counted += js.groups[g].count;
    }
    ck_assert_uint_eq(counted, js.n);
}

static void
cycles_hold(uint64_t seed)
{
    for (size_t k = 0; k < js.n_cycles; k++) {
        const struct judgement_cycle *c = &js.cycles[k];

        ck_assert(c->n > 0);
        for (size_t m = 0; m < c->n; m++) {
            size_t i = c->members[m];

            ck_assert_msg(w_threads[i].still, "seed %" PRIu64, seed);
            if (m + 1 < c->n)
                ck_assert_uint_eq(js.of[i].waits_for, c->members[m + 1]);
            else if (c->n < ARRAY_LEN(c->members))
                ck_assert_uint_eq(js.of[i].waits_for, c->members[0]);
        }
    }
}

static void
contract_holds(uint64_t seed)
{
    for (size_t i = 0; i < w.n; i++) {
        const struct judgement *j = &js.of[i];
        const struct claim *c = &w_threads[i].claim;
        bool certain = j->verdict == VERDICT_DEADLOCK || j->verdict == VERDICT_ORPHAN_LOCK ||
                       j->verdict == VERDICT_DEAD_WATCHER;

        if (!verdict_is_leak(j->verdict) || certain)
            continue;
        ck_assert_msg(j->overdue_us >= 0, "seed %" PRIu64, seed);
        if (j->by_contract)
            ck_assert_msg((c->cancelled_us > 0 || c->deadline_us <= w.at_us) && !w.untrusted &&
                              !(c->exempt && c->exempt_until_us > w.at_us) &&
                              c->shield_until_us <= w.at_us,
                          "seed %" PRIu64, seed);
        else
            ck_assert_msg(w.cancelled_us > 0, "seed %" PRIu64, seed);
    }
}

START_TEST(whatever_is_seen_each_thread_has_one_verdict_and_one_group)
{
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        state = seed * UINT64_C(0x9e3779b97f4a7c15);
        any_process();
        w_judge();
        judgements_hold(seed);
        cycles_hold(seed);
        contract_holds(seed);
        for (size_t g = 0; g < js.n_groups; g++)
            judge_tell(&w, &js, g, &told);
        ck_assert(!told.failed);
        if (seed % 20 == 0) {
            json_t *report = probe_report(&w, &js, true);

            ck_assert_ptr_nonnull(report);
            json_decref(report);
        }
    }
}
END_TEST

static struct thread_facts before[MOST];
static struct judgement verdicts[MOST];

START_TEST(the_order_of_the_threads_decides_nothing)
{
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        char summary[4096];
        enum verdict process;

        state = seed * UINT64_C(0xd1342543de82ef95);
        any_process();
        w_judge();
        (void)snprintf(summary, sizeof(summary), "%.4095s", text_str(&told));
        process = js.process;
        memcpy(before, w_threads, w.n * sizeof(*before));
        memcpy(verdicts, js.of, w.n * sizeof(*verdicts));
        for (size_t i = w.n; i > 1; i--) {
            size_t k = below((unsigned)i);
            struct thread_facts t = w_threads[i - 1];

            w_threads[i - 1] = w_threads[k];
            w_threads[k] = t;
        }
        w_judge();
        ck_assert_int_eq(js.process, process);
        for (size_t i = 0; i < w.n; i++)
            for (size_t k = 0; k < w.n; k++)
                if (before[k].tid == w_threads[i].tid) {
                    ck_assert_msg(js.of[i].verdict == verdicts[k].verdict &&
                                      js.of[i].culprit == verdicts[k].culprit &&
                                      strcmp(js.of[i].why, verdicts[k].why) == 0,
                                  "seed %" PRIu64 ": %s! and %s", seed,
                                  verdict_name(js.of[i].verdict),
                                  verdict_name(verdicts[k].verdict));
                }
        ck_assert_str_eq(text_str(&told), summary);
    }
}
END_TEST

/* Many, in one long chain, and all in each other's way: it has to end, and soon. */
START_TEST(five_thousand_in_a_chain_are_judged)
{
    w_begin();
    w_asked(LONG_AGO);
    w_main(WAIT_JOIN, false);
    for (size_t i = 1; i < W_MAX; i++)
        (void)w_thread("link");
    for (size_t i = 1; i + 1 < W_MAX; i++)
        waits_lock(&w_threads[i], &w_threads[i + 1]);
    joins(&w_threads[0], &w_threads[1]);
    w_judge();
    is_verdict(&w_threads[W_MAX - 1], VERDICT_DEADLOCK);
    is_cause(&w_threads[W_MAX - 1]);
    is_verdict(&w_threads[7], VERDICT_DEADLOCK);
    is_not_cause(&w_threads[7]);
    w_threads[W_MAX - 1].wait = WAIT_READ;
    w_judge();
    is_verdict(&w_threads[7], VERDICT_LEAKED_BLOCKED);
    is_not_cause(&w_threads[7]);
    is_cause(&w_threads[W_MAX - 1]);
    for (size_t i = 1; i + 1 < W_MAX; i++) /* each a lock for readers of its own, two by two */
        waits(&w_threads[i], WAIT_RWLOCK)->object = 0x7000 + i / 2;
    w_judge();
}
END_TEST

int
main(void)
{
    const TTest *tests[] = {whatever_is_seen_each_thread_has_one_verdict_and_one_group,
                            the_order_of_the_threads_decides_nothing,
                            five_thousand_in_a_chain_are_judged};

    return unit_main(w_suite("probe: verdicts of anything", tests, ARRAY_LEN(tests)));
}
