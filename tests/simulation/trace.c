/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/simulation/trace.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/units.h"

static const char *const event_names[EVENT_TYPE_COUNT] = {
    [EVENT_TICK] = "tick",
    [EVENT_CONFIG] = "config",
    [EVENT_HINT] = "hint",
    [EVENT_LOOKED] = "looked",
    [EVENT_CHECKED] = "checked",
    [EVENT_HOOKED] = "hooked",
    [EVENT_SURVEYED] = "surveyed",
    [EVENT_SPAWNED] = "spawned",
    [EVENT_SPAWN_FAILED] = "spawn failed",
    [EVENT_READY] = "ready",
    [EVENT_RELOADING] = "reloading",
    [EVENT_REWRITTEN] = "rewritten",
    [EVENT_UNSENT] = "unsent",
    [EVENT_EXTEND] = "extend",
    [EVENT_STATUS] = "status",
    [EVENT_EVIDENCE] = "evidence",
    [EVENT_EXIT] = "exit",
    [EVENT_ESCAPEE] = "escapee",
    [EVENT_RELOAD] = "reload",
    [EVENT_START] = "start",
    [EVENT_STOP] = "stop",
    [EVENT_STOP_ALL] = "stop all",
    [EVENT_USAGE] = "usage",
    [EVENT_INSPECT] = "inspect",
    [EVENT_INSPECTED] = "inspected",
};
static const char *const look_names[] = {"ok", "unsettled", "broken"};

static const char *
service_name(const struct core *c, uint32_t id)
{
    const struct service *s = core_service(c, id);

    return s ? s->name : "?";
}

static void
print_worker(const struct core *c, uint64_t id)
{
    const struct worker *w = core_worker(c, id);

    if (w)
        printf(" w%" PRIu64 " (%s/%" PRIu64 ".%u %s)", id, w->generation->service->name,
               w->generation->number, w->slot, worker_state_name(w->state));
    else
        printf(" w%" PRIu64, id);
}

void
trace_event(const struct core *c, uint64_t step, const struct event *ev)
{
    printf("%6" PRIu64 " %12.6f s  %s", step, (double)ev->now_us / 1e6, event_names[ev->type]);
    if (ev->worker > 0)
        print_worker(c, ev->worker);
    else if (ev->service > 0)
        printf(" %s", service_name(c, ev->service));
    if (ev->type == EVENT_LOOKED)
        printf(" #%" PRIu64 " %s snapshot %" PRIu64, ev->looked.reload,
               look_names[ev->looked.result], ev->looked.snapshot);
    else if (ev->type == EVENT_CHECKED)
        printf(" #%" PRIu64 " %s", ev->checked.reload, ev->checked.ok ? "passed" : "failed");
    else if (ev->type == EVENT_HOOKED)
        printf("/%" PRIu64 " %s %s", ev->hooked.generation, hook_name(ev->hooked.hook),
               hook_outcome_name(ev->hooked.outcome));
    else if (ev->type == EVENT_SPAWNED)
        printf(" pid %d", (int)ev->spawned.pid);
    else if (ev->type == EVENT_RELOAD && ev->request.force)
        printf(" forced");
    else if (ev->type == EVENT_EXIT)
        printf(" status 0x%x exec error %d", (unsigned)ev->death.wait_status, ev->death.exec_error);
    putchar('\n');
}

static void
trace_record(const struct record *r)
{
    printf("        %-12s %s", record_kind_name(r->kind), r->service);
    if (r->generation > 0)
        printf("/%" PRIu64, r->generation);
    if (r->worker > 0)
        printf(".%u w%" PRIu64, r->slot, r->worker);
    if (r->kind == RECORD_VERDICT)
        printf(" %s", outcome_name(r->outcome));
    if (r->kind == RECORD_HOOK)
        printf(" %s %s", hook_name(r->hook), hook_outcome_name(r->hook_outcome));
    if (r->reload > 0)
        printf(" #%" PRIu64, r->reload);
    printf(": %s\n", r->text);
}

void
trace_death(bool persisted)
{
    printf("      the master dies; this step is %s\n", persisted ? "persisted" : "lost");
}

void
trace_effect(const struct core *c, const struct effect *e)
{
    if (e->type == FX_RECORD) {
        trace_record(e->record);
        return;
    }
    printf("      > %s", effect_type_name(e->type));
    if (e->worker > 0)
        print_worker(c, e->worker);
    else
        printf(" %s", service_name(c, e->service));
    if (e->hook != HOOK_NONE)
        printf("/%" PRIu64 " %s%s", e->generation, hook_name(e->hook), e->again ? " again" : "");
    if (e->snapshot > 0)
        printf(" snapshot %" PRIu64, e->snapshot);
    if (e->reload > 0)
        printf(" #%" PRIu64, e->reload);
    if (e->signo > 0)
        printf(" signal %d", e->signo);
    putchar('\n');
}
