/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Output that is read by one master after the other. Each may be killed in any callback, before or
 * after it has written down what it was told: nothing is lost, nothing is told that was not said.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#include "base/digest.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/capture.h"
#include "supervisor/io/peek.h"
#include "tests/unit/io/loop.h"
#include "tests/unit/io/process.h"

#define TOLD_MAX 200

/* What outlives a master, as a state and a log do. */
static struct books {
    char told[TOLD_MAX][64]; /* what on_line was told, in words */
    unsigned n_told;
    char line[CAPTURE_LINE_MAX]; /* the rest … */
    size_t rest;
    bool continued;
    size_t taking; /* … and what may be in the pipe still */
    struct digest front;
    unsigned next_piece;     /* of what the worker prints */
    unsigned calls, dies_at; /* callbacks so far; in which one the master dies … */
    bool after;              /* … when it has written it down */
} * books;

static struct ev_loop *ev;
static struct capture *capture;
static int in, out; /* the worker's end and ours */

static const char *const pieces[] = {
    "one\ntw", "o\n",   "three", " and", " more\nfour\n", "five\n",    "\nsix", "X", "\n", "seven",
    " is\nei", "ght\n", ".",     ".",    ".\n",           "nine\nlast"};

/* One of them is long: two pieces of a line and a bit. */
static void
print_piece(unsigned i)
{
    static char big[9000];
    bool is_big = strcmp(pieces[i], "X") == 0;

    memset(big, 'x', sizeof(big));
    ck_assert_int_gt(write(in, is_big ? big : pieces[i], is_big ? sizeof(big) : strlen(pieces[i])),
                     0);
}

static void
dies(bool after)
{
    if (books->calls == books->dies_at && books->after == after)
        (void)raise(SIGKILL);
}

static void
on_line(void *env, enum capture_stream stream, const char *bytes, size_t n, unsigned flags)
{
    (void)env;
    books->calls++;
    dies(false);
    ck_assert_int_eq(stream, CAPTURE_STDERR);
    ck_assert_uint_lt(books->n_told, TOLD_MAX);
    (void)snprintf(books->told[books->n_told++], sizeof(books->told[0]), "%u:%zu:%.*s", flags, n,
                   (int)(n < 20 ? n : 20), bytes);
    dies(true);
}

static void
on_rest(void *env, enum capture_stream stream, const struct capture_rest *rest)
{
    (void)env;
    (void)stream;
    books->calls++;
    dies(false);
    if (rest->n > 0)
        memcpy(books->line, rest->bytes, rest->n);
    books->rest = rest->n;
    books->continued = rest->continued;
    books->taking = rest->taking;
    books->front = rest->front;
    dies(true);
}

/* As the master does it: take over, and say what was written down. */
static void
adopt(void)
{
    ev = ev_loop_new(EVFLAG_AUTO);
    ck_assert_int_eq(
        capture_adopt(ev, -1, fcntl(out, F_DUPFD_CLOEXEC, 3), on_line, NULL, &capture, NULL), 0);
    capture_on_rest(capture, on_rest);
    if (books->rest > 0 || books->continued)
        ck_assert_int_eq(
            capture_set_rest(capture, CAPTURE_STDERR, books->line, books->rest, books->continued),
            0);
    ck_assert_int_ge(peek_skip(capture_fd(capture, CAPTURE_STDERR), books->taking, books->front),
                     0);
    books->taking = 0;
}

static void
finish(void)
{
    capture_close(capture);
    ev_loop_destroy(ev);
}

static void
turn(void)
{
    for (int i = 0; i < 3; i++)
        ev_run(ev, EVRUN_NOWAIT);
}

/* A master reads while the worker prints; @at_once: all that is left, before it is read. */
static void
read_all(bool at_once)
{
    adopt();
    if (!at_once)
        turn();
    while (books->next_piece < ARRAY_LEN(pieces)) {
        print_piece(books->next_piece++);
        if (!at_once)
            turn();
    }
    in = fd_close(in); /* the worker has ended */
    for (int i = 0; i < 10; i++)
        turn();
    if (books->dies_at == 0) /* else the worker's end is open elsewhere, too */
        ck_assert_int_eq(capture_fd(capture, CAPTURE_STDERR), -1);
    finish();
}

