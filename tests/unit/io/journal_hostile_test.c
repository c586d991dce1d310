/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the process before left may be anything: it is used as far as it makes sense, never further. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/io/journal_memory.h"
#include "tests/unit/io/journal_world.h"
#include "tests/unit/unit.h"

#define SEEDS 400

static char *image; /* of a memory with something of everything in it */
static size_t image_bytes;
static int ring;

static void
fill(int lines)
{
    struct journal_origin from = {.service = "web", .stream = "stdout"};
    char line[300];

    for (int i = 0; i < lines; i++) {
        from.service = i % 2 ? "web" : "db";
        memset(line, 'a' + i % 26, sizeof(line));
        journal_output(journal, &from, line, (size_t)(i * 7) % sizeof(line), 0);
        journal_say(journal, LOG_LEVEL_INFO, "event", "%.*s", i % 200, line);
    }
    journal_forget(journal, "db");
}

/* A journal whose reader sleeps, then its memory, which outlives it. */
static void
set_up_image(void)
{
    struct stat st;

    set_up();
    open_journal(&(struct journal_options){.fd = ends[1], .buffer_bytes = 65536});
    fill(5000); /* every ring goes around */
    ring = fcntl(journal_ring_fd(journal), F_DUPFD_CLOEXEC, 3);
    ck_assert_int_ge(ring, 3);
    journal_destroy(journal);
    journal = NULL;
    ck_assert_int_eq(fstat(ring, &st), 0);
    image_bytes = (size_t)st.st_size;
    image = malloc(image_bytes);
    ck_assert_ptr_nonnull(image);
    ck_assert_int_eq(pread(ring, image, image_bytes, 0), (ssize_t)image_bytes);
}

static void
tear_down_image(void)
{
    tear_down();
    free(image);
    ring = fd_close(ring);
}

static void
adopt(int fd)
{
    open_journal(&(struct journal_options){.fd = ends[1], .ring_fd = fd, .buffer_bytes = 65536});
}

/* Walk all that is kept, as readers do. */
static unsigned
read_all(void)
{
    auto_text struct text last = TEXT_INIT;
    struct journal_entry e = {0};
    uint64_t after = 0;
    unsigned n = 0, torn = 0;

    for (; journal_events_next(journal, after, &e) && e.seq > after; after = e.seq, n++)
        torn += strlen(e.json) != e.bytes;
    for (after = 0; journal_output_next(journal, NULL, after, &e) && e.seq > after; after = e.seq)
        torn += strlen(e.json) != e.bytes;
    journal_last_lines(journal, &(struct journal_query){.service = "web", .max = 100}, &last);
    ck_assert_uint_eq(torn, 0);
    return n;
}

static uint64_t
wild(void)
{
    static const uint64_t values[] = {
        0, 1, UINT64_MAX, UINT32_MAX, 1U << 31, UINT64_C(1) << 62, 65536, 4096};
    long pick = random() % 12;

    return pick < 8 ? values[pick] : (uint64_t)random() << (random() % 33);
}

/* Somewhere, and mostly where it hurts. */
static void
mutate(char *bytes, size_t n)
{
    const size_t slots = 4096 + 65536; /* of the events */
    long where = random() % 5;
    size_t room = where < 2 ? sizeof(struct journal_header) : where == 2 ? 65536 : n;
    size_t start = where == 2 ? (random() % 2 ? 4096 : slots) : 0;
    size_t at = start + (size_t)random() % (room - start > 8 ? room - 8 : 1) % (n - start - 8);
    uint64_t value = wild();

    if (where < 2)
        at = at / 8 * 8;
    if (random() % 2)
        memcpy(bytes + at, &value, sizeof(value));
    else
        bytes[at] = (char)(bytes[at] ^ (1 << (random() % 8)));
}

START_TEST(a_memory_that_was_scribbled_on_does_no_harm)
{
    char *bytes = malloc(image_bytes);

    ck_assert_ptr_nonnull(bytes);
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        srandom(seed);
        memcpy(bytes, image, image_bytes);
        for (long i = random() % 8; i >= 0; i--)
            mutate(bytes, image_bytes);
        ck_assert_int_eq(pwrite(ring, bytes, image_bytes, 0), (ssize_t)image_bytes);
        adopt(fcntl(ring, F_DUPFD_CLOEXEC, 3));
        (void)read_all();
        journal_say(journal, LOG_LEVEL_INFO, "alive", "seed %u", seed);
        fill(20);
        (void)read_all();
        take();
        journal_destroy(journal);
        journal = NULL;
        text_clear(&got);
    }
    free(bytes);
}
END_TEST

