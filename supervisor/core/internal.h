/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CORE_INTERNAL_H
#define STINT_CORE_INTERNAL_H

/* What the files of core/ share among themselves; nobody outside includes this. */
#include "base/mem.h"
#include "config/spec.h"
#include "supervisor/core/core.h"

static inline int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t
later(int64_t a, int64_t b)
{
    return a < b ? b : a;
}

/* ---- places.c ---------------------------------------------------------------------------- */

void place_take(struct core *c, struct worker *w); /* it was created, or is restored */
void place_leave(struct core *c,
                 struct worker *w); /* it is about to leave its state; none taken: nothing */
/* place_for - may a worker of @g start now? If not, its service is in the line. */
bool place_for(struct core *c, struct generation *g);
bool places_wait(const struct core *c);               /* somebody, and there is a place */
void place_forget(struct core *c, struct service *s); /* it is about to be destroyed */
void places_restore(struct core *c);                  /* the line, from the tickets */
/* places_offer - put the first who waits on the agenda, if there is a place. Return: it was. */
bool places_offer(struct core *c);

/* ---- tally.c ----------------------------------------------------------------------------- */

void tally_step(struct core *c, size_t first); /* of the step's effects, the first one */

/* ---- record.c ---------------------------------------------------------------------------- */

/* record_* - append an FX_RECORD filled from whom it is about. NULL: out of memory (counted in fx->lost). */
struct record *record_service(struct core *c, enum record_kind kind, const struct service *s);
struct record *record_generation(struct core *c, enum record_kind kind, const struct generation *g);
struct record *record_worker(struct core *c, enum record_kind kind, const struct worker *w);
/* record_text - write its text; @r may be NULL. */
__attribute__((format(printf, 2, 3))) void record_text(struct record *r, const char *fmt, ...);
void record_bug(struct core *c, const struct service *s, const char *life, const char *state,
                int event);

/* copy_text - strcpy that cuts at the end of a UTF-8 character; @s NULL is "". */
void copy_text(char *to, size_t room, const char *s);

/* ---- chance.c ---------------------------------------------------------------------------- */

uint64_t chance(struct core *c);
void chance_trace(struct core *c, char trace[33]);
/* backoff_us - the wait before the try that follows the @failures-th failure in a row (from 1). */
int64_t backoff_us(struct core *c, const struct service_spec *spec, unsigned failures);

/* ---- moves.c ------------------------------------------------------------------------------ */

/* Each of the three lives says where it goes, before it does; says also since when it was where it was. */
void move_worker(struct core *c, struct worker *w, enum worker_event e, enum worker_state to);
void move_generation(struct core *c, struct generation *g, enum generation_event e,
                     enum generation_state to);
void move_reload(struct core *c, struct service *s, enum reload_event e, enum reload_state to);

/* ---- obituary.c -------------------------------------------------------------------------- */

/* obituary_text - one sentence on how it ended, from the wait status or the exec error. */
void obituary_text(const struct worker *w, const struct event *ev, char *buf, size_t room);
/* obituary_status - the same as a shell would say it: 0 to 255. */
unsigned obituary_status(const struct event *ev);
/* It was a oneshot, and ended with 0 by itself. */
bool obituary_is_success(const struct worker *w, const struct event *ev);
/* failure_to_start - … of a program that never ran. @error: negative errno, 0: not the program's fault */
unsigned failure_to_start(int error);

/* ---- worker.c: worker_step() is the only writer of worker.state --------------------------- */

int worker_step(struct core *c, struct worker *w, enum worker_event e);
bool worker_live(const struct worker *w); /* neither exited nor abandoned */
/* @place: where it will be found: worker or substitute of its slot. NULL: no memory */
struct worker *worker_create(struct core *c, struct generation *g, unsigned slot,
                             struct worker **place);
