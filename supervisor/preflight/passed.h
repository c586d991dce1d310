/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PREFLIGHT_PASSED_H
#define STINT_PREFLIGHT_PASSED_H

/*
 * What a preflight leaves for the door (`handoff: {require_preflight: true}`): one small file for
 * each candidate that passed, STATE_DIR/preflight/SERVICE.DIGEST. The digest is that of the
 * candidate: launch part of its configuration, inputs, executable. Change a byte of any, and it is
 * another candidate, which nobody has passed. So a record does not expire; the newest are kept.
 *
 * The seal tells damage. Who could forge it could also replace the program: what proves is that the
 * file belongs to root or to the user that stint runs as, and that nobody else may write it.
 */
#include <stdint.h>
#include <sys/types.h>

#include "base/digest.h"

struct error;

#define PASSED_KEPT 64 /* of a service */

struct passed {
    struct digest candidate;
    int64_t at_wall_us;
    uid_t by_uid;
    unsigned checks, skipped;
};

/**
 * passed_write - note it; the oldest of @service beyond PASSED_KEPT are removed.
 *
 * Return: 0; -EACCES and the like: @state_dir is somebody else's.
 */
int passed_write(const char *state_dir, const char *service, const struct passed *p,
                 struct error *reterr);

/**
 * passed_read - has @candidate passed?
 *
 * Return: 0: yes; -ENOENT: no; -EPERM: there is a file, but not of somebody who may say so; -EPROTO:
 * it is damaged. The sentence is in @reterr.
 */
int passed_read(const char *state_dir, const char *service, struct digest candidate,
                struct passed *ret, struct error *reterr);

#endif
