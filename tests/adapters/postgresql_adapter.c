/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * examples/postgresql, under clients that write all the time: a reload by signal is noticed by none of them, and a
 * handoff by `replace` loses nothing that was acknowledged. That there are never two postmasters is seen by
 * PostgreSQL itself (postmaster.pid), and by the order of deaths and births.
 */
#include <fcntl.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/units.h"
#include "example.h"
#include "tests/scenario/harness.h"
#include "writers.h"

#define BIN      "/usr/lib/postgresql/15/bin"
#define NOBODY   65534 /* PostgreSQL refuses to be root */
#define WRITERS  4
#define RELOADS  10
#define REPLACES 3
#define START_MS 15000

static char conninfo[128], port[16];

static void *
pg_open(const char *address)
{
    PGconn *c = PQconnectdb(address);

    if (PQstatus(c) == CONNECTION_OK)
        return c;
    PQfinish(c);
    return NULL;
}

static void
pg_close(void *conn)
{
    PQfinish(conn);
}

/* The first column of the first row, or NULL. Owned by the caller. */
static char *
ask(PGconn *c, const char *sql)
{
    PGresult *r = PQexec(c, sql);
    char *answer = PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) > 0
                       ? strdup(PQgetvalue(r, 0, 0))
                       : NULL;

    PQclear(r);
    return answer;
}

/* A number that was written, but not acknowledged, may be there already. */
static enum write_outcome
pg_write(void *conn, unsigned writer, long n)
{
    enum write_outcome outcome;
    PGresult *r;
    char sql[128];

    (void)snprintf(sql, sizeof(sql), "INSERT INTO w VALUES (%u, %ld) ON CONFLICT DO NOTHING",
                   writer, n);
    r = PQexec(conn, sql);
    outcome = PQresultStatus(r) == PGRES_COMMAND_OK ? WRITE_ACKED
              : PQstatus(conn) == CONNECTION_OK     ? WRITE_DENIED
                                                    : WRITE_CUT;
    PQclear(r);
    return outcome;
}

static long
pg_missing(void *conn, unsigned writer, long last)
{
    char sql[128], *there;
    long n;

    (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM w WHERE writer = %u AND n <= %ld",
                   writer, last);
    there = ask(conn, sql);
    ck_assert_ptr_nonnull(there);
    n = strtol(there, NULL, 10);
    free(there);
    return last - n;
}

static const struct store postgresql = {pg_open, pg_write, pg_missing, pg_close};

