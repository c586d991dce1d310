/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_SIMULATION_TRACE_H
#define STINT_SIMULATION_TRACE_H

#include "supervisor/core/core.h"

/* One step as people read it: the moment, what was told, what the core made of it. */
void trace_event(const struct core *c, uint64_t step, const struct event *ev);
void trace_death(bool persisted);
void trace_effect(const struct core *c, const struct effect *e);

#endif
