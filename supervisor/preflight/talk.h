/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PREFLIGHT_TALK_H
#define STINT_PREFLIGHT_TALK_H

/* Private to preflight/: what is asked of the caged supervisor, and what it answers. */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cage;
struct error;

#define VIEW_WORKERS 64

/* Its service, as status has it. */
struct view {
    json_t *status;           /* owned */
    const json_t *service;    /* within it; NULL: not there yet */
    uint64_t serving;         /* generation; 0: none */
    uint64_t reload;          /* the last that came to a verdict */
    char outcome[24];         /* of that */
    char reason[1024];        /* … */
    unsigned leaving;         /* generations that are neither serving nor gone */
    pid_t pids[VIEW_WORKERS]; /* workers of the serving one */
    unsigned n_pids;
};

void view_finish(struct view *v);

/* cage_ask - one exchange; short deadlines, so that an interrupt is noticed. 0 or negative errno. */
int cage_ask(const struct cage *c, const char *method, const char *path, const char *body,
             json_t **ret, struct error *reterr);

/* cage_look - the present status. @v: overwritten, finished by the caller. 0 or negative errno. */
int cage_look(const struct cage *c, struct view *v, struct error *reterr);

/**
 * cage_await - look again and again until @done says so.
 *
 * Return: 0; -ETIMEDOUT; -EINTR: interrupted; -ECHILD: the supervisor has ended; another negative
 * errno. @v is what was seen last.
 */
int cage_await(const struct cage *c, struct view *v, bool (*done)(const struct view *v, void *env),
               void *env, int64_t deadline_us, struct error *reterr);

/* cage_reload - ask for one. Return: 0 with the id of its run, or negative errno. */
int cage_reload(const struct cage *c, uint64_t *ret_id, struct error *reterr);

/* cage_find_message - of the first event that @is_it, out of the log. Return: there is one; else @buf is "". */
bool cage_find_message(const struct cage *c, bool (*is_it)(const json_t *event, const char *msg),
                       char *buf, size_t room);

const char *word_of(const json_t *o, const char *key); /* "" when absent */
int64_t number_of(const json_t *o, const char *key);   /* 0 when absent */

#endif
