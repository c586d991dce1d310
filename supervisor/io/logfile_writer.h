/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_LOGFILE_WRITER_H
#define STINT_IO_LOGFILE_WRITER_H

/*
 * The process that writes the log files, so that a disk that hangs holds up this one and never the
 * master: a child of the master (helper.h), one for all files, which take turns of one batch each.
 *
 *   master ── ADD + memfd, CONFIG, KICK, REOPEN, REMOVE, FINISH ──▶ writer
 *   master ◀── SAYS (enum logfile_word), ROOM, GONE ──────────────── writer
 *
 * One message each on a SEQPACKET socket. At its end the writer ends, too, and so it does when the
 * master is killed; the next one's writer goes on where the memories say.
 */
#include <stdbool.h>
#include <stdint.h>

#include "supervisor/io/logfile.h"

enum logfile_message_type {
    LOGFILE_ADD = 1, /* id, config, and the memfd */
    LOGFILE_CONFIG,  /* id, config */
    LOGFILE_KICK,    /* id: something was put while the writer slept */
    LOGFILE_REOPEN,  /* id */
    LOGFILE_REMOVE,  /* id: forget it when nothing waits, or at once when it does not work: GONE */
    LOGFILE_FINISH,  /* write all there is, and end */

    LOGFILE_SAYS, /* id, word, error, text */
    LOGFILE_ROOM, /* id: half of the memory is free again, and the master was hungry */
    LOGFILE_GONE  /* id */
};

struct logfile_message {
    uint32_t type;
    uint32_t word;
    int32_t error;
    uint32_t reserved;
    uint64_t id;
    union {
        struct logfile_config config; /* ADD, CONFIG */
        char text[480];               /* SAYS; with its NUL */
    };
};

#define LOGFILE_MESSAGE_SHORT \
    offsetof(struct logfile_message, text) /* bytes of one without either */

/* logfile_write_all - be the writer on socket @fd until it ends. Return: all was written. */
bool logfile_write_all(int fd);

#endif