static void
setup(void)
{
    int ends[2];

    books = mmap(NULL, sizeof(*books), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(books != MAP_FAILED);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    out = ends[0];
    in = ends[1];
    ck_assert_int_eq(fd_nonblock(out), 0);
    ck_assert_int_eq(peek_init(), 0);
}

static void
teardown(void)
{
    (void)munmap(books, sizeof(*books));
    out = fd_close(out);
    in = fd_close(in);
}

static const char *const all_told[] = {
    "0:3:one",
    "0:3:two",
    "0:14:three and more",
    "0:4:four",
    "0:4:five",
    "0:0:",
    "1:8192:sixxxxxxxxxxxxxxxxxx",
    "2:811:xxxxxxxxxxxxxxxxxxxx",
    "0:8:seven is",
    "0:5:eight",
    "0:3:...",
    "0:4:nine",
    "4:4:last",
};

/* All of it in its order; from some place on it may be told again, @most times. */
static void
is_told(unsigned most)
{
    unsigned next = 0, back = 0;

    for (unsigned i = 0; i < books->n_told; i++) {
        const char *is = books->told[i];

        if (next < ARRAY_LEN(all_told) && strcmp(is, all_told[next]) == 0) {
            next++;
            continue;
        }
        ck_assert_msg(back++ < most, "told: %s, and not: %s", is,
                      next < ARRAY_LEN(all_told) ? all_told[next] : "nothing");
        while (next > 0 && strcmp(is, all_told[next - 1]) != 0)
            next--;
        ck_assert_msg(next > 0, "told, and never said: %s", is);
    }
    ck_assert_msg(next == ARRAY_LEN(all_told), "never told: %s", all_told[next]);
}

START_TEST(lines_are_the_same_however_they_come)
{
    read_all(_i);
    is_told(false);
    ck_assert_uint_eq(books->rest, 0);
    ck_assert_uint_eq(books->taking, 0);
}
END_TEST

/* Return: whether it came to die. */
static bool
a_master_dies_at(unsigned call, bool after, bool at_once)
{
    pid_t pid;
    int status;

    books->dies_at = call;
    books->after = after;
    pid = fork();
    if (pid == 0) {
        read_all(at_once);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    books->dies_at = 0;
    return status == SIGKILL;
}

/* _i: whether the one that dies, and the one after it, find all that is printed at once. */
START_TEST(killed_anywhere_nothing_is_lost_and_no_line_is_made_up)
{
    unsigned died = 0;

    for (unsigned k = 0;; k++) {
        bool more;

        more = a_master_dies_at(k / 2 + 1, k % 2, _i & 1);
        died += more;
        if (more)
            read_all(_i & 2);
        is_told(more);
        teardown();
        setup();
        if (!more)
            break;
    }
    ck_assert_uint_gt(died, 30);
}
END_TEST

/* One after the other, each a little later than the one before. */
START_TEST(killed_again_and_again_nothing_is_lost)
{
    unsigned masters = 0;

    while (a_master_dies_at(books->calls + masters % 7 + 5, masters % 2, false))
        ck_assert_uint_lt(++masters, 100);
    ck_assert_uint_gt(masters, 4);
    is_told(masters);
}
END_TEST

START_TEST(the_rest_is_told_before_it_is_taken_and_again_when_it_is_out)
{
    adopt();
    ck_assert_int_eq(write(in, "one\ntw", 6), 6);
    books->dies_at = 0;
    turn();
    ck_assert_uint_eq(books->calls, 3); /* the line, the rest, and that it is out */
    ck_assert_uint_eq(books->taking, 0);
    ck_assert_uint_eq(books->rest, 2);
    ck_assert_mem_eq(books->line, "tw", 2);
    ck_assert_int_eq(write(in, "o\nthree\n", 8), 8);
    turn();
    ck_assert_uint_eq(books->rest, 0);
    ck_assert_str_eq(books->told[1], "0:3:two");
    books->calls = 0;
    ck_assert_int_eq(write(in, "four\n", 5), 5);
    turn();
    ck_assert_uint_eq(books->calls, 1); /* of whole lines there is nothing to write down */
    finish();
}
END_TEST

START_TEST(a_stream_that_has_ended_stays_ended_with_its_last_words)
{
    unsigned before = count_fds();

    ev = ev_loop_new(EVFLAG_AUTO);
    ck_assert_int_eq(capture_adopt(ev, -1, -1, on_line, NULL, &capture, NULL), 0);
    ck_assert_int_eq(capture_set_rest(capture, CAPTURE_STDERR, "last", 4, true), 0);
    ck_assert_int_eq(capture_fd(capture, CAPTURE_STDOUT), -1);
    ck_assert(capture_drain(capture));
    ck_assert_uint_eq(books->n_told, 1);
    ck_assert_str_eq(books->told[0], "6:4:last"); /* continued, unended */
    finish();
    ck_assert_uint_eq(count_fds(), before);
}
END_TEST

/* ---- peek_skip ---------------------------------------------------------------------------------- */

START_TEST(only_what_is_still_there_is_skipped)
{
    struct digest front = digest_of("abc", 3);
    char bytes[8];

    ck_assert_int_eq(peek_skip(out, 3, front), 0); /* empty */
    ck_assert_int_eq(write(in, "ab", 2), 2);
    ck_assert_int_eq(peek_skip(out, 3, front), 0); /* less */
    ck_assert_int_eq(write(in, "cd", 2), 2);
    ck_assert_int_eq(peek_skip(out, 0, front), 0);
    ck_assert_int_eq(peek_skip(out, PEEK_MOST + 1, front), 0);
    ck_assert_int_eq(peek_skip(out, 2, front), 0); /* another text */
    ck_assert_int_eq(peek_skip(out, 3, front), 1);
    ck_assert_int_eq(peek_pipe(out, bytes, 8), 1);
    ck_assert_int_eq(bytes[0], 'd');
    in = fd_close(in);
    ck_assert_int_eq(peek_take(out, 1), 0);
    ck_assert_int_eq(peek_skip(out, 3, front), 0); /* the end */
    ck_assert_int_eq(peek_skip(-1, 3, front), -EBADF);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("capture adopt");
    TCase *t = tcase_create("capture adopt");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, lines_are_the_same_however_they_come, 0, 2);
    tcase_add_loop_test(t, killed_anywhere_nothing_is_lost_and_no_line_is_made_up, 0, 4);
    tcase_add_test(t, killed_again_and_again_nothing_is_lost);
    tcase_add_test(t, the_rest_is_told_before_it_is_taken_and_again_when_it_is_out);
    tcase_add_test(t, a_stream_that_has_ended_stays_ended_with_its_last_words);
    tcase_add_test(t, only_what_is_still_there_is_skipped);
    suite_add_tcase(s, t);
    return unit_main(s);
}
