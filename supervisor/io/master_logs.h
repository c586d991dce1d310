/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_MASTER_LOGS_H
#define STINT_IO_MASTER_LOGS_H

/* The logs of the services, between master*.c alone, like master_state.h. */
#include "supervisor/io/master_state.h"

int master_logs(struct master *m); /* with what a master before us left; after the journal */
void hand_log_open(struct hand *h);
void hand_log_close(struct hand *h);
static inline uint64_t /* of all streams of all workers; never 0 */
hand_stream_key(const struct hand *h, enum capture_stream stream)
{
    return h->worker * 2 + (uint64_t)stream + 1;
}
bool hand_log_has_room(void *hand, size_t n); /* as struct capture_keeper asks */

#endif
