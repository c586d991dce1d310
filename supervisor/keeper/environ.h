/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_KEEPER_ENVIRON_H
#define STINT_KEEPER_ENVIRON_H

/* The environment: what is said to us alone is read here, and taken out for the master. */
#include <stdint.h>

#define ENVIRON_IMAGE "STINT_KEEPER_IMAGE" /* number of the memfd that an upgrade left for us */
#define ENVIRON_MAX   8192                 /* entries */

const char *environ_get(const char *name);                   /* NULL: not set */
int64_t environ_number(const char *name, int64_t otherwise); /* not set, not a number, negative */

/* environ_strip - out of our own environment whatever the master may not see. For a child before exec. */
void environ_strip(void);

/*
 * environ_with - the environment with @entry ("NAME=value") in it, in memory of ours that the next
 * call uses again. Return: NULL: more than ENVIRON_MAX entries.
 */
char **environ_with(char *entry);

#endif
