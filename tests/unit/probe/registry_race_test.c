/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/probe/registry.h"
#include "tests/unit/unit.h"
#include "worker-api/stint.h"

/* Threads come into the registry and leave it as fast as they can, while the master reads it. */
#define HANDS 4

static atomic_uint left = HANDS;
static unsigned rounds;

struct hand {
    unsigned number;
    struct stint_token *token;
};

/* Not Check's asserts: its lock would make them take turns. */
static void
must(bool holds)
{
    if (!holds)
        abort();
}

static void *
come_and_go(void *arg)
{
    const struct hand *hand = arg;
    char name[STINT_NAME_MAX];

    (void)snprintf(name, sizeof(name), "hand-%u", hand->number);
    for (unsigned i = 0; i < rounds; i++) {
        must(stint_thread_adopt(hand->token, name) == 0);
        STINT_BLOCK("for its turn", hand)
        stint_beat();
        must(stint_task_begin(hand->token, NULL) == 0);
        stint_task_end();
        stint_thread_disown();
    }
    atomic_fetch_sub(&left, 1);
    return NULL;
}

/* Whole: what one of them wrote, and not half of one and half of another. */
static void
check(const struct registry_thread *t)
{
    if (strncmp(t->claim.name, "hand-", 5) != 0)
        return;
    ck_assert_msg(strncmp(t->claim.token, "token-", 6) == 0 &&
                      strcmp(t->claim.token + 6, t->claim.name + 5) == 0,
                  "'%s' obeys '%s'", t->claim.name, t->claim.token);
    ck_assert_str_eq(t->claim.creator_function, "come_and_go");
    ck_assert_int_gt(t->tid, 0);
}

START_TEST(a_registry_in_a_hurry_is_read_whole)
{
    pthread_t threads[HANDS];
    struct hand hands[HANDS];
    unsigned looks = 0;
    char text[32];
    int fd;

    rounds = getenv("STINT_TEST_LONG") ? 1000000 : 50000;
    ck_assert_int_eq(registry_create(&fd, NULL), 0);
    (void)snprintf(text, sizeof(text), "%d", dup(fd));
    (void)setenv("STINT_REGISTRY", text, 1);
    (void)snprintf(text, sizeof(text), "%d", (int)getpid());
    (void)setenv("LISTEN_PID", text, 1);
    ck_assert_int_eq(stint_init(NULL), 0);
    for (unsigned i = 0; i < HANDS; i++) {
        (void)snprintf(text, sizeof(text), "token-%u", i);
        hands[i] = (struct hand){i, stint_token_new(stint_root(), text)};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, come_and_go, &hands[i]), 0);
    }
    for (; atomic_load(&left) > 0; looks++) {
        struct registry_view v;

        ck_assert_int_eq(registry_read(fd, &v, NULL), 0);
        ck_assert(!v.untrusted);
        ck_assert_uint_eq(v.overflow, 0);
        ck_assert_uint_le(v.n, HANDS + 1);
        for (size_t i = 0; i < v.n; i++)
            check(&v.threads[i]);
        for (size_t i = 0; i < v.n_ended; i++)
            check(&v.ended[i]);
        registry_view_finish(&v);
    }
    for (unsigned i = 0; i < HANDS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        stint_token_unref(hands[i].token);
    }
    ck_assert_uint_gt(looks, 0);
    (void)close(fd);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("registry_race");
    TCase *t = tcase_create("registry_race");

    tcase_set_timeout(t, getenv("STINT_TEST_LONG") ? 3600 : 100);
    tcase_add_test(t, a_registry_in_a_hurry_is_read_whole);
    suite_add_tcase(s, t);
    return unit_main(s);
}
