/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_CONFIG_RANDOM_SPEC_H
#define STINT_TESTS_CONFIG_RANDOM_SPEC_H

#include "tests/unit/config/random_preflight.h"
#include "tests/unit/config/random_words.h"

static inline void
random_listen(struct service_spec *s)
{
    s->listen = calloc(4, sizeof(*s->listen));
    for (size_t n = random_below(4); n > 0; n--) {
        struct listener_spec *l = &s->listen[s->n_listen++];
        auto_address struct address a = {0};
        auto_free char *text = NULL;
        auto_free char *name = label();

        /* The number makes it the only one of its name and address. */
        ck_assert_int_ge(asprintf(&l->name, "%zu%.60s", n, name), 0);
        ck_assert_int_ge(
            asprintf(&text, random_below(2) ? "unix:/run/%zu/é \"x\"" : "tcp://[::%zu]:80", n), 0);
        ck_assert_int_eq(address_parse(text, &a, NULL), 0);
        l->family = a.family;
        l->address = steal(a.canonical);
        l->host = steal(a.host);
        l->path = steal(a.path);
        l->port = a.port;
        l->mode = 0666;
        l->backlog = 1 + (int)random_below(65535);
        l->nonblocking = random_below(2) == 0;
        if (l->family == LISTENER_UNIX) {
            l->mode = (mode_t)random_below(01000);
            l->owner = nasty_or_null();
            l->group = nasty_or_null();
        }
    }
}

static inline void
random_ready(struct service_spec *s)
{
    s->ready.mode = (enum ready_mode)random_below(7);
    if (s->ready.mode == READY_FD)
        s->ready.fd = 10 + (int)random_below(1014);
    else if (s->ready.mode == READY_FILE)
        s->ready.file = nasty_path();
    else if (s->ready.mode == READY_EXEC)
        random_strings(&s->ready.exec, 1, 4);
    else if (s->ready.mode == READY_ASSUME)
        s->ready.assume_us = US_PER_MS + random_us(3000 * US_PER_S);
    else if (s->ready.mode == READY_TCP || s->ready.mode == READY_HTTP)
        s->probe_listener = tcp_address(true);
    if (s->ready.mode == READY_TCP)
        s->ready.address = strdup(s->probe_listener);
    else if (s->ready.mode == READY_HTTP)
        ck_assert_int_ge(
            asprintf(&s->ready.address, "http://%s/%%20?\"'\\x", s->probe_listener + 6), 0);
    else if (random_below(3) == 0)
        s->probe_listener = tcp_address(true);
}

