/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One round of the rows about spans: told when they end, and wanted by nobody. */
#include "bench/worker_api/measure.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <stint.h>

#include "supervisor/probe/registry.h"
#include "supervisor/probe/span_ring.h"

/* As the supervisor starts it: within a trace that is sampled, with a registry that has room for spans. */
static int
become_a_worker(void)
{
    int fd, given;
    char number[16];

    if (registry_create_spans(&fd, NULL) < 0 || (given = dup(fd)) < 0)
        exit(1);
    (void)snprintf(number, sizeof(number), "%d", given);
    (void)setenv("STINT_REGISTRY", number, 1);
    (void)setenv("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", 1);
    if (stint_init(NULL) < 0)
        exit(1);
    return fd;
}

static void
rows(const char *plain, const char *attributes, const char *task, long times)
{
    int row = 0;

    MEASURE(plain, times,
            stint_span_end(stint_span_start(NULL, "SELECT users", STINT_SPAN_CLIENT)));
    MEASURE(attributes, times, {
        struct stint_span *span = stint_span_start(NULL, "SELECT users", STINT_SPAN_CLIENT);

        (void)stint_span_attribute(span, "db.system", "postgresql"); /* there is room */
        (void)stint_span_attribute(span, "db.rows", "%d", row++);
        stint_span_end(span);
    });
    MEASURE(task, times, {
        (void)stint_task_begin(NULL, "a task"); /* or it is not measured: there is memory */
        stint_task_end();
    });
}

/* What the master pays for one: a full ring, again and again. */
static void
reading(int fd)
{
    static struct stint_registry_span found[STINT_REGISTRY_SPANS];
    struct span_ring_at at = {0};
    struct span_ring_look look;
    double best_ns = 0;

    for (int run = 0; run < 50; run++) {
        double begin_ns;

        for (int i = 0; i < STINT_REGISTRY_SPANS; i++)
            stint_span_end(stint_span_start(NULL, "SELECT users", STINT_SPAN_CLIENT));
        begin_ns = measure_now_ns();
        if (span_ring_look(fd, &at, false, found, STINT_REGISTRY_SPANS, &look) < 0 || look.n == 0)
            exit(1);
        begin_ns = (measure_now_ns() - begin_ns) / (double)look.n;
        if (run == 0 || begin_ns < best_ns)
            best_ns = begin_ns;
    }
    printf("span_read %.3f\n", best_ns);
}

int
main(void)
{
    int fd = become_a_worker();

    rows("span", "span_attributes", "span_task", 2000000);
    reading(fd);
    if (span_ring_want(fd, false) < 0)
        return 1;
    rows("span_off", "span_attributes_off", "span_task_off", 5000000);
    return 0;
}
