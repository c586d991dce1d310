/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_SCENARIO_HARNESS_LOG_H
#define STINT_TESTS_SCENARIO_HARNESS_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fd.h"
#include "base/text.h"

void log_open(int fd); /* takes the reading end over */
void log_close(void);
void log_dump(void);
bool log_read(int64_t deadline_us);

#endif
