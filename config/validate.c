/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What no single key can tell: keys of a service against each other. */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "config/address.h"
#include "config/load.h"

enum { LISTEN_FD_FIRST = 3, RSS_LEAST = 1 << 20 };

static void
check_ready_fd(struct load *l, const struct entry *e)
{
    const struct service_spec *s = e->spec;
    int last = LISTEN_FD_FIRST + (int)s->n_listen - 1;

    if (s->ready.mode == READY_FD && s->ready.fd <= last)
        (void)finding(&l->reader, entry_node(l, e, "ready"), NULL,
                      "descriptor %d is taken: the sockets of 'listen' are %d to %d", s->ready.fd,
                      LISTEN_FD_FIRST, last);
}

/* A probe proves something only where no other generation can answer. */
static void
check_ready_probe(struct load *l, const struct entry *e)
{
    const struct service_spec *s = e->spec;
    const struct node *at = entry_node(l, e, "ready");
    auto_address struct address to = {0};
    struct error err;
    int r = s->ready.mode == READY_TCP    ? address_parse(s->ready.address, &to, &err)
            : s->ready.mode == READY_HTTP ? address_of_url(s->ready.address, &to, &err)
                                          : 0;

    if (r < 0) {
        (void)no_memory(&l->reader); /* it was parsed before */
        return;
    }
    if (!to.canonical)
        return;
    for (size_t i = 0; i < s->n_listen; i++) {
        const struct listener_spec *shared = &s->listen[i];

        if (shared->family != LISTENER_TCP || !address_meets(&to, shared->host, shared->port))
            continue;
        (void)finding(&l->reader, at, NULL,
                      "'ready' would probe the shared listener '%s' (%s), where the old generation "
                      "would answer: probe a 'probe_listener', or use another form of 'ready'",
                      shared->name, shared->address);
        return;
    }
    if (!s->probe_listener)
        (void)finding(
            &l->reader, at, NULL,
            "'ready' would probe %s, which nobody binds for one generation alone, so that "
            "the old generation would answer: it must be the 'probe_listener', and there "
            "is none",
            to.canonical);
    else if (strcmp(s->probe_listener, to.canonical) != 0)
        (void)finding(
            &l->reader, at, NULL,
            "'ready' would probe %s, but the address that each generation binds for "
            "itself is the 'probe_listener' %s: elsewhere the old generation would answer",
            to.canonical, s->probe_listener);
}

static void
check_probe_listener(struct load *l, const struct entry *e)
{
    const struct service_spec *s = e->spec;
    const struct node *at = entry_node(l, e, "probe_listener");
    auto_address struct address a = {0};
    struct error err;

    if (!s->probe_listener)
        return;
    if (address_parse(s->probe_listener, &a, &err) < 0) {
        (void)no_memory(&l->reader); /* it was parsed before */
        return;
    }
    if (a.port != 0 && service_spec_handoff(s) == HANDOFF_OVERLAP)
        (void)finding(&l->reader, at, NULL,
                      "'probe_listener' wants port 0 (any free one) with '%s: overlap': two "
                      "generations cannot bind port %u at the same time",
                      s->handoff == HANDOFF_SIGNAL ? "signal_fallback" : "handoff", a.port);
}

static void
check_times(struct load *l, const struct entry *e)
{
    const struct service_spec *s = e->spec;
    char one[32], other[32];

    if (s->backoff_first_us > s->backoff_max_us)
        (void)finding(&l->reader, entry_node(l, e, "respawn"), NULL,
                      "the first back-off (%s) is longer than the longest (%s)",
                      duration_format(s->backoff_first_us, one, sizeof(one)),
                      duration_format(s->backoff_max_us, other, sizeof(other)));
    if (s->ready.mode == READY_ASSUME && s->ready.assume_us > s->start_timeout_us)
        (void)finding(&l->reader, entry_node(l, e, "ready"), NULL,
                      "'assume_after' (%s) is longer than 'start_timeout' (%s): no worker would "
                      "ever be ready",
                      duration_format(s->ready.assume_us, one, sizeof(one)),
                      duration_format(s->start_timeout_us, other, sizeof(other)));
    if (s->soak_us > 0 && s->handoff == HANDOFF_REPLACE)
        (void)finding(&l->reader, entry_node(l, e, "soak"), NULL,
                      "'soak' needs 'handoff: overlap': with 'replace' the old generation is gone "
                      "before the new one starts");
}

