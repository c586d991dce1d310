/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_SIMULATION_PLANT_H
#define STINT_SIMULATION_PLANT_H

/*
 * Planted bugs. Each stands between the core and everybody else and falsifies what passes, just as
 * a core with that bug would show it. The judge sees the true events and wishes, and the false
 * effects. A judge that does not find the bug is no judge.
 */
#include "supervisor/core/core.h"
#include "tests/simulation/judge.h"
#include "tests/simulation/master.h"

struct plant {
    const char *name;      /* "I1", or "I2.check" when an invariant has several */
    enum invariant breaks; /* this one and no other has to be reported first */
    const char *sentence;
    void (*spec)(struct spec *c); /* any of these may be NULL */
    void (*event)(const struct core *c, struct event *ev);
    void (*effects)(const struct core *c, struct effects *fx);
    /* Of what a master leaves and the next one makes of it: */
    void (*touched)(struct core *c);              /* before its services are persisted */
    void (*restored)(struct core *c, bool trial); /* @trial: only to be compared */
    bool (*repeat)(const struct pending *p, bool right);
    void (*resumed)(struct effects *fx);
};

/* Shared by the files of the plants. */
void plant_signal(struct effects *fx, enum effect_type type, uint64_t worker, int signal_number);
bool plant_is_record(const struct effect *e, enum record_kind kind);
void plant_drop(struct effects *fx, size_t at);
void plant_ask_all(const struct core *c, struct effects *fx);
void plant_ask_unready(const struct core *c, struct effects *fx);
void plant_believe_checks(const struct core *c, struct event *ev);
void plant_call_proved(const struct core *c, struct effects *fx);

extern const struct plant plants[];
extern const size_t n_plants;
const struct plant *plant_by_name(const char *name); /* NULL: no such plant */

/* plant_spec.c */
void let_more_drain(struct spec *c);
void start_all_at_once(struct spec *c);
void stop_at_leisure(struct spec *c);
void retry_without_pause(struct spec *c);
void never_give_up(struct spec *c);
void give_all_up(struct spec *c);
void depend_on_nobody(struct spec *c);
void run_no_hooks(struct spec *c);
void try_all_again(struct spec *c);
void open_all_doors(struct spec *c);

/* plant_gate.c */
void let_in_early(const struct core *c, struct effects *fx);

/* plant_leaks.c */
void keep_leaks_secret(const struct core *c, struct effects *fx);
void look_twice(const struct core *c, struct effects *fx);

/* plant_survey.c */
void certify_blindly(const struct core *c, struct effects *fx);
void look_away(const struct core *c, struct effects *fx);

/* plant_relief.c */
void break_before_relief(const struct core *c, struct effects *fx);

/* plant_spans.c */
void plant_forget_phases(struct core *c);

/* plant_tally.c */
void plant_forget_counts(struct core *c, bool trial);
void plant_count_late(struct core *c);

/* plant_event.c */
void take_hints_for_orders(const struct core *c, struct event *ev);
void walk_through_doors(const struct core *c, struct event *ev);

#endif
