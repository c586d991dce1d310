/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * examples/redis, under clients that write all the time: what was acknowledged is never lost, and no two
 * servers ever run on the same data. The second is asked of a lock on a file, which each server has to get.
 */
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/units.h"
#include "example.h"
#include "tests/scenario/harness.h"
#include "writers.h"

#define WRITERS  4
#define HANDOFFS 10

static void *
redis_open(const char *address)
{
    struct timeval patience = {.tv_sec = 10};
    redisContext *c =
        redisConnectWithTimeout("127.0.0.1", (int)strtol(address, NULL, 10), patience);

    if (c && !c->err && redisSetTimeout(c, patience) == REDIS_OK)
        return c;
    if (c)
        redisFree(c);
    return NULL;
}

static void
redis_close(void *conn)
{
    redisFree(conn);
}

static enum write_outcome
redis_write(void *conn, unsigned writer, long n)
{
    redisReply *r = redisCommand(conn, "SET w%u:%ld %ld", writer, n, n);
    enum write_outcome outcome;

    if (!r)
        return WRITE_CUT;
    outcome =
        r->type == REDIS_REPLY_STATUS && strcmp(r->str, "OK") == 0 ? WRITE_ACKED : WRITE_DENIED;
    freeReplyObject(r);
    return outcome;
}

static long
redis_missing(void *conn, unsigned writer, long last)
{
    long missing = 0;

    for (long n = 1; n <= last; n++)
        ck_assert_int_eq(redisAppendCommand(conn, "GET w%u:%ld", writer, n), REDIS_OK);
    for (long n = 1; n <= last; n++) {
        redisReply *r;

        ck_assert_int_eq(redisGetReply(conn, (void **)&r), REDIS_OK);
        missing += r->type != REDIS_REPLY_STRING || strtol(r->str, NULL, 10) != n;
        freeReplyObject(r);
    }
    return missing;
}

static const struct store redis = {redis_open, redis_write, redis_missing, redis_close};

static char port[16];

static struct writers *
stage(void)
{
    (void)snprintf(port, sizeof(port), "%d", scn_port());
    example_copy("redis", "6379", port, "[redis-server,", "[flock, -nF, lock, redis-server,", NULL);
    ck_assert_int_eq(mkdir(scn_path("data"), 0700), 0);
    scn_start();
    (void)scn_await_any("event=verdict service=redis outcome=serving gen=1", 10000);
    return writers_start(&redis, port, WRITERS);
}

/* The configuration changes; or it does not, and one asks for it; or the master dies on the way. */
static void
hand_over(int gen)
{
    static const char *const sync[] = {"appendfsync everysec", "appendfsync always"};
    static unsigned now;

    if (gen % 3 == 0) {
        ck_assert_int_eq(scn_cli(NULL, "reload", "redis", "--force", NULL), 0);
        return;
    }
    example_edit("redis.conf", sync[now], sync[!now]);
    now = !now;
    if (gen == 5) {
        (void)scn_await("event=generation_draining service=redis gen=4", 10000);
        (void)scn_kill_master();
    }
}

START_TEST(ten_handoffs_lose_no_acknowledged_write)
{
    struct writers *w = stage();
    int64_t gap_us, longest_us = 0;
    char left[64], came[64], serves[64];

    (void)writers_gap_us(w);
    for (int gen = 2; gen < 2 + HANDOFFS; gen++) {
        (void)snprintf(left, sizeof(left), "event=worker_exit service=redis gen=%d", gen - 1);
        (void)snprintf(came, sizeof(came), "event=worker_spawn service=redis gen=%d", gen);
        (void)snprintf(serves, sizeof(serves), "event=verdict outcome=serving gen=%d", gen);
        hand_over(gen);
        (void)scn_await_any(serves, 10000);
        ck_assert(scn_before(left, came));
        writers_await(w);
        gap_us = writers_gap_us(w);
        longest_us = gap_us > longest_us ? gap_us : longest_us;
    }
    (void)printf("redis: %d handoffs, %ld writes acknowledged, refused %ld, cut %ld, denied %ld, "
                 "longest time without an answer %ld ms\n",
                 HANDOFFS, writers_count(w, WRITE_ACKED), writers_count(w, WRITE_REFUSED),
                 writers_count(w, WRITE_CUT), writers_count(w, WRITE_DENIED),
                 (long)(longest_us / US_PER_MS));
    writers_finish(w);
}
END_TEST

START_TEST(a_configuration_that_redis_refuses_costs_nobody_anything)
{
    struct writers *w = stage();
    const char *line;

    example_edit("redis.conf", "appendonly yes", "appendonly maybe");
    line = scn_await("event=verdict service=redis outcome=rejected", 10000);
    ck_assert_msg(strstr(line, "argument must be 'yes' or 'no'") != NULL, "%s", line);
    ck_assert_msg(strstr(line, "status 1: *** FATAL CONFIG FILE ERROR") != NULL, "%s", line);
    writers_await(w);
    ck_assert_int_eq(writers_count(w, WRITE_REFUSED) + writers_count(w, WRITE_CUT), 0);
    ck_assert_uint_eq(scn_count("event=worker_exit"), 0);
    writers_finish(w);
}
END_TEST

START_TEST(a_server_that_is_killed_comes_back_with_every_acknowledged_write)
{
    struct writers *w = stage();
    long pid = scn_field(scn_await_any("event=worker_ready service=redis", 5000), "pid");

    ck_assert_int_eq(kill((pid_t)pid, SIGKILL), 0);
    scn_rewind();
    (void)scn_await("event=worker_exit service=redis signal=SIGKILL", 10000);
    (void)scn_await("event=worker_ready service=redis gen=1", 10000);
    writers_await(w);
    writers_finish(w);
}
END_TEST

adapter_main("redis-server", "redis", ten_handoffs_lose_no_acknowledged_write,
             a_configuration_that_redis_refuses_costs_nobody_anything,
             a_server_that_is_killed_comes_back_with_every_acknowledged_write)
