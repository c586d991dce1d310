/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/core/image_fields.h"

#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "supervisor/core/model.h"
#include "supervisor/core/pure.h"

#define ID_MOST     (UINT64_MAX >> 2) /* ids are counted on from here */
#define STATUS_MOST 255
#define BUDGET_MOST (UINT64_C(366) * 24 * 3600 * US_PER_S)

#define BETWEEN(type, member, least, most)                      \
    {                                                           \
#member, least, most, offsetof(struct type, member),    \
            sizeof(((struct type *)NULL)->member), IMAGE_NUMBER \
    }
#define NUMBER(type, member, most) BETWEEN(type, member, 0, most)
#define FLAG(type, member)         BETWEEN(type, member, 0, 1)
#define TIME(type, member)                                                                   \
    {                                                                                        \
#member, 0, 0, offsetof(struct type, member), sizeof(((struct type *)NULL)->member), \
            IMAGE_TIME                                                                       \
    }
#define TEXT(type, member)                                                                   \
    {                                                                                        \
#member, 0, 0, offsetof(struct type, member), sizeof(((struct type *)NULL)->member), \
            IMAGE_TEXT                                                                       \
    }
#define SHAPE(type, rows)             \
    {                                 \
        type, (rows), ARRAY_LEN(rows) \
    }

static const struct image_field core_fields[] = {
    NUMBER(core, last_service_id, UINT32_MAX >> 2),
    NUMBER(core, last_worker_id, ID_MOST),
    NUMBER(core, last_reload_id, ID_MOST),
    NUMBER(core, entropy[0], UINT64_MAX),
    NUMBER(core, entropy[1], UINT64_MAX),
    TIME(core, now_us),
    FLAG(core, stopping),
    FLAG(core, hurried),
    TIME(core, stop_deadline_us),
    NUMBER(core, stop_budget_us, BUDGET_MOST),
    NUMBER(core, max_starting, UINT32_MAX),
    NUMBER(core, last_ticket, ID_MOST),
    NUMBER(core, exit_status, STATUS_MOST),
};

/* The spec, the reload, the verdict and the generations follow. */
static const struct image_field service_fields[] = {
    BETWEEN(service, id, 1, UINT32_MAX >> 2),
    TEXT(service, name),
    NUMBER(service, want, WANT_GONE),
    NUMBER(service, last_generation, ID_MOST),
    NUMBER(service, rejected.high, UINT64_MAX),
    NUMBER(service, rejected.low, UINT64_MAX),
    FLAG(service, input_rejected),
    TEXT(service, rejected_reason),
    NUMBER(service, respawns, UINT64_MAX),
    NUMBER(service, failure, STATUS_MOST),
    NUMBER(service, ticket, ID_MOST),
    TIME(service, tally.since_us),
    NUMBER(service, tally.verdicts[OUTCOME_NONE], UINT32_MAX),
    NUMBER(service, tally.verdicts[OUTCOME_SERVING], UINT32_MAX),
    NUMBER(service, tally.verdicts[OUTCOME_UNCHANGED], UINT32_MAX),
    NUMBER(service, tally.verdicts[OUTCOME_REJECTED], UINT32_MAX),
    NUMBER(service, tally.verdicts[OUTCOME_RESTORED], UINT32_MAX),
    NUMBER(service, tally.verdicts[OUTCOME_CANCELLED], UINT32_MAX),
    NUMBER(service, tally.verdicts[OUTCOME_COMPLETED], UINT32_MAX),
    TIME(service, tally.reload_us),
    NUMBER(service, tally.certificates[CERTIFIED_ASSUMED], UINT32_MAX),
    NUMBER(service, tally.certificates[CERTIFIED_PIDS], UINT32_MAX),
    NUMBER(service, tally.certificates[CERTIFIED_CGROUP], UINT32_MAX),
    NUMBER(service, tally.certificates[CERTIFIED_HANDED], UINT32_MAX),
    NUMBER(service, tally.unclean, UINT32_MAX),
    NUMBER(service, tally.spawns, UINT32_MAX),
    NUMBER(service, tally.exits, UINT32_MAX),
    NUMBER(service, tally.overdue, UINT32_MAX),
    NUMBER(service, tally.kills, UINT32_MAX),
    NUMBER(service, tally.abandoned, UINT32_MAX),
    NUMBER(service, tally.escapees, UINT32_MAX),
    NUMBER(service, tally.thread_leaks, UINT32_MAX),
    NUMBER(service, tally.aborted, UINT32_MAX),
};

