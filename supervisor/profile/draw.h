/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROFILE_DRAW_H
#define STINT_PROFILE_DRAW_H

/* Profiles for people: the functions that have most, and a picture. */
#include <stddef.h>
#include <stdint.h>

struct error;
struct profile;
struct text;

struct profile_top {
    const char *function; /* in the profile, or in `room` */
    const char *file;     /* "" = not known */
    int64_t flat;         /* of stacks that end in it */
    int64_t cum;          /* … that it is in */
    char room[80];        /* of one without a name: module and address */
};

/**
 * profile_rank - the functions of one type of value, by the size of flat, then of cum.
 * @ret: owned by the caller: free(); valid as long as the profile
 */
int profile_rank(const struct profile *p, size_t type, struct profile_top **ret, size_t *ret_n);

/* profile_amount - a value in a unit people read: "1.2 s", "4 MiB", "17". Return: @buf. */
char *profile_amount(int64_t value, const char *unit, char *buf, size_t room);

/**
 * profile_flamegraph - an SVG on its own: stacks from the root upwards, as wide as they have of the
 * value; can be searched and zoomed in a browser. Of a difference what is more is red, what is less blue.
 */
int profile_flamegraph(const struct profile *p, size_t type, const char *title, struct text *out);

#endif
