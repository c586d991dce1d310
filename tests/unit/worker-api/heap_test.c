/* SPDX-License-Identifier: MIT */
/* libstint-heap.so: what it counts in a program whose heap is known, and the mathematics of it. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "worker-api/heap/heap.h"

#define MEAN (UINT64_C(512) << 10)
#define BYTES \
    200e6 /* what a scene allocates (heap_guest.c): some 380 samples, so one in ten is 2 sigma … */
#define FINE "65536" /* … and some 3,000 with this mean */

START_TEST(the_distances_are_those_of_an_exponential_law)
{
    uint64_t state = 42;
    double sum = 0, squares = 0;
    unsigned below = 0;
    bool positive = true;
    const int n = 400000;

    for (int i = 0; i < n; i++) {
        double d = (double)heap_distance(&state, MEAN);

        positive &= d > 0;
        sum += d;
        squares += d * d;
        below += d < (double)MEAN;
    }
    ck_assert(positive);
    ck_assert_double_eq_tol(sum / n / (double)MEAN, 1, 0.01);
    ck_assert_double_eq_tol(squares / n / (double)MEAN / (double)MEAN, 2, 0.05);
    ck_assert_double_eq_tol((double)below / n, 1 - exp(-1), 0.005);
}
END_TEST

START_TEST(a_weight_is_one_over_the_probability)
{
    for (size_t bytes = 1; bytes < (size_t)1 << 34; bytes += bytes / 7 + 1) {
        double p = -expm1(-(double)bytes / (double)MEAN);

        ck_assert_double_eq_tol(heap_weight(bytes, MEAN) * p, 1, 1e-6);
    }
}
END_TEST

START_TEST(no_seed_is_given_twice)
{
    uint64_t seeds[64];

    for (size_t i = 0; i < 64; i++) {
        ck_assert((seeds[i] = heap_seed()) != 0);
        for (size_t k = 0; k < i; k++)
            ck_assert(seeds[k] != seeds[i]);
    }
}
END_TEST

/* What a scene's process said. */
struct said {
    double objects, bytes, objects_in_use, bytes_in_use;
    unsigned lines;
};

static FILE *
play(const char *scene, const char *mean, pid_t *ret_pid)
{
    int out[2];

    ck_assert_int_eq(pipe(out), 0);
    *ret_pid = fork();
    if (*ret_pid == 0) {
        (void)close(out[0]);
        if (dup2(out[1], 1) == -1 || setenv("LD_PRELOAD", HEAP, 1) != 0 ||
            setenv("STINT_HEAP_SAMPLE", mean, 1) != 0 || setenv("HEAP_GUEST_CXX", CXX, 1) != 0)
            _exit(126);
        (void)execl(GUEST, GUEST, scene, (char *)NULL);
        _exit(127);
    }
    (void)close(out[1]);
    return fdopen(out[0], "r");
}

/* The sums of @function until the line @end (NULL: the last). */
static struct said
read_until(FILE *from, const char *function, const char *end)
{
    struct said said = {0};
    char line[256], *at;
    double v[4];

    while (fgets(line, sizeof(line), from) && (!end || strcmp(line, end) != 0)) {
        ck_assert_msg(strncmp(line, "lost", 4) != 0 || strcmp(line, "lost 0 own 1\n") == 0, "%s",
                      line);
        if (strncmp(line, function, strlen(function)) != 0 || line[strlen(function)] != ' ')
            continue;
        at = line + strlen(function);
        for (int i = 0; i < 4; i++)
            v[i] = strtod(at, &at);
        ck_assert_str_eq(at, "\n");
        said.objects += v[0];
        said.bytes += v[1];
        said.objects_in_use += v[2];
        said.bytes_in_use += v[3];
        said.lines++;
    }
    return said;
}

