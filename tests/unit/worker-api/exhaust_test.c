/* SPDX-License-Identifier: MIT */
/*
 * Every sequence of a few calls, on the library and on a model of it that is too simple to be wrong: after
 * each one both say the same of every token. STINT_DEPTH=6 goes further than 5, with a fourth token.
 */
#include <errno.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"
#include "worker-api/state.h"

#define TOKENS  4
#define DEEPEST 8

enum what { NEW, NEW_EXPIRED, DETACH, ANY, CANCEL, ASK, UNREF, REGISTER, REMOVE, KINDS };

struct op {
    enum what what;
    int a, b; /* tokens; -1 = none */
};

/* What should be. Names are "0", "1" and so on. */
struct model {
    int64_t deadline;       /* 1 = passed, STINT_NEVER */
    int parent, other;      /* it is cancelled with these; -1 = none */
    int above;              /* in its path */
    unsigned origin;        /* bits: those it may name, 0 = live */
    enum stint_cause cause; /* of an origin */
    bool held;              /* the test has a reference */
    bool registered, ran;
};

struct real {
    struct stint_token *token;
    struct stint_registration *registration;
    int ran;
};

static struct model model[TOKENS];
static struct real real[TOKENS];
static int n_tokens, most_tokens = 3;
static unsigned long sequences;

static void
ran(void *arg)
{
    ++*(int *)arg;
}

/* ---- The model --------------------------------------------------------------------------------- */

/* Whoever hangs on one that is cancelled is cancelled by the same. */
static void
spread(void)
{
    for (int turn = 0; turn < n_tokens; turn++)
        for (int i = 0; i < n_tokens; i++) {
            struct model *m = &model[i];
            const int up[] = {m->parent, m->other};

            for (int j = 0; j < 2 && m->origin == 0; j++)
                if (up[j] >= 0 && model[up[j]].origin) {
                    m->origin = model[up[j]].origin;
                    m->ran = m->registered;
                }
        }
}

static void
model_cancel(int i, enum stint_cause cause)
{
    if (model[i].origin)
        return;
    model[i].origin = 1u << i;
    model[i].cause = cause;
    model[i].ran = model[i].registered;
    spread();
}

static void
model_make(const struct op *op)
{
    struct model *m = &model[n_tokens++];
    const int64_t da = op->a >= 0 ? model[op->a].deadline : STINT_NEVER;
    const int64_t db = op->b >= 0 ? model[op->b].deadline : STINT_NEVER;

    *m = (struct model){.held = true, .parent = op->a, .other = op->b, .above = op->a};
    m->deadline = da < db ? da : db;
    if (op->what == NEW_EXPIRED)
        m->deadline = 1;
    if (op->what == DETACH) {
        m->parent = -1;
        m->deadline = STINT_NEVER;
    }
    spread();
    /* Of two that were cancelled in the same microsecond it may name either. */
    if (op->what == ANY && model[op->a].origin && model[op->b].origin)
        m->origin = model[op->a].origin | model[op->b].origin;
}

static void
model_do(const struct op *op)
{
    struct model *m = &model[op->a < 0 ? 0 : op->a];

    if (op->what <= ANY)
        model_make(op);
    else if (op->what == CANCEL)
        model_cancel(op->a, STINT_CAUSE_USER);
    else if (op->what == ASK && m->deadline == 1)
        model_cancel(op->a, STINT_CAUSE_DEADLINE);
    else if (op->what == UNREF)
        m->held = false;
    else if (op->what == REGISTER) {
        m->registered = true;
        m->ran = m->origin != 0;
    } else if (op->what == REMOVE)
        m->registered = m->ran = false;
}

/* ---- The library -------------------------------------------------------------------------------- */

static struct stint_token *
real_make(const struct op *op, const char *name)
{
    struct stint_token *a = op->a >= 0 ? real[op->a].token : NULL;
    struct stint_token *both[] = {a, op->b >= 0 ? real[op->b].token : NULL};

    if (op->what == NEW_EXPIRED)
        return stint_token_with_deadline(a, name, 1);
    if (op->what == DETACH)
        return stint_token_detach(a, name);
    if (op->what == ANY)
        return stint_token_any(both, 2, name);
    return stint_token_new(a, name);
}

static void
real_do(const struct op *op)
{
    struct real *r = &real[op->a < 0 ? 0 : op->a];
    const char name[] = {(char)('0' + n_tokens), '\0'};

    if (op->what <= ANY) {
        real[n_tokens] = (struct real){.token = real_make(op, name)};
        ck_assert_ptr_nonnull(real[n_tokens].token);
    } else if (op->what == CANCEL) {
        ck_assert_int_eq(stint_token_cancel(r->token, STINT_CAUSE_USER, "why"),
                         model[op->a].origin == 0);
    } else if (op->what == ASK) {
        (void)stint_token_err(r->token);
    } else if (op->what == UNREF) {
        stint_token_unref(r->token);
    } else if (op->what == REGISTER) {
        r->ran = 0;
        r->registration = stint_token_on_cancel(r->token, ran, &r->ran);
    } else if (op->what == REMOVE) {
        ck_assert_int_eq(stint_registration_remove(r->registration), !model[op->a].ran);
        r->ran = 0;
    }
}

