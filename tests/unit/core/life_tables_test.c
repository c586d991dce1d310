/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The three life tables once more, in words. The program's tables decide; this page is what was
 * agreed. A cell that changes in one of them has to be changed in both, and explained.
 */
#include <string.h>

#include "supervisor/core/core.h"
#include "tests/unit/unit.h"

/* "." is an empty cell: an internal event there is our bug. A state's own name: an honest race. */
static const char *const worker_events[] = {"ready", "outlived", "relieved",
                                            "drain", "deadline", "exit"};
static const struct {
    const char *from, *to[WE_COUNT];
} worker_table[] = {
  /*               ready       outlived relieved   drain       deadline    exit */
    {"starting",  {"ready", ".", ".", "draining", "draining", "exited"} },
    {"ready",     {"ready", "ready", "ready", "draining", ".", "exited"}},
    {"draining",  {"draining", ".", ".", "draining", "leaked", "exited"}},
    {"leaked",    {"leaked", ".", ".", "leaked", "killed", "exited"}    },
    {"killed",    {"killed", ".", ".", "killed", "abandoned", "exited"} },
    {"abandoned", {"abandoned", ".", ".", "abandoned", ".", "exited"}   },
    {"exited",    {".", ".", ".", ".", ".", "."}                        },
};

static const char *const generation_events[] = {"all ready", "serve", "abort", "relieve", "park",
                                                "restore",   "hand",  "empty", "complete"};
static const struct {
    const char *from, *to[GE_COUNT];
} generation_table[] = {
  /* all ready, serve, abort, relieve, park, restore, hand, empty, complete */
    {"starting",  {"soaking", "serving", "draining", "draining", ".", ".", ".", ".", "completed"}},
    {"soaking",   {".", "serving", "draining", "draining", ".", ".", ".", ".", "."}              },
    {"serving",   {".", ".", ".", "draining", ".", ".", "retired", ".", "."}                     },
    {"draining",  {".", ".", ".", "draining", "parked", ".", ".", "retired", "."}                },
    {"parked",    {".", ".", ".", ".", ".", "starting", ".", "retired", "."}                     },
    {"completed", {".", ".", ".", "draining", ".", ".", ".", ".", "."}                           },
    {"retired",   {".", ".", ".", ".", ".", ".", ".", ".", "."}                                  },
};

static const char *const reload_events[] = {
    "hint",    "request",   "timer",   "wait",    "ready",  "changed", "startable",
    "crowded", "unsettled", "relieve", "restore", "signal", "end"};
static const struct {
    const char *from, *to[RE_COUNT];
} reload_table[] = {
    {"idle",         {"settling", "looking", ".", "waiting", ".", ".", ".", ".", ".", ".", ".", ".", "."}},
    {"settling",
     {"settling", "looking", "looking", "waiting", ".", ".", ".", ".", ".", ".", ".", ".", "idle"}       },
    {"waiting",
     {"waiting", "waiting", ".", ".", "looking", ".", ".", ".", ".", ".", ".", ".", "idle"}              },
    {"looking",
     {"looking", "looking", ".", "waiting", ".", "checking", "handing-over", "queued", "settling",
      "relieving", ".", "signalling", "idle"}                                                            },
    {"checking",
     {"checking", "checking", ".", "waiting", ".", ".", "handing-over", "queued", ".", "relieving",
      ".", "signalling", "idle"}                                                                         },
    {"queued",
     {"queued", "queued", ".", ".", ".", ".", "handing-over", ".", ".", "relieving", ".",
      "signalling", "idle"}                                                                              },
    {"relieving",
     {"relieving", "relieving", ".", "waiting", ".", ".", "handing-over", ".", ".", ".", ".", ".",
      "idle"}                                                                                            },
    {"handing-over",
     {"handing-over", "handing-over", ".", ".", ".", ".", ".", ".", ".", ".", "restoring", ".",
      "idle"}                                                                                            },
    {"restoring",
     {"restoring", "restoring", ".", ".", ".", ".", ".", ".", ".", ".", ".", ".", "idle"}                },
    {"signalling",
     {"signalling", "signalling", ".", ".", ".", ".", ".", ".", ".", ".", ".", ".", "idle"}              },
};

