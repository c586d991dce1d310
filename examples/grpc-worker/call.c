/* SPDX-License-Identifier: MIT */
/* One call, from the first word of it to the last, and how it is answered. */
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

static void
call_free(struct call *c)
{
    stint_token_unref(c->token);
    if (c->request)
        grpc_byte_buffer_destroy(c->request);
    if (c->call)
        grpc_call_unref(c->call);
    grpc_call_details_destroy(&c->details);
    grpc_metadata_array_destroy(&c->metadata);
    free(c);
}

void
call_put(struct call *c)
{
    if (__atomic_sub_fetch(&c->waits, 1, __ATOMIC_ACQ_REL) == 0)
        call_free(c);
}

struct step *
step_new(struct call *c, void (*then)(struct call *call, bool ok))
{
    struct step *step = malloc(sizeof(*step));

    if (!step)
        abort(); /* as core does */
    *step = (struct step){c, then};
    (void)__atomic_add_fetch(&c->waits, 1, __ATOMIC_RELAXED);
    return step;
}

void
call_start(struct call *c, const grpc_op *ops, size_t n, void (*then)(struct call *call, bool ok))
{
    if (grpc_call_start_batch(c->call, ops, n, step_new(c, then), NULL) != GRPC_CALL_OK)
        abort(); /* a mistake of ours */
}

void
call_over(struct call *c, bool ok)
{
    (void)c;
    (void)ok; /* not: the client has gone */
}

void
call_finish(struct call *c, grpc_status_code status, const char *answer)
{
    grpc_slice text = grpc_slice_from_copied_string(answer ? answer : "");
    grpc_byte_buffer *message =
        status == GRPC_STATUS_OK ? grpc_raw_byte_buffer_create(&text, 1) : NULL;
    grpc_op ops[3] = {{.op = GRPC_OP_SEND_INITIAL_METADATA}};
    size_t n = 1;

    if (message) {
        ops[n].op = GRPC_OP_SEND_MESSAGE;
        ops[n++].data.send_message.send_message = message;
    }
    ops[n].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    ops[n].data.send_status_from_server.status = status;
    ops[n++].data.send_status_from_server.status_details = status == GRPC_STATUS_OK ? NULL : &text;
    call_start(c, ops, n, call_over);
    if (message)
        grpc_byte_buffer_destroy(message);
    grpc_slice_unref(text);
}

void
call_text(const struct call *c, char *text, size_t size)
{
    grpc_byte_buffer_reader reader;
    grpc_slice all;
    size_t n;

    text[0] = '\0';
    if (!c->request || !grpc_byte_buffer_reader_init(&reader, c->request))
        return;
    all = grpc_byte_buffer_reader_readall(&reader);
    n = GRPC_SLICE_LENGTH(all) < size - 1 ? GRPC_SLICE_LENGTH(all) : size - 1;
    memcpy(text, GRPC_SLICE_START_PTR(all), n);
    text[n] = '\0';
    grpc_slice_unref(all);
    grpc_byte_buffer_reader_destroy(&reader);
}
