/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a process says of its threads is joined with those that the kernel has; who contradicts is not believed. */
#include "base/fd.h"
#include "supervisor/probe/registry.h"
#include "tests/unit/probe/capture_fixture.h"
#include "tests/unit/probe/registry_tables.h"

static struct stint_registry_header *tables;
static struct stint_registry_slot *slots;

static void
registry_open(void)
{
    struct stint_registry_scope *scopes;
    struct stint_registry_site *sites;

    ck_assert_int_eq(registry_create(&registry, NULL), 0);
    tables = mmap(NULL, STINT_REGISTRY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, registry, 0);
    ck_assert_ptr_ne(tables, MAP_FAILED);
    fixture_header(tables);
    slots = (void *)((char *)tables + tables->slots.offset);
    scopes = (void *)((char *)tables + tables->scopes.offset);
    sites = (void *)((char *)tables + tables->sites.offset);
    sites[0].kind = STINT_SITE_BIRTH;
    sites[0].line = 88;
    strcpy(sites[0].file, "src/cache.c");
    strcpy(sites[0].function, "cache_start_flusher");
    scopes[0].state = scopes[1].state = STINT_SCOPE_OPEN;
    scopes[0].grace_us = scopes[1].grace_us = INT64_MAX;
    scopes[1].opened_us = 1;
    scopes[1].threads = 1;
    strcpy(scopes[1].name, "caches");
    tables->sites.used = 1;
    tables->scopes.used = 2;
    tables->slots.used = 64;
    tables->magic = STINT_REGISTRY_MAGIC;
}

static void
registry_close(void)
{
    teardown();
    (void)munmap(tables, STINT_REGISTRY_BYTES);
    registry = fd_close(registry);
}

/* sign_in - the calling thread takes slot @i. */
static void
sign_in(unsigned i, const char *name)
{
    struct stint_registry_slot *s = &slots[i];
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    s->tid = (uint32_t)syscall(SYS_gettid);
    s->alive_ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
    s->started_us = (uint64_t)mono_now_us();
    s->deadline_us = INT64_MAX;
    s->epoch++;
    s->birth_site = 1;
    s->creator_tid = (uint32_t)getpid();
    (void)snprintf(s->name, sizeof(s->name), "%s", name);
    s->state = STINT_SLOT_LIVE;
}

static void *
flushes(void *arg)
{
    struct timespec t = {0, 1000000};

    slots[1].scope = 1;
    sign_in(1, "flusher");
    slots[1].cancelled_us = 77;
    for (;;) {
        (void)nanosleep(&t, NULL);
        slots[1].beats++;
    }
    return arg;
}

static void *
stays(void *arg)
{
    rest();
    return arg;
}

static void *
leaves_in_order(void *arg)
{
    sign_in(2, "orderly");
    slots[2].flags = STINT_SLOT_JOINABLE;
    slots[2].state = STINT_SLOT_DONE;
    return arg;
}

static void *
leaves_in_silence(void *arg)
{
    sign_in(3, "ghost");
    return arg;
}

static void
a_life(void)
{
    sign_in(0, "main");
    (void)start(1, flushes);
    (void)start(2, stays);
    (void)pthread_join(start(3, leaves_in_order), NULL);
    (void)pthread_join(start(4, leaves_in_silence), NULL);
    stage->go = true;
}

static const struct dead_facts *
dead(const char *name)
{
    for (size_t i = 0; i < facts.n_dead; i++)
        if (strcmp(facts.dead[i].claim.name, name) == 0)
            return &facts.dead[i];
    return NULL;
}