/* ---- Side by side ------------------------------------------------------------------------------ */

static void
compare(int i)
{
    struct stint_cancel_info info = {.size = sizeof(info)};
    const struct model *m = &model[i];
    char path[64], should[64];
    size_t at = sizeof(should) - 1;

    ck_assert_int_eq(real[i].ran, m->ran);
    if (!m->held)
        return;
    ck_assert_int_eq(stint_token_cancelled(real[i].token), m->origin != 0);
    ck_assert(stint_token_deadline(real[i].token) == m->deadline);
    (void)stint_token_cause(real[i].token, &info);
    ck_assert_int_eq(info.cause != STINT_CAUSE_NONE, m->origin != 0);
    if (m->origin) {
        const int origin = info.origin[0] - '0';
        const bool user = model[origin].cause == STINT_CAUSE_USER;

        ck_assert_int_ne((int)(m->origin >> origin & 1), 0);
        ck_assert_uint_eq(info.cause, model[origin].cause);
        ck_assert_str_eq(info.text, user ? "why" : "deadline passed");
        ck_assert_int_eq(stint_token_err(real[i].token), user ? -ECANCELED : -ETIMEDOUT);
    }
    should[at] = '\0';
    for (int up = i; up >= 0; up = model[up].above) {
        should[--at] = (char)('0' + up);
        should[--at] = '/';
    }
    (void)stint_token_path(real[i].token, path, sizeof(path));
    ck_assert_str_eq(path, should + at + 1);
}

static void
play(const struct op *ops, int n)
{
    n_tokens = 0;
    for (int i = 0; i < n; i++) {
        real_do(&ops[i]);
        model_do(&ops[i]);
    }
    for (int i = 0; i < n_tokens; i++)
        compare(i);
    for (int i = 0; i < n_tokens; i++) {
        if (model[i].registered)
            ck_assert_int_eq(stint_registration_remove(real[i].registration), !model[i].ran);
        if (model[i].held)
            stint_token_unref(real[i].token);
    }
    ck_assert(stn_top.child == &stn_root && !stn_root.next &&
              !stn_root.child); /* nothing is left */
    sequences++;
}

/* Whether it makes sense now: what the contract allows. */
static bool
allowed(const struct op *op)
{
    const bool a = op->a >= 0 && model[op->a].held, b = op->b >= 0 && model[op->b].held;

    if (op->what <= ANY && n_tokens == most_tokens)
        return false;
    if (op->what == ANY)
        return a && b;
    if (op->b >= 0)
        return false;
    if (op->what == NEW || op->what == NEW_EXPIRED)
        return op->a < 0 || a;
    if (op->what == REGISTER)
        return a && !model[op->a].registered;
    if (op->what == REMOVE)
        return op->a >= 0 && model[op->a].registered;
    return a;
}

/* @n of @ops are set, and played. The model says what may follow: it is played anew for that. */
static void
further(struct op *ops, int n, int depth)
{
    if (n == depth)
        return;
    for (int kind = 0; kind < KINDS; kind++)
        for (int a = -1; a < TOKENS; a++)
            for (int b = -1; b < (kind == ANY ? TOKENS : 0); b++) {
                ops[n] = (struct op){(enum what)kind, a, b};
                n_tokens = 0;
                for (int i = 0; i < n; i++)
                    model_do(&ops[i]);
                if (a >= n_tokens || b >= n_tokens || !allowed(&ops[n]))
                    continue;
                play(ops, n + 1);
                further(ops, n + 1, depth);
            }
}

START_TEST(every_short_sequence_does_what_the_model_does)
{
    const char *told = getenv("STINT_DEPTH");
    const long depth = told ? strtol(told, NULL, 10) : 5;
    struct op ops[DEEPEST];

    if (told)
        most_tokens = TOKENS;
    ck_assert(depth > 0 && depth <= DEEPEST);
    further(ops, 0, (int)depth);
    ck_assert_uint_gt(sequences, 1000);
    if (told)
        printf("%lu sequences of up to %ld calls\n", sequences, depth);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("exhaust");
    TCase *all = tcase_create("all sequences");

    tcase_set_timeout(all, getenv("STINT_DEPTH") ? 3600 : 110);
    tcase_add_test(all, every_short_sequence_does_what_the_model_does);
    suite_add_tcase(suite, all);
    return unit_main(suite);
}
