/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Output as it is kept: as it came, and many lines at once as if they had come one by one. */
#include "base/mem.h"
#include "supervisor/io/journal_kept.h"
#include "supervisor/io/journal_state.h"
#include "tests/unit/io/journal_world.h"

#define LINES 3000
#define OWN   "0af7651916cd43dd8448eb211c80319c"
#define TRACE "1af7651916cd43dd8448eb211c80319c"

static char texts[LINES][256];
static struct journal_text lines[LINES];

/* Some with a trace of their own, of all lengths. */
static void
make_lines(void)
{
    for (size_t i = 0; i < LINES; i++) {
        size_t n = i * 37 % 200 + 8;

        (void)snprintf(texts[i], sizeof(texts[i]), "%06zu %0*d", i, (int)n, 0);
        lines[i] = (struct journal_text){
            .bytes = texts[i], .n = (uint32_t)strlen(texts[i]), .trace = i % 3 ? NULL : OWN};
    }
}

static const struct journal_origin from = {
    .service = "web", .generation = 7, .slot = 2, .pid = 4711, .stream = "stderr", .trace = TRACE};

/* All that is kept of "web" and "other", but for the times. */
static void
read_kept(struct text *out)
{
    struct journal_entry e = {0};

    for (uint64_t after = 0; journal_output_next(journal, NULL, after, &e); after = e.seq) {
        json_t *json = json_loadb(e.json, e.bytes, 0, NULL);

        ck_assert_ptr_nonnull(json);
        ck_assert_uint_eq((uint64_t)json_integer_value(json_object_get(json, "seq")), e.seq);
        ck_assert_int_eq(json_object_del(json, "ts"), 0);
        auto_free char *plain = json_dumps(json, JSON_COMPACT);
        text_addf(out, "%s %d %s\n", e.service, (int)e.lost, plain);
        json_decref(json);
    }
}

static void
print_other(const char *word)
{
    const struct journal_origin other = {.service = "other", .generation = 1, .stream = "stdout"};

    journal_output(journal, &other, word, strlen(word), 0);
}

/* A journal of a few lines of somebody else, then @n of "web", so many at a time. */
static void
keep(size_t n, size_t at_once, struct text *out, struct text *after)
{
    int ring;

    open_journal(&(struct journal_options){.fd = -1});
    print_other("before");
    for (size_t i = 0; i < n; i += at_once)
        journal_output_kept(journal, &from, lines + i, n - i < at_once ? n - i : at_once);
    print_other("behind");
    read_kept(out);
    ring = fcntl(journal_ring_fd(journal), F_DUPFD_CLOEXEC, 3);
    journal_destroy(journal);
    open_journal(&(struct journal_options){.fd = -1, .ring_fd = ring});
    read_kept(after);
    journal_destroy(journal);
    journal = NULL;
}

START_TEST(many_lines_at_once_are_kept_as_if_they_had_come_one_by_one)
{
    static const size_t sizes[] = {1, 7, 499, 500, 501, 700, 1500, 2047, 2048, 2049, LINES};

    make_lines();
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        auto_text struct text one = TEXT_INIT, many = TEXT_INIT, some = TEXT_INIT;
        auto_text struct text one_after = TEXT_INIT, many_after = TEXT_INIT, none = TEXT_INIT;

        keep(sizes[i], 1, &one, &one_after);
        keep(sizes[i], sizes[i], &many, &many_after);
        keep(sizes[i], 100, &some, &none);
        ck_assert_str_eq(text_str(&many), text_str(&one));
        ck_assert_str_eq(text_str(&some), text_str(&one));
        /* The next process: of "web" the same, and of "other" what a flood did not displace. */
        ck_assert_ptr_nonnull(strstr(text_str(&many_after), "behind"));
        ck_assert_ptr_nonnull(strstr(text_str(&many_after), strstr(text_str(&one_after), "web ")));
    }
}
END_TEST

START_TEST(a_line_is_shown_with_all_that_is_known_of_it)
{
    struct journal_origin of = from;
    struct journal_entry e;
    json_t *json;

    open_journal(&(struct journal_options){.fd = -1});
    journal_output(journal, &of, "a\0\"\xff", 4,
                   JOURNAL_OUTPUT_CUT | JOURNAL_OUTPUT_LAST | JOURNAL_OUTPUT_AGAIN |
                       JOURNAL_OUTPUT_KEPT);
    ck_assert(journal_output_next(journal, "web", 0, &e));
    ck_assert_uint_eq(e.generation, 7);
    ck_assert_int_eq(e.pid, 4711);
    ck_assert_ptr_nonnull(strstr(
        e.json, "\"level\":\"info\",\"event\":\"output\",\"service\":\"web\",\"gen\":7,\"slot\":2,"
                "\"pid\":4711,\"trace\":\"" TRACE "\",\"stream\":\"stderr\",\"cut\":true,"
                "\"unfinished\":true,\"repeated\":1,\"msg\":\"a\\u0000\\\"\xef\xbf\xbd\"}"));
    json = json_loadb(e.json, e.bytes, JSON_ALLOW_NUL, NULL);
    ck_assert_ptr_nonnull(json);
    json_decref(json);
}
END_TEST

