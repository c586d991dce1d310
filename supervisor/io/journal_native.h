/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_JOURNAL_NATIVE_H
#define STINT_IO_JOURNAL_NATIVE_H

/*
 * journald's native protocol: one datagram for each line, its fields one after the other, each
 *
 *   KEY=value\n            or, for any bytes,       KEY\n, 64 bits little endian: n, n bytes, \n
 *
 * A datagram that is too large for the socket goes as a sealed memfd. Nothing waits. Part of the
 * journal.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "config/spec.h"

struct text;

#define JOURNAL_NATIVE_SOCKET "/run/systemd/journal/socket"
#define JOURNAL_NATIVE_AGAIN \
    "STINT_REPEATED=1\n" /* behind a record: it may have been sent before */

struct journal_native {
    struct sockaddr_un address;
    int64_t retry_us; /* not connected: do not try before */
    int fd;           /* owned; -1: not connected */
};

/* @path: NULL: JOURNAL_NATIVE_SOCKET. Copied; one that is too long is never there. */
void journal_native_init(struct journal_native *n, const char *path);
void journal_native_finish(struct journal_native *n);

/* journal_native_here - is @fd what JOURNAL_STREAM=device:inode says? @stream: its value, or NULL. */
bool journal_native_here(const char *stream, int fd);

/* journal_native_ready - connected, or so now. False: use something else for the time being. */
bool journal_native_ready(struct journal_native *n);

/**
 * journal_native_send - one record.
 *
 * Return: 0; -EAGAIN: when n->fd is writable; -ENOBUFS, -ENOMEM: later; -EMSGSIZE: never, this one
 * is too large; anything else: nobody is there (any more), and n->fd is -1.
 */
int journal_native_send(struct journal_native *n, struct iovec *parts, size_t n_parts);

/* journal_native_field - append one. @key as in struct journal_field: the name is made of it. */
void journal_native_field(struct text *out, const char *key, const char *value, size_t bytes);
void journal_native_level(struct text *out, enum log_level level);

/* journal_native_line - a record as the line of logfmt it would have been, with its newline. */
void journal_native_line(const char *record, size_t bytes, bool again, struct text *out);

#endif
