/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/simulation/plant.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/units.h"

void
plant_signal(struct effects *fx, enum effect_type type, uint64_t worker, int signal_number)
{
    struct effect *e = effects_add(fx, type);

    if (!e)
        abort();
    e->worker = worker;
    e->signo = signal_number;
}

void
plant_drop(struct effects *fx, size_t at)
{
    free(fx->items[at].record);
    memmove(fx->items + at, fx->items + at + 1, (fx->n - at - 1) * sizeof(*fx->items));
    fx->n--;
}

static void
drop_all(struct effects *fx, enum effect_type type)
{
    for (size_t i = fx->n; i > 0; i--)
        if (fx->items[i - 1].type == type)
            plant_drop(fx, i - 1);
}

bool
plant_is_record(const struct effect *e, enum record_kind kind)
{
    return e->type == FX_RECORD && e->record->kind == kind;
}

/* A ready worker of the generation that serves in an overlap service; 0 = none. */
static uint64_t
someone_serving(const struct core *c, uint32_t service)
{
    const struct service *s = core_service(c, service);
    const struct generation *g = s ? service_serving(s) : NULL;

    if (!g || s->want != WANT_UP || s->spec->handoff != HANDOFF_OVERLAP)
        return 0;
    list_for_each (n, &g->workers) {
        const struct worker *w = container_of(n, struct worker, node);

        if (w->state == WORKER_READY && !w->escapee)
            return w->id;
    }
    return 0;
}

/* ---- I1, I2 ---------------------------------------------------------------------------------- */

static void
break_before_make(const struct core *c, struct effects *fx)
{
    for (size_t i = 0, n = fx->n; i < n; i++) {
        const struct service *s = core_service(c, fx->items[i].service);
        const struct generation *next = s ? service_candidate(s) : NULL;
        uint64_t victim = s ? someone_serving(c, s->id) : 0;

        if (fx->items[i].type == FX_SPAWN && next && next->number == fx->items[i].generation &&
            victim > 0)
            plant_signal(fx, FX_SIGNAL, victim, SIGTERM);
    }
}

static void
punish_the_serving(const struct core *c, struct effects *fx)
{
    for (size_t i = 0, n = fx->n; i < n; i++) {
        uint64_t victim = plant_is_record(&fx->items[i], RECORD_ABORTED)
                              ? someone_serving(c, fx->items[i].record->service_id)
                              : 0;

        if (victim > 0)
            plant_signal(fx, FX_CANCEL, victim, 0);
    }
}

/* ---- gate ------------------------------------------------------------------------------------ */

static void
keep_one_out(const struct core *c, struct effects *fx)
{
    (void)c;
    for (size_t i = 0; i < fx->n; i++)
        if (fx->items[i].type == FX_OPEN) {
            plant_drop(fx, i);
            return;
        }
}

/* ---- oneshot --------------------------------------------------------------------------------- */

static void
believe_every_hook(const struct core *c, struct event *ev)
{
    (void)c;
    if (ev->type == EVENT_HOOKED)
        ev->hooked.outcome = HOOK_DONE;
}

static void
call_every_end_a_success(const struct core *c, struct event *ev)
{
    const struct worker *w = ev->type == EVENT_EXIT ? core_worker(c, ev->worker) : NULL;

    if (w && !w->escapee && w->generation->spec->type == TYPE_ONESHOT)
        ev->death.wait_status = ev->death.exec_error = 0;
}

/* ---- I4 --------------------------------------------------------------------------------------- */

static void
see_the_old_disk(const struct core *c, struct event *ev)
{
    const struct service *s = core_service(c, ev->service);

    if (ev->type == EVENT_LOOKED && ev->looked.result == LOOK_OK && s && service_serving(s))
        ev->looked.digest = world_digest(wish_of(s->name), 1);
}

static void
force_every_reload(const struct core *c, struct event *ev)
{
    (void)c;
    if (ev->type == EVENT_RELOAD)
        ev->request.force = true;
}

/* ---- I5 --------------------------------------------------------------------------------------- */

static void
bury_twice(const struct core *c, struct effects *fx)
{
    (void)c;
    for (size_t i = 0, n = fx->n; i < n; i++) {
        struct effect *e =
            plant_is_record(&fx->items[i], RECORD_EXIT) ? effects_add(fx, FX_RECORD) : NULL;

        if (!e)
            continue;
        e->record = malloc(sizeof(*e->record));
        if (!e->record)
            abort();
        *e->record = *fx->items[i].record;
    }
}

static void
signal_the_dead(const struct core *c, struct effects *fx)
{
    (void)c;
    for (size_t i = 0, n = fx->n; i < n; i++)
        if (plant_is_record(&fx->items[i], RECORD_EXIT))
            plant_signal(fx, FX_SIGNAL, fx->items[i].record->worker, SIGTERM);
}

/* ---- I6 --------------------------------------------------------------------------------------- */

