/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/profile/fixture.h"

START_TEST(equal_stacks_with_equal_labels_are_one)
{
    auto_profile struct profile *p = a_profile();

    add(p, 0x400000, "work", 3, 7);
    add(p, 0x400000, "work", 4, 7);
    add(p, 0x400000, "work", 1, 8);
    add(p, 0x400000, "wait", 2, 7);
    ck_assert_uint_eq(profile_samples(p), 3);
    ck_assert_int_eq(profile_total(p, 0), 10);
    ck_assert_int_eq(profile_total(p, 1), 100000000);
}
END_TEST

START_TEST(what_was_written_is_what_is_read)
{
    auto_profile struct profile *p = a_profile(), *q = NULL, *r = NULL;
    auto_fd int one = -1, two = -1;
    struct profile_label l;
    char a[4096], b[4096];
    ssize_t n;

    add(p, 0x400000, "work", 3, 7);
    add(p, 0x400000, "wait", -2, INT64_MIN);
    profile_period(p, cpu_types[1], 10101010);
    profile_time(p, 1700000000000000000, 30000000000);
    ck_assert_int_eq(profile_comment(p, "%d seconds only", 3), 0);
    ck_assert_int_eq(profile_comment(p, "%d seconds only", 3), 0);
    q = again(p);
    ck_assert_uint_eq(profile_samples(q), 2);
    ck_assert_uint_eq(profile_types(q), 2);
    ck_assert_str_eq(profile_type_at(q, 1).unit, "nanoseconds");
    ck_assert_uint_eq(profile_type_find(q, NULL), 1);
    ck_assert_uint_eq(profile_type_find(q, "samples"), 0);
    ck_assert_uint_eq(profile_type_find(q, "heap"), SIZE_MAX);
    ck_assert_int_eq(profile_total(q, 0), 1);
    ck_assert_uint_eq(profile_comments(q), 1);
    ck_assert_str_eq(profile_comment_at(q, 0), "3 seconds only");
    ck_assert_int_eq(profile_duration_ns(q), 30000000000);
    ck_assert(profile_label_of(q, 0, "service", &l));
    ck_assert_str_eq(l.text, "web");
    ck_assert(profile_label_of(q, 1, "generation", &l));
    ck_assert_ptr_null(l.text);
    ck_assert_int_eq(l.number, INT64_MIN);
    ck_assert(profile_label_of(q, 0, "slot", &l));
    ck_assert(!profile_label_of(q, 0, "scope", &l));
    one = written(q);
    r = again(q);
    two = written(r);
    n = read(one, a, sizeof(a));
    ck_assert_int_gt(n, 0);
    ck_assert_int_eq(read(two, b, sizeof(b)), n);
    ck_assert_mem_eq(a, b, (size_t)n); /* and the same, to the byte */
}
END_TEST

START_TEST(values_stay_within_their_bounds)
{
    auto_profile struct profile *p = a_profile(), *q = a_profile();
    const int64_t much[] = {INT64_MAX, INT64_MIN};

    ck_assert_int_eq(profile_sample(p, NULL, 0, much, NULL, 0), 0);
    ck_assert_int_eq(profile_sample(p, NULL, 0, much, NULL, 0), 0);
    ck_assert_int_eq(profile_merge(q, p, -1), 0);
    ck_assert_uint_eq(profile_samples(q), 1);
    ck_assert_int_eq(profile_total(q, 0), -INT64_MAX);
    ck_assert_int_eq(profile_total(q, 1), INT64_MAX);
}
END_TEST

START_TEST(another_process_of_the_program_is_the_same_code)
{
    auto_profile struct profile *now = a_profile(), *before = a_profile(), *read = NULL;
    static const char *const forget[] = {"generation", NULL};

    add(before, 0x7f0000400000, "work", 5, 6);
    add(now, 0x7f0000900000, "work", 5, 7);
    add(now, 0x7f0000900000, "leak", 4, 7);
    ck_assert_int_eq(profile_merge(now, before, -1), 0);
    ck_assert_uint_eq(profile_samples(now), 3); /* the label tells them apart … */
    ck_assert_int_eq(profile_forget(now, forget), 0);
    ck_assert_uint_eq(profile_samples(now), 2); /* … and nothing else does */
    ck_assert_int_eq(profile_total(now, 0), 4);
    read = again(now);
    ck_assert_uint_eq(profile_samples(read), 1); /* what is 0 is not written */
}
END_TEST

START_TEST(other_types_are_not_added)
{
    auto_profile struct profile *p = a_profile(), *q = NULL;
    const struct profile_type threads = {"threads", "count"};

    ck_assert_int_eq(profile_new(&q, &threads, 1, NULL), 0);
    ck_assert_int_eq(profile_merge(p, q, 1), -EINVAL);
    ck_assert_int_eq(profile_new(&q, &threads, 0, NULL), -EINVAL);
}
END_TEST

START_TEST(a_deep_stack_is_cut_at_its_root)
{
    static struct profile_frame frames[PROFILE_FRAMES_MAX + 5];
    auto_profile struct profile *p = a_profile(), *q = NULL;
    const int64_t values[] = {1, 1};

    for (size_t i = 0; i < ARRAY_LEN(frames); i++)
        frames[i].address = 0x1000 + i;
    ck_assert_int_eq(profile_sample(p, frames, ARRAY_LEN(frames), values, NULL, 0), 0);
    q = again(p);
    ck_assert_uint_eq(profile_samples(q), 1);
}
END_TEST

