/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process that logs is killed, again and again; each next one goes on with its log. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "supervisor/io/journal_shared.h"
#include "tests/unit/io/journal_world.h"
#include "tests/unit/unit.h"

#define ROUNDS 150
#define LINES  200 /* in one life, until it is killed … */
#define MOST   300 /* … or waits for that: less than a pipe takes in, so that nothing piles up */

struct life {
    uint64_t first, said; /* line numbers; said: the call had returned */
};

static shared_u64 *said;
static struct life lives[ROUNDS];

/* One of the two, whichever the number says. */
static void
say(uint64_t number, int life)
{
    const struct journal_origin from = {.service = "web", .generation = 1, .stream = "stdout"};
    char line[128];

    (void)snprintf(line, sizeof(line), "line %" PRIu64 " life %d end", number, life);
    if (number % 3 == 0)
        journal_say(journal, LOG_LEVEL_INFO, "said", "%s", line);
    else
        journal_output(journal, &from, line, strlen(line), 0);
}

static _Noreturn void
live(int ring, int life)
{
    struct ev_loop *own = ev_loop_new(EVFLAG_AUTO);
    struct journal_options options = {.fd = ends[1], .ring_fd = ring};

    if (journal_create(own, &options, &journal) < 0)
        _exit(1);
    for (uint64_t i = shared_load(said) + 1, most = i + MOST;; i++) {
        if (i < most) {
            say(i, life);
            shared_store(said, i);
        } else { /* who shall kill us has no processor: more would not find room */
            (void)pause();
        }
        if (i % 7 == 0)
            ev_run(own, EVRUN_NOWAIT);
    }
}

static void
live_and_die(int ring, int life)
{
    uint64_t before = shared_load(said);
    uint64_t target = before + (uint64_t)(random() % LINES);
    int64_t end_us = mono_now_us() + 30 * US_PER_S;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        live(ring, life);
    while (shared_load(said) < target) {
        ck_assert_int_lt(mono_now_us(), end_us);
        if (life % 3 != 0)
            take(); /* else the pipe is full some time, and the log waits */
    }
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    lives[life] = (struct life){before + 1, shared_load(said)};
    take();
}

/* A line of the log that may be there twice is announced, and nothing is missing or out of order. */
struct reading {
    uint64_t number;
    int life;
    size_t doubt;  /* bytes of what follows that may have been there before */
    unsigned torn; /* the line before was cut */
};

static void
read_number(struct reading *rd, const char *line)
{
    const char *first = strstr(line, "line "), *second = strstr(line, " life ");
    uint64_t number;
    int life;

    if (!first || !second || !strstr(second, " end\"")) {
        rd->torn++;
        return;
    }
    number = strtoull(first + strlen("line "), NULL, 10);
    life = (int)strtol(second + strlen(" life "), NULL, 10);
    ck_assert_uint_eq(rd->torn, 0);
    if (life == rd->life && number == rd->number + 1) {
        rd->number = number;
    } else if (life > rd->life) {
        for (; rd->life < life; rd->life++) { /* what was said in each life was read */
            ck_assert_uint_ge(rd->number, lives[rd->life].said);
            ck_assert_uint_le(rd->number, lives[rd->life].said + 1);
            rd->number = lives[rd->life + 1].first - 1;
        }
        ck_assert_uint_eq(number, lives[life].first);
        rd->number = number;
    } else {
        ck_assert_msg(strlen(line) < rd->doubt, "unannounced: %s", line);
    }
    rd->doubt = strlen(line) < rd->doubt ? rd->doubt - strlen(line) - 1 : 0;
}

static unsigned
read_log(char *log, struct reading *rd)
{
    unsigned repeated = 0;

    for (char *line = log, *next; *line; line = next) {
        const char *bytes;

        next = strchr(line, '\n');
        ck_assert_ptr_nonnull(next);
        *next++ = '\0';
        bytes = strstr(line, "event=log_repeated bytes=");
        ck_assert_ptr_null(strstr(line, "log_dropped"));
        ck_assert_ptr_null(strstr(line, "log_memory"));
        if (bytes) {
            repeated++;
            rd->torn = 0;
            rd->doubt = strtoull(bytes + strlen("event=log_repeated bytes="), NULL, 10);
        } else if (*line) {
            read_number(rd, line);
        }
    }
    return repeated;
}

START_TEST(no_line_is_lost_however_often_its_writer_is_killed)
{
    struct reading rd = {0};
    struct journal_entry e = {0};
    uint64_t after = 0;
    int ring;

    said = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(said, MAP_FAILED);
    srandom(20261);
    open_journal(&(struct journal_options){.fd = ends[1]});
    ring = fcntl(journal_ring_fd(journal), F_DUPFD_CLOEXEC, 3);
    ck_assert_int_ge(ring, 3);
    journal_destroy(journal);
    journal = NULL;
    for (int i = 0; i < ROUNDS; i++)
        live_and_die(ring, i);

    open_journal(&(struct journal_options){.fd = ends[1], .ring_fd = ring});
    take_all();
    rd.number = 0;
    (void)read_log(got.data, &rd);
    for (; rd.life < ROUNDS - 1; rd.life++) {
        ck_assert_uint_ge(rd.number, lives[rd.life].said);
        rd.number = lives[rd.life + 1].first - 1;
    }
    ck_assert_uint_ge(rd.number, shared_load(said));

    for (; journal_events_next(journal, after, &e); after = e.seq)
        ck_assert(after == 0 || e.lost == 0); /* one row of numbers through all lives */
    ck_assert_uint_ge(after, shared_load(said) / 3);
    ck_assert_ptr_nonnull(strstr(e.json, " end"));
    munmap(said, 4096);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("journal_kill");
    TCase *tc = tcase_create("kill");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, no_line_is_lost_however_often_its_writer_is_killed);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
