/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_IO_OPERATOR_IMAGE_WORLD_H
#define STINT_TESTS_IO_OPERATOR_IMAGE_WORLD_H

/* The desk dies and another one takes over; the core stands for its own restored image. */
#include "tests/unit/io/operator_world.h"

#define ID "client-0001"

/* SIGKILL: nothing is said and nothing is saved; somebody kept the socket and the lock. */
static inline void
master_dies(void)
{
    desk_options.listen_fd = dup(operator_listen_fd(desk));
    desk_options.lock_fd = dup(operator_lock_fd(desk));
    operator_leave(desk);
    operator_destroy(desk);
    desk = NULL;
    ck_assert_int_gt(desk_options.listen_fd, 0);
    ck_assert_int_gt(desk_options.lock_fd, 0);
}

static inline void
master_begins(void)
{
    struct error e = {0};

    ck_assert_msg(operator_create(&desk_options, &desk, &e) == 0, "%s", e.text);
    desk_options.listen_fd = desk_options.lock_fd = 0;
    if (image.bytes > 0)
        ck_assert_msg(operator_restore(desk, image.data, image.bytes, &e) == 0, "%s", e.text);
}

static inline void
ask(struct client *c, const char *path, const char *body)
{
    client_open(c, dir);
    client_request(c, "POST", path, body);
}

/* The end of an exchange; the caller's JSON. */
static inline json_t *
hear(struct client *c, int *ret_status)
{
    json_t *json;

    UNTIL(loop, client_ended(c));
    *ret_status = client_status(c);
    json = client_json(c);
    client_close(c);
    return json;
}

/* How many changes are remembered. */
static inline size_t
remembered(void)
{
    auto_text struct text bytes = TEXT_INIT;
    json_t *json;
    size_t n;

    operator_save(desk, &bytes);
    json = json_loads(text_str(&bytes), 0, NULL);
    ck_assert(json_is_object(json));
    n = json_array_size(json_object_get(json, "tickets"));
    json_decref(json);
    return n;
}

static inline const struct service *
web(void)
{
    return core_service_by_name(core, "web");
}

/* The look that was blind sees now. */
static inline void
look_now(void)
{
    struct event ev = {.type = EVENT_LOOKED, .service = web()->id};

    ev.looked.reload = web()->reload.id;
    ev.looked.snapshot = ++last_snapshot;
    ev.looked.digest = world.disk;
    submit(NULL, &ev);
}

#endif
