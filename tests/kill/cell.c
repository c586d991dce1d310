/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"

/* A master that was stopped is noticed after so long. */
#define WATCHDOG "1s"

const char *const victim_names[VICTIM_COUNT] = {
    [VICTIM_MASTER] = "kill master",
    [VICTIM_NEW] = "kill new worker",
    [VICTIM_OLD] = "kill old worker",
    [VICTIM_STOPPED] = "stop master",
};

const char *const victim_action[VICTIM_COUNT] = {
    [VICTIM_MASTER] = "kill",
    [VICTIM_NEW] = "kill-new",
    [VICTIM_OLD] = "kill-old",
    [VICTIM_STOPPED] = "stop",
};

static struct {
    const struct story *story;
    const char *edge; /* NULL: none */
    enum victim victim;
    struct strike *outcome;
    const char *trace_to; /* NULL: nowhere */
    bool armed;
} cell;

static const char *
once(int i)
{
    return scn_path("once.%d", i);
}

static void
set(const char *name, const char *value)
{
    ck_assert_int_eq(setenv(name, value, 1), 0);
}

static void
plan(void)
{
    char wish[300];

    set("STINT_EDGE_TRACE", scn_path("trace"));
    set("STINT_EDGE_ONCE", scn_path("once"));
    set("STINT_EDGE_HOLD", scn_path("hold"));
    set("STINT_EDGE_SERVICE", "web");
    (void)snprintf(wish, sizeof(wish), "%s%s%s:%s", cell.story->first ? cell.story->first : "",
                   cell.story->first ? " " : "", cell.edge ? cell.edge : "none",
                   cell.edge ? victim_action[cell.victim] : "none");
    set("STINT_EDGE", wish);
    ck_assert_int_eq(mkdir(scn_path("count"), 0777), 0);
}

void
cell_load(void)
{
    load_begin(scn_path("web.sock"), cell.story->flags & STORY_HTTP);
}

void
cell_arm(void)
{
    int last = cell.story->first ? 1 : 0;

    if (cell.armed)
        return;
    cell.armed = true;
    (void)unlink(scn_path("trace"));
    for (int i = last; i >= 0; i--)
        scn_file(i == 0 ? "once.0" : "once.1", "%s", "");
}

static void
judge_load(void)
{
    struct load_result r = load_end();
    unsigned may = cell.story->losses;

    if (cell.edge && (cell.victim == VICTIM_NEW || cell.victim == VICTIM_OLD))
        may += cell.story->flags & STORY_HTTP
                   ? 4
                   : 2; /* connections of the load that it may have held */
    (void)fprintf(stderr, "load: %lu asked, %lu failed %s\n", r.asked, r.failed, r.why);
    if (r.failed > may)
        ck_abort_msg("%lu of %lu requests failed: %s", r.failed, r.asked, r.why);
}

void
cell_load_end(void)
{
    if (load_running())
        judge_load();
}

void
cell_start(void)
{
    ck_assert(scn_launch(
        &(struct scn_world){.watchdog = cell.victim == VICTIM_STOPPED ? WATCHDOG : NULL}));
}

/* Did it strike, and was there somebody? */
static void
judge_strike(void)
{
    auto_free char *trace = NULL;

    cell.outcome->hit = !cell.edge || access(once(cell.story->first ? 1 : 0), F_OK) == -1;
    if (file_read(scn_path("trace"), (size_t)64 << 20, &trace, NULL, NULL) < 0)
        return;
    cell.outcome->nobody = strstr(trace, "!nobody\n") != NULL;
    if (cell.trace_to)
        ck_assert_int_eq(file_swap(cell.trace_to, trace, strlen(trace), 0600, NULL), 0);
}

static void
story_of_the_cell(int i)
{
    (void)i;
    plan();
    cell.story->play();
    cell_load_end();
    if (scn_keeper() > 0)
        ck_assert_int_eq(scn_stop(), 0);
    judge_strike();
    scn_nobody_left();
    verify();
}

static const TTest test = {"cell", story_of_the_cell, __FILE__, __LINE__};

bool
cell_play(const struct story *s, const char *edge, enum victim v, const char *trace_to,
          struct strike *ret)
{
    Suite *suite = suite_create(s->name);
    TCase *tc = tcase_create(s->name);
    SRunner *runner = srunner_create(suite);
    TestResult **failures;
    int failed;

    cell.story = s;
    cell.edge = edge;
    cell.victim = v;
    cell.outcome = ret;
    cell.trace_to = trace_to;
    tcase_add_checked_fixture(tc, scn_begin, scn_end);
    tcase_add_test(tc, &test);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_SILENT);
    failed = srunner_ntests_failed(runner);
    failures = srunner_failures(runner);
    if (failed > 0)
        (void)snprintf(ret->why, sizeof(ret->why), "%s", tr_msg(failures[0]));
    free(failures);
    srunner_free(runner);
    return failed == 0;
}