/* Its spec follows. */
static const struct image_field reload_fields[] = {
    BETWEEN(reload, state, RELOAD_IDLE, RELOAD_STATE_COUNT - 1),
    NUMBER(reload, id, ID_MOST),
    FLAG(reload, force),
    FLAG(reload, past_door),
    FLAG(reload, trailing),
    FLAG(reload, trailing_force),
    FLAG(reload, trailing_past_door),
    FLAG(reload, trailing_request),
    NUMBER(reload, trailing_id, ID_MOST),
    TIME(reload, started_us),
    TIME(reload, since_us),
    TIME(reload, deadline_us),
    TIME(reload, settle_cap_us),
    NUMBER(reload, previous, ID_MOST),
    NUMBER(reload, snapshot, UINT64_MAX),
    NUMBER(reload, digest.high, UINT64_MAX),
    NUMBER(reload, digest.low, UINT64_MAX),
    NUMBER(reload, program.high, UINT64_MAX),
    NUMBER(reload, program.low, UINT64_MAX),
    NUMBER(reload, setting.high, UINT64_MAX),
    NUMBER(reload, setting.low, UINT64_MAX),
    FLAG(reload, outdated),
    TIME(reload, patience_us),
    NUMBER(reload, grade, GRADE_COUNT - 1),
    TEXT(reload, fallback),
    TEXT(reload, trace),
    TEXT(reload, cause),
    TEXT(reload, trailing_cause),
};

/* Only of those that were run; before each, which one it is. */
static const struct image_field hook_result_fields[] = {
    NUMBER(hook_result, outcome, HOOK_OUTCOME_COUNT - 1),
    NUMBER(hook_result, tries, UINT32_MAX),
    NUMBER(hook_result, generation, ID_MOST),
    NUMBER(hook_result, reload, ID_MOST),
    TIME(hook_result, at_us),
    TIME(hook_result, duration_us),
    TEXT(hook_result, text),
};

static const struct image_field verdict_fields[] = {
    NUMBER(verdict, reload, ID_MOST),
    NUMBER(verdict, outcome, OUTCOME_COUNT - 1),
    NUMBER(verdict, grade, GRADE_COUNT - 1),
    NUMBER(verdict, generation, ID_MOST),
    TIME(verdict, at_us),
    TIME(verdict, duration_us),
    TEXT(verdict, cause),
    TEXT(verdict, reason),
    TEXT(verdict, trace),
};

/* Its spec, its workers and its slots follow. A RETIRED one is there as long as its survey and its last hook are. */
static const struct image_field generation_fields[] = {
    BETWEEN(generation, number, 1, ID_MOST),
    NUMBER(generation, policy_rev, UINT32_MAX),
    NUMBER(generation, digest.high, UINT64_MAX),
    NUMBER(generation, digest.low, UINT64_MAX),
    NUMBER(generation, program.high, UINT64_MAX),
    NUMBER(generation, program.low, UINT64_MAX),
    NUMBER(generation, setting.high, UINT64_MAX),
    NUMBER(generation, setting.low, UINT64_MAX),
    NUMBER(generation, snapshot, UINT64_MAX),
    BETWEEN(generation, root, 1, ID_MOST),
    BETWEEN(generation, state, GENERATION_STARTING, GENERATION_RETIRED),
    FLAG(generation, has_served),
    FLAG(generation, aborted),
    FLAG(generation, excused),
    BETWEEN(generation, n_slots, 1, UINT32_MAX),
    TIME(generation, started_us),
    TIME(generation, serving_us),
    TIME(generation, drain_us),
    TIME(generation, ended_us),
    TIME(generation, ran_us),
    TIME(generation, deadline_us),
    TIME(generation, window_us),
    NUMBER(generation, window_failures, UINT32_MAX),
    NUMBER(generation, spawns, UINT32_MAX),
    NUMBER(generation, leaks, UINT32_MAX),
    NUMBER(generation, kills, UINT32_MAX),
    NUMBER(generation, escapees, UINT32_MAX),
    NUMBER(generation, thread_leaks, UINT32_MAX),
    NUMBER(generation, deaths, UINT32_MAX),
    NUMBER(generation, unseen, UINT32_MAX),
    NUMBER(generation, registries, UINT32_MAX),
    NUMBER(generation, unjoined, UINT32_MAX),
    TIME(generation, survey_us),
    FLAG(generation, rising),
    NUMBER(generation, taken, UINT32_MAX),
    NUMBER(generation, grade, GRADE_COUNT - 1),
    NUMBER(generation, reload, ID_MOST),
    NUMBER(generation, hook, HOOK_COUNT - 1),
    NUMBER(generation, hook_tries, UINT32_MAX),
    TIME(generation, hook_us),
    TIME(generation, hook_deadline_us),
    TEXT(generation, trace),
    TEXT(generation, relief),
    TIME(generation, since_us),
    TEXT(generation, reason),
    TEXT(generation, threads),
};

