/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"
#include "supervisor/core/core.h"
#include "supervisor/io/metrics.h"

/* How the labels are called, and the words of metrics_families.def. */

static const char *
state_of_service(unsigned i)
{
    return service_state_name((enum service_state)i);
}

static const char *
state_of_worker(unsigned i)
{
    return i > WORKER_NONE && i < WORKER_EXITED ? worker_state_name((enum worker_state)i) : NULL;
}

static const char *
state_of_generation(unsigned i)
{
    return i > GENERATION_NONE ? generation_state_name((enum generation_state)i) : NULL;
}

static const char *
outcome_of(unsigned i)
{
    return i > OUTCOME_NONE ? outcome_name((enum outcome)i) : NULL;
}

static const char *
grade_of(unsigned i)
{
    static const char *const names[CERTIFIED_COUNT] = {[CERTIFIED_ASSUMED] = "assumed",
                                                       [CERTIFIED_PIDS] = "pids",
                                                       [CERTIFIED_CGROUP] = "cgroup",
                                                       [CERTIFIED_HANDED] = "handed"};

    return names[i];
}

static const char *
fault_of(unsigned i)
{
    return lint_fault_name((enum lint_fault)i);
}

static const char *
reason_of(unsigned i)
{
    return export_reason_name((enum export_reason)i);
}

#define STINT(member)       .scope = OF_STINT, .at = offsetof(struct metrics, member)
#define SERVICE(member)     .scope = OF_SERVICE, .at = offsetof(struct metrics_service, member)
#define LANE(member)        .scope = OF_LANE, .at = offsetof(struct metrics_lane, member)
#define WHERE(member)       .has = offsetof(struct metrics_service, member)
#define GAUGE               .type = FAMILY_GAUGE
#define COUNTER             .type = FAMILY_COUNTER
#define SINCE(who)          .began = BEGAN_##who
#define SECONDS             .micros = true
#define EACH(key, of, most) .label = (key), .name_of = (of), .n = (most)

const struct family metrics_families[] = {
#include "supervisor/io/metrics_families.def"
};

const size_t metrics_n_families = ARRAY_LEN(metrics_families);
