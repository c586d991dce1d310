/* SPDX-License-Identifier: MIT */
/* How the example worker leaves: clients that count every answer over handovers. */
#include "tests/unit/unit.h"
#include "tests/unit/worker-api/web.h"

/* What a lame duck owes: the request in flight, the one on an idle connection, and a goodbye. */
START_TEST(a_lame_duck_answers_what_is_open_and_leaves)
{
    struct master m;
    pid_t pid;
    char text[2048];
    int idle, slow, half, fresh;

    write_config("threads = 1\ndrain_quiet_ms = 1000\n");
    pid = start_web(&m, 1);
    idle = dial();
    slow = dial();
    half = dial();
    say(idle, GET);
    ck_assert_int_eq(hear(idle, text, sizeof(text)), 1);
    ck_assert_ptr_null(strstr(text, "Connection: close"));
    say(slow, "GET /slow?ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n");
    say(half, "GET / HTTP/1.1\r\nHo");
    say(idle, GET); /* one thread: when this is answered, it has read the others */
    ck_assert_int_eq(hear(idle, text, sizeof(text)), 1);

    master_cancel(&m, STINT_CAUSE_RELIEVED, "relieved", INT64_MAX);

    ck_assert_int_eq(hear(slow, text, sizeof(text)), 1); /* its sleep was cut short */
    ck_assert_ptr_nonnull(strstr(text, "Connection: close"));
    ck_assert_int_eq(hear(slow, text, sizeof(text)), 0);
    fresh = dial();
    say(fresh, GET); /* waits for our successor */
    say(idle, GET);
    ck_assert_int_eq(hear(idle, text, sizeof(text)), 1);
    ck_assert_ptr_nonnull(strstr(text, "Connection: close"));
    ck_assert_int_eq(hear(idle, text, sizeof(text)), 0);
    say(half, "st: x\r\n\r\n");
    ck_assert_int_eq(hear(half, text, sizeof(text)), 1);
    ck_assert_ptr_nonnull(strstr(text, "Connection: close"));
    close(idle);
    close(slow);
    close(half);
    ck_assert_int_eq(status_of(pid), 0);
    ck_assert_int_eq(recv(fresh, text, 1, MSG_DONTWAIT), -1);
    ck_assert_int_eq(errno, EAGAIN);

    pid = start_web(&m, 2);
    ck_assert_int_eq(hear(fresh, text, sizeof(text)), 1);
    ck_assert_ptr_nonnull(strstr(text, "\"generation\":2,"));
    close(fresh);
    kill(pid, SIGTERM);
    ck_assert_int_eq(status_of(pid), 0);
}
END_TEST

/* More requests at once than the worker reads at once, and its buffer ends where one of them does. */
START_TEST(a_lame_duck_answers_all_that_a_pipelining_client_has_sent)
{
    enum { REQUEST = 128, N = 512 };
    static char requests[REQUEST * N + 1];
    struct master m;
    char text[2048];
    int fd, closes = 0;
    pid_t pid;

    write_config("threads = 1\ndrain_quiet_ms = 1000\n");
    pid = start_web(&m, 1);
    fd = dial();
    say(fd, GET);
    ck_assert_int_eq(hear(fd, text, sizeof(text)), 1);
    for (int i = 0; i < N; i++)
        (void)snprintf(requests + (ptrdiff_t)i * REQUEST, REQUEST + 1,
                       "GET / HTTP/1.1\r\nHost: x\r\nX-Filler: %0*d\r\n\r\n", REQUEST - 39, i);
    ck_assert_uint_eq(strlen(requests), sizeof(requests) - 1);
    master_cancel(&m, STINT_CAUSE_RELIEVED, "relieved", INT64_MAX);
    say(fd, requests);
    for (int i = 0; i < N; i++) {
        ck_assert_msg(hear(fd, text, sizeof(text)) == 1, "request %d of %d", i, N);
        closes += strstr(text, "Connection: close") != NULL;
    }
    ck_assert_int_le(closes, 1);
    close(fd);
    ck_assert_int_eq(status_of(pid), 0);
}
END_TEST

struct client {
    int requests, failures; /* the client's; read after join */
    int newest;             /* the generation that answered it last; atomic */
};

static int clients_stop; /* atomic */

static void
busy_client(void *arg)
{
    struct client *c = arg;
    char text[2048];
    int fd = dial();

    while (!__atomic_load_n(&clients_stop, __ATOMIC_ACQUIRE)) {
        const char *generation;

        c->requests++;
        if (send(fd, GET, sizeof(GET) - 1, MSG_NOSIGNAL) != sizeof(GET) - 1 ||
            hear(fd, text, sizeof(text)) != 1 || strncmp(text, "HTTP/1.1 200", 12) != 0) {
            c->failures++;
            close(fd);
            fd = dial();
            continue;
        }
        generation = strstr(text, "\"generation\":");
        __atomic_store_n(&c->newest, generation ? (int)strtol(generation + 13, NULL, 10) : 0,
                         __ATOMIC_RELEASE);
        if (strstr(text, "Connection: close")) {
            close(fd);
            fd = dial();
        }
        stint_token_sleep(NULL, 5000);
    }
    close(fd);
}

