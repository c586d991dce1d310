/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

/* Generations of the configuration inside a living process. */
static void
obey(void *arg)
{
    (void)arg;
    (void)stint_token_wait(stint_current(), STINT_NEVER);
}

static void
stay(void *arg)
{
    (void)stint_token_wait(arg, STINT_NEVER);
}

/* With the frames before it, which the test has seen, taken away. */
static struct master
up(void)
{
    struct master m = master_start();
    char body[STINT_FRAME_MAX];

    ck_assert_int_eq(stint_init(NULL), 0);
    ck_assert_uint_eq(master_receive(&m, body).type, STINT_FRAME_HELLO);
    return m;
}

static struct stint_registry_scope
scope_of(const struct master *m, const char *name)
{
    struct stint_registry_scope scope;

    ck_assert_msg(master_scope(m, name, &scope) == 1, "no scope '%s'", name);
    return scope;
}

static void
await_state(const struct master *m, const char *name, uint32_t state)
{
    int64_t limit = soon();

    while (scope_of(m, name).state != state)
        ck_assert_int_lt(stint_now_us(), limit);
}

START_TEST(generations_have_numbers_and_lend_them_to_what_is_within)
{
    struct master m = up();
    struct stint_scope *one = stint_generation_open(NULL);
    struct stint_scope *two = stint_generation_open("sha256:abcd");
    struct stint_scope *within = stint_scope_open(two, "watchers");
    struct stint_scope *plain = stint_scope_open(NULL, "plain");

    ck_assert_uint_eq(stint_generation_number(one), 1);
    ck_assert_uint_eq(stint_generation_number(two), 2);
    ck_assert_uint_eq(stint_generation_number(within), 2);
    ck_assert_uint_eq(stint_generation_number(plain), 0);
    ck_assert_uint_eq(stint_generation_number(NULL), 0);
    ck_assert_uint_eq(scope_of(&m, "generation 1").generation, 1);
    ck_assert_uint_eq(scope_of(&m, "sha256:abcd").generation, 2);
    ck_assert_uint_eq(scope_of(&m, "watchers").generation, 2);
    ck_assert_uint_eq(scope_of(&m, "plain").generation, 0);
    ck_assert_int_eq(stint_scope_close(within, 0, NULL, 0), 0);
    ck_assert_int_eq(stint_scope_close(plain, 0, NULL, 0), 0);
    ck_assert_int_eq(stint_generation_retire(one, 0, NULL), 0);
    ck_assert_int_eq(stint_generation_retire(two, 0, NULL), 0);
    ck_assert_int_eq(stint_generation_retire(NULL, 0, NULL), 0);
    await_state(&m, "sha256:abcd", STINT_SCOPE_CLOSED);
}
END_TEST

START_TEST(retiring_cancels_does_not_wait_and_asks_for_a_look_when_the_grace_is_over)
{
    struct master m = up();
    struct stint_token *hold = stint_token_new(NULL, "hold");
    struct stint_scope *gen = stint_generation_open("old");
    struct stint_registry_scope seen;
    struct stint_look look;
    char body[STINT_FRAME_MAX];
    int64_t began_us = stint_now_us();

    ck_assert_int_eq(stint_scope_spawn(gen, "watcher", stay, hold), 0);
    ck_assert_int_eq(stint_generation_retire(gen, 3600000000, "reloaded"), 1);
    ck_assert_uint_eq(master_receive(&m, body).type, STINT_FRAME_LOOK);
    memcpy(&look, body, sizeof(look));
    ck_assert_uint_eq(look.generation, 1);
    ck_assert_str_eq(look.text, "old");
    ck_assert_int_ge(look.at_us, began_us + 3600000000);
    ck_assert_int_le(look.at_us, stint_now_us() + 3600000000);
    seen = scope_of(&m, "old");
    ck_assert_uint_eq(seen.state, STINT_SCOPE_RETIRED);
    ck_assert_uint_eq(seen.cause, STINT_CAUSE_RETIRED);
    ck_assert_str_eq(seen.text, "reloaded");
    ck_assert_str_eq(seen.who, "main");
    ck_assert_int_eq(seen.grace_us, 3600000000);
    ck_assert_uint_ge(seen.cancelled_us, (uint64_t)began_us);
    ck_assert_uint_eq(seen.threads, 1);
    stint_token_cancel(hold, STINT_CAUSE_USER, NULL);
    await_state(&m, "old", STINT_SCOPE_CLOSED);
    stint_token_unref(hold);
}
END_TEST

