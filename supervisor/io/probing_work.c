/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "supervisor/io/probing.h"
#include "supervisor/io/report.h"
#include "supervisor/probe/evidence.h"

/* What the helper of a look does. It may take as long as it is let, and die of what it reads. */

#define WORK_CPU_S 10

static void
limit(void)
{
    struct rlimit cpu = {WORK_CPU_S, WORK_CPU_S}, none = {0, 0};

    (void)setrlimit(RLIMIT_CPU, &cpu); /* best effort, like its end at the deadline */
    (void)setrlimit(RLIMIT_CORE, &none);
}

static bool
tell(int out, struct probing_told *told, const char *summary, const char *report)
{
    char line[PROBING_SUMMARY];
    size_t n = strnlen(summary, sizeof(line) - 1);

    memcpy(line, summary, n);
    line[n] = '\0';
    told->magic = PROBING_TOLD_MAGIC;
    told->summary_bytes = (uint32_t)n + 1;
    told->report_bytes = (uint32_t)strlen(report);
    return write(out, told, sizeof(*told)) == sizeof(*told) &&
           write(out, line, n + 1) == (ssize_t)n + 1 &&
           write(out, report, told->report_bytes) == (ssize_t)told->report_bytes;
}

/* The report as bytes; one that is too long goes without its threads, and says so. */
static char *
dump(json_t *report)
{
    char *bytes = report ? json_dumps(report, JSON_COMPACT) : NULL;

    if (!bytes || strlen(bytes) <= PROBING_BYTES)
        return bytes;
    free(bytes);
    (void)json_object_set_new(
        report, "threads_left_out",
        json_integer((json_int_t)json_array_size(json_object_get(report, "threads"))));
    (void)json_object_del(report, "threads");
    return json_dumps(report, JSON_COMPACT);
}

bool
probing_work(const struct probing_request *rq, int registry_fd, int out)
{
    auto_text struct text words = TEXT_INIT;
    auto_free char *bytes = NULL;
    struct probing_told told = {0};
    struct evidence *evidence = NULL;
    struct error err = {0};
    json_t *report;

    limit();
    told.error = evidence_collect(rq->pid, registry_fd, mono_now_us(), &evidence, &err);
    if (told.error < 0)
        return tell(out, &told, err.text, "");
    evidence_summary(evidence, &words);
    told.leaked = evidence_stragglers(evidence);
    report = report_evidence(evidence, text_str(&words));
    bytes = dump(report);
    json_decref(report);
    evidence_destroy(evidence);
    return bytes && tell(out, &told, text_str(&words), bytes);
}
