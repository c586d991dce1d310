/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_SURVEY_H
#define STINT_IO_SURVEY_H

/*
 * What is left of generations whose processes have all ended: in a helper, many of them at once, since
 * what costs is to read /proc. Every descendant of a worker is in its cgroup, if it has one, and is a
 * descendant of ours in any case, because master and keeper are sub-reapers: so those of our children
 * that nobody knows, with all below them, are whom to look at, and mostly there is none.
 *
 * A descriptor that was sent (SCM_RIGHTS) may be with anybody: so all processes are asked for what was
 * given to these, as many as may be seen, within a bound; how many may not is told.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/core/effect.h"
#include "supervisor/io/held.h"

struct cgroup_leaf;

#define SURVEY_AT_ONCE 64 /* generations in one helper */
#define SURVEY_RIVALS  8  /* of each that are told apart */

/* A generation that lives and has listeners of another: of which of them is who has nothing else? */
struct survey_rival {
    const struct cgroup_leaf *leaf; /* borrowed; NULL = it has none */
    const char *service;            /* borrowed */
    uint64_t generation;
    uint64_t since; /* clock ticks since boot when its oldest worker was started … */
    pid_t
        worker; /* … which is this: who is older is not its, nor, mostly, who runs another program */
    uint64_t has; /* a bit for each of `held` */
};

/* A generation. What is borrowed is so for the call. */
struct survey_subject {
    const char *service;
    uint64_t root, generation;  /* STINT_GENERATION of its workers was one of these or between */
    const char *leaf;           /* directory of its cgroup; NULL = it has none */
    dev_t exe_device;           /* of the program that it ran … */
    ino_t exe_inode;            /* … 0 = not known */
    struct held held[HELD_MAX]; /* what it was given */
    struct survey_rival rivals[SURVEY_RIVALS];
    size_t n_rivals;
    size_t first_socket; /* the caller's */
    bool more_rivals;
};

struct survey_request {
    const struct survey_subject *of;
    size_t n;
    pid_t top[2];   /* whose children are looked at: master, and keeper or 0 */
    bool outsiders; /* is there time to ask everybody? */
    bool insist;    /* somebody escaped from one of them: look more than once */
    /* Is it one of ours, or does it belong to a worker that lives? Asked of children of `top`. */
    bool (*is_known)(void *env, pid_t pid);
    /* 1: a worker that lives, and was given that; 0: … and was not; -1: it is none */
    int (*was_given)(void *env, pid_t pid, uint64_t inode);
    void *env;
};

/* survey_work - in the helper; the findings go to @out. Return: all was told. */
bool survey_work(const struct survey_request *rq, int out);

/* What was found of one. */
struct survey_found {
    struct survey survey; /* but for FINDING_THREADS */
    json_t *processes;    /* borrowed; entries of `processes`, schema stint.probe/1 */
    const char *text;     /* borrowed; who is left and what is held, or "" */
};

/**
 * survey_read - what survey_work() told of @n generations.
 * @ret_all: the caller's, json_decref() it; holds what survey_at() gives
 *
 * Return: 0; -EBADMSG: it is not that; -ENOMEM.
 */
int survey_read(int out, size_t n, json_t **ret_all);
void survey_at(const json_t *all, size_t i, struct survey_found *ret);

/* ---- survey_unknown.c ------------------------------------------------------------------------------- */

#define SURVEY_UNKNOWN 256

/* Children of ours that nobody knows, and who is below them. */
struct survey_unknown {
    const struct survey_request *rq;
    pid_t of[SURVEY_UNKNOWN];
    size_t n;
    bool cut;             /* there are more */
    unsigned asked, came; /* children that nobody knows, and those of them that were there yet */
    bool moved;           /* somebody had ended */
    bool restless;        /* they begin and end while they are looked at */
    unsigned hidden;      /* … of which /proc shows nothing but the number … */
    pid_t first_hidden;
};

void survey_unknown(const struct survey_request *rq, struct survey_unknown *ret);

/* ---- survey_origin.c ------------------------------------------------------------------------------- */

/* Did the process with the number @pid, of @since (ticks since boot), begin before @other, of @than? */
bool survey_older(uint64_t since, pid_t pid, uint64_t than, pid_t other);

uint64_t survey_bits(const struct leftover *l); /* a bit for each of `held` that it has */

/**
 * survey_origin - whose is @l, which has nothing of @s but listeners?
 * @rivals: who else comes into question is appended
 */
enum survey_origin { ORIGIN_OURS, ORIGIN_THEIRS, ORIGIN_UNKNOWN };
enum survey_origin survey_origin(const struct survey_subject *s, const struct leftover *l,
                                 struct text *rivals);

/* ---- survey_outsiders.c: who is none of ours, and has what one of @rq->of was given ---------------- */

#define OUTSIDERS_MAX 16

struct outsiders {
    struct {
        uint64_t of; /* a bit for each subject */
        pid_t pid;
    } who[OUTSIDERS_MAX];
    size_t n;
    unsigned more;   /* that found no place there */
    unsigned unread; /* processes that nobody may ask, or that time did not suffice for */
};

void outsiders_find(const struct survey_request *rq, struct outsiders *ret);

#endif
