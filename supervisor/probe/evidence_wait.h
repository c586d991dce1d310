/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_PROBE_EVIDENCE_WAIT_H
#define STINT_PROBE_EVIDENCE_WAIT_H

#include "supervisor/probe/evidence.h"

/* wait_describe - fill wait_class and wait of one of @e's threads, as far as the kernel tells us. */
void wait_describe(const struct evidence *e, struct evidence_thread *t);

#endif
