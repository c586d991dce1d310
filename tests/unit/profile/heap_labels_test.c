/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For whom a worker of libstint allocates: thread, scope, creator, and a trace for as long as there is room. */
#include "heap_stage.h"

#define EACH  100e6 /* of each function of heap_worker.c, and of each trace of serves() */
#define BODY  65536
#define COUNT 6000 /* of the requests */

/* What of a function has these labels; NULL: any. "": it has none. */
struct part {
    const struct profile *p;
    const char *function, *thread, *scope, *trace_id, *creator;
    int64_t sums[4];
    unsigned kinds;
};

static bool
is(const struct part *part, const struct profile_view *v, const char *key, const char *wanted)
{
    struct profile_label label = {.text = ""};

    if (!wanted)
        return true;
    if (!profile_label_of(part->p, v->sample, key, &label))
        return wanted[0] == '\0';
    return wanted[0] != '\0' && strstr(label.text, wanted) != NULL;
}

static int
see_part(void *env, const struct profile_view *v)
{
    struct part *part = env;
    bool inside = false;

    for (size_t i = 0; i < v->n_lines; i++)
        inside |= strcmp(v->lines[i].function, part->function) == 0;
    if (!inside || !is(part, v, "thread", part->thread) || !is(part, v, "scope", part->scope) ||
        !is(part, v, "trace_id", part->trace_id) || !is(part, v, "creator", part->creator))
        return 0;
    for (int i = 0; i < 4; i++)
        part->sums[i] += v->values[i];
    part->kinds++;
    return 0;
}

static struct part
part_of(const struct profile *p, struct part wanted)
{
    wanted.p = p;
    ck_assert_int_eq(profile_each(p, see_part, &wanted), 0);
    return wanted;
}

START_TEST(a_worker_of_libstint_says_for_whom_it_allocates)
{
    struct guest g = guest_start(HEAP, WORKER, "wait", "16384", "ready");
    auto_profile struct profile *p = NULL;
    struct error err = {0};
    struct part part, all;

    ck_assert_msg(take(g.pid, &p, &err) == 0, "%s", err.text);
    part = part_of(p, (struct part){.function = "serves",
                                    .thread = "filler",
                                    .scope = "root/conf",
                                    .trace_id = "0000000000000000000000000000aaaa",
                                    .creator = "heap_worker.c:"});
    near(part.sums[INUSE_SPACE], EACH);
    part = part_of(p, (struct part){.function = "serves", .trace_id = "bbbb", .creator = "main "});
    near(part.sums[INUSE_SPACE], EACH);
    ck_assert_uint_eq(part_of(p, (struct part){.function = "serves", .trace_id = ""}).kinds, 0);
    part = part_of(p, (struct part){.function = "mains", .thread = "main", .scope = "root"});
    near(part.sums[ALLOC_SPACE], EACH);
    part = part_of(p, (struct part){.function = "strangers",
                                    .thread = "foreign",
                                    .scope = "",
                                    .trace_id = "",
                                    .creator = ""});
    near(part.sums[INUSE_SPACE], EACH);
    /* More traces than there is room for: what is over gives way, what is in use does without. */
    all = part_of(p, (struct part){.function = "answers"});
    near(all.sums[ALLOC_SPACE], (double)BODY * COUNT);
    ck_assert_int_eq(all.sums[INUSE_SPACE], 0);
    all = part_of(p, (struct part){.function = "hoards", .scope = "root/conf"});
    near(all.sums[INUSE_SPACE], (double)BODY * COUNT);
    part = part_of(p, (struct part){.function = "hoards", .trace_id = "0002"});
    ck_assert_uint_ge(part.kinds, STINT_HEAP_STACKS / 4 - 8);
    ck_assert_uint_lt(part.kinds, STINT_HEAP_STACKS / 4 + 1);
    ck_assert(part.sums[INUSE_SPACE] < all.sums[INUSE_SPACE]);
    ck_assert(said(p, "are without their trace"));
    ck_assert(!said(p, "found no room"));
    ck_assert(!said(p, "without thread, scope and creator"));
    guest_end(&g);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("heap labels");
    TCase *t = tcase_create("labels");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_worker_of_libstint_says_for_whom_it_allocates);
    suite_add_tcase(s, t);
    return unit_main(s);
}
