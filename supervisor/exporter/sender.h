/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_EXPORTER_SENDER_H
#define STINT_EXPORTER_SENDER_H

/* sender_run - do what comes over @socket_fd until it ends, with what is in @memory_fd. Return: an exit status. */
int sender_run(int socket_fd, int memory_fd);

#endif
