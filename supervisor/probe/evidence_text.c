/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "supervisor/probe/evidence.h"

#define IN_FULL 3 /* threads; a line is for people */

unsigned
evidence_stragglers(const struct evidence *e)
{
    size_t strange = 0;

    if (e->n_stragglers > 0)
        return (unsigned)e->n_stragglers;
    for (size_t i = 0; i < e->n; i++)
        strange += !e->threads[i].registered && !e->threads[i].main;
    return strange > 0 ? (unsigned)strange : 1; /* somebody keeps the process alive */
}

/* file_name - the last component: the line is short and the reader knows the project. */
static const char *
file_name(const char *file)
{
    const char *slash = strrchr(file, '/');

    return slash ? slash + 1 : file;
}

static void
add_wait(const struct evidence_thread *t, struct text *out)
{
    if (strcmp(t->wait_class, "running") == 0)
        text_add(out, ", running");
    else if (strcmp(t->wait_class, "stopped") == 0)
        text_add(out, ", stopped by a signal or a debugger");
    else if (t->wait[0] != '\0')
        text_addf(out, ", blocked in %s", t->wait);
    if (t->state == 'D')
        text_add(out, " (not to be interrupted)");
    if (t->wait_site[0] != '\0')
        text_addf(out, " at %s", t->wait_site);
}

static void
add_straggler(const struct evidence *e, const struct evidence_thread *t, struct text *out)
{
    char age[32];

    text_addf(out, "thread `%s`", t->name);
    if (t->file[0] != '\0')
        text_addf(out, ", started at %s:%" PRIu32, file_name(t->file), t->line);
    if (t->file[0] != '\0' && t->function[0] != '\0')
        text_addf(out, " (%s)", t->function);
    if (t->creator_name[0] != '\0')
        text_addf(out, " by `%s`", t->creator_name);
    text_addf(out, ", ignored its cancelled token for %s",
              duration_human(e->at_us - t->cancelled_us, age, sizeof(age)));
    add_wait(t, out);
}

static void
add_stragglers(const struct evidence *e, struct text *out)
{
    for (size_t i = 0; i < e->n_stragglers && i < IN_FULL; i++) {
        if (i > 0)
            text_add(out, "; ");
        add_straggler(e, &e->threads[i], out);
    }
    if (e->n_stragglers > IN_FULL)
        text_addf(out, "; and %zu more stragglers", e->n_stragglers - IN_FULL);
}

/* Nobody to blame by name: the kernel's list, with what it waits for. */
static void
add_list(const struct evidence *e, struct text *out)
{
    size_t shown = 0;

    text_addf(out, "%zu thread%s", e->n_threads, e->n_threads == 1 ? "" : "s");
    if (e->n_registered == 0)
        text_add(out, ", none registered");
    else
        text_add(out, ", no straggler among those registered");
    for (size_t i = 0; i < e->n && shown < IN_FULL; i++, shown++) {
        const struct evidence_thread *t = &e->threads[i];

        text_addf(out, "%s thread `%s` (tid %d)", shown == 0 ? ":" : ";", t->name, (int)t->tid);
        if (e->n_registered > 0 && !t->registered)
            text_add(out, ", not registered");
        if (t->exempt)
            text_addf(out, ", exempt: %s", t->reason);
        add_wait(t, out);
    }
    if (e->n_threads > shown)
        text_addf(out, "; and %zu more", e->n_threads - shown);
}

void
evidence_summary(const struct evidence *e, struct text *out)
{
    size_t strange = e->n_threads - e->n_registered;

    if (e->n_stragglers == 0) {
        add_list(e, out);
    } else {
        add_stragglers(e, out);
        for (size_t i = 0; i < e->n; i++) {
            const struct evidence_thread *t = &e->threads[i];

            if (!t->main || t->straggler || t->wait[0] == '\0')
                continue;
            text_addf(out, "; thread `%s` waits", t->name);
            text_addf(out, " in %s", t->wait);
        }
        if (strange > 0)
            text_addf(out, "; %zu more %s not registered", strange, strange == 1 ? "is" : "are");
    }
    if (e->grade == EVIDENCE_PROC)
        text_addf(out, " (from /proc: %s)", e->note);
    if (e->torn > 0)
        text_addf(out, " (%u registry slots could not be read)", e->torn);
    if (e->overflow > 0)
        text_addf(out, " (%u threads found no place in the registry)", e->overflow);
}