/* ---- hostile bytes ------------------------------------------------------------------------------ */

static size_t
plain(const struct profile *p, unsigned char *to, size_t room)
{
    auto_fd int fd = written(p);
    char command[128];
    FILE *said;
    size_t n;

    (void)snprintf(command, sizeof(command), "gzip -dc </proc/%d/fd/%d", getpid(), fd);
    said = popen(command, "r");
    ck_assert_ptr_nonnull(said);
    n = fread(to, 1, room, said);
    ck_assert_int_eq(pclose(said), 0);
    return n;
}

START_TEST(what_is_cut_off_is_no_profile)
{
    auto_profile struct profile *p = a_profile();
    unsigned char bytes[4096];
    struct profile *q = NULL;
    size_t n, bad = 0;
    int r;

    add(p, 0x400000, "work", 3, 7);
    n = plain(p, bytes, sizeof(bytes));
    for (size_t i = 0; i < n; i++) {
        r = profile_read_bytes(&q, bytes, i, &why);
        bad += r == -EBADMSG;
        if (r == 0) /* cut between two fields at its end */
            profile_free(q);
        else
            ck_assert_int_eq(r, -EBADMSG);
    }
    ck_assert_uint_gt(bad, n - 20);
    ck_assert_int_eq(profile_read_bytes(&q, bytes, n, &why), 0);
    profile_free(q);
}
END_TEST

START_TEST(any_byte_may_be_another)
{
    auto_profile struct profile *p = a_profile();
    unsigned char bytes[4096];
    struct profile *q = NULL;
    size_t n;

    add(p, 0x400000, "work", 3, 7);
    add(p, 0x400000, "wait", 3, 7);
    n = plain(p, bytes, sizeof(bytes));
    for (size_t i = 0; i < n; i++)
        for (unsigned v = 0; v < 12; v++) {
            static const unsigned char others[] = {0x00, 0x7f, 0x80, 0xff};
            unsigned char was = bytes[i];
            int r;

            bytes[i] = (unsigned char)(v < 8 ? was ^ 1U << v : others[v - 8]);
            r = profile_read_bytes(&q, bytes, n, &why);
            ck_assert(r == 0 || (r == -EBADMSG && why.text[0] != '\0'));
            if (r == 0)
                profile_free(again(q)); /* and can be written and read again */
            if (r == 0)
                profile_free(q);
            bytes[i] = was;
        }
}
END_TEST

static void
refused(const char *bytes, size_t n, const char *sentence)
{
    struct profile *q = NULL;

    ck_assert_int_eq(profile_read_bytes(&q, bytes, n, &why), -EBADMSG);
    ck_assert_msg(strstr(why.text, sentence) != NULL, "%s", why.text);
}

#define REFUSED(bytes, sentence) refused(bytes, sizeof(bytes) - 1, sentence)
#define HEAD                     "\x0a\x04\x08\x01\x10\x01\x32\x00\x32\x01x"

START_TEST(the_sentence_says_what_is_wrong)
{
    struct profile *q = NULL;

    ck_assert_int_eq(profile_read_bytes(&q, HEAD, sizeof(HEAD) - 1, &why), 0);
    profile_free(q);
    REFUSED("", "no strings");
    REFUSED("\x32\x00", "have no types");
    REFUSED("\x0a\x04\x08\x01\x10\x01\x32\x01x\x32\x01x", "first string");
    REFUSED("\x0a\x04\x08\x07\x10\x01\x32\x00\x32\x01x", "type of its values");
    REFUSED(HEAD "\x12\x00", "fewer values");
    REFUSED(HEAD "\x12\x04\x12\x02\x01\x01", "more values");
    REFUSED(HEAD "\x12\x06\x0a\x01\x05\x12\x01\x01", "location that is not there");
    REFUSED(HEAD "\x22\x04\x08\x01\x10\x09", "no mapping 9");
    REFUSED(HEAD "\x22\x00", "has no number");
    REFUSED(HEAD "\x22\x02\x08\x01\x22\x02\x08\x01", "two locations");
    REFUSED(HEAD "\x2a\x04\x08\x01\x10\x63", "no string 99");
    REFUSED("\x0b", "cut off");
    REFUSED("\x1f\x8b\x08", "gzip");
    REFUSED("heap profile: 1: 2 [3: 4] @ heap_v2/524288\n", "of another kind");
}
END_TEST

START_TEST(a_bomb_is_not_unpacked)
{
    struct profile *q = NULL;
    FILE *said = popen("head -c 200000000 /dev/zero | gzip -1", "r");
    int r;

    ck_assert_ptr_nonnull(said);
    r = profile_read(&q, fileno(said), &why);
    (void)pclose(said);
    ck_assert_int_eq(r, -EFBIG);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("profile");
    TCase *t = tcase_create("profile");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, equal_stacks_with_equal_labels_are_one);
    tcase_add_test(t, what_was_written_is_what_is_read);
    tcase_add_test(t, values_stay_within_their_bounds);
    tcase_add_test(t, another_process_of_the_program_is_the_same_code);
    tcase_add_test(t, other_types_are_not_added);
    tcase_add_test(t, a_deep_stack_is_cut_at_its_root);
    tcase_add_test(t, what_is_cut_off_is_no_profile);
    tcase_add_test(t, any_byte_may_be_another);
    tcase_add_test(t, the_sentence_says_what_is_wrong);
    tcase_add_test(t, a_bomb_is_not_unpacked);
    suite_add_tcase(s, t);
    return unit_main(s);
}
