/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_REPORT_H
#define STINT_IO_REPORT_H

/*
 * The state of everything as JSON: schema "stint.status/1", written down in docs/api.md. The core
 * is read as it is; what only the rim knows comes through callbacks, each of which may be NULL.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct core;
struct generation;
struct journal;
struct service;
struct worker;

/* The configuration as it is on disk now. Borrowed until the next call of the callback. */
struct report_config {
    const char *path;
    const char *digest; /* of the configuration in force, hex */
    bool valid; /* false: the files on disk are rejected, the old configuration is in force */
    const char *error; /* the diagnostics, or NULL */
};

/* What a worker has used up of what `restart_after` limits. */
struct report_usage {
    bool has_requests, has_rss; /* false: no such limit, or not known */
    uint64_t requests, rss_bytes;
};

/* A callback returns a new reference, or NULL for "nothing to say": the field is then left out. */
struct report_sources {
    const struct core *core;
    const struct journal *journal; /* its counters; may be NULL */
    int64_t started_us;            /* CLOCK_MONOTONIC: the master's start */
    void *env;
    void (*config)(void *env, struct report_config *ret);
    /* object {endpoint, traces, logs}: what a collector was sent */
    json_t *(*export)(void *env);
    json_t *(*counters)(void *env); /* object of numbers: loop_stalls, reloads, … */
    /* array of {name, address (the actual one), …} */
    json_t *(*listeners)(void *env, const struct service *s);
    /* object {mode: inotify|poll, paths, …} */
    json_t *(*watch)(void *env, const struct service *s);
    /* object {to, state, lines, …}: where its lines go */
    json_t *(*log)(void *env, const struct service *s);
    /* object {lines, stamped, …}: the trace context of its lines */
    json_t *(*trace)(void *env, const struct service *s);
    /* object {waiting_for, tries, …}: how far the readiness probe is */
    json_t *(*readiness)(void *env, const struct worker *w);
    /* object {state: current|outdated|unknown, …}: is what it runs still what is on disk? */
    json_t *(*libraries)(void *env, const struct worker *w);
    /* object {now, known, leaked, looked_ago_ms}: how many threads it has, without a look at them */
    json_t *(*threads)(void *env, const struct worker *w);
    /* schema stint.leaks/1; @service NULL: all */
    json_t *(*leaks)(void *env, const char *service);
    /* what threads @generation has that the one before has not; NULL: not known */
    json_t *(*threads_diff)(void *env, const struct service *s, uint64_t generation);
    /* object {default_ms, …, overruns, edges}: how long requests may take, and who did not obey */
    json_t *(*deadlines)(void *env, const struct service *s);
    void (*usage)(void *env, const struct worker *w, struct report_usage *ret);
    json_t *(*needs_reload)(void *env, const struct service *s); /* true, false; null: not known */
    /**
     * Who supervises, object: "pid" (whom people signal: the keeper's, or our own without one),
     * "master" (our own), "masters" (started so far), "since_ms" (of this master), "previous" (how
     * the last one ended, in words, or null), "kept", "not_kept" (descriptors that a next master
     * would get, and would not), "cgroup" (words), "lost" (array of sentences: what is not to be had
     * in this environment). Its "pid" is what status and version call pid.
     */
    json_t *(*supervisor)(void *env);
};

/**
 * report_status - one object for everything, or with only @service in it.
 * @service: NULL = all
 * @now_us:  CLOCK_MONOTONIC
 *
 * Return: a new reference; NULL: out of memory.
 */
json_t *report_status(const struct report_sources *from, const struct service *service,
                      int64_t now_us);

/* report_service - one element of `services`. New reference; NULL: out of memory. */
json_t *report_service(const struct report_sources *from, const struct service *s, int64_t now_us);

/* report_of_worker - an element of stint.threads's `workers`, without its evidence. New reference. */
json_t *report_of_worker(const struct worker *w);

/* report_text - any bytes as a JSON string: what is not UTF-8 becomes U+FFFD. NULL: out of memory. */
json_t *report_text(const char *s);

/* report_config_error - all findings of a rejected configuration; @otherwise: an error's one sentence. */
json_t *report_config_error(const struct report_sources *from, const char *otherwise);

/* report_version - schema "stint.version/1". */
json_t *report_version(const struct report_sources *from, int64_t now_us);

#endif
