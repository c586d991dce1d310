/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_CANDIDATE_H
#define STINT_IO_CANDIDATE_H

/*
 * What a master would make of a service now, asked by a command that is none, and whether it stayed
 * that while the command was at work. Blocking; one at a time in a process (watch.h).
 *
 * Bytes alone do not tell: who puts another program in its place, and the first one back, leaves the
 * same bytes. So names are watched from before the first look on, directories and links on the way
 * included, and the latest ctime of all files is compared, which no call can set: that also tells
 * where a file system knows no inotify.
 */
#include "base/digest.h"

struct candidate;
struct error;
struct service_spec;

/**
 * candidate_hold - the digest by which the door knows a candidate: of its launch part, its inputs
 * and its executable.
 * @spec:     borrowed until candidate_release()
 * @binary:   the executable, absolute; NULL: that of the service
 * @ret:      to be released
 * @ret_path: of the executable, owned by the caller
 *
 * Return: 0, or a negative errno with a sentence: it cannot be started, or not be read.
 */
int candidate_hold(const struct service_spec *spec, const char *binary, struct candidate **ret,
                   struct digest *ret_digest, char **ret_path, struct error *reterr);

/**
 * candidate_again - look once more.
 *
 * Return: 0: the digest is *ret, and nobody touched anything since candidate_hold(). -ESTALE: somebody
 * did; *ret is what is there now, perhaps the same, and the sentence says of which file. Another
 * negative errno: it cannot be started any more, or not be read.
 */
int candidate_again(struct candidate *c, struct digest *ret, struct error *reterr);
void candidate_release(struct candidate *c); /* NULL is fine */

#endif
