/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One round of libstint's rows. Before each measurement its work is done once, to be warm. */
#include "bench/worker_api/measure.h"

#include <malloc.h>
#include <stdlib.h>

#include <stint.h>

#define MANY 10000

static volatile int sink; /* what was computed is wanted by somebody */
static struct stint_token *many[MANY * 10];

static void
nothing(void *arg)
{
    (void)arg;
}

static void
asks(struct stint_token *parent)
{
    struct stint_token *timed =
        stint_token_with_deadline(parent, "timed", stint_now_us() + INT64_C(3600) * 1000000);
    int found = 0;

    MEASURE("check", 20000000, found += stint_token_cancelled(parent));
    MEASURE("err", 5000000, found += stint_token_err(parent));
    MEASURE("err_deadline", 500000, found += stint_token_err(timed));
    stint_token_cancel(timed, STINT_CAUSE_USER, NULL);
    MEASURE("check_cancelled", 20000000, found += stint_token_cancelled(timed));
    MEASURE("err_cancelled", 5000000, found += stint_token_err(timed));
    sink = found;
    stint_token_unref(timed);
}

static void
children(struct stint_token *parent)
{
    struct stint_token *two[] = {parent, stint_root()};

    MEASURE("child", 300000, stint_token_unref(stint_token_new(parent, "child")));
    MEASURE("child_cancel", 200000, {
        struct stint_token *child = stint_token_new(parent, "child");

        stint_token_cancel(child, STINT_CAUSE_USER, NULL);
        stint_token_unref(child);
    });
    MEASURE("child_deadline", 200000,
            { stint_token_unref(stint_token_with_deadline(parent, "child", INT64_C(1) << 60)); });
    MEASURE("any", 200000, stint_token_unref(stint_token_any(two, 2, "any")));
    MEASURE("callback", 200000,
            (void)stint_registration_remove(stint_token_on_cancel(parent, nothing, NULL)));
}

static void
cancel_many(const char *row, int depth)
{
    struct stint_token *top = stint_token_new(NULL, "top");

    for (int i = 0; i < MANY; i++)
        many[i] = stint_token_new(i % depth == 0 ? top : many[i - 1], "one of many");
    MEASURE(row, 1, stint_token_cancel(top, STINT_CAUSE_USER, "all of you"));
    for (int i = 0; i < MANY; i++)
        stint_token_unref(many[i]);
    stint_token_unref(top);
}

/* Of the heap, the library's own administration included. */
static void
bytes_per_token(void)
{
    const int n = MANY * 10;
    size_t before = mallinfo2().uordblks;

    for (int i = 0; i < n; i++)
        many[i] = stint_token_new(NULL, "one of many");
    printf("bytes %.1f\n", (double)(mallinfo2().uordblks - before) / n);
    for (int i = 0; i < n; i++)
        stint_token_unref(many[i]);
}

int
main(void)
{
    struct stint_token *parent;

    if (stint_init(NULL) < 0)
        return 1;
    parent = stint_token_new(stint_root(), "parent");
    if (!parent)
        return 1;
    asks(parent);
    children(parent);
    bytes_per_token();
    for (int i = 0; i < 2; i++) { /* the first one of each is warm-up: the last line counts */
        cancel_many("cancel_10000", 1);
        cancel_many("cancel_10000_deep", 100);
    }
    stint_token_unref(parent);
    return 0;
}