void worker_destroy(struct worker *w);
void worker_spawned(struct core *c, struct worker *w, pid_t pid);
void worker_spawn_failed(struct core *c, struct worker *w, const struct event *ev);
void worker_exit(struct core *c, struct worker *w, const struct event *ev);
void worker_escapee(struct core *c, struct worker *of, const struct event *ev);
void worker_extend(struct core *c, struct worker *w, uint64_t usec);
void worker_tick(struct core *c, struct worker *w);
void worker_clip(struct core *c, struct worker *w); /* a stop budget began: shorten its deadline */

/* An effect on it, with its deadline. */
void worker_effect(struct core *c, const struct worker *w, enum effect_type type,
                   int signal_number);

/* ---- leak.c ------------------------------------------------------------------------------ */

void worker_evidence(struct core *c, struct worker *w, const struct event *ev);
/* FX_EVIDENCE; SIGKILL waits for the answer until a while after @from_us, as far as a stop allows. */
void worker_ask_evidence(struct core *c, struct worker *w, int64_t from_us);
/* Its threads while it lives. Not sooner than @at_us, and not too often, whoever asks for it. */
void worker_wants_look(const struct core *c, struct worker *w, int64_t at_us);
void worker_inspected(struct core *c, struct worker *w, const struct event *ev);
void worker_inspect_tick(struct core *c, struct worker *w);
void worker_inspect_end(struct worker *w); /* it leaves: looked at in another way, if at all */
int64_t worker_inspect_next_us(const struct worker *w);
void worker_watch_budget(const struct core *c, struct worker *w);
void record_toll(struct record *r, const struct generation *g);      /* NULL is fine */
void generation_inspect(const struct core *c, struct generation *g); /* it serves, or is about to */

/* ---- relief.c ---------------------------------------------------------------------------- */

/* Who has reached a limit is relieved, one at a time; what is under way goes on. */
void relief_begin(struct core *c, struct worker *old); /* on entry, like the next */
void relief_leave(struct core *c, struct worker *old);
void relief_advance(struct core *c, struct generation *g);
int64_t relief_next_us(
    const struct generation *g); /* when to look again; TIME_NEVER = not by itself */
/* It leaves its slot, dead or given up: to the substitute that starts there, if there is one. */
void relief_vacate(struct core *c, struct worker *w);
/* Only one for each slot is left: whoever starts to relieve it, or was relieved, leaves now. */
void relief_end(struct core *c, struct generation *g);
void relief_over(struct core *c, const struct worker *w); /* who was relieved is gone */
void worker_usage(struct core *c, struct worker *w, const struct event *ev);

/* ---- gate.c ------------------------------------------------------------------------------ */

void worker_let_in(struct core *c, const struct worker *w); /* FX_OPEN, where that is called for */
void generation_let_in(struct core *c, const struct generation *g);

/* ---- generation.c: generation_step() is the only writer of generation.state ---------------- */

int generation_step(struct core *c, struct generation *g, enum generation_event e);
struct generation *generation_create(struct core *c, struct service *s);
void generation_destroy(struct generation *g);
bool generation_live(const struct generation *g);   /* has a process that blocks something */
bool generation_active(const struct generation *g); /* STARTING, SOAKING, SERVING or COMPLETED */
bool generation_works(const struct generation *g);  /* a worker starts or is ready */
/* It starts, and a worker has failed already. */
bool generation_falters(const struct generation *g);
struct worker *slot_worker(const struct generation *g,
                           unsigned slot); /* live, not an escapee; or NULL */
void generation_abort_because(struct core *c, struct generation *g, const char *reason);
/* A worker of a slot died or could not be made: reject the candidate or plan the next try. */
void generation_failure(struct core *c, struct generation *g, struct worker *w, const char *why,
                        bool fatal);
/* What it stumbled over may be mended: slots that wait are tried now, and wait longer if it is not. */
void generation_hasten(struct core *c, struct generation *g);
void generation_tick(struct core *c, struct generation *g);
void generation_advance(struct core *c, struct generation *g);
void generation_follow_policy(struct core *c, struct generation *g, struct service_spec *spec);

