/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_KEEPER_LOG_H
#define STINT_KEEPER_LOG_H

/*
 * The keeper's few lines, in the form of the master's plain log, to standard error. Never waits: who
 * does not read loses the line.
 *
 *   ts=2025-01-31T12:00:00.000Z level=warning event=master_died pid=42 status=1 msg="…"
 */
#include <stddef.h>
#include <sys/types.h>

#define LOG_VALUE_MAX 512

/* keeper_log - @pid: 0 = none; @fmt makes the rest: "key=value … msg=\"…\"", quoted by the caller. */
__attribute__((format(printf, 4, 5))) void keeper_log(const char *level, const char *event,
                                                      pid_t pid, const char *fmt, ...);

/* keeper_quote - @s as a quoted value, cut to @room, what is not printable as '?'. Return: @buf. */
const char *keeper_quote(const char *s, char *buf, size_t room);

/* keeper_exit - "status=1" or "signal=SIGKILL". Return: @buf. */
const char *keeper_exit(int wait_status, char *buf, size_t room);

#endif
