/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CONFIG_DEADLINES_H
#define STINT_CONFIG_DEADLINES_H

/*
 * Who calls whom, with which timeout, and what a call may take there. A caller that has given up while
 * the other goes on working is lost work, and the beginning of every overload that heals nothing.
 */
#include <stdbool.h>
#include <stdint.h>

struct named_timeout;
struct service_spec;
struct spec;
struct strv;

enum edge_fault {
    EDGE_FINE,
    EDGE_UNBOUNDED, /* nothing limits the work for this caller */
    EDGE_TOO_LONG,  /* who says nothing of its timeout is worked for longer than it waits */
    EDGE_UNREAL,    /* it waits for longer than it may take itself */
    EDGE_DISPUTED   /* the caller says another timeout than the one who is called */
};

struct deadline_edge {
    const char *caller, *callee; /* borrowed from the specs */
    int64_t timeout_us;          /* the caller waits no longer */
    int64_t budget_us; /* a call that says nothing of its timeout may take; 0 = no limit */
    int64_t
        other_us; /* EDGE_UNREAL: the caller's own budget; EDGE_DISPUTED: what the callee says */
    const char *none; /* EDGE_UNBOUNDED: why the callee has no limit, in its own words; NULL */
    const struct named_timeout *said; /* where it is declared; NULL: it is not */
    enum edge_fault fault;
};

/* Does @s say anything of deadlines that is to be looked after? */
bool deadlines_configured(const struct service_spec *s);

/* What a request that says nothing may take at @s; 0 = no limit. */
int64_t deadline_budget_us(const struct service_spec *s);

/* deadline_client_us - what @s says about @caller in client_timeout, by name or for all; 0 = nothing. */
int64_t deadline_client_us(const struct service_spec *s, const char *caller);

/**
 * deadline_edges - call @each for every edge that the configuration tells of: by `calls` of the caller, where
 * the callee is one of the services, and by `client_timeout` of the callee.
 */
void deadline_edges(const struct spec *spec,
                    void (*each)(void *env, const struct deadline_edge *edge), void *env);

/* deadline_edge_say - the sentence of a fault: what happens, and the way out. "" for EDGE_FINE. */
void deadline_edge_say(const struct deadline_edge *edge, char *text, unsigned size);

/* deadline_warnings - "FILE:LINE:COLUMN: sentence" for each edge with a fault; without memory there are fewer. */
void deadline_warnings(const struct spec *spec, struct strv *ret);

#endif
