/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_IDENTITY_H
#define STINT_IO_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

#define IDENTITY_KEEP_UID ((uid_t)-1)
#define IDENTITY_KEEP_GID ((gid_t)-1)

/* Who a process runs as. Resolved once, before the fork; the child only sets numbers. */
struct identity {
    uid_t uid;       /* IDENTITY_KEEP_UID = stay who we are */
    gid_t gid;       /* IDENTITY_KEEP_GID = stay */
    gid_t *groups;   /* owned; supplementary groups, @gid among them; valid when uid is given */
    size_t n_groups; /* 0 with a uid given = no supplementary groups */
    char *name;      /* owned; login name; NULL when no user was given or the number has no name */
    char *home;      /* owned; NULL like @name */
    char *shell;     /* owned; NULL like @name */
};

#define IDENTITY_KEEP                                                   \
    {                                                                   \
        IDENTITY_KEEP_UID, IDENTITY_KEEP_GID, NULL, 0, NULL, NULL, NULL \
    }

/* identity_number - "1000" is a number, "1000x" and "" are names; so is -1, which would mean "keep". */
bool identity_number(const char *s, uint32_t *ret);

/* identity_same_name - both the same, or both not given. */
bool identity_same_name(const char *a, const char *b);

/**
 * identity_resolve - look a user and a group up, by name or by number.
 * @user:  NULL = keep; a number without an entry in the user database is allowed, with a group
 * @group: NULL = the user's own group (or keep, without a user)
 * @ret:   untouched on failure; identity_finish() it
 *
 * May ask a name service, which may be slow: in the loop it is identity_ask() that is called.
 * Return: 0, -ENOENT (no such user or group), or another negative errno with the sentence.
 */
int identity_resolve(const char *user, const char *group, struct identity *ret,
                     struct error *reterr);
void identity_finish(struct identity *id); /* frees; the identity is "keep" afterwards */

#endif