START_TEST(a_worker_lives_by_its_table)
{
    for (int s = WORKER_STARTING; s < WORKER_STATE_COUNT; s++) {
        ck_assert_str_eq(worker_state_name((enum worker_state)s), worker_table[s - 1].from);
        for (int e = 0; e < WE_COUNT; e++) {
            enum worker_state next = WORKER_NONE;
            bool listed = worker_cell((enum worker_state)s, (enum worker_event)e, &next);
            const char *is = listed ? worker_state_name(next) : ".";

            ck_assert_msg(strcmp(is, worker_table[s - 1].to[e]) == 0,
                          "a worker that is %s, told %s: agreed '%s', is '%s'",
                          worker_table[s - 1].from, worker_events[e], worker_table[s - 1].to[e],
                          is);
        }
    }
    ck_assert_int_eq(sizeof(worker_table) / sizeof(worker_table[0]), WORKER_STATE_COUNT - 1);
}
END_TEST

START_TEST(a_generation_lives_by_its_table)
{
    for (int s = GENERATION_STARTING; s < GENERATION_STATE_COUNT; s++) {
        ck_assert_str_eq(generation_state_name((enum generation_state)s),
                         generation_table[s - 1].from);
        for (int e = 0; e < GE_COUNT; e++) {
            enum generation_state next = GENERATION_NONE;
            bool listed =
                generation_cell((enum generation_state)s, (enum generation_event)e, &next);
            const char *is = listed ? generation_state_name(next) : ".";

            ck_assert_msg(strcmp(is, generation_table[s - 1].to[e]) == 0,
                          "a generation that is %s, told %s: agreed '%s', is '%s'",
                          generation_table[s - 1].from, generation_events[e],
                          generation_table[s - 1].to[e], is);
        }
    }
    ck_assert_int_eq(sizeof(generation_table) / sizeof(generation_table[0]),
                     GENERATION_STATE_COUNT - 1);
}
END_TEST

START_TEST(a_reload_lives_by_its_table)
{
    for (int s = RELOAD_IDLE; s < RELOAD_STATE_COUNT; s++) {
        ck_assert_str_eq(reload_state_name((enum reload_state)s), reload_table[s - 1].from);
        for (int e = 0; e < RE_COUNT; e++) {
            enum reload_state next = RELOAD_NO_STATE;
            bool listed = reload_cell((enum reload_state)s, (enum reload_event)e, &next);
            const char *is = listed ? reload_state_name(next) : ".";

            ck_assert_msg(strcmp(is, reload_table[s - 1].to[e]) == 0,
                          "a reload that is %s, told %s: agreed '%s', is '%s'",
                          reload_table[s - 1].from, reload_events[e], reload_table[s - 1].to[e],
                          is);
        }
    }
    ck_assert_int_eq(sizeof(reload_table) / sizeof(reload_table[0]), RELOAD_STATE_COUNT - 1);
}
END_TEST

/* No one is signalled, spawned or buried from a state nobody is in. */
START_TEST(the_state_none_has_no_way_out)
{
    enum worker_state w;
    enum generation_state g;
    enum reload_state r;

    for (int e = 0; e < WE_COUNT; e++)
        ck_assert(!worker_cell(WORKER_NONE, (enum worker_event)e, &w));
    for (int e = 0; e < GE_COUNT; e++)
        ck_assert(!generation_cell(GENERATION_NONE, (enum generation_event)e, &g));
    for (int e = 0; e < RE_COUNT; e++)
        ck_assert(!reload_cell(RELOAD_NO_STATE, (enum reload_event)e, &r));
}
END_TEST

/* SIGKILL is not the answer to anything but a leak: no deadline leads to it but one. */
START_TEST(only_a_leaked_worker_is_killed)
{
    enum worker_state next;

    for (int s = WORKER_STARTING; s < WORKER_STATE_COUNT; s++)
        for (int e = 0; e < WE_COUNT; e++)
            if (worker_cell((enum worker_state)s, (enum worker_event)e, &next) &&
                next == WORKER_KILLED && s != WORKER_KILLED)
                ck_assert_int_eq(s, WORKER_LEAKED);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("life tables");
    TCase *tcase = tcase_create("tables");

    tcase_add_test(tcase, a_worker_lives_by_its_table);
    tcase_add_test(tcase, a_generation_lives_by_its_table);
    tcase_add_test(tcase, a_reload_lives_by_its_table);
    tcase_add_test(tcase, the_state_none_has_no_way_out);
    tcase_add_test(tcase, only_a_leaked_worker_is_killed);
    suite_add_tcase(suite, tcase);
    return unit_main(suite);
}