START_TEST(lines_that_a_program_of_before_kept_are_shown_and_new_ones_behind_them)
{
    static const char old[] = "{\"seq\":1,\"event\":\"output\",\"msg\":\"old\"}";
    const struct journal_slot slot = {.seq = 1, .generation = 7, .pid = 4711};
    struct journal_entry e;
    int ring;

    open_journal(&(struct journal_options){.fd = -1});
    ck_assert(journal_ring_add(&journal->recent, &slot, "web", old, sizeof(old) - 1));
    shared_store(&journal->memory.header->last_output, 1);
    ring = fcntl(journal_ring_fd(journal), F_DUPFD_CLOEXEC, 3);
    journal_destroy(journal);
    open_journal(&(struct journal_options){.fd = -1, .ring_fd = ring});
    journal_output(journal, &from, "new", 3, 0);
    ck_assert(journal_output_next(journal, "web", 0, &e));
    ck_assert_str_eq(e.json, old);
    ck_assert(journal_output_next(journal, "web", 1, &e));
    ck_assert_uint_eq(e.seq, 2);
    ck_assert_ptr_nonnull(strstr(e.json, "\"msg\":\"new\"}"));
}
END_TEST

static uint64_t followed;
static struct text seen;

static void
on_woken(struct journal_watch *w)
{
    struct journal_entry e;

    (void)w;
    for (; journal_recent_next(journal, followed, &e); followed = e.seq) {
        ck_assert_uint_eq(e.seq, followed + 1);
        text_addf(&seen, "%s\n", strstr(e.json, "\"msg\":"));
    }
}

START_TEST(whoever_follows_meets_each_of_many_lines)
{
    struct journal_watch watch = {.woken = on_woken};
    auto_text struct text want = TEXT_INIT;

    make_lines();
    open_journal(&(struct journal_options){.fd = -1});
    journal_watch_add(journal, &watch);
    followed = 0;
    journal_output_kept(journal, &from, lines, LINES);
    for (size_t i = 0; i < LINES; i++)
        text_addf(&want, "\"msg\":\"%s\"}\n", texts[i]);
    ck_assert_uint_eq(followed, LINES);
    ck_assert_str_eq(text_str(&seen), text_str(&want));
    journal_watch_remove(&watch);
    text_finish(&seen);
}
END_TEST

/* Floods of three services between each other, some forgotten, and whoever reads at any time. */
static void
play(unsigned seed, bool one_by_one, struct text *out)
{
    static const char *const names[] = {"web", "a", "worker-of-a-long-name"};

    srandom(seed);
    open_journal(&(struct journal_options){.fd = -1});
    for (int i = 0; i < 60; i++) {
        struct journal_origin by = from;
        size_t n = (size_t)(random() % (random() % 3 ? 90 : 900)) + 1;
        size_t at = (size_t)random() % (LINES - n);
        long what = random() % 12;

        by.service = names[random() % 3];
        by.generation = (uint64_t)i + 1;
        if (what == 0)
            journal_forget(journal, by.service);
        else if (what == 1)
            read_kept(out);
        else if (what == 2)
            journal_last_lines(journal, &(struct journal_query){.service = by.service, .max = 3},
                               out);
        for (size_t k = 0; k < n; k += one_by_one ? 1 : n)
            journal_output_kept(journal, &by, lines + at + k, one_by_one ? 1 : n);
    }
    read_kept(out);
    text_addf(out, "%d\n", (int)journal_output_tail(journal, NULL, 700));
    journal_destroy(journal);
    journal = NULL;
}

START_TEST(floods_of_several_are_kept_as_if_their_lines_had_come_one_by_one)
{
    auto_text struct text one = TEXT_INIT, many = TEXT_INIT;

    make_lines();
    play((unsigned)_i, true, &one);
    play((unsigned)_i, false, &many);
    ck_assert_msg(strcmp(text_str(&many), text_str(&one)) == 0, "seed %d", _i);
}
END_TEST

/* Whatever lies behind an `R`, what is shown is one line of JSON. */
START_TEST(records_of_any_bytes_are_shown_as_json)
{
    char record[sizeof(struct kept_head) + 40];
    auto_text struct text out = TEXT_INIT;

    srandom(11);
    for (int i = 0; i < 20000; i++) {
        struct journal_slot slot = {.seq = 1};
        json_t *json;

        for (size_t k = 0; k < sizeof(record); k++)
            record[k] = (char)random();
        record[0] = KEPT_RAW;
        slot.json = (uint32_t)(sizeof(struct kept_head) + (size_t)random() % 41);
        text_clear(&out);
        kept_show(&slot, "web", record, &out);
        ck_assert_uint_eq(strlen(text_str(&out)), out.bytes);
        json = json_loadb(out.data, out.bytes, JSON_ALLOW_NUL, NULL);
        ck_assert_msg(json != NULL, "%s", text_str(&out));
        json_decref(json);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("journal_kept");
    TCase *tc = tcase_create("kept");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, many_lines_at_once_are_kept_as_if_they_had_come_one_by_one);
    tcase_add_test(tc, a_line_is_shown_with_all_that_is_known_of_it);
    tcase_add_test(tc, lines_that_a_program_of_before_kept_are_shown_and_new_ones_behind_them);
    tcase_add_loop_test(tc, floods_of_several_are_kept_as_if_their_lines_had_come_one_by_one, 0,
                        12);
    tcase_add_test(tc, whoever_follows_meets_each_of_many_lines);
    tcase_add_test(tc, records_of_any_bytes_are_shown_as_json);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