/* It serves, or has completed: who came before it leaves, and the run that made it has its verdict. */
void generation_take_over(struct core *c, struct generation *g, enum outcome o);

/* ANNOUNCE is over: the announced delay runs, then it drains. */
void generation_announced(struct core *c, struct generation *g);

/* ---- survey.c ---------------------------------------------------------------------------- */

/* All it had are dead: look who and what is left of it, then certify. */
void survey_begin(struct core *c, struct generation *g);
void survey_resume(struct core *c, struct generation *g); /* another master asks again */
void survey_answered(struct core *c, const struct service *s, const struct event *ev);
void survey_tick(struct core *c, struct generation *g);
/* A process of it has ended. */
void survey_note(struct generation *g, const struct worker *w, const struct event *ev);
bool service_surveyed(const struct service *s); /* one of its generations waits for it */

/* ---- hook.c ------------------------------------------------------------------------------ */

bool hook_results(struct service *s); /* there is room for how its hooks ended */
/* false: there is none, and nothing to wait for. Otherwise it is under way, or over already. */
bool hook_begin(struct core *c, struct generation *g, enum hook h);
void hook_ask(struct core *c, struct generation *g); /* also for the second time */
void hook_answered(struct core *c, const struct service *s, const struct event *ev);
void hook_cancel(struct core *c, struct generation *g); /* BEFORE_START: it will not start */
void hook_tick(struct core *c, struct generation *g);
void hook_clip(const struct core *c, struct generation *g); /* a stop budget began */
bool service_hooked(const struct service *s,
                    enum hook h);           /* one of its generations has it under way */
bool service_busy(const struct service *s); /* it has processes, or hooks for those that it had */

/* ---- oneshot.c ----------------------------------------------------------------------------- */

#define EXTEND_FACTOR 10 /* a worker may stretch a deadline, but not for ever */

bool generation_runs_once(const struct generation *g);
bool generation_may_spawn(const struct generation *g);
bool generation_may_complete(const struct generation *g);
void generation_complete(struct core *c, struct generation *g); /* on entry of COMPLETED */
void oneshot_await_end(const struct core *c, struct worker *w);
void oneshot_exit(struct core *c, struct generation *g, struct worker *w, const struct event *ev,
                  const char *text);
/* What it is, if it is one. */
bool oneshot_state(const struct service *s, enum service_state *ret);
/* Its last run ended with 0, and nothing newer failed or is under way: others may start. */
bool service_completed(const struct service *s);
bool service_holds(const struct service *s);   /* reloads of those that wait for it to complete */
bool service_is_done(const struct service *s); /* … and nothing is to be expected of it by itself */
/* Somebody has to leave before a generation of @spec may start. */
bool service_in_the_way(const struct service *s, const struct service_spec *spec);

/* ---- reload.c: reload_step() is the only writer of reload.state ---------------------------- */

int reload_step(struct core *c, struct service *s, enum reload_event e);
void reload_hint(struct core *c, struct service *s, const char *path);
struct reload_wish {
    bool force, past_door; /* as in struct reload */
};
void reload_request(struct core *c, struct service *s, const char *cause, struct reload_wish wish);
void reload_cancel(struct core *c, struct service *s, const char *reason);
void reload_looked(struct core *c, struct service *s, const struct event *ev);
void reload_checked(struct core *c, struct service *s, const struct event *ev);
void reload_end(struct core *c, struct service *s, enum outcome o, const char *reason);
void reload_give_back(struct core *c, struct service *s, uint64_t snapshot);
/* Something of ours failed. What was not tried is not condemned: the next look may try it. */
void reload_untried(struct core *c, struct service *s, const char *why);
void reload_begin_trailing(struct core *c, struct service *s);
/*
 * FX_LOOK or FX_CHECK, whatever it is LOOKING or CHECKING for, and until when there must be an
 * answer. Also for the second time, when who was asked is gone. false: lost.
 */