/* Once more in memory of its own, where every byte beyond is seen to be one too many. */
static void
use_queue(struct journal_queue_shared *shared, char *data, size_t room)
{
    char copy[512];
    struct journal_queue q;
    struct queue_item item;
    uint64_t doubt;

    (void)journal_queue_attach(&q, shared, data, room, &doubt);
    for (int i = 0; i < 40; i++) {
        uint64_t number = (uint64_t)i;

        while (!journal_queue_fits(&q, sizeof(number)) && journal_queue_item(&q, q.begin, &item)) {
            struct iovec part[2] = {0};
            unsigned n = journal_queue_parts(&q, item.at, item.end, part);
            size_t at = 0;

            for (unsigned k = 0; k < n; at += part[k].iov_len, k++)
                memcpy(copy + at, part[k].iov_base, part[k].iov_len);
            journal_queue_try(&q, item.end);
            journal_queue_done(&q, item.end);
        }
        if (!journal_queue_fits(&q, sizeof(number)))
            journal_queue_clear(&q);
        journal_queue_put(&q, QUEUE_NATIVE, 0, &number, sizeof(number));
    }
}

static void
use_ring(const struct journal_ring_area *area)
{
    struct journal_ring r;
    size_t bytes = 0;

    (void)journal_ring_attach(&r, area);
    for (uint64_t i = 0; i < 40; i++) {
        const struct journal_slot slot = {.seq = SHARED_MAX - 100 + i};

        for (unsigned k = 0; k < r.n; k++)
            bytes += strlen(journal_ring_service(&r, journal_ring_at(&r, k))) +
                     strlen(journal_ring_json(&r, journal_ring_at(&r, k)));
        (void)journal_ring_add(&r, &slot, "web", "0123456789012345", i % 17);
    }
    ck_assert_uint_gt(bytes, 0);
    journal_ring_finish(&r);
}

START_TEST(not_one_byte_beyond_is_touched)
{
    const size_t room = 200;
    struct journal_queue_shared *queue = calloc(1, sizeof(*queue));
    struct journal_ring_shared *shared = calloc(1, sizeof(*shared));
    struct journal_slot *slots = calloc(8, sizeof(*slots));
    char *data = calloc(1, room), *kept = calloc(1, room);
    struct {
        void *bytes;
        size_t n;
    } areas[] = {
        {queue,  sizeof(*queue)    },
        {shared, sizeof(*shared)   },
        {slots,  8 * sizeof(*slots)},
        {data,   room              },
        {kept,   room              },
    };

    const struct journal_ring_area area = {shared, slots, kept, room, 8, false};

    srandom(7);
    for (int i = 0; i < 50000; i++) {
        for (long k = random() % 3; k > 0; k--) {
            long which = random() % (long)ARRAY_LEN(areas);
            size_t at = (size_t)random() % (areas[which].n / 8) * 8;
            uint64_t value = wild() % (random() % 2 ? 256 : UINT64_MAX);

            memcpy((char *)areas[which].bytes + at, &value, random() % 2 ? 8 : 4);
        }
        use_queue(queue, data, room);
        use_ring(&area);
    }
    for (size_t i = 0; i < ARRAY_LEN(areas); i++)
        free(areas[i].bytes);
}
END_TEST

START_TEST(records_and_lines_do_not_overlap)
{
    struct journal_queue_shared queue = {0};
    struct journal_ring_shared shared = {0};
    struct journal_slot slots[2] = {
        {.seq = 1, .at = 16, .json = 3},
        {.seq = 2,        .service = 3        }
    };
    char data[200] = {0}, kept[200] = "web\0twelve bytes\0abc";
    const uint32_t longer_than_the_queue[2] = {392, QUEUE_TEXT};
    const struct journal_ring_area area = {&shared, slots, kept, sizeof(kept), 2, false};
    struct journal_queue q;
    struct journal_ring r;
    uint64_t doubt;

    memcpy(data, longer_than_the_queue, sizeof(longer_than_the_queue));
    shared_store(&queue.put, 400);
    ck_assert_int_eq(journal_queue_attach(&q, &queue, data, sizeof(data), &doubt), -EBADMSG);
    ck_assert(journal_queue_empty(&q));

    slots[1].json = 12; /* its NUL is the first byte of the one before */
    shared_store(&shared.put, 2);
    ck_assert_int_eq(journal_ring_attach(&r, &area), -EBADMSG);
    ck_assert_uint_eq(r.n, 0);
    journal_ring_finish(&r);
}
END_TEST

