/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROFILE_CPU_CHILDREN_H
#define STINT_PROFILE_CPU_CHILDREN_H

/* Whom a profile from inside does not see: what the worker started. They are named, with what they used. */
#include <sys/types.h>

struct cpu_children;
struct profile;

/* cpu_children_look - before it begins. NULL: no memory, and then nobody is named. */
struct cpu_children *cpu_children_look(pid_t worker);
/* cpu_children_tell - when it is over, in comments of @p. Return: 0 or -ENOMEM. */
int cpu_children_tell(struct cpu_children *c, struct profile *p);
void cpu_children_free(struct cpu_children *c); /* NULL is fine */

#endif