/* Who links libstint registers himself, and knows more of his threads. */
static void
check_preload(struct load *l, const struct entry *e)
{
    if (e->spec->preload && e->spec->libstint)
        (void)finding(&l->reader, entry_node(l, e, "preload"), NULL,
                      "'preload' is for programs that do not link libstint: leave it out, or "
                      "'libstint: true'");
}

/* Sockets that come later come by the channel, and "ready" must not be said by somebody else. */
static void
check_gated(struct load *l, const struct entry *e)
{
    const struct service_spec *s = e->spec;
    const struct node *at = entry_node(l, e, "gated");

    if (!s->gated)
        return;
    if (!s->libstint)
        (void)finding(&l->reader, at, NULL,
                      "'gated' needs 'libstint: true': the sockets come by its channel");
    if (s->n_listen == 0)
        (void)finding(&l->reader, at, NULL,
                      "'gated' without 'listen': there is nothing to hold back");
    if (s->ready.mode != READY_NOTIFY)
        (void)finding(&l->reader, entry_node(l, e, "ready"), NULL,
                      "'gated' needs 'ready: notify': the program itself says when it may have "
                      "clients, with stint_ready()");
}

static void
check_restart(struct load *l, const struct entry *e)
{
    const struct service_spec *s = e->spec;
    const struct node *at = entry_node(l, e, "restart_after");
    const struct node *requests = node_get(at, "requests"), *age = node_get(at, "age");
    const struct node *rss = node_get(at, "rss");

    if (s->restart_requests > 0 && !s->libstint)
        (void)finding(
            &l->reader, requests ? requests : at, NULL,
            "'requests' of 'restart_after' needs 'libstint: true': nobody but the program "
            "knows how many it has served, and it says so by stint_served(); other "
            "programs can be relieved by 'age' and 'rss'");
    if (s->restart_rss_bytes > 0 && s->restart_rss_bytes < RSS_LEAST)
        (void)finding(&l->reader, rss ? rss : at, NULL,
                      "'rss' of 'restart_after' is at least 1MiB, or 0 for never");
    if (s->restart_age_us > 0 && s->restart_age_us < US_PER_S)
        (void)finding(&l->reader, age ? age : at, NULL,
                      "'age' of 'restart_after' is at least 1s, or 0 for never");
}

/* What `defaults` says is taken back by 0; a reason is not. */
static void
check_no_deadlines(struct load *l, const struct entry *e, const struct node *at)
{
    const struct deadline_policy *d = &e->spec->deadlines;
    const char *key = d->default_us > 0 ? "default" : d->max_us > 0 ? "max" : NULL;
    const struct node *value = node_get(at, "none");
    char limit[32];

    if (d->none && key)
        (void)finding(
            &l->reader, value ? value : at, NULL,
            "'none' of 'deadlines' says that a request has no deadline, and '%s' that it "
            "has %s: leave one of them out%s",
            key,
            duration_format(d->default_us > 0 ? d->default_us : d->max_us, limit, sizeof(limit)),
            node_get(at, key) ? "" : ", or take it back: write 0 for it here");
}

static void
check_deadlines(struct load *l, const struct entry *e)
{
    const struct deadline_policy *d = &e->spec->deadlines;
    const struct node *at = entry_node(l, e, "deadlines"), *value = node_get(at, "default");
    char one[32], other[32];

    if (d->max_us > 0 && d->default_us > d->max_us)
        (void)finding(&l->reader, value ? value : at, NULL,
                      "'default' of 'deadlines' (%s) is longer than 'max' (%s): no request has "
                      "longer than that",
                      duration_format(d->default_us, one, sizeof(one)),
                      duration_format(d->max_us, other, sizeof(other)));
    check_no_deadlines(l, e, at);
}

void
validate_service(struct load *l, const struct entry *e)
{
    if (entry_node(l, e, "command") == e->name)
        (void)finding(&l->reader, e->name, NULL, "service '%s' has no 'command'", e->name->text);
    validate_oneshot(l, e);
    check_ready_fd(l, e);
    check_ready_probe(l, e);
    check_probe_listener(l, e);
    check_times(l, e);
    check_restart(l, e);
    check_deadlines(l, e);
    validate_slots(l, e);
    check_gated(l, e);
    check_preload(l, e);
    validate_signal(l, e);
    validate_preflight(l, e);
}