START_TEST(claims_are_joined_with_those_who_live)
{
    const struct claim *claim;

    actor_start(a_life);
    while (!stage->go)
        (void)sched_yield();
    (void)await(1, WAIT_SLEEP);
    ck_assert_int_eq(look(20 * US_PER_MS), 0);
    ck_assert_msg(facts.grade == EVIDENCE_REGISTRY && facts.note[0] == '\0', "'%s'", facts.note);
    ck_assert(player(0)->claimed && player(1)->claimed && !player(2)->claimed);
    claim = &player(1)->claim;
    ck_assert_str_eq(claim->name, "flusher");
    ck_assert_str_eq(claim->creator_function, "cache_start_flusher");
    ck_assert_int_eq(claim->creator_tid, actor);
    ck_assert_int_eq(claim->cancelled_us, 77);
    ck_assert_ptr_nonnull(strstr(claim->scope, "caches"));
    ck_assert_uint_gt(claim->beats, claim->beats_before);
    ck_assert_int_ne(claim->beats_before_us, 0);
    ck_assert_uint_eq(facts.n_scopes, 2);
    ck_assert(dead("orderly") && !dead("orderly")->ghost && dead("orderly")->joinable);
    ck_assert(dead("ghost") && dead("ghost")->ghost);
    ck_assert_uint_eq(facts.n_dead, 2);
    look(0);
    ck_assert_int_eq(player(1)->claim.beats_before_us, 0); /* one sample: nothing before */
}
END_TEST

static void
one_says_it_is_another(void)
{
    sign_in(0, "main");
    sign_in(5, "main again");
    (void)start(1, stays);
    stage->go = true;
}

static void
all_about_others(void)
{
    sign_in(0, "main");
    slots[0].tid = 1;
    (void)start(1, stays);
    stage->go = true;
}

START_TEST(who_contradicts_the_kernel_or_himself_is_not_believed)
{
    actor_start(_i == 0 ? one_says_it_is_another : all_about_others);
    while (!stage->go)
        (void)sched_yield();
    (void)await(1, WAIT_SLEEP);
    ck_assert(facts.untrusted && facts.grade == EVIDENCE_PROC);
    ck_assert_ptr_nonnull(strstr(facts.note, "contradicts"));
    ck_assert(!player(0)->claimed && facts.n_dead == 0 && facts.n_scopes == 0);
}
END_TEST

/* A tid that the kernel has given to another since: start time tells them apart. */
static void
a_number_that_was_reused(void)
{
    sign_in(0, "main");
    sign_in(5, "predecessor");
    slots[5].alive_ns = 1000000;
    (void)start(1, stays);
    stage->go = true;
}

START_TEST(a_number_that_was_given_to_another_is_not_him)
{
    actor_start(a_number_that_was_reused);
    while (!stage->go)
        (void)sched_yield();
    (void)await(1, WAIT_SLEEP);
    ck_assert(!facts.untrusted && player(0)->claimed);
    ck_assert_str_eq(player(0)->claim.name, "main");
    ck_assert(dead("predecessor") && dead("predecessor")->ghost);
}
END_TEST

static void *
lives_by_the_book(void *arg)
{
    struct stint_registry_slot *s = &slots[10];

    sign_in(10, "mayfly");
    s->state = STINT_SLOT_DONE;
    return arg;
}

static void
generations(void)
{
    sign_in(0, "main");
    for (;;)
        (void)pthread_join(start(1, lives_by_the_book), NULL);
}

START_TEST(who_leaves_in_order_while_he_is_looked_at_is_never_a_ghost)
{
    actor_start(generations);
    while (stage->tids[1] == 0)
        (void)sched_yield();
    for (int i = 0; i < 300; i++) {
        ck_assert_int_eq(look(i % 2), 0);
        for (size_t k = 0; k < facts.n_dead; k++)
            ck_assert_msg(!facts.dead[k].ghost, "a ghost of %d", (int)facts.dead[k].tid);
        ck_assert(!facts.untrusted && player(0)->claimed);
    }
}
END_TEST

START_TEST(without_a_registry_in_it_that_is_said)
{
    memset(tables, 0, sizeof(*tables));
    actor_start(rest);
    ck_assert_int_eq(look(0), 0);
    ck_assert_int_eq(facts.grade, EVIDENCE_PROC);
    ck_assert_ptr_nonnull(strstr(facts.note, "registry"));
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("capture_claims");
    TCase *t = tcase_create("capture_claims");

    tcase_add_checked_fixture(t, registry_open, registry_close);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, claims_are_joined_with_those_who_live);
    tcase_add_loop_test(t, who_contradicts_the_kernel_or_himself_is_not_believed, 0, 2);
    tcase_add_test(t, a_number_that_was_given_to_another_is_not_him);
    tcase_add_test(t, who_leaves_in_order_while_he_is_looked_at_is_never_a_ghost);
    tcase_add_test(t, without_a_registry_in_it_that_is_said);
    suite_add_tcase(s, t);
    return unit_main(s);
}