static void
kill_at_once(const struct core *c, struct effects *fx)
{
    (void)c;
    for (size_t i = 0, n = fx->n; i < n; i++)
        if (fx->items[i].type == FX_SIGNAL)
            plant_signal(fx, FX_KILL, fx->items[i].worker, SIGKILL);
}

static void
kill_unheard(const struct core *c, struct effects *fx)
{
    (void)c;
    for (size_t i = 0; i < fx->n; i++)
        if (fx->items[i].type == FX_EVIDENCE) {
            fx->items[i].type = FX_KILL;
            fx->items[i].signo = SIGKILL;
        }
}

/* ---- I9 and the books --------------------------------------------------------------------------- */

static void /* and the hook that follows each: or that would be what is found */
lose_certificates(const struct core *c, struct effects *fx)
{
    (void)c;
    for (size_t i = fx->n; i > 0; i--) {
        const struct effect *e = &fx->items[i - 1];

        if (plant_is_record(e, RECORD_CERTIFICATE) ||
            (plant_is_record(e, RECORD_HOOK) && e->record->hook == HOOK_RETIRED) ||
            (e->type == FX_HOOK && e->hook == HOOK_RETIRED))
            plant_drop(fx, i - 1);
    }
}

static void
count_leaks_away(const struct core *c, struct effects *fx)
{
    (void)c;
    for (size_t i = 0; i < fx->n; i++)
        if (plant_is_record(&fx->items[i], RECORD_CERTIFICATE))
            fx->items[i].record->count = 0;
}

static void
keep_snapshots(const struct core *c, struct effects *fx)
{
    (void)c;
    drop_all(fx, FX_DISCARD);
}

static void
lose_verdicts(const struct core *c, struct effects *fx)
{
    (void)c;
    for (size_t i = fx->n; i > 0; i--)
        if (plant_is_record(&fx->items[i - 1], RECORD_VERDICT))
            plant_drop(fx, i - 1);
}

/* ---- I10: a master that dies, and the next one ------------------------------------------------------ */

static void
touch_one_less(struct core *c)
{
    if (c->touched.next->next != &c->touched) /* two at least */
        list_del(c->touched.next);
}

static void
each_slot(struct core *c, void (*change)(const struct core *c, struct slot *slot))
{
    list_for_each (n, &c->services)
        list_for_each (m, &container_of(n, struct service, node)->generations) {
            struct generation *g = container_of(m, struct generation, node);

            for (unsigned i = 0; i < g->n_slots; i++)
                change(c, &g->slots[i]);
        }
}

static void
no_failures(const struct core *c, struct slot *slot)
{
    (void)c;
    slot->failures = 0;
}

static void
forget_failures(struct core *c, bool trial)
{
    if (trial)
        each_slot(c, no_failures);
}

static void
no_substitute(const struct core *c, struct slot *slot)
{
    (void)c;
    slot->substitute = NULL;
}

static void
forget_substitutes(struct core *c, bool trial)
{
    if (!trial)
        each_slot(c, no_substitute);
}

static void
no_backoff(const struct core *c, struct slot *slot)
{
    if (!slot->worker && slot->next_spawn_us > c->now_us && slot->next_spawn_us != TIME_NEVER)
        slot->next_spawn_us = c->now_us;
}

static void
forget_backoff(struct core *c, bool trial)
{
    if (!trial)
        each_slot(c, no_backoff);
}

static bool
drop_obituaries(const struct pending *p, bool right)
{
    return right && !plant_is_record(&p->effect, RECORD_EXIT);
}

static bool
repeat_obituaries(const struct pending *p, bool right)
{
    return right || plant_is_record(&p->effect, RECORD_EXIT);
}

static bool
start_again(const struct pending *p, bool right)
{
    return right || p->effect.type == FX_SPAWN;
}

static void
ask_for_no_evidence(struct effects *fx)
{
    drop_all(fx, FX_EVIDENCE);
}

static void
ask_for_no_look(struct effects *fx)
{
    drop_all(fx, FX_LOOK);
}