bool reload_ask(struct core *c, struct service *s);
/* How long LOOKING or CHECKING waits for its answer. */
int64_t reload_patience_us(const struct reload *r);
/* The candidate may be started: now, when there is room, or after the old one has left. */
void reload_proceed(struct core *c, struct service *s);
void reload_advance(struct core *c, struct service *s);
unsigned service_draining(const struct service *s); /* generations that drain and still live */
void service_reject(struct service *s, struct digest digest, const char *reason);

/* ---- reload_signal.c, reload_hand.c: handoff: signal ----------------------------------------- */

/* Can the workers that serve do it themselves? If not: why, in the record and in reload.fallback. */
bool reload_by_signal(struct core *c, struct service *s);
void reload_signal_begin(struct core *c, struct service *s);
void reload_signal_advance(struct core *c, struct service *s);
void reload_signal_resume(struct core *c, struct service *s);
void reload_signal_over(struct service *s); /* the run ends, however: nobody is asked any more */
/* What a worker says or does meanwhile; ready: true when it was the end of its reload. */
bool reload_signal_ready(struct core *c, struct worker *w);
void reload_signal_busy(struct worker *w, int64_t at_us);
void reload_signal_rewritten(struct core *c, struct worker *w);
void reload_signal_unsent(struct core *c, struct worker *w, int error);
void reload_signal_extend(struct worker *w, int64_t until_us);
void reload_signal_lost(struct core *c, struct worker *w, const struct event *ev, const char *how);
/* All are done: a new generation over the same workers, and the verdict. */
void reload_hand_over(struct core *c, struct service *s, struct generation *old);
void generation_hand_on(struct core *c, struct generation *g); /* entry of RETIRED */
const char *generation_taken_text(const struct generation *g, char *buf, size_t room);

/* ---- agenda.c: who is looked at ------------------------------------------------------------ */

/* Something happened to it: service_advance() in this step. */
void agenda_add(struct core *c, struct service *s);
void agenda_touch(struct core *c, struct service *s); /* its image may be another one */
void agenda_add_all(struct core *c);
/* The next service whose deadline has come; agenda_note() tells its new one. NULL: none (any more). */
struct service *agenda_due(struct core *c);
/* After each turn of a service: its next deadline, and who waited for what it became. */
void agenda_note(struct core *c, struct service *s);
bool agenda_join(struct core *c, struct service *s); /* named, with an id; false: out of memory */
void agenda_leave(struct core *c, struct service *s);
/* The configuration may have changed any depends_on. false: out of memory. */
bool agenda_link_all(struct core *c);
void agenda_restore(struct core *c); /* after an image: deadlines, who is ready, who lives */

/* ---- service.c, stop.c, plan.c -------------------------------------------------------------- */

void service_advance(struct core *c, struct service *s);
void service_destroy(struct core *c, struct service *s);
int64_t service_next_us(const struct service *s); /* its next deadline; TIME_NEVER = none */
bool service_live(const struct service *s);
/* Others that depend on it may start: a generation serves, and has a worker to do it. */
bool service_ready(const struct service *s);
/* Whatever starts it now has to wait: nothing of it runs, and @ret_on, which it depends on, is not ready. */
bool service_waits(const struct core *c, const struct service *s, const char **ret_on);
/*
 * A run that would start something has to wait: as above, or, where something serves, for a oneshot that
 * is to have completed. What would be unchanged, and a respawn, do not wait for that.
 */
bool reload_waits(const struct core *c, const struct service *s, const char **ret_on);
const char *service_wait_word(const struct service *s, const char *on); /* "be ready", "complete" */
bool service_has_live_dependents(const struct service *s);
void service_apply_policy(struct core *c, struct service *s, const char *keys);

/* The rungs of the stop ladder, absolute; TIME_NEVER while nothing stops. */
int64_t stop_leak_at_us(const struct core *c);
int64_t stop_kill_at_us(const struct core *c);
int64_t stop_end_us(const struct core *c);
void stop_all(struct core *c, const char *cause, unsigned status);

void plan_config(struct core *c, const struct event *ev);

#endif