START_TEST(a_generation_nobody_is_in_needs_no_look)
{
    struct master m = up();
    struct pollfd quiet = {.fd = m.channel, .events = POLLIN};
    struct stint_scope *gen = stint_generation_open("empty");

    ck_assert_int_eq(stint_generation_retire(gen, 1000000, NULL), 0);
    ck_assert_int_eq(poll(&quiet, 1, 0), 0);
    ck_assert_uint_eq(scope_of(&m, "empty").state, STINT_SCOPE_CLOSED);
}
END_TEST

START_TEST(the_endless_grace_of_a_retire_does_not_overflow)
{
    struct master m = up();
    struct stint_token *hold = stint_token_new(NULL, "hold");
    struct stint_scope *gen = stint_generation_open("patient");
    struct stint_look look;
    char body[STINT_FRAME_MAX];

    ck_assert_int_eq(stint_scope_spawn(gen, "slow", stay, hold), 0);
    ck_assert_int_eq(stint_generation_retire(gen, STINT_NEVER, NULL), 1);
    ck_assert_uint_eq(master_receive(&m, body).type, STINT_FRAME_LOOK);
    memcpy(&look, body, sizeof(look));
    ck_assert_int_eq(look.at_us, STINT_NEVER);
    stint_token_cancel(hold, STINT_CAUSE_USER, NULL);
    await_state(&m, "patient", STINT_SCOPE_CLOSED);
    stint_token_unref(hold);
}
END_TEST

/* What a reload may not free while somebody uses it; AddressSanitizer looks on. */
struct config {
    struct stint_scope *gen;
    int value;
};

static void
use(void *arg)
{
    const struct config *config = arg;

    while (stint_token_sleep(stint_current(), 1) == 0)
        ck_assert_int_ge(config->value, 0);
}

START_TEST(a_storm_of_reloads_leaves_nothing_behind)
{
    enum { RELOADS = 300 };
    struct master m = up();
    struct stint_registry_header header;
    struct config *old = NULL;

    for (int i = 0; i < RELOADS; i++) {
        struct config *config = calloc(1, sizeof(*config));

        ck_assert_ptr_nonnull(config);
        config->value = i;
        config->gen = stint_generation_open("storm");
        for (int j = 0; j < 2; j++)
            ck_assert_int_eq(stint_scope_spawn(config->gen, "user", use, config), 0);
        if (old)
            ck_assert_int_eq(stint_scope_close(old->gen, SOON_US, NULL, 0), 0);
        free(old);
        old = config;
    }
    ck_assert_uint_eq(stint_generation_number(old->gen), RELOADS);
    ck_assert_int_eq(stint_scope_close(old->gen, SOON_US, NULL, 0), 0);
    free(old);
    ck_assert_int_eq(pread(m.registry, &header, sizeof(header), 0), sizeof(header));
    ck_assert_uint_lt(header.scopes.used, 40);
    ck_assert_uint_lt(header.slots.used, 80);
    ck_assert_uint_eq(header.overflow + header.overflow_scopes, 0);
    ck_assert_uint_eq(scope_of(&m, "root").threads, 1);
}
END_TEST

/* A thread of the generation may be the one that reloads. */
static void
reload(void *arg)
{
    ck_assert_int_eq(stint_generation_retire(arg, 1000, "by its own thread"), 1);
    obey(NULL);
}

START_TEST(a_thread_may_retire_the_generation_it_belongs_to)
{
    struct master m = up();
    struct stint_scope *gen = stint_generation_open("own");

    ck_assert_int_eq(stint_scope_spawn(gen, "reloader", reload, gen), 0);
    await_state(&m, "own", STINT_SCOPE_CLOSED);
    ck_assert_str_eq(scope_of(&m, "own").who, "reloader");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("reload");
    TCase *t = tcase_create("reload");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, generations_have_numbers_and_lend_them_to_what_is_within);
    tcase_add_test(t, retiring_cancels_does_not_wait_and_asks_for_a_look_when_the_grace_is_over);
    tcase_add_test(t, a_generation_nobody_is_in_needs_no_look);
    tcase_add_test(t, the_endless_grace_of_a_retire_does_not_overflow);
    tcase_add_test(t, a_storm_of_reloads_leaves_nothing_behind);
    tcase_add_test(t, a_thread_may_retire_the_generation_it_belongs_to);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