const struct plant plants[] = {
    {"I1",           I1,            "signals the serving one as soon as the candidate is spawned",
     .effects = break_before_make                                                                                                 },
    {"I2",           I2,            "cancels the serving one when the candidate failed",            .effects = punish_the_serving },
    {"I2.check",     I2,            "stops the old one although the check failed",                  .event = plant_believe_checks },
    {"I2.all",       I2,            "asks all to reload, though the first has not done it",
     .effects = plant_ask_all                                                                                                     },
    {"I2.unready",   I2,            "asks who is not ready to reload, which ends it",
     .effects = plant_ask_unready                                                                                                 },
    {"I2.proved",    I2,            "calls proved what is only assumed",                            .effects = plant_call_proved  },
    {"I3",           I3,            "lets more generations drain than allowed",                     .spec = let_more_drain        },
    {"I4",           I4,            "does not see that the disk changed",                           .event = see_the_old_disk     },
    {"I4.again",     I4,            "tries again what was rejected",                                .event = force_every_reload   },
    {"I5",           I5,            "writes two obituaries",                                        .effects = bury_twice         },
    {"I5.signal",    I5,            "signals a pid that is reaped",                                 .effects = signal_the_dead    },
    {"I6",           I6,            "kills right after the drain signal",                           .effects = kill_at_once       },
    {"I6.evidence",  I6,            "kills where evidence is due",                                  .effects = kill_unheard       },
    {"I7",           I7,            "takes its time to stop",                                       .spec = stop_at_leisure       },
    {"I8",           I8,            "respawns without a pause",                                     .spec = retry_without_pause   },
    {"I1.pride",     I1,            "gives up who never asked for it",                              .spec = give_all_up           },
    {"I8.limit",     I8,            "does not give up a candidate",                                 .spec = never_give_up         },
    {"I8.hint",      I8,            "takes every hint for an order, which ends a back-off",
     .event = take_hints_for_orders                                                                                               },
    {"I9",           I9,            "loses death certificates",                                     .effects = lose_certificates  },
    {"I9.count",     I9,            "certifies without the leaks",                                  .effects = count_leaks_away   },
    {"snapshots",    LAW_SNAPSHOTS, "keeps snapshots nobody needs",                                 .effects = keep_snapshots     },
    {"verdicts",     LAW_VERDICTS,  "does not answer reloads",                                      .effects = lose_verdicts      },
    {"places",       LAW_PLACES,    "lets all start at once",                                       .spec = start_all_at_once     },
    {"depends",      LAW_DEPENDS,   "starts without what it depends on",                            .spec = depend_on_nobody      },
    {"relief",       LAW_RELIEF,    "asks a worker to leave as soon as another starts in its slot",
     .effects = break_before_relief                                                                                               },
    {"leaks",        LAW_LEAKS,     "tells nobody that threads leak",                               .effects = keep_leaks_secret  },
    {"leaks.often",  LAW_LEAKS,     "looks at threads twice",                                       .effects = look_twice         },
    {"certify",      LAW_CERTIFY,   "certifies that nobody is left without a look at the findings",
     .effects = certify_blindly                                                                                                   },
    {"certify.no",   LAW_CERTIFY,   "does not look at what is left",                                .effects = look_away          },
    {"gate",         LAW_GATE,      "does not let a worker in that serves",                         .effects = keep_one_out       },
    {"gate.early",   LAW_GATE,      "lets a worker in as soon as it is ready itself",
     .effects = let_in_early                                                                                                      },
    {"oneshot",      LAW_ONESHOT,   "takes every end of a oneshot for a success",
     .event = call_every_end_a_success                                                                                            },
    {"retry",        LAW_ONESHOT,   "runs a oneshot again that failed",                             .spec = try_all_again         },
    {"door",         LAW_DOOR,      "knows no doors",                                               .spec = open_all_doors        },
    {"door.deaf",    LAW_DOOR,      "goes through a door that is shut",                             .event = walk_through_doors   },
    {"hooks",        LAW_HOOKS,     "does not run any hook",                                        .spec = run_no_hooks          },
    {"hooks.deaf",   LAW_HOOKS,     "starts what a hook refused",                                   .event = believe_every_hook   },
    {"spans",        LAW_SPANS,     "forgets since when things are as they are",
     .touched = plant_forget_phases                                                                                               },
    {"counts",       LAW_COUNTS,    "leaves a start out of its count",                              .touched = plant_count_late   },
    {"I10.counts",   LAW_COUNTS,    "takes over without what was counted",
     .restored = plant_forget_counts                                                                                              },
    {"I10",          I10,           "does not touch a service that it changed",                     .touched = touch_one_less     },
    {"I10.image",    I10,           "forgets in an image how often a slot failed",                  .restored = forget_failures   },
    {"I10.relief",   LAW_RELIEF,    "takes over without who relieves somebody",
     .restored = forget_substitutes                                                                                               },
    {"I10.backoff",  I8,            "takes over without the back-off of the slots",                 .restored = forget_backoff    },
    {"I10.dropped",  I5,            "drops the obituaries that the dead master had not written",
     .repeat = drop_obituaries                                                                                                    },
    {"I10.twice",    I5,            "writes the obituaries of the dead master once more",
     .repeat = repeat_obituaries                                                                                                  },
    {"I10.spawned",  LAW_NUMBERS,   "starts once more who has a pid",                               .repeat = start_again         },
    {"I10.evidence", I6,            "does not ask again for evidence",                              .resumed = ask_for_no_evidence},
    {"I10.looks",    I10,           "does not ask again for a look",                                .resumed = ask_for_no_look    },
};
const size_t n_plants = ARRAY_LEN(plants);

const struct plant *
plant_by_name(const char *name)
{
    for (size_t i = 0; i < n_plants; i++)
        if (strcmp(plants[i].name, name) == 0)
            return &plants[i];
    return NULL;
}
