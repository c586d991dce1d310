/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/pack.h"
#include "supervisor/io/master_books.h"

/* A record in the state: told again by the next master, unless it was told. */

void
record_pack(struct text *t, const struct record *r)
{
    pack_u64(t, r->kind);
    pack_u64(t, r->outcome);
    pack_u64(t, r->grade);
    pack_u64(t, r->service_id);
    pack_str(t, r->service);
    pack_u64(t, r->generation);
    pack_u64(t, r->worker);
    pack_u64(t, r->slot);
    pack_i64(t, r->pid);
    pack_i64(t, r->at_us);
    pack_i64(t, r->duration_us);
    pack_u64(t, r->count);
    pack_u64(t, r->warning);
    pack_u64(t, r->reload);
    pack_u64(t, r->hook);
    pack_u64(t, r->hook_outcome);
    pack_u64(t, r->toll.processes);
    pack_u64(t, r->toll.killed);
    pack_u64(t, r->toll.escapees);
    pack_u64(t, r->toll.threads);
    pack_u64(t, r->toll.snapshot);
    pack_u64(t, r->toll.handed_to);
    pack_u64(t, r->toll.unjoined);
    pack_u64(t, r->toll.survey.left);
    pack_u64(t, r->toll.survey.unread);
    pack_str(t, r->toll.survey.holder);
    for (int f = 0; f < FINDING_COUNT; f++) {
        pack_u64(t, r->toll.survey.good[f]);
        pack_u64(t, r->toll.survey.how[f]);
    }
    pack_str(t, r->trace);
    pack_str(t, r->text);
}

void
record_unpack(struct unpack *in, struct record *r)
{
    r->kind = (enum record_kind)unpack_most(in, RECORD_KIND_COUNT - 1);
    r->outcome = (enum outcome)unpack_most(in, OUTCOME_COUNT - 1);
    r->grade = (enum grade)unpack_most(in, GRADE_COUNT - 1);
    r->service_id = (uint32_t)unpack_u64(in);
    unpack_chars(in, r->service, sizeof(r->service));
    r->generation = unpack_u64(in);
    r->worker = unpack_u64(in);
    r->slot = (unsigned)unpack_u64(in);
    r->pid = (pid_t)unpack_i64(in);
    r->at_us = unpack_i64(in);
    r->duration_us = unpack_i64(in);
    r->count = (unsigned)unpack_u64(in);
    r->warning = unpack_bool(in);
    r->reload = unpack_u64(in);
    r->hook = (enum hook)unpack_most(in, HOOK_COUNT - 1);
    r->hook_outcome = (enum hook_outcome)unpack_most(in, HOOK_OUTCOME_COUNT - 1);
    r->toll.processes = (unsigned)unpack_u64(in);
    r->toll.killed = (unsigned)unpack_u64(in);
    r->toll.escapees = (unsigned)unpack_u64(in);
    r->toll.threads = (unsigned)unpack_u64(in);
    r->toll.snapshot = unpack_u64(in);
    r->toll.handed_to = unpack_u64(in);
    r->toll.unjoined = (unsigned)unpack_u64(in);
    r->toll.survey.left = (unsigned)unpack_u64(in);
    r->toll.survey.unread = (unsigned)unpack_u64(in);
    unpack_chars(in, r->toll.survey.holder, sizeof(r->toll.survey.holder));
    for (int f = 0; f < FINDING_COUNT; f++) {
        r->toll.survey.good[f] = unpack_bool(in);
        r->toll.survey.how[f] = (enum known)unpack_most(in, KNOWN_COUNT - 1);
    }
    unpack_chars(in, r->trace, sizeof(r->trace));
    unpack_chars(in, r->text, sizeof(r->text));
}
