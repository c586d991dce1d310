/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "worker-api/state.h"

/* Requests and their deadlines. The policy is in deadline_policy.c, the notation in timeout.c. */

static int __attribute__((format(printf, 3, 4)))
refuse(struct stint_deadline_call *call, int error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(call->refused, sizeof(call->refused), format, args);
    va_end(args);
    return error;
}

/* What the caller allows: the least of all that is said. STINT_NEVER: it says nothing. */
static int
wanted(struct stint_deadline_call *call, int64_t *ret_usec)
{
    const struct stint_deadline_policy *policy = stint_deadline_policy();
    int64_t least = call->timeout_us, usec;

    for (size_t i = 0; call->header && i < policy->n_headers; i++) {
        const char *value = call->header(call->env, policy->headers[i].name);

        if (!value)
            continue;
        if (stint_timeout_parse(policy->headers[i].unit, value, &usec) < 0)
            return refuse(call, -EINVAL, "%s: '%.32s' is not a timeout", policy->headers[i].name,
                          value);
        if (usec < least)
            least = usec;
    }
    *ret_usec = least;
    return 0;
}

static int64_t
after(int64_t at_us, int64_t usec)
{
    return usec < STINT_NEVER - at_us ? at_us + usec : STINT_NEVER;
}

/* Without a word the default counts, and whatever was said no more than the maximum. */
static int64_t
granted(int64_t timeout_us)
{
    const struct stint_deadline_policy *policy = stint_deadline_policy();

    if (timeout_us == STINT_NEVER)
        timeout_us = policy->default_us;
    return timeout_us < policy->max_us ? timeout_us : policy->max_us;
}

/* Is there any time at all, and anybody who wants it? */
static int
judge(struct stint_deadline_call *call, struct stint_token *parent, int64_t deadline_us,
      int64_t now_us)
{
    int r = stint_token_err(parent);

    if (r == -ECANCELED)
        return refuse(call, r, "'%s' is cancelled", stint_token_name(parent));
    if (r == -ETIMEDOUT)
        return refuse(call, r, "the deadline of '%s' is over", stint_token_name(parent));
    if (deadline_us > now_us)
        return 0;
    return refuse(call, -ETIMEDOUT, "its deadline was over %" PRId64 ".%03d ms ago",
                  (now_us - deadline_us) / 1000, (int)((now_us - deadline_us) % 1000));
}

int
stint_deadline_open(struct stint_token **ret, struct stint_token *parent,
                    struct stint_deadline_call *call)
{
    const int64_t now_us = stint_now_us();
    const int64_t arrived_us = call->arrived_us > 0 ? call->arrived_us : now_us;
    const uint8_t caller = stn_caller_of(call->caller);
    int64_t timeout_us = STINT_NEVER, deadline_us;
    struct stint_token *token;
    int r;

    call->refused[0] = '\0';
    r = wanted(call, &timeout_us);
    deadline_us = after(arrived_us, granted(timeout_us));
    if (r == 0)
        r = judge(call, parent, deadline_us, now_us);
    stn_caller_called(caller, timeout_us, r);
    if (r < 0)
        return r;
    token = stint_token_with_deadline(parent, call->name, deadline_us);
    if (!token)
        return refuse(call, -ENOMEM, "no memory");
    token_of(token)->caller = caller;
    *ret = token;
    return 0;
}

void
stint_deadline_close(struct stint_token *token)
{
    stn_overrun_request(token_of(token));
    if (token)
        stn_span_of_request(token_of(token));
    stint_token_unref(token);
}

int64_t
stint_deadline_left(struct stint_token *token, int64_t reserve_us)
{
    const int64_t deadline_us = stint_token_deadline(token);
    const int r = stint_token_err(token);
    int64_t left_us;

    if (r < 0)
        return r;
    if (deadline_us == STINT_NEVER)
        return STINT_NEVER;
    if (reserve_us < 0)
        reserve_us = stint_deadline_policy()->reserve_us;
    left_us = deadline_us - stint_now_us();
    return left_us > reserve_us ? left_us - reserve_us : -ETIMEDOUT;
}

int
stint_deadline_format(struct stint_token *token, enum stint_timeout_unit unit, int64_t reserve_us,
                      char *text, size_t size)
{
    const int64_t left_us = stint_deadline_left(token, reserve_us);

    if (left_us < 0)
        return (int)left_us;
    if (left_us != STINT_NEVER)
        return stint_timeout_format(unit, left_us, text, size);
    if (size == 0)
        return -ENOSPC;
    text[0] = '\0';
    return 0;
}
