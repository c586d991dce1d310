/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "config/spec.h"
#include "supervisor/io/leftovers.h"
#include "supervisor/io/probing.h"
#include "supervisor/probe/capture.h"
#include "supervisor/probe/judge.h"
#include "supervisor/probe/judge_history.h"
#include "supervisor/probe/report.h"

/* What the helper of a look does. It may take as long as it is let, and die of what it reads. */

#define BUDGET_MAX  64 /* rows of a leak_budget, and breaches that are told */
#define WORK_CPU_S  10
#define OTHERS_TOLD 3   /* processes by name, in the line for people; all are in the report */
#define HELD_MISSES 256 /* numbers in a row that are none, and the last was before them */
#define LEAST_US    INT64_C(50000) /* of its time are left to tell what was seen */

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SHADOWED true
#endif
#endif
#ifdef SHADOWED
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHADOWED true /* a sanitizer has terabytes for itself */
#else
#define SHADOWED false
#endif

/*
 * So much more than the master has. Its own data only, which grow with what the worker shows: files
 * are mapped as long as they are. The child that reads those has a limit of its own.
 */
static void
limit_memory(uint64_t bytes)
{
    auto_free char *statm = NULL;
    const char *at;
    struct rlimit memory;

    if (SHADOWED || getrlimit(RLIMIT_DATA, &memory) < 0 ||
        file_read("/proc/self/statm", 256, &statm, NULL, NULL) < 0)
        return;
    at = statm; /* size, resident, shared, text, lib, data: in pages */
    for (int before = 0; before < 5; before++)
        at += strcspn(at, " ") + (at[strcspn(at, " ")] != '\0');
    bytes += strtoull(at, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
    if (bytes < memory.rlim_cur)
        memory.rlim_cur = bytes;
    (void)setrlimit(RLIMIT_DATA, &memory);
}

static uint64_t
memory_of(const struct probing_request *rq)
{
    return rq->memory > 0 ? rq->memory : PROBING_MEMORY;
}

static void
limit(const struct probing_request *rq)
{
    struct rlimit cpu = {WORK_CPU_S, WORK_CPU_S};

    (void)setrlimit(RLIMIT_CPU, &cpu); /* best effort, like its end at the deadline */
    limit_memory(memory_of(rq));
}

/* ---- how many it may have -------------------------------------------------------------------- */

static void
tell_breach(const struct leak_budget *b, const struct budget_breach *found, int64_t oldest_us,
            struct text *out)
{
    char allowed[32], oldest[32];

    if (out->bytes > 0)
        text_add(out, "; ");
    if (found->too_old)
        text_addf(out, "%u threads '%s' are older than %s, the oldest is %s", found->count,
                  b->thread, duration_human(b->max_age_us, allowed, sizeof(allowed)),
                  duration_human(oldest_us, oldest, sizeof(oldest)));
    else
        text_addf(out, "%u more threads '%s' than the %u that are allowed", found->count, b->thread,
                  b->max);
}

/* Return: how many limits of its leak_budget are not kept. */
static unsigned
tell_budget(const struct service_spec *spec, const struct process_facts *facts,
            const struct judgements *judgements, struct text *out)
{
    struct budget_rule rules[BUDGET_MAX];
    struct budget_breach found[BUDGET_MAX];
    size_t n = 0;

    for (; spec && n < spec->n_leak_budget && n < BUDGET_MAX; n++) {
        const struct leak_budget *b = &spec->leak_budget[n];

        rules[n] =
            (struct budget_rule){b->thread, b->max, b->max_age_us > 0 ? b->max_age_us : INT64_MAX};
    }
    n = n > 0 ? budget_check(facts, judgements, rules, n, found, BUDGET_MAX) : 0;
    for (size_t i = 0; i < n && i < BUDGET_MAX; i++)
        tell_breach(&spec->leak_budget[found[i].rule], &found[i],
                    facts->at_us - facts->threads[found[i].first].started_us, out);
    return (unsigned)n;
}

/* ---- the answer ----------------------------------------------------------------------------- */

static size_t
cut(const char *from, char line[PROBING_SUMMARY])
{
    size_t n = strnlen(from, PROBING_SUMMARY - 1);

    memcpy(line, from, n);
    while (n > 0 && from[n] && ((unsigned char)from[n] & 0xc0) == 0x80)
        n--; /* not inside a character */
    line[n] = '\0';
    return n + 1;
}

static bool
tell(int out, struct probing_told *told, const char *summary, const char *budget,
     const char *report)
{
    char first[PROBING_SUMMARY], second[PROBING_SUMMARY];

    told->magic = PROBING_TOLD_MAGIC;
    told->summary_bytes = (uint32_t)cut(summary, first);
    told->budget_bytes = (uint32_t)cut(budget, second);
    told->report_bytes = (uint32_t)strlen(report);
    return write(out, told, sizeof(*told)) == sizeof(*told) &&
           write(out, first, told->summary_bytes) == (ssize_t)told->summary_bytes &&
           write(out, second, told->budget_bytes) == (ssize_t)told->budget_bytes &&
           write(out, report, told->report_bytes) == (ssize_t)told->report_bytes;
}

/* The report as bytes; one that is too long goes without what is longest, and says so. */
static char *
dump(json_t *report)
{
    static const char *const longest[] = {"threads", "processes", "groups", "scopes"};
    char *bytes = report ? json_dumps(report, JSON_COMPACT) : NULL;

    for (size_t i = 0; bytes && strlen(bytes) > PROBING_BYTES && i < ARRAY_LEN(longest); i++) {
        free(bytes);
        (void)json_object_del(report, longest[i]);
        (void)json_object_set_new(report, "left_out", json_string(longest[i]));
        bytes = json_dumps(report, JSON_COMPACT);
    }
    return bytes;
}

/* Its other processes: who is left of it may be why it stays, and is killed with it. */
static void
tell_others(const struct probing_request *rq, struct text *words, json_t *report)
{
    struct leftovers_request find = {
        .root = rq->pid,
        .leaf = rq->leaf,
        .known = rq->known,
        .look = {.held = rq->held,
                 .n_held = HELD_MAX,
                 .fds = LEFTOVER_FDS,
                 .top = {rq->top[0], rq->top[1]}},
        .max = LEFTOVERS_MAX
    };
    struct leftovers others;

    while (find.n_known < PROBING_KNOWN && rq->known[find.n_known])
        find.n_known++;
    if (leftovers_find(&find, &others) < 0)
        return;
    if (others.total > 0 && rq->cancelled_us != 0) {
        text_add(words, "; process-retained: ");
        leftovers_tell(&others, rq->held, OTHERS_TOLD, words);
    }
    if (others.total > 0 && report) {
        (void)json_object_set_new(report, "processes", leftovers_json(&others, rq->held));
        if (others.total > others.n)
            (void)json_object_set_new(report, "processes_total",
                                      json_integer((json_int_t)others.total));
    }
    leftovers_finish(&others);
}

/* It is big, or makes itself big: that is what is told of it. */
static bool
tell_fat(const struct probing_request *rq, int out)
{
    struct probing_told told = {.error = -ENOMEM};
    char why[96];

    (void)snprintf(why, sizeof(why), "the look would take more than %llu MiB of memory",
                   (unsigned long long)(memory_of(rq) >> 20));
    return tell(out, &told, why, "", "");
}

static bool
tell_all(const struct probing_request *rq, const struct process_facts *facts, int out)
{
    auto_text struct text words = TEXT_INIT, budget = TEXT_INIT, held = TEXT_INIT;
    auto_free char *bytes = NULL;
    struct probing_told told = {0};
    struct judgements judgements = {0};
    json_t *report;

    if (judge(facts, &judgements) < 0)
        return tell_fat(rq, out);
    judge_summary(facts, &judgements, &words);
    if (rq->cancelled_us != 0)
        held_tell(rq->held, rq->pid, HELD_MISSES, &held);
    if (held.bytes > 0)
        text_addf(&words, "; %s", text_str(&held));
    told.leaked = (uint32_t)judgements.n_leaked;
    told.registry = facts->grade == EVIDENCE_REGISTRY && !facts->untrusted;
    for (size_t i = 0; i < facts->n && told.registry; i++)
        told.known += facts->threads[i].claimed;
    told.over = tell_budget(rq->spec, facts, &judgements, &budget);
    report = probe_report(facts, &judgements, rq->all);
    if (report && held.bytes > 0)
        (void)json_object_set_new(report, "held", json_string(text_str(&held)));
    tell_others(rq, &words, report);
    bytes = dump(report);
    json_decref(report);
    judgements_finish(&judgements);
    return bytes ? tell(out, &told, text_str(&words), text_str(&budget), bytes) : tell_fat(rq, out);
}

bool
probing_work(const struct probing_request *rq, int registry_fd, int out)
{
    struct probe_request look = {.pid = rq->pid,
                                 .registry_fd = registry_fd,
                                 .cancelled_us = rq->cancelled_us,
                                 .grace_us = rq->grace_us,
                                 .between_us = PROBE_BETWEEN_US,
                                 .deadline_us = rq->deadline_us - LEAST_US};
    struct probing_told told = {0};
    struct process_facts facts = {0};
    struct error err = {0};
    bool ok;

    limit(rq);
    told.error = probe_capture(&look, &facts, &err);
    if (told.error == -ENOMEM)
        return tell_fat(rq, out);
    if (told.error < 0)
        return tell(out, &told, err.text, "", "");
    if (rq->book)
        history_remind(rq->book, &facts); /* who beats gets on with it */
    ok = tell_all(rq, &facts, out);
    process_facts_finish(&facts);
    return ok;
}
