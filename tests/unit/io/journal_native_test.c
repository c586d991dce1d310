/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log as journald gets it: its socket is played here. */
#include <endian.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/io/journal_state.h"
#include "tests/unit/io/journal_world.h"
#include "tests/unit/io/own_dir.h"
#include "tests/unit/unit.h"

static int journald = -1;
static const char *const socket_path = "socket";
static struct text record;

static void
open_journald(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
    unlink(socket_path);
    journald = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(journald, 0);
    ck_assert_int_eq(bind(journald, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void
close_journald(void)
{
    journald = fd_close(journald);
    unlink(socket_path);
}

/* JOURNAL_STREAM says that our pipe is a stream of the journal. */
static void
say_stream(void)
{
    char value[64];
    struct stat st;

    ck_assert_int_eq(fstat(ends[1], &st), 0);
    (void)snprintf(value, sizeof(value), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    ck_assert_int_eq(setenv("JOURNAL_STREAM", value, 1), 0);
}

static void
set_up_native(void)
{
    set_up();
    own_dir_enter();
    record = (struct text)TEXT_INIT;
    open_journald();
    say_stream();
}

static void
tear_down_native(void)
{
    tear_down();
    close_journald();
    text_finish(&record);
    own_dir_leave();
}

static void
open_native(const struct journal_options *o)
{
    struct journal_options options = *o;

    options.fd = ends[1];
    options.journal_socket = socket_path;
    open_journal(&options);
}

/* The next datagram, or what is in the memfd that it carries. False: there is none. */
static bool
receive(void)
{
    static char bytes[65536];
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {bytes, sizeof(bytes)};
    struct msghdr msg = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(journald, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&msg) : NULL;

    text_clear(&record);
    if (n < 0)
        return false;
    ck_assert_int_eq(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC), 0);
    text_addn(&record, bytes, (size_t)n);
    if (c) {
        auto_fd int fd = -1;
        struct stat st;
        char *data;

        ck_assert_int_eq(n, 0);
        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
        ck_assert_int_eq(fcntl(fd, F_GET_SEALS) & 0xf,
                         F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
        ck_assert_int_eq(fstat(fd, &st), 0);
        data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        ck_assert_ptr_ne(data, MAP_FAILED);
        text_addn(&record, data, (size_t)st.st_size);
        munmap(data, (size_t)st.st_size);
    }
    return true;
}

static bool
has(const char *field)
{
    return memmem(record.data, record.bytes, field, strlen(field)) != NULL;
}

/* KEY, a newline, the length, the bytes, a newline. */
static bool
has_bytes(const char *key, const char *value, size_t n)
{
    auto_text struct text want = TEXT_INIT;
    const uint64_t length = htole64(n);

    text_addf(&want, "\n%s\n", key);
    text_addn(&want, (const char *)&length, sizeof(length));
    text_addn(&want, value, n);
    text_add(&want, "\n");
    return memmem(record.data, record.bytes, want.data, want.bytes) != NULL;
}

START_TEST(an_event_is_a_datagram_with_its_fields)
{
    struct record r = death();
    const char *after_ts;

    open_native(&(struct journal_options){0});
    journal_record(journal, &r);
    ck_assert(receive());
    after_ts = strstr(text_str(&record), "Z\n");
    ck_assert_int_eq(strncmp(record.data, "SYSLOG_IDENTIFIER=stint\nSTINT_TS=20", 35), 0);
    ck_assert_ptr_nonnull(after_ts);
    ck_assert_str_eq(after_ts + 2,
                     "PRIORITY=4\nSTINT_EVENT=worker_exit\nSTINT_SERVICE=web\nSTINT_GENERATION=7\n"
                     "STINT_SLOT=1\nSTINT_PID=4711\nSTINT_TRACE=0123456789abcdef0123456789abcdef\n"
                     "STINT_RELOAD=12\nSTINT_SIGNAL=SIGKILL\nSTINT_DURATION_MS=1500\n"
                     "MESSAGE=web, gen 7, slot 1: worker exit: ended by SIGKILL\n");
    ck_assert(!receive());
    journal_record_repeated(journal, &r);
    ck_assert(receive());
    ck_assert(has("\nSTINT_REPEATED=1\n"));
    (void)strcpy(r.text, "last output: \xc3\xa4\x1b[1m\xff\n\tend");
    journal_record(journal, &r);
    ck_assert(receive());
    ck_assert(
        has("worker exit: last output: \xc3\xa4?[1m?\n\tend\n")); /* to be read, so readable */
    r = (struct record){.kind = RECORD_VERDICT, .service = "web", .outcome = OUTCOME_REJECTED};
    (void)strcpy(r.text, "no such file");
    journal_record(journal, &r);
    ck_assert(receive());
    ck_assert(has("\nMESSAGE=web: verdict rejected: no such file\n"));
    journal_event(journal, LOG_LEVEL_INFO, "just_numbers", &FIELD_NUMBER("n", 5), 1);
    ck_assert(receive());
    ck_assert(has("\nMESSAGE=just numbers n=5\n"));
    take();
    ck_assert_uint_eq(got.bytes, 0); /* nothing went to the stream */
}
END_TEST

START_TEST(a_workers_line_is_the_message_whatever_its_bytes)
{
    const struct journal_origin from = {
        .service = "web", .generation = 3, .pid = 77, .stream = "stderr", .trace = "ab"};
    const char wild[] = "two\nlines\0and \xff\xfe, \xc3\xa4";

    open_native(&(struct journal_options){0});
    journal_output(journal, &from, "plain = and\ttab", 15, 0);
    journal_output(journal, &from, wild, sizeof(wild) - 1, JOURNAL_OUTPUT_AGAIN);
    journal_output(journal, &from, "", 0, 0);
    ev_run(loop, EVRUN_NOWAIT);
    ck_assert(receive());
    ck_assert(has("\nPRIORITY=6\nSTINT_EVENT=output\nSTINT_SERVICE=web\nSTINT_GENERATION=3\n"
                  "STINT_SLOT=0\nSTINT_PID=77\nSTINT_TRACE=ab\nSTINT_STREAM=stderr\n"
                  "MESSAGE=plain = and\ttab\n"));
    ck_assert(receive());
    ck_assert(has_bytes("MESSAGE", wild, sizeof(wild) - 1));
    ck_assert(has("\nSTINT_REPEATED=1\n"));
    ck_assert(receive());
    ck_assert(has("\nMESSAGE=\n"));
    ck_assert(!receive());
}
END_TEST

START_TEST(only_a_stream_of_the_journal_is_taken_for_one)
{
    static const char *const others[] = {"", ":", "1:2", "8:", ":9", "x:y", "1:2:3", "-1:-1"};

    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        ck_assert_int_eq(setenv("JOURNAL_STREAM", others[i], 1), 0);
        open_native(&(struct journal_options){0});
        journal_say(journal, LOG_LEVEL_INFO, "hello", "to the stream");
        ck_assert(!receive());
        journal_destroy(journal);
    }
    ck_assert_int_eq(unsetenv("JOURNAL_STREAM"), 0);
    open_native(&(struct journal_options){0});
    journal_say(journal, LOG_LEVEL_INFO, "hello", "to the stream");
    ck_assert(!receive());
    journal_configure(journal, LOG_JOURNAL, LOG_LEVEL_INFO); /* asked for in so many words */
    journal_say(journal, LOG_LEVEL_INFO, "hello", "to journald");
    ck_assert(receive());
    say_stream();
    journal_destroy(journal);
    open_native(&(struct journal_options){.format = LOG_LOGFMT}); /* and asked not to */
    journal_say(journal, LOG_LEVEL_INFO, "hello", "to the stream");
    ck_assert(!receive());
}
END_TEST

START_TEST(a_slow_journald_gets_all_in_order)
{
    struct journal_counters n;
    char want[64];
    int i = 0;

    open_native(&(struct journal_options){0});
    for (i = 0; i < 1000; i++)
        journal_say(journal, LOG_LEVEL_INFO, "count", "number %d.", i);
    journal_counters(journal, &n);
    ck_assert_uint_gt(n.buffered_bytes, 0);
    ck_assert_uint_eq(n.dropped_lines, 0);
    for (i = 0; i < 1000; i++) {
        while (!receive())
            ck_assert_int_ge(ev_run(loop, EVRUN_ONCE), 0);
        (void)snprintf(want, sizeof(want), "MESSAGE=count: number %d.\n", i);
        ck_assert_msg(has(want), "%s: %s", want, text_str(&record));
    }
    take();
    ck_assert_uint_eq(got.bytes, 0);
}
END_TEST

START_TEST(what_is_too_large_for_the_socket_goes_as_a_sealed_file)
{
    const size_t bytes = 3 << 20;
    char *big = malloc(bytes + 1);
    const struct journal_field fields[] = {FIELD_TEXT("big", big), FIELD_TEXT("msg", "large")};

    ck_assert_ptr_nonnull(big);
    memset(big, 'x', bytes);
    big[bytes] = '\0';
    open_native(&(struct journal_options){.buffer_bytes = 16 << 20});
    journal_event(journal, LOG_LEVEL_INFO, "e", fields, 2);
    journal_say(journal, LOG_LEVEL_INFO, "after", "it");
    ck_assert(receive());
    ck_assert_uint_gt(record.bytes, bytes);
    ck_assert(has("STINT_BIG=xxx"));
    ck_assert(receive());
    ck_assert(has("MESSAGE=after: it\n"));
    free(big);
}
END_TEST

START_TEST(without_journald_the_stream_has_the_lines)
{
    open_native(&(struct journal_options){0});
    journal_say(journal, LOG_LEVEL_INFO, "first", "to journald");
    ck_assert(receive());
    close_journald();
    journal_say(journal, LOG_LEVEL_WARNING, "second", "to the stream");
    journal_say(journal, LOG_LEVEL_INFO, "third", "to the stream");
    take();
    ck_assert_int_eq(strncmp(text_str(&got), "ts=20", 5), 0);
    ck_assert_ptr_nonnull(strstr(
        text_str(&got), "Z level=warning event=second msg=\"second: to the stream\"\nts=20"));
    ck_assert_ptr_nonnull(
        strstr(text_str(&got), " level=info event=third msg=\"to the stream\"\n"));
    open_journald();
    journal->sink.native.retry_us = 0; /* a while later */
    journal_say(journal, LOG_LEVEL_INFO, "fourth", "to journald");
    ck_assert(receive());
    ck_assert(has("STINT_EVENT=fourth\n"));
    close_journald();
    open_journald(); /* a new one, and nobody noticed */
    journal_say(journal, LOG_LEVEL_INFO, "fifth", "to journald");
    ck_assert(receive());
    ck_assert(has("STINT_EVENT=fifth\n"));
}
END_TEST

START_TEST(what_waited_for_a_journald_that_died_goes_to_the_stream)
{
    int sent = 0, lines = 0;

    open_native(&(struct journal_options){0});
    for (int i = 0; i < 100; i++)
        journal_say(journal, LOG_LEVEL_INFO, "count", "%d \xff", i);
    for (; sent < 3; sent++)
        ck_assert(receive());
    close_journald();
    take_all();
    for (const char *at = text_str(&got); *at; at = strchr(at, '\n') + 1, lines++)
        ck_assert_int_eq(strncmp(at, "ts=20", 5), 0);
    ck_assert_int_gt(lines, 10);
    ck_assert_ptr_nonnull(strstr(text_str(&got), "msg=\"count: 99 ?\"\n"));
}
END_TEST

/* @upto_put: the process before was killed in the middle of a write of all it had. */
static int
leave_behind(bool upto_put)
{
    struct journal_memory m;
    int ring = fcntl(journal_ring_fd(journal), F_DUPFD_CLOEXEC, 3);

    ck_assert_int_ge(ring, 3);
    ck_assert_int_eq(
        journal_memory_open(&m, fcntl(ring, F_DUPFD_CLOEXEC, 3), MEMORY_QUEUE_MIN, NULL), 0);
    ck_assert_uint_lt(shared_load(&m.header->queue.done), shared_load(&m.header->queue.put));
    if (upto_put)
        shared_store(&m.header->queue.trying, shared_load(&m.header->queue.put));
    journal_memory_close(&m);
    return ring;
}

START_TEST(a_datagram_that_may_have_been_sent_says_so)
{
    const struct journal_origin from = {.service = "web", .stream = "stdout"};
    struct journal *before;
    int ring;

    open_native(&(struct journal_options){0});
    journal_output(journal, &from, "one", 3, 0); /* waits for the loop */
    ring = leave_behind(true);
    before = journal;
    open_native(&(struct journal_options){.ring_fd = ring});
    journal_say(journal, LOG_LEVEL_INFO, "two", "2");
    ck_assert(receive());
    ck_assert(has("\nMESSAGE=one\nSTINT_REPEATED=1\n"));
    ck_assert(receive());
    ck_assert(has("\nMESSAGE=two: 2\n"));
    ck_assert(!has("REPEATED"));
    journal_destroy(before);
}
END_TEST

START_TEST(lines_that_may_have_been_written_are_announced)
{
    const struct journal_origin from = {.service = "web", .stream = "stdout"};
    struct journal *before;
    char want[128];
    size_t bytes;
    int ring;

    open_native(&(struct journal_options){.format = LOG_LOGFMT});
    journal_output(journal, &from, "one", 3, 0);
    journal_output(journal, &from, "two", 3, 0);
    bytes = journal_queue_bytes(&journal->sink.queue) - 2 * (size_t)QUEUE_HEAD_BYTES;
    ring = leave_behind(_i);
    before = journal;
    open_native(&(struct journal_options){.format = LOG_LOGFMT, .ring_fd = ring});
    take();
    (void)snprintf(want, sizeof(want), " event=log_repeated bytes=%zu msg=", bytes);
    ck_assert_int_eq(strstr(text_str(&got), want) != NULL, _i);
    ck_assert_int_eq(got.data[0] == '\n', _i); /* ends what may be half a line */
    ck_assert_ptr_nonnull(strstr(text_str(&got), "msg=one\nts=20"));
    ck_assert_ptr_nonnull(strstr(text_str(&got), "msg=two\n"));
    journal_destroy(before);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("journal_native");
    TCase *tc = tcase_create("native");

    tcase_add_checked_fixture(tc, set_up_native, tear_down_native);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, an_event_is_a_datagram_with_its_fields);
    tcase_add_test(tc, a_workers_line_is_the_message_whatever_its_bytes);
    tcase_add_test(tc, only_a_stream_of_the_journal_is_taken_for_one);
    tcase_add_test(tc, a_slow_journald_gets_all_in_order);
    tcase_add_test(tc, what_is_too_large_for_the_socket_goes_as_a_sealed_file);
    tcase_add_test(tc, without_journald_the_stream_has_the_lines);
    tcase_add_test(tc, what_waited_for_a_journald_that_died_goes_to_the_stream);
    tcase_add_test(tc, a_datagram_that_may_have_been_sent_says_so);
    tcase_add_loop_test(tc, lines_that_may_have_been_written_are_announced, 0, 2);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
