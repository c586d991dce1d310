/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/keeper/frame.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/keeper/kept.h"

/* What a master may say. */
static const struct {
    size_t bytes; /* of the body, when it is a struct */
    bool known, name, text, fd;
} shapes[] = {
    [KEEPER_HELLO] = {.known = true, .bytes = sizeof(struct keeper_hello) },
    [KEEPER_STORE] = {.known = true, .name = true,                          .fd = true},
    [KEEPER_DROP] = {.known = true,             .name = true                                     },
    [KEEPER_ALIVE] = {.known = true            },
    [KEEPER_BURIED] = {.known = true, .bytes = sizeof(struct keeper_buried)},
    [KEEPER_NOTIFY] = {.known = true, .text = true},
    [KEEPER_UPGRADE] = {.known = true, .text = true,                          .fd = true},
    [KEEPER_LEAVING] = {.known = true,             .bytes = sizeof(struct keeper_leaving)                         },
};

const struct keeper_frame *
frame_head(const struct frame_in *in)
{
    return (const struct keeper_frame *)(const void *)in->bytes;
}

const void *
frame_body(const struct frame_in *in)
{
    return in->bytes + sizeof(struct keeper_frame);
}

static int
refuse(struct frame_in *in, const char *why)
{
    in->wrong = why;
    return -EBADMSG;
}

int
frame_check(struct frame_in *in)
{
    const struct keeper_frame *head = frame_head(in);
    const char *body = frame_body(in);

    if (in->n < sizeof *head)
        return refuse(in, "it is shorter than a frame");
    if (in->n != sizeof *head + head->length)
        return refuse(in, "its length is not what the frame says");
    if (in->extra)
        return refuse(in, "it carries descriptors nobody expects");
    if (head->type >= ARRAY_LEN(shapes) || !shapes[head->type].known)
        return 0;
    if (shapes[head->type].fd != (in->fd >= 0))
        return refuse(in, in->fd >= 0 ? "it carries a descriptor" : "it carries no descriptor");
    if (shapes[head->type].name || shapes[head->type].text) {
        in->bytes[in->n] = '\0';
        if (head->length == 0 || strlen(body) < head->length - 1) /* with or without its NUL */
            return refuse(in, "its text is empty or has a NUL in it");
        if (shapes[head->type].name && !kept_name_fits(body))
            return refuse(in, "its name is not one");
    } else if (head->length < shapes[head->type].bytes) { /* a later release may say more */
        return refuse(in, "its body is too short");
    }
    return head->type;
}
