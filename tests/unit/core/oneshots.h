/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_CORE_ONESHOTS_H
#define STINT_TESTS_CORE_ONESHOTS_H

/* One that runs once, one that waits for that, and what is asked of both. */
#include "base/mem.h"
#include "tests/unit/core/rim.h"

static inline struct service_spec *
migrate(void)
{
    struct service_spec *s = service_new("migrate");

    s->type = TYPE_ONESHOT;
    return s;
}

static inline struct service_spec *
web_on_migrate(void)
{
    struct service_spec *s = service_new("web");

    must_add(&s->depends_on, "migrate");
    must_add(&s->depends_completed, "migrate");
    return s;
}

#define ck_why(r, name, words)                                                                     \
    do {                                                                                           \
        char why_[200];                                                                            \
        ck_assert_str_eq(service_why((r)->core, rim_service(r, name), why_, sizeof(why_)), words); \
    } while (0)

static inline int
spent_status(const struct rim *r)
{
    char why[256];

    return core_spent(r->core, why, sizeof(why));
}

#endif
