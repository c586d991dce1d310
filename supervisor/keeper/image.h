/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_KEEPER_IMAGE_H
#define STINT_KEEPER_IMAGE_H

/*
 * The keeper as bytes in a memfd, for the program that the same process becomes: the head, struct
 * facts, the kept entries, the obituaries that are not buried. Raise the version when one of those
 * structs changes; the head stays as it is for ever, so that who cannot read the rest finds the way back.
 */
#include <stdint.h>

#define IMAGE_MAGIC   UINT64_C(0x7265706565746e53)
#define IMAGE_VERSION 1

struct image_head {
    uint64_t magic;
    uint32_t version;
    int32_t pid;         /* whose it is */
    int32_t previous_fd; /* the program that wrote it; -1: it is that program again */
    uint32_t lost;       /* obituaries */
    uint32_t n_kept, n_obituaries;
    uint64_t checksum; /* of all behind the head */
    uint64_t bytes;    /* … how much that is */
};

struct keeper;

/* image_write - Return: 0 or negative errno. @ret_fd: owned by the caller, CLOEXEC. */
int image_write(const struct keeper *k, int *ret_fd);

/*
 * image_read - all of it or nothing. Descriptors become CLOEXEC; one that is not open is left out.
 * @ret_head: filled in if it is an image of this process at all
 * Return: 0, -ENOENT: no image of this process; -EPROTO: one that we cannot read.
 */
int image_read(struct keeper *k, int fd, struct image_head *ret_head);

/* image_cloexec - for all that the image speaks of. */
void image_cloexec(const struct keeper *k, int on);

#endif