static void
initdb(uid_t uid)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        int log = open(scn_path("initdb.log"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        (void)dup2(log, STDOUT_FILENO);
        if (uid == 0 || (setgid(uid) == 0 && setuid(uid) == 0))
            (void)execl(BIN "/initdb", "initdb", "-D", scn_path("data"), "-A", "trust", "-U",
                        "postgres", "--no-sync", (char *)NULL);
        _exit(127);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

/* What one asks for by another connection, which ends with it. */
static void
ck_shows(const char *setting, const char *value)
{
    char sql[64], *shown;
    PGconn *c = pg_open(conninfo);

    ck_assert_ptr_nonnull(c);
    (void)snprintf(sql, sizeof(sql), "SHOW %s", setting);
    shown = ask(c, sql);
    ck_assert_ptr_nonnull(shown);
    ck_assert_str_eq(shown, value);
    free(shown);
    pg_close(c);
}

static struct writers *
stage(void)
{
    struct scn_world world = {.uid = getuid() == 0 ? NOBODY : 0};
    PGconn *c;

    (void)snprintf(port, sizeof(port), "%d", scn_port());
    (void)snprintf(conninfo, sizeof(conninfo),
                   "host=127.0.0.1 port=%s user=postgres dbname=postgres connect_timeout=10", port);
    example_copy("postgresql", "5432", port, NULL);
    if (world.uid)
        ck_assert_int_eq(chown(scn_dir(), world.uid, world.uid), 0);
    initdb(world.uid);
    ck_assert(scn_launch(&world));
    (void)scn_await_any("event=verdict service=db outcome=serving gen=1", START_MS);
    c = pg_open(conninfo);
    ck_assert_ptr_nonnull(c);
    PQclear(PQexec(c, "CREATE TABLE w (writer int, n bigint, PRIMARY KEY (writer, n))"));
    pg_close(c);
    return writers_start(&postgresql, conninfo, WRITERS);
}

static long
unhappy(struct writers *w)
{
    return writers_count(w, WRITE_REFUSED) + writers_count(w, WRITE_CUT) +
           writers_count(w, WRITE_DENIED);
}

static void
tell(const char *what, unsigned times, struct writers *w)
{
    (void)printf("postgresql: %u %s, %ld writes acknowledged, refused %ld, cut %ld, denied %ld, "
                 "longest time without an answer %ld ms\n",
                 times, what, writers_count(w, WRITE_ACKED), writers_count(w, WRITE_REFUSED),
                 writers_count(w, WRITE_CUT), writers_count(w, WRITE_DENIED),
                 (long)(writers_gap_us(w) / US_PER_MS));
}

START_TEST(ten_reloads_by_signal_are_in_force_and_no_query_fails)
{
    struct writers *w = stage();

    (void)writers_gap_us(w);
    for (int i = 1; i <= RELOADS; i++) {
        char from[32], to[32], words[96];

        (void)snprintf(from, sizeof(from), "work_mem = '%dMB'", 3 + i);
        (void)snprintf(to, sizeof(to), "work_mem = '%dMB'", 4 + i);
        example_edit("postgresql.conf", from, to);
        (void)snprintf(words, sizeof(words),
                       "event=verdict service=db outcome=serving evidence=assumed gen=%d", 1 + i);
        (void)scn_await_any(words, START_MS);
        (void)snprintf(words, sizeof(words), "%dMB", 4 + i);
        ck_shows("work_mem", words);
        writers_await(w);
    }
    tell("reloads by signal", RELOADS, w);
    ck_assert_int_eq(unhappy(w), 0);
    ck_assert_uint_eq(scn_count("event=worker_spawn"), 1);
    writers_finish(w);
}
END_TEST

START_TEST(what_needs_a_restart_replaces_the_postmaster_and_loses_no_acknowledged_row)
{
    struct writers *w = stage();

    (void)writers_gap_us(w);
    for (int i = 1; i <= REPLACES; i++) {
        char from[32], to[32], words[96], left[64], came[64];

        (void)snprintf(from, sizeof(from), "max_connections=%d", 99 + i);
        (void)snprintf(to, sizeof(to), "max_connections=%d", 100 + i);
        (void)snprintf(words, sizeof(words), "event=verdict service=db outcome=serving gen=%d",
                       1 + i);
        (void)snprintf(left, sizeof(left), "event=worker_exit service=db gen=%d", i);
        (void)snprintf(came, sizeof(came), "event=worker_spawn service=db gen=%d", 1 + i);
        example_edit("stint.yaml", from, to);
        (void)scn_await_any(words, START_MS);
        ck_assert(scn_before(left, came));
        (void)snprintf(words, sizeof(words), "%d", 100 + i);
        ck_shows("max_connections", words);
        writers_await(w);
    }
    tell("handoffs by replace", REPLACES, w);
    ck_assert_uint_eq(scn_count("event=worker_exit status=0"), REPLACES);
    writers_finish(w);
}
END_TEST

START_TEST(a_file_that_would_not_do_is_rejected_and_says_where_and_what_to_do)
{
    struct writers *w = stage();
    const char *line;

    example_edit("postgresql.conf", "work_mem = '4MB'", "work_mem = 'lots'");
    line = scn_await("event=verdict service=db outcome=rejected", START_MS);
    ck_assert_msg(strstr(line, "invalid value for parameter \\\"work_mem\\\"") != NULL, "%s", line);
    example_edit("postgresql.conf", "work_mem = 'lots'", "shared_buffers = '64MB'");
    line = scn_await("event=verdict service=db outcome=rejected", START_MS);
    ck_assert_msg(strstr(line, "shared_buffers: needs a restart: set it in the command") != NULL,
                  "%s", line);
    example_edit("postgresql.conf", "shared_buffers = '64MB'", "work_mem = '4MB'");
    (void)scn_await("event=verdict service=db outcome=unchanged", START_MS);
    ck_assert_uint_eq(scn_count("event=worker_signalled"), 0);
    ck_assert_int_eq(unhappy(w), 0);
    writers_finish(w);
}
END_TEST

START_TEST(a_postmaster_that_is_killed_comes_back_when_its_last_child_has_gone)
{
    struct writers *w = stage();
    long pid = scn_field(scn_await_any("event=worker_ready service=db", 5000), "pid");

    ck_assert_int_eq(kill((pid_t)pid, SIGKILL), 0);
    scn_rewind();
    (void)scn_await("event=worker_exit service=db signal=SIGKILL", START_MS);
    (void)scn_await("event=worker_ready service=db gen=1", START_MS);
    writers_await(w);
    writers_finish(w);
}
END_TEST

adapter_main(BIN "/postgres", "postgresql", ten_reloads_by_signal_are_in_force_and_no_query_fails,
             what_needs_a_restart_replaces_the_postmaster_and_loses_no_acknowledged_row,
             a_file_that_would_not_do_is_rejected_and_says_where_and_what_to_do,
             a_postmaster_that_is_killed_comes_back_when_its_last_child_has_gone)
