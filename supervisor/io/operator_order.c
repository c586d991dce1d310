/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/operator_internal.h"

/* What a POST asks for. */

static bool
refuse(struct control_request *rq, const char *what, const char *key)
{
    control_answer_error(rq, 400, "bad-request", "'%.64s' %s", key, what);
    return false;
}

static bool
parse_services(struct control_request *rq, json_t *value, struct order *order)
{
    size_t i;
    json_t *name;

    if (!json_is_array(value) || json_array_size(value) == 0)
        return refuse(rq, "must be a list of service names", "services");
    json_array_foreach(value, i, name) if (!json_is_string(name)) return refuse(
        rq, "must be a list of service names", "services");
    order->services = value;
    return true;
}

static bool
parse_wait(struct control_request *rq, json_t *value, struct order *order)
{
    static const char *const names[] = {
        [WAIT_SERVING] = "serving", [WAIT_GONE] = "gone", [WAIT_NONE] = "none"};
    const char *s = json_string_value(value);

    for (size_t i = 0; s && i < ARRAY_LEN(names); i++) {
        if (strcmp(s, names[i]) == 0) {
            order->wait = (enum ticket_wait)i;
            return true;
        }
    }
    return refuse(rq, "must be \"serving\", \"gone\" or \"none\"", "wait");
}

static bool
parse_flag(struct control_request *rq, const char *key, json_t *value, bool *ret)
{
    if (!json_is_boolean(value))
        return refuse(rq, "must be true or false", key);
    *ret = json_boolean_value(value);
    return true;
}

static bool
parse_id(struct control_request *rq, json_t *value, struct order *order)
{
    order->id = json_string_value(value);
    if (order->id && ticket_id_valid(order->id))
        return true;
    return refuse(rq, "must be 8 to 64 of A-Z a-z 0-9 _ -", "id");
}

static bool
parse_timeout(struct control_request *rq, json_t *value, struct order *order)
{
    if (!json_is_integer(value) || json_integer_value(value) < 1 ||
        json_integer_value(value) > TIMEOUT_MAX_MS)
        return refuse(rq, "must be a number of milliseconds from 1 to 86400000", "timeout_ms");
    order->timeout_us = json_integer_value(value) * US_PER_MS;
    return true;
}

static bool
parse_key(struct control_request *rq, const char *key, json_t *value, struct order *order)
{
    if (strcmp(key, "services") == 0)
        return parse_services(rq, value, order);
    if (strcmp(key, "all") == 0)
        return parse_flag(rq, key, value, &order->all);
    if (strcmp(key, "force") == 0 && strcmp(order->verb, "reload") == 0)
        return parse_flag(rq, key, value, &order->force);
    if (strcmp(key, "wait") == 0)
        return parse_wait(rq, value, order);
    if (strcmp(key, "id") == 0)
        return parse_id(rq, value, order);
    if (strcmp(key, "timeout_ms") == 0)
        return parse_timeout(rq, value, order);
    return refuse(rq, "is not a key of this request", key);
}

static bool
parse_upgrade_key(struct control_request *rq, const char *key, json_t *value, struct order *order)
{
    if (strcmp(key, "id") == 0)
        return parse_id(rq, value, order);
    if (strcmp(key, "timeout_ms") == 0)
        return parse_timeout(rq, value, order);
    if (strcmp(key, "path") != 0)
        return refuse(rq, "is not a key of this request", key);
    order->path = json_string_value(value);
    if (order->path && order->path[0] == '/' && strlen(order->path) < PATH_MAX)
        return true;
    return refuse(rq, "must be an absolute path", "path");
}

bool
order_parse_upgrade(struct control_request *rq, struct order *order)
{
    const char *key;
    json_t *value;

    json_object_foreach(control_body(rq), key,
                        value) if (!parse_upgrade_key(rq, key, value, order)) return false;
    return true;
}

bool
order_parse(struct desk *op, struct control_request *rq, struct order *order)
{
    const char *key;
    json_t *value;
    json_t *name;
    size_t i;

    json_object_foreach(control_body(rq), key,
                        value) if (!parse_key(rq, key, value, order)) return false;
    if (order->all && order->services)
        return refuse(rq, "and 'services' exclude each other", "all");
    if (!order->services &&
        (strcmp(order->verb, "reload") == 0 || strcmp(order->verb, "reopen") == 0))
        order->all = true;
    if (!order->all && !order->services)
        return refuse(rq, "or \"all\": true must be given", "services");
    json_array_foreach(order->services, i,
                       name) if (!operator_service(op, rq, json_string_value(name))) return false;
    return true;
}
