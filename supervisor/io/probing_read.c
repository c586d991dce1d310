/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "supervisor/io/probing.h"
#include "supervisor/probe/proc.h"

/* What is answered: read from whoever looked, which may have died at any byte, or found without it. */

/* It could not be looked at: how many threads it has costs next to nothing, and is better than that. */
void
probing_tell_little(const struct probing_request *rq, const char *why)
{
    auto_text struct text words = TEXT_INIT;
    struct probing_answer a = {.budget = ""};
    size_t n = 0, total = 0;
    pid_t none;

    if (proc_threads(rq->pid, &none, 0, &n, &total) < 0 || total == 0)
        text_addf(&words, "no evidence: %s", why);
    else
        text_addf(&words, "no evidence but that it has %zu %s: %s", total,
                  total == 1 ? "thread" : "threads", why);
    a.summary = text_str(&words);
    a.report = json_pack("{s:s, s:I, s:s, s:s}", "grade", "stat", "total", (json_int_t)total,
                         "note", why, "summary", a.summary);
    rq->on_done(rq->env, &a);
    json_decref(a.report);
}

bool
probing_read(int out, struct probing_answer *ret, char **ret_bytes)
{
    struct probing_told told;
    struct stat st;
    size_t n;
    char *bytes;

    if (fstat(out, &st) == -1 || pread(out, &told, sizeof(told), 0) != sizeof(told) ||
        told.magic != PROBING_TOLD_MAGIC || told.summary_bytes == 0 ||
        told.summary_bytes > PROBING_SUMMARY || told.budget_bytes == 0 ||
        told.budget_bytes > PROBING_SUMMARY || told.report_bytes > 2 * PROBING_BYTES)
        return false;
    n = (size_t)told.summary_bytes + told.budget_bytes + told.report_bytes;
    if (st.st_size != (off_t)(sizeof(told) + n))
        return false;
    bytes = malloc(n);
    if (!bytes || pread(out, bytes, n, sizeof(told)) != (ssize_t)n ||
        bytes[told.summary_bytes - 1] != '\0' ||
        bytes[told.summary_bytes + told.budget_bytes - 1] != '\0') {
        free(bytes);
        return false;
    }
    *ret_bytes = bytes;
    *ret = (struct probing_answer){.seen = told.error >= 0,
                                   .leaked = told.leaked,
                                   .over = told.over,
                                   .registry = told.registry != 0,
                                   .known = told.known,
                                   .summary = bytes,
                                   .budget = bytes + told.summary_bytes};
    if (ret->seen)
        ret->report = json_loadb(ret->budget + told.budget_bytes, told.report_bytes, 0, NULL);
    return true;
}
