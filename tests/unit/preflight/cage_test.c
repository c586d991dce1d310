/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end of a rehearsal: who is left behind is counted once, and only if it is the candidate's. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervisor/preflight/cage.h"
#include "tests/unit/unit.h"

static volatile sig_atomic_t interrupted =
    1; /* it has no service whose drain were to be waited for */

/* As a supervisor that leaves somebody behind: @left is its child, and says when it is ready. */
static pid_t
supervise(void (*left)(int ready), pid_t *ret_left)
{
    int ready[2];
    pid_t seen[2], supervisor;

    ck_assert_int_eq(pipe(ready), 0);
    supervisor = fork();
    ck_assert_int_ge(supervisor, 0);
    if (supervisor == 0) {
        (void)signal(SIGTERM, SIG_DFL); /* Check's handler would end the test */
        seen[0] = fork();
        if (seen[0] == 0)
            left(ready[1]);
        (void)!write(ready[1], &seen[0], sizeof(seen[0]));
        (void)pause();
        _exit(0);
    }
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(read(ready[0], &seen[i], sizeof(seen[i])), sizeof(seen[i]));
    ck_assert_int_eq(seen[0], seen[1]);
    *ret_left = seen[0];
    (void)close(ready[0]);
    (void)close(ready[1]);
    return supervisor;
}

static void
tell(int ready)
{
    pid_t self = getpid();

    (void)!write(ready, &self, sizeof(self));
}

static void
another_program(int ready)
{
    tell(ready);
    (void)execlp("sleep", "sleep", "1000", (char *)NULL);
    _exit(71);
}

static void
our_own_program(int ready)
{
    tell(ready);
    (void)pause();
    _exit(0);
}

static struct cage
cage(pid_t supervisor)
{
    static const struct preflight_hooks hooks = {.interrupted = &interrupted};

    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    return (struct cage){.hooks = &hooks, .supervisor = supervisor};
}

static void
await_comm(pid_t pid, const char *comm)
{
    char path[64], line[64] = "";

    (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    while (strncmp(line, comm, strlen(comm)) != 0) { /* Check's limit of time is ours */
        FILE *f = fopen(path, "r");

        ck_assert_ptr_nonnull(f);
        (void)!fgets(line, sizeof(line), f);
        (void)fclose(f);
    }
}

START_TEST(who_is_left_behind_and_dies_slowly_is_counted_once)
{
    pid_t left, supervisor = supervise(another_program, &left);
    struct cage c = cage(supervisor);
    char want[64];

    await_comm(left, "sleep");
    /* It stops on its way out, until we let go of it: as one that a busy machine is slow to end. */
    ck_assert_int_eq(ptrace(PTRACE_SEIZE, left, NULL, PTRACE_O_TRACEEXIT), 0);
    cage_stop(&c);
    (void)snprintf(want, sizeof(want), "pid %d (sleep)", (int)left);
    ck_assert_str_eq(text_str(&c.left_names), want);
    ck_assert_uint_eq(c.left_over, 1);
    ck_assert_int_eq(ptrace(PTRACE_DETACH, left, NULL, NULL), 0);
    ck_assert_int_eq(waitpid(left, NULL, 0), left);
    text_finish(&c.left_names);
}
END_TEST

START_TEST(what_the_supervisor_left_of_itself_is_ended_and_not_counted)
{
    pid_t left, supervisor = supervise(our_own_program, &left);
    struct cage c = cage(supervisor);

    cage_stop(&c);
    ck_assert_uint_eq(c.left_over, 0);
    ck_assert(kill(left, 0) == -1 && errno == ESRCH);
    text_finish(&c.left_names);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("cage");
    TCase *tc = tcase_create("cage");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, who_is_left_behind_and_dies_slowly_is_counted_once);
    tcase_add_test(tc, what_the_supervisor_left_of_itself_is_ended_and_not_counted);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
