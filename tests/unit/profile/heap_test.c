/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The heap of other processes: one that is known, one of a family, one that lies, one that has no sampler. */
#include <errno.h>
#include <math.h>
#include <sys/mman.h>

#include "heap_stage.h"

#define LABELS_AT 3392  /* in the one page of a liar, behind its stacks */
#define BYTES     200e6 /* what heap_guest allocates in a scene */

struct search {
    const struct profile *p;
    const char *function;
    int64_t sums[4];
    unsigned labelled;
};

static int
see(void *env, const struct profile_view *v)
{
    struct search *s = env;
    struct profile_label label;

    if (v->n_lines == 0 || strcmp(v->lines[0].function, s->function) != 0)
        return 0;
    ck_assert_ptr_nonnull(strstr(v->lines[0].file, "heap_guest.c"));
    for (int i = 0; i < 4; i++)
        s->sums[i] += v->values[i];
    s->labelled += profile_label_of(s->p, v->sample, "generation", &label) && label.number == 7;
    return 0;
}

static struct guest
play(const char *scene)
{
    return guest_start(HEAP, GUEST, scene, "65536", "lost");
}

START_TEST(what_a_worker_keeps_is_told_by_the_function_that_allocated_it)
{
    struct guest g = play("keeps");
    auto_profile struct profile *p = NULL;
    struct error err = {0};
    struct search s = {.function = "keeps"};

    ck_assert_msg(take(g.pid, &p, &err) == 0, "%s", err.text);
    s.p = p;
    ck_assert_int_eq(profile_each(p, see, &s), 0);
    near(s.sums[ALLOC_SPACE], BYTES);
    near(s.sums[ALLOC_OBJECTS], BYTES / 1000);
    near(s.sums[INUSE_SPACE], BYTES);
    near(s.sums[INUSE_OBJECTS], BYTES / 1000);
    ck_assert_uint_gt(s.labelled, 0);
    ck_assert_ptr_nonnull(strstr(profile_comment_at(p, 0), "one in 65536 bytes"));
    guest_end(&g);
}
END_TEST

START_TEST(what_it_gave_back_is_only_in_what_it_allocated)
{
    struct guest g = play("returns");
    auto_profile struct profile *p = NULL;
    struct error err = {0};
    struct search s = {.function = "keeps"};

    ck_assert_msg(take(g.pid, &p, &err) == 0, "%s", err.text);
    s.p = p;
    ck_assert_int_eq(profile_each(p, see, &s), 0);
    near(s.sums[ALLOC_SPACE], BYTES);
    ck_assert_int_eq(s.sums[INUSE_SPACE], 0);
    ck_assert_int_eq(s.sums[INUSE_OBJECTS], 0);
    guest_end(&g);
}
END_TEST

START_TEST(who_has_no_sampler_is_told_how_to_get_one)
{
    auto_profile struct profile *p = NULL;
    struct error err = {0};

    ck_assert_int_eq(take(getpid(), &p, &err), -ENODATA);
    ck_assert_ptr_nonnull(strstr(err.text, "profiling: {heap: true}"));
}
END_TEST

START_TEST(who_is_gone_is_gone)
{
    auto_profile struct profile *p = NULL;
    struct error err = {0};
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_int_eq(take(pid, &p, &err), -ESRCH);
    ck_assert(err.text[0] != '\0');
}
END_TEST

/* What a process may say that means no good. Return: what taking its heap has to come to. */
static int
lie(int which, struct stint_heap_anchor *a, struct stint_heap_stack *table)
{
    *a = (struct stint_heap_anchor){.magic = STINT_HEAP_MAGIC,
                                    .stack_bytes = sizeof(*table),
                                    .stacks = 8,
                                    .label_bytes = sizeof(struct stint_heap_label),
                                    .labels = 2,
                                    .label_table = (uint64_t)(uintptr_t)table + LABELS_AT,
                                    .table = (uint64_t)(uintptr_t)table,
                                    .mean_bytes = 1024,
                                    .pid = (uint32_t)getpid()};
    for (unsigned i = 0; i < 8; i++)
        table[i] = (struct stint_heap_stack){
            .n = 1, .objects = {1,  1},
                 .bytes = {1,  1},
                 .pcs = {0xdead}
        };
    switch (which) {
    case 0:
        a->magic++;
        return -EPROTO;
    case 1:
        a->stacks = UINT32_MAX;
        return -EPROTO;
    case 2:
        a->stack_bytes = 8;
        return -EPROTO;
    case 3:
        a->mean_bytes = 0;
        return -EPROTO;
    case 4:
        a->table = UINT64_MAX - 64;
        return -EFAULT;
    case 5:
        a->stacks = 4096; /* more than there are pages */
        return -EFAULT;
    case 6:
        table[0].n = UINT32_MAX;
        table[1].bytes[0] = NAN;
        table[2].bytes[1] = INFINITY;
        table[3].objects[0] = 1e300;
        table[4].objects[1] = -1e300;
        table[5].seq = 1;
        table[6].label = UINT32_MAX;
        table[7].label = 1;
        a->samples = a->lost = UINT64_MAX;
        a->start_ns = UINT64_MAX;
        memset((char *)table + LABELS_AT, 0x9b, sizeof(struct stint_heap_label)); /* no end */
        return 0;
    case 7:
        a->labels = UINT32_MAX;
        return -EPROTO;
    case 8:
        a->label_bytes = 1;
        return -EPROTO;
    case 9:
        a->label_table = 8;
        return -EFAULT;
    case 10:
        a->folds = 1; /* for ever */
        return 0;
    default:
        a->pid++;
        return 0;
    }
}

START_TEST(a_liar_costs_nothing_but_his_own_profile)
{
    auto_profile struct profile *p = NULL;
    struct error err = {0};
    int ready[2], r, wanted = 1;
    pid_t pid;

    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        int fd = memfd_create(STINT_HEAP_NAME, 0);
        void *page, *table;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (fd == -1 || ftruncate(fd, 4096) != 0)
            _exit(1);
        page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        /* One page, and nothing behind it. */
        table = mmap(NULL, (size_t)4 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED || table == MAP_FAILED ||
            mprotect(table, 4096, PROT_READ | PROT_WRITE) != 0)
            _exit(1);
        wanted = lie(_i, page, table);
        if (write(ready[1], &wanted, sizeof(wanted)) != sizeof(wanted))
            _exit(1);
        for (;;)
            (void)pause();
    }
    ck_assert_int_eq(read(ready[0], &wanted, sizeof(wanted)), sizeof(wanted));
    r = take(pid, &p, &err);
    ck_assert_msg(r == wanted, "%d instead of %d: %s", r, wanted, err.text);
    ck_assert(r == 0 || err.text[0] != '\0');
    ck_assert(_i != 10 || said(p, "sums were being moved"));
    if (_i == 6)
        ck_assert_int_eq(profile_total(p, INUSE_SPACE), 2); /* the two that are in order */
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("heap");
    TCase *t = tcase_create("heap");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, what_a_worker_keeps_is_told_by_the_function_that_allocated_it);
    tcase_add_test(t, what_it_gave_back_is_only_in_what_it_allocated);
    tcase_add_test(t, who_has_no_sampler_is_told_how_to_get_one);
    tcase_add_test(t, who_is_gone_is_gone);
    tcase_add_loop_test(t, a_liar_costs_nothing_but_his_own_profile, 0, 12);
    suite_add_tcase(s, t);
    return unit_main(s);
}