static inline void
random_environment(struct service_spec *s)
{
    s->environment = calloc(5, sizeof(*s->environment));
    for (size_t n = random_below(5); n > 0; n--) {
        struct environment_entry *e = &s->environment[s->n_environment++];

        ck_assert_int_ge(
            asprintf(&e->name, "%c\"\\:#%.*s", (char)('Z' - n), (int)random_below(200),
                     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
            0);
        e->value = nasty(true);
    }
}

static inline void
random_limits(struct service_spec *s)
{
    s->limits = calloc(16, sizeof(*s->limits));
    for (int resource = 0; resource < 16; resource++) {
        rlim_t hard =
            random_below(3) ? random_below(UINT64_C(1) << (1 + random_below(50))) : RLIM_INFINITY;
        rlim_t soft = random_below(3) ? hard : random_below(hard < 1 ? 1 : hard);
        bool known = false;

        schema_for_each(k, OBJECT_LIMITS) known = known || k->arg == resource;
        if (!known || random_below(3) > 0)
            continue;
        if (resource == RLIMIT_CPU && soft != RLIM_INFINITY) /* a duration has fewer bits */
            soft %= 1000000;
        if (resource == RLIMIT_CPU && hard != RLIM_INFINITY)
            hard = soft + hard % 1000000;
        s->limits[s->n_limits++] = (struct limit_spec){resource, soft, hard};
    }
}

static inline int
random_signal(void)
{
    int n = 1 + (int)random_below(64);

    return n == SIGKILL || n == SIGSTOP || n == SIGHUP ? SIGTERM : n;
}

static inline void
random_policy(struct service_spec *s)
{
    s->workers = 1 + (unsigned)random_below(1024);
    s->watch_binary = random_below(2);
    for (size_t n = random_below(4); n > 0; n--) {
        auto_free char *path = nasty_path();

        ck_assert_int_eq(strv_add(&s->watch_paths, path), 0);
    }
    s->settle_us = random_us(5 * US_PER_S);
    random_strings(&s->check, 0, 3);
    s->check_timeout_us = US_PER_MS + random_us(3000 * US_PER_S);
    for (int h = HOOK_NONE + 1; h < HOOK_COUNT; h++) {
        random_strings(&s->hooks[h].command, 0, 3);
        s->hooks[h].timeout_us = US_PER_MS + random_us(3000 * US_PER_S);
    }
    s->handoff = (enum handoff_mode)random_below(3);
    random_preflight(s);
    s->signal_fallback = (enum handoff_mode)random_below(2);
    s->soak_us = service_spec_handoff(s) == HANDOFF_OVERLAP ? random_us(86400 * US_PER_S) : 0;
    s->reload_signal = SIGHUP;
    s->reload_assume_us = US_PER_MS + random_us(3000 * US_PER_S);
    s->reload_timeout_us = 10 * US_PER_MS + s->reload_assume_us + random_us(3600 * US_PER_S);
    s->start_timeout_us = 10 * US_PER_MS + s->ready.assume_us + random_us(3600 * US_PER_S);
    s->drain_signal = random_signal();
    s->drain_timeout_us = random_us(US_PER_S * 86400 * 7);
    s->stop_signal = random_signal();
    s->leak_grace_us = random_us(86400 * US_PER_S);
    s->announce_delay_us = random_us(3600 * US_PER_S);
    s->max_draining = 1 + (unsigned)random_below(16);
    s->backoff_first_us = US_PER_MS + random_us(3000 * US_PER_S);
    s->backoff_max_us = s->backoff_first_us + random_us(3600 * US_PER_S);
    s->limit_count = 1 + (unsigned)random_below(1000);
    s->limit_within_us = US_PER_MS + random_us(3600 * US_PER_S);
    s->give_up = random_below(2);
    if (s->libstint)
        s->restart_requests = (unsigned)random_below(1000000001);
    s->restart_age_us = random_below(2) ? US_PER_S + random_us(3600 * US_PER_S) : 0;
    s->restart_rss_bytes = random_below(2) ? (1 << 20) + random_below(UINT64_C(1) << 40) : 0;
    s->restart_jitter = (unsigned)random_below(51);
    s->restart_every_us = 100 * US_PER_MS + random_us(3000 * US_PER_S);
    s->leak_look_us = random_us(3600 * US_PER_S);
    s->trace.lint = random_below(2);
    s->trace.format = (enum trace_format)random_below(3);
    if (random_below(2))
        s->trace.trace_id = strdup("my.trace-id");
    if (random_below(2))
        s->trace.span_id = strdup("my_span");
    s->leak_every_us = US_PER_S + random_us(3600 * US_PER_S);
    s->n_leak_budget = random_below(3);
    s->leak_budget = calloc(s->n_leak_budget + 1, sizeof(*s->leak_budget));
    for (size_t i = 0; i < s->n_leak_budget; i++)
        s->leak_budget[i] = (struct leak_budget){.thread = nasty(false),
                                                 .max = (unsigned)random_below(16385),
                                                 .max_age_us = random_us(3600 * US_PER_S)};
    random_deadlines(&s->deadlines);
    s->profiling.cpu = random_below(2);
    s->profiling.heap = random_below(2);
    s->profiling.threads = random_below(2);
    for (size_t n = random_below(4); n > 0; n--)
        ck_assert_int_eq(strv_addf(&s->depends_on, "dep-%zu", n), 0);
    for (size_t i = 0; i < s->depends_on.n; i++)
        if (random_below(3) == 0)
            ck_assert_int_eq(strv_add(&s->depends_completed, s->depends_on.items[i]), 0);
}

/* What it has no use for is as if nobody had said it. */
static inline void
random_oneshot(struct service_spec *s)
{
    static const char *const unused[] = {"listen", "ready", "probe_listener", "preflight"};

    s->type = TYPE_ONESHOT;
    for (size_t i = 0; i < ARRAY_LEN(unused); i++) {
        const struct key *k = schema_find(OBJECT_SERVICE, unused[i]);

        k->type->clear(k, s);
    }
    strv_finish(&s->hooks[HOOK_ANNOUNCE].command);
    s->hooks[HOOK_ANNOUNCE].timeout_us = 10 * US_PER_S;
    s->workers = 1;
    s->handoff = HANDOFF_OVERLAP;
    s->require_preflight = false;
    s->gated = false;
    s->reload_signal = SIGHUP;
    s->reload_timeout_us = 30 * US_PER_S;
    s->reload_assume_us = 2 * US_PER_S;
    s->signal_fallback = HANDOFF_REPLACE;
    s->soak_us = s->announce_delay_us = 0;
    s->start_timeout_us = 30 * US_PER_S;
    s->max_draining = 2;
    s->run_timeout_us = random_us(86400 * US_PER_S);
    s->retry = random_below(2);
}

static inline void
random_log(struct service_log *l)
{
    l->file = random_below(2) ? path_join("/var/log", "a b: c.log") : NULL;
    l->to = (enum service_log_to)random_below(l->file ? 3 : 2);
    l->format = (enum service_log_format)random_below(3);
    l->owner = nasty_or_null();
    l->group = nasty_or_null();
    l->max_size = random_below(UINT64_C(1) << random_below(50));
    l->max_age_us = random_us(86400 * US_PER_S * 3650);
    l->buffer = ((uint64_t)128 << 10) + random_below((uint64_t)1 << 20);
    l->block_us = random_us(10 * US_PER_S);
    l->keep = (unsigned)random_below(10001);
    l->mode = (mode_t)random_below(01000);
    l->timestamp = random_below(2);
}

static inline struct service_spec *
random_spec(void)
{
    struct service_spec *s = calloc(1, sizeof(*s));

    ck_assert_ptr_nonnull(s);
    s->references = 1;
    s->name = label();
    random_strings(&s->command, 1, 6);
    s->directory = nasty_path();
    random_listen(s);
    s->libstint = random_below(2);
    s->preload = !s->libstint && random_below(2);
    random_ready(s);
    random_environment(s);
    s->env_file = random_below(2) ? nasty_path() : NULL;
    s->clean_environment = random_below(2);
    s->user = nasty_or_null();
    s->group = nasty_or_null();
    s->umask = random_below(2) ? (mode_t)-1 : (mode_t)random_below(01000);
    random_limits(s);
    random_policy(s);
    s->gated = s->libstint && s->n_listen > 0 && s->ready.mode == READY_NOTIFY && random_below(2);
    if (random_below(4) == 0)
        random_oneshot(s);
    random_log(&s->log);
    return s;
}

#endif
