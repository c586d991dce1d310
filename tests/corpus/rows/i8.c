/* SPDX-License-Identifier: GPL-2.0-or-later */

/* I: threads of OpenMP, which are the runtime's, and what they do is the program's. */
#ifdef CORPUS_OPENMP
#include <omp.h>
#include <sys/socket.h>

#include "tests/corpus/corpus.h"

/* I86: the first of a team does not come to the end of its part, and the others wait there. */
static int i86_pair[2];

static NOINLINE void
i86_part(int i)
{
    char c[16];

    here();
    if (i == 0)
        (void)recv(i86_pair[0], c, sizeof(c), 0);
    NOT_THE_LAST();
}

static NOINLINE THREAD_RESULT
i86_compute(void *arg)
{
    (void)arg;
#pragma omp parallel num_threads(3)
    i86_part(omp_get_thread_num());
    LEAVE;
}

void
row_I86(void)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, i86_pair) == -1)
        return;
    (void)spawn(root(), "i86-compute", i86_compute, NULL);
    all_here(3);
    serve();
    if (fixed)
        (void)shutdown(i86_pair[1], SHUT_RDWR);
    join_all();
}

/* I87: a team that has nothing to do is nobody's fault; somebody else does not leave. */
static NOINLINE void
i87_sum(void)
{
#pragma omp parallel num_threads(4)
    here();
}

static NOINLINE THREAD_RESULT
i87_deaf(void *arg)
{
    char c[16];

    i87_sum();
    here();
    (void)recv(*(int *)arg, c, sizeof(c), 0);
    LEAVE;
}

void
row_I87(void)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, i86_pair) == -1)
        return;
    i87_sum(); /* the first thread has one, too */
    (void)spawn(root(), "i87-deaf", i87_deaf, &i86_pair[0]);
    all_here(9);
    serve();
    if (fixed)
        (void)shutdown(i86_pair[1], SHUT_RDWR);
    join_all();
}

/* I88: a trap: a service with a team, while it serves. */
void
row_I88(void)
{
    i87_sum();
    serve();
}
#endif