START_TEST(a_memory_nobody_touched_goes_on)
{
    const struct journal_header *h = (const void *)image;
    struct journal_entry e;
    uint64_t last, n;

    memcpy(&last, (const char *)h + offsetof(struct journal_header, last_event), sizeof(last));
    adopt(fcntl(ring, F_DUPFD_CLOEXEC, 3));
    ck_assert_ptr_null(strstr(text_str(&got), "log_memory"));
    ck_assert_uint_eq(journal_events_tail(journal, NULL, 0), last);
    n = read_all();
    ck_assert_uint_gt(n, 1000);
    ck_assert(journal_output_next(journal, "web", 0, &e));
    ck_assert_uint_eq(e.lost, 1);                          /* not all that there was */
    ck_assert(!journal_output_next(journal, "db", 0, &e)); /* forgotten stays forgotten */
    journal_say(journal, LOG_LEVEL_INFO, "next", "one");
    ck_assert(journal_events_next(journal, last, &e));
    ck_assert_uint_eq(e.seq, last + 1);
    ck_assert_ptr_nonnull(strstr(e.json, "\"event\":\"next\""));
    take_all();
    ck_assert_ptr_nonnull(strstr(text_str(&got), "event=log_dropped")); /* owed by the one before */
}
END_TEST

/* What is no memory of ours: each is closed, and a line says what is wrong with it. */
static int
no_memory(int which)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING), pair[2];

    ck_assert_int_ge(fd, 0);
    switch (which) {
    case 0: /* empty, and it might be cut at any time */
        return fd;
    case 1:
        ck_assert_int_eq(pwrite(fd, image, image_bytes, 0), (ssize_t)image_bytes);
        return fd; /* all there, not sealed */
    case 2:
        ck_assert_int_eq(pwrite(fd, image, image_bytes - 4096, 0), (ssize_t)image_bytes - 4096);
        break;
    case 3:
        image[8]++; /* the next version */
        ck_assert_int_eq(pwrite(fd, image, image_bytes, 0), (ssize_t)image_bytes);
        break;
    case 4:
        break;
    default:
        ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
        close(fd);
        close(pair[1]);
        return pair[0];
    }
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    return fd;
}

static const char *const reasons[] = {
    "no sealed memory", "no sealed memory", "not the size",
    "of version",       "is none",          "no sealed memory",
};

START_TEST(what_is_no_memory_of_ours_is_refused_and_said)
{
    int fd = no_memory(_i);
    struct stat was, is;

    ck_assert_int_eq(fstat(fd, &was), 0);
    take();
    text_clear(&got);
    adopt(fd);
    take();
    ck_assert_ptr_nonnull(strstr(text_str(&got), "level=warning event=log_memory"));
    ck_assert_msg(strstr(text_str(&got), reasons[_i]) != NULL, "%s", text_str(&got));
    ck_assert_int_ge(journal_ring_fd(journal), 0); /* a new one, for the next process */
    ck_assert_int_eq(fcntl(journal_ring_fd(journal), F_GET_SEALS) & 0xf,
                     F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW);
    ck_assert(fstat(fd, &is) == -1 || is.st_ino != was.st_ino || is.st_dev != was.st_dev);
}
END_TEST

START_TEST(without_shared_memory_there_is_a_log_all_the_same)
{
    struct rlimit limit = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY};

    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = 4096;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    take();
    text_clear(&got);
    adopt(-1);
    take();
    ck_assert_ptr_nonnull(strstr(text_str(&got), "event=log_memory"));
    ck_assert_int_eq(journal_ring_fd(journal), -1);
    fill(10);
    ck_assert_uint_gt(read_all(), 9);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("journal_hostile");
    TCase *tc = tcase_create("hostile");

    tcase_add_checked_fixture(tc, set_up_image, tear_down_image);
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, a_memory_that_was_scribbled_on_does_no_harm);
    tcase_add_test(tc, not_one_byte_beyond_is_touched);
    tcase_add_test(tc, records_and_lines_do_not_overlap);
    tcase_add_test(tc, a_memory_nobody_touched_goes_on);
    tcase_add_loop_test(tc, what_is_no_memory_of_ours_is_refused_and_said, 0,
                        (int)ARRAY_LEN(reasons));
    tcase_add_test(tc, without_shared_memory_there_is_a_log_all_the_same);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