static void
ended(FILE *from, pid_t pid)
{
    int status;

    (void)fclose(from);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

static struct said
scene(const char *name, const char *function)
{
    pid_t pid;
    FILE *from = play(name, FINE, &pid);
    struct said said = read_until(from, function, NULL);

    ended(from, pid);
    return said;
}

static void
near(double seen, double wanted)
{
    ck_assert_msg(fabs(seen - wanted) <= 0.1 * wanted, "%.0f instead of %.0f", seen, wanted);
}

START_TEST(what_is_kept_is_in_use)
{
    static const char *const names[] = {"keeps", "clears", "aligns"};
    struct said said = scene(names[_i], names[_i]);

    near(said.bytes, BYTES);
    near(said.objects, BYTES / 1000);
    ck_assert_double_eq_tol(said.bytes_in_use, said.bytes, 1);
    ck_assert_double_eq_tol(said.objects_in_use, said.objects, 1);
}
END_TEST

START_TEST(what_is_given_back_is_not)
{
    static const char *const names[][2] = {
        {"drops",     "drops" },
        {"returns",   "keeps" },
        {"elsewhere", "aligns"}
    };
    struct said said = scene(names[_i][0], names[_i][1]);

    near(said.bytes, BYTES);
    ck_assert_double_eq_tol(said.bytes_in_use, 0, 1);
    ck_assert_double_eq_tol(said.objects_in_use, 0, 0.01);
}
END_TEST

START_TEST(a_block_that_grows_is_given_back_and_allocated)
{
    struct said said = scene("grows", "grows");

    near(said.bytes, BYTES / 2 + BYTES / 4);
    near(said.bytes_in_use, BYTES / 2);
}
END_TEST

/* Of C++ the caller of malloc() is the operator: of a third each of the blocks, and one is given back. */
START_TEST(what_cxx_news_and_deletes_is_counted)
{
    struct said plain = scene("cxx", "_Znwm"), aligned = scene("cxx", "_ZnwmSt11align_val_t");

    near(plain.bytes, BYTES / 3 * 2);
    near(plain.bytes_in_use, BYTES / 3);
    near(aligned.bytes, BYTES / 3 * 0.896);
    ck_assert_double_eq_tol(aligned.bytes_in_use, aligned.bytes, 1);
}
END_TEST

START_TEST(threads_are_counted_together)
{
    struct said said = scene("threads", "one_of_many");

    near(said.bytes, 3 * BYTES);
    ck_assert_double_eq_tol(said.bytes_in_use, 0, 1);
}
END_TEST

START_TEST(a_child_goes_on_with_a_copy)
{
    pid_t pid;
    FILE *from = play("forks", FINE, &pid);
    struct said child = read_until(from, "drops", "parent\n"),
                parent = read_until(from, "keeps", NULL);

    ended(from, pid);
    near(child.bytes, BYTES);
    ck_assert_double_eq_tol(child.bytes_in_use, 0, 1);
    near(parent.bytes_in_use, BYTES);
}
END_TEST

START_TEST(the_usual_mean_is_512_kibibytes)
{
    pid_t pid;
    FILE *from = play("keeps", "nonsense", &pid);
    struct said said = read_until(from, "keeps", NULL);

    ended(from, pid);
    ck_assert_msg(fabs(said.bytes - BYTES) < 0.3 * BYTES, "%.0f", said.bytes);
}
END_TEST

START_TEST(other_programs_run_as_before)
{
    static const char *const commands[] = {
        "exec bash -c 'x=$(for i in 1 2 3; do echo $i; done | sort -r | head -n 1); test \"$x\" = "
        "3'",
        "exec perl -e '$a{$_} = \"x\" x $_ for 1..2000; exit(fork() == 0 ? 0 : (wait() > 0 ? 0 : "
        "1))'",
    };
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        if (setenv("LD_PRELOAD", HEAP, 1) == 0 && setenv("STINT_HEAP_SAMPLE", "1024", 1) == 0)
            (void)execl("/bin/sh", "sh", "-c", commands[_i], (char *)NULL);
        _exit(127);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("heap");
    TCase *law = tcase_create("law"), *guest = tcase_create("guest");

    tcase_add_test(law, the_distances_are_those_of_an_exponential_law);
    tcase_add_test(law, a_weight_is_one_over_the_probability);
    tcase_add_test(law, no_seed_is_given_twice);
    suite_add_tcase(s, law);
    tcase_set_timeout(law, 60);
    tcase_set_timeout(guest, 60);
    tcase_add_loop_test(guest, what_is_kept_is_in_use, 0, 3);
    tcase_add_loop_test(guest, what_is_given_back_is_not, 0, 3);
    tcase_add_test(guest, a_block_that_grows_is_given_back_and_allocated);
    tcase_add_test(guest, what_cxx_news_and_deletes_is_counted);
    tcase_add_test(guest, threads_are_counted_together);
    tcase_add_test(guest, a_child_goes_on_with_a_copy);
    tcase_add_test(guest, the_usual_mean_is_512_kibibytes);
    tcase_add_loop_test(guest, other_programs_run_as_before, 0, 2);
    suite_add_tcase(s, guest);
    return unit_main(s);
}