/* The ids of the worker in it and of its substitute follow. */
static const struct image_field slot_fields[] = {
    NUMBER(slot, failures, UINT32_MAX),
    TIME(slot, next_spawn_us),
    NUMBER(slot, substitutes, UINT32_MAX),
    TIME(slot, relief_us),
};

/* An EXITED one is gone when the step is over. */
_Static_assert(WANTED_LOOKS == 4, "each has its row below");

static const struct image_field worker_fields[] = {
    BETWEEN(worker, id, 1, ID_MOST),
    BETWEEN(worker, born, 1, ID_MOST),
    NUMBER(worker, slot, UINT32_MAX),
    FLAG(worker, escapee),
    FLAG(worker, untold),
    NUMBER(worker, pid, INT32_MAX),
    BETWEEN(worker, state, WORKER_STARTING, WORKER_ABANDONED),
    TIME(worker, since_us),
    TIME(worker, spawned_us),
    TIME(worker, ready_us),
    TIME(worker, drain_us),
    TIME(worker, deadline_us),
    TIME(worker, extend_limit_us),
    TIME(worker, assume_us),
    NUMBER(worker, reloading, RELOADING_COUNT - 1),
    NUMBER(worker, grade, GRADE_COUNT - 1),
    TIME(worker, asked_us),
    FLAG(worker, signalled),
    FLAG(worker, evidence),
    NUMBER(worker, stragglers, UINT32_MAX),
    NUMBER(worker, escapees, UINT32_MAX),
    TIME(worker, inspect_us),
    TIME(worker, wanted_us[0]),
    TIME(worker, wanted_us[1]),
    TIME(worker, wanted_us[2]),
    TIME(worker, wanted_us[3]),
    TIME(worker, answer_us),
    TIME(worker, inspected_us),
    TIME(worker, leaking_us),
    NUMBER(worker, leaking, UINT32_MAX),
    NUMBER(worker, over, UINT32_MAX),
    NUMBER(worker, looks, UINT32_MAX),
    TEXT(worker, leaks),
    FLAG(worker, relieved),
    TIME(worker, leave_us),
    NUMBER(worker, requests, UINT64_MAX),
    NUMBER(worker, rss_bytes, UINT64_MAX),
    TEXT(worker, name),
    TEXT(worker, status),
    TEXT(worker, leak),
};

const struct image_shape image_core_shape = SHAPE("core", core_fields);
const struct image_shape image_service_shape = SHAPE("service", service_fields);
const struct image_shape image_reload_shape = SHAPE("reload", reload_fields);
const struct image_shape image_hook_result_shape = SHAPE("hook_result", hook_result_fields);
const struct image_shape image_verdict_shape = SHAPE("verdict", verdict_fields);
const struct image_shape image_generation_shape = SHAPE("generation", generation_fields);
const struct image_shape image_slot_shape = SHAPE("slot", slot_fields);
const struct image_shape image_worker_shape = SHAPE("worker", worker_fields);

uint64_t
image_number(const void *at, size_t bytes)
{
    uint64_t wide;
    uint32_t half;

    if (bytes == sizeof(uint8_t))
        return *(const uint8_t *)at;
    if (bytes == sizeof(half)) {
        memcpy(&half, at, sizeof(half));
        return half;
    }
    memcpy(&wide, at, sizeof(wide));
    return wide;
}
