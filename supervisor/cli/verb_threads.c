/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/cli/cli_internal.h"
#include "supervisor/probe/capture.h"
#include "supervisor/probe/judge.h"
#include "supervisor/probe/report.h"

/* stint threads: of workers, by the master; of any process, looked at from here. stint leaks. */

#define THREADS_TIMEOUT_US (30 * US_PER_S)
#define PID_PATIENCE_US    (10 * US_PER_S)

bool
cli_whom(struct cli *cli, const char *whom, struct text *path)
{
    auto_free char *service = strdup(whom);
    char *generation = service ? strchr(service, '/') : NULL, *slot = NULL;

    if (!service)
        return false;
    if (generation) {
        *generation++ = '\0';
        slot = strchr(generation, '.');
        if (slot)
            *slot++ = '\0';
        if (generation[strspn(generation, "0123456789")] || !generation[0] ||
            (slot && (slot[strspn(slot, "0123456789")] || !slot[0]))) {
            (void)cli_fail(cli, CLI_USAGE,
                           "'%s' is none of SERVICE, SERVICE/GENERATION and "
                           "SERVICE/GENERATION.SLOT",
                           whom);
            return false;
        }
    }
    cli_query(path, "service", service);
    if (generation)
        cli_query(path, "generation", generation);
    if (slot)
        cli_query(path, "slot", slot);
    return true;
}

static int64_t
leaked_in(const json_t *answer)
{
    int64_t n = json_number(answer, "leaked");
    size_t i;
    json_t *w;

    json_array_foreach(json_object_get(answer, "workers"), i, w) n +=
        json_number(json_object_get(w, "evidence"), "leaked");
    return n;
}

/* What the exit status says: 0, or with --fail-on-leak whether there is one. */
static int
judge_exit(const struct cli *cli, int r, int64_t leaked)
{
    return r == CLI_OK && cli->values[OPTION_FAIL_ON_LEAK] && leaked > 0 ? CLI_LEAKED : r;
}

static void
print(struct cli *cli, const json_t *json, void (*render)(struct cli *, const json_t *))
{
    if (!cli->values[OPTION_JSON]) {
        render(cli, json);
        return;
    }
    (void)json_dumpf(json, cli->out, JSON_INDENT(2)); /* a full disk shows at the last flush */
    (void)fputc('\n', cli->out);
}

/* Whoever looks at a terminal should know why nothing comes. */
static void
note_patience(const struct cli *cli)
{
    if (cli->err == stderr && isatty(STDERR_FILENO))
        (void)fputs("looking ...\r", cli->err);
}

static int
threads_of_workers(struct cli *cli)
{
    auto_text struct text path = TEXT_INIT;
    struct ask ask = {.method = "GET", .timeout_us = THREADS_TIMEOUT_US};
    uint64_t generation = 0;
    char number[24];
    json_t *answer = NULL;
    int r;

    if (!cli_number(cli, OPTION_GENERATION, &generation))
        return CLI_USAGE;
    text_add(&path, "/v1/threads");
    if (cli->n_args > 0 && !cli_whom(cli, cli->args[0], &path))
        return CLI_USAGE;
    (void)snprintf(number, sizeof(number), "%" PRIu64, generation);
    if (generation > 0)
        cli_query(&path, "generation", number);
    if (cli->values[OPTION_ALL])
        cli_query(&path, "all", "1");
    ask.path = text_str(&path);
    note_patience(cli);
    r = cli_ask(cli, &ask, &answer);
    if (answer)
        print(cli, answer, render_threads);
    r = judge_exit(cli, r, leaked_in(answer));
    json_decref(answer);
    return r;
}

/* ---- without a master ------------------------------------------------------------------------- */

static void
render_process(struct cli *cli, const json_t *report)
{
    paintf(cli, PAINT_BOLD, "pid %" PRId64 " %s", json_number(report, "pid"),
           json_text(report, "exe"));
    render_evidence(cli, report);
}

static int
threads_of_pid(struct cli *cli, pid_t pid)
{
    struct probe_request rq = {.pid = pid,
                               .registry_fd = -1,
                               .between_us = PROBE_BETWEEN_US,
                               .deadline_us = mono_now_us() + PID_PATIENCE_US};
    struct process_facts facts = {0};
    struct judgements judgements = {0};
    struct error err = {0};
    json_t *report = NULL;
    int r = probe_capture(&rq, &facts, &err);

    if (r == -ESRCH)
        return cli_fail(cli, CLI_NOT_FOUND, "there is no process %d", (int)pid);
    if (r == -EACCES || r == -EPERM)
        return cli_fail(cli, CLI_NOT_PERMITTED, "%s", err.text);
    if (r < 0)
        return cli_fail(cli, CLI_INTERNAL, "%s", err.text);
    if (judge(&facts, &judgements) == 0)
        report = probe_report(&facts, &judgements, cli->values[OPTION_ALL] != NULL);
    judgements_finish(&judgements);
    process_facts_finish(&facts);
    if (!report)
        return cli_fail(cli, CLI_INTERNAL, "out of memory");
    print(cli, report, render_process);
    r = judge_exit(cli, CLI_OK, leaked_in(report));
    json_decref(report);
    return r;
}

int
verb_threads(struct cli *cli)
{
    uint64_t pid = 0;

    if (!cli->values[OPTION_PID])
        return threads_of_workers(cli);
    if (!cli_number(cli, OPTION_PID, &pid))
        return CLI_USAGE;
    if (pid == 0 || pid > INT_MAX)
        return cli_fail(cli, CLI_USAGE, "--pid wants the number of a process");
    if (cli->n_args > 0 || cli->values[OPTION_GENERATION])
        return cli_fail(cli, CLI_USAGE, "--pid is instead of a service");
    return threads_of_pid(cli, (pid_t)pid);
}

/* ---- what was ------------------------------------------------------------------------------------ */

static int64_t
leaks_now(const json_t *answer)
{
    int64_t n = 0;
    size_t i, k;
    json_t *s, *g;

    json_array_foreach(json_object_get(answer, "services"), i, s)
        json_array_foreach(json_object_get(s, "groups"), k, g) n +=
        strcmp(json_text(g, "state"), "leaked") == 0 || json_flag(g, "rising");
    return n;
}

int
verb_leaks(struct cli *cli)
{
    auto_text struct text path = TEXT_INIT;
    struct ask ask = {.method = "GET", .timeout_us = THREADS_TIMEOUT_US};
    json_t *answer = NULL;
    int r;

    text_add(&path, "/v1/leaks");
    if (cli->n_args > 0)
        cli_query(&path, "service", cli->args[0]);
    ask.path = text_str(&path);
    r = cli_ask(cli, &ask, &answer);
    if (answer)
        print(cli, answer, render_leaks);
    r = judge_exit(cli, r, leaks_now(answer));
    json_decref(answer);
    return r;
}