static void
await_answer_of(const struct client *c, int generation)
{
    int64_t until_us = soon();

    while (__atomic_load_n(&c->newest, __ATOMIC_ACQUIRE) < generation) {
        ck_assert_int_lt(stint_now_us(), until_us);
        stint_token_sleep(NULL, 1000);
    }
}

START_TEST(busy_clients_lose_nothing_over_ten_handovers)
{
    enum { CLIENTS = 8, HANDOVERS = 10 };
    struct client clients[CLIENTS] = {{0}};
    struct stint_thread *threads[CLIENTS];
    struct master old, young;
    pid_t pid, next;

    write_config("threads = 2\ndrain_quiet_ms = 300\n"); /* far longer than a client's pause */
    pid = start_web(&old, 1);
    for (int i = 0; i < CLIENTS; i++)
        ck_assert_int_eq(stint_thread_spawn(&threads[i], NULL, "client", busy_client, &clients[i]),
                         0);
    for (int generation = 2; generation < 2 + HANDOVERS; generation++) {
        next = start_web(&young, generation);
        master_cancel(&old, STINT_CAUSE_RELIEVED, "relieved", INT64_MAX);
        kill(pid, SIGTERM);
        ck_assert_int_eq(status_of(pid), 0);
        close(old.channel);
        pid = next;
        old = young;
        for (int i = 0; i < CLIENTS; i++)
            await_answer_of(&clients[i], generation);
    }
    __atomic_store_n(&clients_stop, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < CLIENTS; i++) {
        ck_assert_int_eq(stint_thread_join(threads[i], NULL, soon()), 0);
        ck_assert_int_gt(clients[i].requests, HANDOVERS);
        ck_assert_int_eq(clients[i].failures, 0);
        ck_assert_int_ge(clients[i].newest, 1 + HANDOVERS);
    }
    kill(pid, SIGTERM);
    ck_assert_int_eq(status_of(pid), 0);
}
END_TEST

START_TEST(the_planted_thread_stays_and_is_named)
{
    struct master m;
    struct stint_registry_slot slot = {0};
    struct stint_registry_site site;
    int64_t limit = soon();
    uint32_t flush_2;
    pid_t pid;

    write_config("leak = yes\nthreads = 1\n");
    pid = start_web(&m, 1);
    master_cancel(&m, STINT_CAUSE_RELIEVED, "relieved", INT64_MAX);
    kill(pid, SIGTERM);
    while (stint_now_us() < limit &&
           !(master_find(&m, "serve-0", &slot) && slot.state == STINT_SLOT_DONE))
        stint_token_sleep(NULL, 1000);
    ck_assert_uint_eq(slot.state, STINT_SLOT_DONE);

    /* It starts late; and SIGTERM may be there before the frame that says why, which main reads. */
    while (master_find(&m, "flush-2", &slot) != 1 || slot.wait_site == 0 ||
           slot.cause != STINT_CAUSE_RELIEVED)
        ck_assert_int_lt(stint_now_us(), limit);
    ck_assert_uint_eq(slot.state, STINT_SLOT_LIVE);
    site = master_site(&m, slot.birth_site);
    ck_assert_str_eq(site.function, "cache_start_flusher");
    ck_assert_ptr_nonnull(strstr(site.file, "examples/web/cache.c"));
    flush_2 = slot.tid;
    ck_assert_uint_gt(slot.cancelled_us, 0);
    ck_assert_str_eq(master_site(&m, slot.wait_site).text, "read of the flush queue");
    do {
        ck_assert_int_eq(master_find(&m, "main", &slot), 1);
        site = master_site(&m, slot.wait_site);
    } while ((site.kind != STINT_SITE_JOIN || slot.wait_object != flush_2) &&
             stint_now_us() < limit);
    ck_assert_uint_eq(site.kind, STINT_SITE_JOIN);
    ck_assert_uint_eq(slot.wait_object, flush_2);
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("lame duck");
    TCase *handover = tcase_create("handover");

    tcase_add_checked_fixture(handover, set_up, tear_down);
    tcase_set_timeout(handover, 100);
    tcase_add_test(handover, a_lame_duck_answers_what_is_open_and_leaves);
    tcase_add_test(handover, a_lame_duck_answers_all_that_a_pipelining_client_has_sent);
    tcase_add_test(handover, busy_clients_lose_nothing_over_ten_handovers);
    tcase_add_test(handover, the_planted_thread_stays_and_is_named);
    suite_add_tcase(suite, handover);
    return unit_main(suite);
}
