/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_STATE_INTERNAL_H
#define STINT_IO_STATE_INTERNAL_H

/* What state.c (making, reading) and state_write.c (changing) share. */
#include "base/digest.h"
#include "base/table.h"
#include "base/text.h"
#include "supervisor/io/state.h"

#define STATE_MAGIC     UINT64_C(0x31746e6974732e31) /* "1.stint1" */
#define BATCH_MAGIC     UINT32_C(0x7374626e)
#define STATE_MAX_BYTES ((size_t)1 << 30)

struct file_head {
    uint64_t magic;
    uint32_t version, reserved;
};

struct batch_head {
    uint32_t magic, reserved;
    uint64_t sequence; /* from 1, no gaps */
    uint64_t bytes;    /* behind this head */
    struct digest digest;
};

struct record_head {
    uint32_t kind;
    uint32_t dropped; /* the record ends here */
    uint64_t key;
    uint64_t bytes; /* behind this head, up to the next multiple of 8 */
};

/* Where the newest record of a kind and key is. */
struct entry {
    struct table_node node;
    uint32_t kind;
    uint64_t key;
    size_t at, bytes; /* of its content, in the file */
};

struct state {
    int fd;              /* owned */
    int old_fd;          /* owned; until state_settle(); -1 */
    size_t end;          /* where the next batch goes */
    bool torn;           /* something lies there that is no batch: to be cut off first */
    size_t old_end;      /* … in the old file */
    uint64_t sequence;   /* of the last batch */
    bool tidy;           /* the next commit rewrites it though it is not mostly history */
    size_t live;         /* bytes of the records that count, heads included */
    size_t patience;     /* not written anew before the file is that long */
    struct table index;  /* struct entry.node */
    struct entry **list; /* owned; all entries, in no order; n of room */
    size_t n, room;
    struct text batch; /* not written yet; begins with room for its head */
};

static inline size_t
padded(size_t n)
{
    return (n + 7) / 8 * 8;
}

/* state_file_make - a memfd with nothing but the head. Return: it, owned, or negative errno. */
int state_file_make(struct error *reterr);
/* The records of one batch, which were checked, stand at @at of the file now. 0 or -ENOMEM. */
int state_index(struct state *st, const char *records, size_t bytes, size_t at);

#endif
