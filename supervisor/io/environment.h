/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_ENVIRONMENT_H
#define STINT_IO_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

struct error;
struct identity;
struct service_spec;

/* All borrowed for the call. */
struct environment_request {
    const struct service_spec *spec; /* environment, clean_environment, name, gated and listen */
    const struct strv *env_file;     /* what was in it, environment_read(); NULL = there is none */
    char *const *own;                /* stint's own environment (environ) */
    const struct identity
        *identity; /* NULL = stint's own; HOME, USER, LOGNAME, SHELL come from it */
    const char *const *listen_names; /* LISTEN_FDNAMES, in the order of the descriptors */
    size_t n_listen;         /* 0: no LISTEN_*, but LISTEN_PID with libstint or what is preloaded */
    const char *notify_path; /* NOTIFY_SOCKET; NULL = none */
    uint64_t generation;     /* STINT_GENERATION; 0 = a helper: no generation, no slot */
    unsigned slot;           /* STINT_SLOT */
    const char *spawn_id;    /* STINT_SPAWN_ID; NULL = none */
    const char *preload;     /* an object for LD_PRELOAD; NULL = none */
    const char *trace_id;    /* 32 hex digits; NULL or "" = no TRACEPARENT */
    uint64_t span_id;        /* not 0 when trace_id is given */
    int tracer; /* STINT_PTRACER, for who heeds it: who may look; 0 = nobody is named */
};

/* environment_names_tracer - do its workers heed STINT_PTRACER, by libstint or what is loaded into them? */
bool environment_names_tracer(const struct service_spec *spec);

/**
 * environment_read - what is in the env_file of @spec; nothing when it has none.
 * @ret: empty before; strv_finish() it. A generation keeps it: it is started the same every time
 *
 * Return: 0 or negative errno with the sentence ("FILE:LINE: …").
 */
int environment_read(const struct service_spec *spec, struct strv *ret, struct error *reterr);

/**
 * environment_build - a worker's environment: stint's own minus what was meant for stint (or a
 * minimal one when `clean_environment`), HOME and its kin for `user`, env_file, `environment`, and
 * stint's variables. Later ones win; no name comes twice.
 * @ret: an envp for spawn_start(), with an empty LISTEN_PID= when there are listeners or
 *       libstint; untouched on failure; strv_finish() it
 *
 * Return: 0 or negative errno with the sentence.
 */
int environment_build(const struct environment_request *req, struct strv *ret,
                      struct error *reterr);

/**
 * environment_parse - the text of an env_file: KEY=VALUE lines, optionally after "export", blank
 * lines, # comments; values bare (trailing blanks dropped), in '…' (verbatim) or in "…" (with
 * \" \\ \n \t \$), nothing is expanded.
 * @path: for the sentence
 * @ret:  entries are set in it, replacing those of the same name
 *
 * Return: 0, -EINVAL with "PATH:LINE: …", -ENOMEM.
 */
int environment_parse(const char *path, const char *data, size_t bytes, struct strv *ret,
                      struct error *reterr);

/* environment_set - NAME=VALUE, in the place of an entry of the same name. Return: 0 or -ENOMEM. */
int environment_set(struct strv *env, const char *name, const char *value);

/* environment_get - the value of @name; NULL when it is not there; borrowed from @env. */
const char *environment_get(char *const *env, const char *name);

#endif
