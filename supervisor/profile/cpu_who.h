/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROFILE_CPU_WHO_H
#define STINT_PROFILE_CPU_WHO_H

/*
 * Who a thread is, from outside: its name, and of a registered one the scope and the trace that it
 * works for. What a registry says now may not be what it said when the sample was taken: a trace is
 * only told where it was the same before and after, or where nobody had time to change it.
 */
#include "supervisor/profile/cpu_sample.h"

struct cpu_who;

/* @registry_fd: of process @pid; borrowed; -1 = it has none */
int cpu_who_new(struct cpu_who **ret, pid_t pid, int registry_fd);
void cpu_who_free(struct cpu_who *who); /* NULL is fine */

/* cpu_who_look - at the registry, unless that was done just now or costs too much to be done again. */
void cpu_who_look(struct cpu_who *who);

void cpu_who_ask(struct cpu_who *who, pid_t pid, pid_t tid, int64_t at_us, struct cpu_labels *ret);
void cpu_who_name(struct cpu_who *who, pid_t pid, pid_t tid,
                  const char *comm); /* it has a new one */

/* cpu_who_scope - path of the scope with this index in the registry of the process; "" = not known. */
void cpu_who_scope(struct cpu_who *who, unsigned index, char *ret, size_t room);

#endif
