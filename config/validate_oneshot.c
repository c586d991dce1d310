/* SPDX-License-Identifier: GPL-2.0-or-later */
/* type: oneshot: what it cannot have, and what only it can. */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/load.h"
#include "config/schema.h"

/* What is only for those that stay. @instead: the way out. */
static const struct {
    const char *below, *key, *instead; /* @below: the map that @key stands in; NULL: the service */
} of_services[] = {
    {NULL,    "workers",             "it is one process"                                                  },
    {NULL,    "listen",              "nobody connects to it: let a service listen"                        },
    {NULL,    "gated",               "it has no clients that could be held back"                          },
    {NULL,    "ready",               "it is never ready, it has completed when it exits with 0"           },
    {NULL,    "handoff",             "it hands nothing over: it is run again when the last run has ended" },
    {NULL,    "soak",                "it hands nothing over: nothing is on probation"                     },
    {NULL,    "start_timeout",       "'run_timeout' limits how long it may run"                           },
    {NULL,    "announce_delay",      "it serves nobody who would have to be told"                         },
    {NULL,    "max_draining",        "two runs of it are never there at the same time"                    },
    {NULL,    "probe_listener",      "it serves nobody who would probe it"                                },
    {NULL,    "reload_signal",       "it is not told to reload, it is run again"                          },
    {NULL,    "reload_timeout",      "it is not told to reload, it is run again"                          },
    {NULL,    "reload_assume_after", "it is not told to reload, it is run again"                          },
    {NULL,    "restart_after",       "it ends by itself, and nobody takes over from it"                   },
    {NULL,    "signal_fallback",     "it is not told to reload, it is run again"                          },
    {NULL,    "preflight",           "it hands nothing over that could be rehearsed, and may do something"},
    {"hooks", "announce",            "it serves nobody who would have to be told"                         },
};

/* What is only for a oneshot. */
static const struct {
    const char *below, *key, *instead;
} of_oneshots[] = {
    {NULL,      "run_timeout", "'start_timeout' limits how long it may take until it is ready"},
    {"respawn", "retry",       "what stays is respawned in any case"                          },
};

/* Where the service itself says it; NULL: it does not. */
static const struct node *
written(const struct entry *e, const char *below, const char *key)
{
    return node_get(below ? node_get(e->value, below) : e->value, key);
}

/*
 * Only what the service itself says: 'defaults' are for all, and what of them does not concern it is
 * passed over, see oneshot_settle().
 */
void
validate_oneshot(struct load *l, const struct entry *e)
{
    bool oneshot = e->spec->type == TYPE_ONESHOT;

    if (l->one_service) /* our own text, with every key in it */
        return;
    for (size_t i = 0; oneshot && i < ARRAY_LEN(of_services); i++) {
        const struct node *n = written(e, of_services[i].below, of_services[i].key);

        if (n)
            (void)finding(&l->reader, n, NULL, "'%s' is not for a 'type: oneshot': %s",
                          of_services[i].key, of_services[i].instead);
    }
    for (size_t i = 0; !oneshot && i < ARRAY_LEN(of_oneshots); i++) {
        const struct node *n = written(e, of_oneshots[i].below, of_oneshots[i].key);

        if (n)
            (void)finding(&l->reader, n, NULL, "'%s' is for a 'type: oneshot' only: %s",
                          of_oneshots[i].key, of_oneshots[i].instead);
    }
}

int
oneshot_settle(struct reader *r, const struct node *at, struct service_spec *s)
{
    int result = 0;

    if (s->type != TYPE_ONESHOT) {
        s->run_timeout_us = 0;
        s->retry = false;
        return 0;
    }
    strv_finish(&s->hooks[HOOK_ANNOUNCE].command);
    for (size_t i = 0; i < ARRAY_LEN(of_services) && result == 0; i++) {
        const struct key *k =
            of_services[i].below ? NULL : schema_find(OBJECT_SERVICE, of_services[i].key);

        if (!k)
            continue;
        if (k->type->clear)
            k->type->clear(k, s);
        result = key_default(r, k, at, s);
    }
    return result;
}
