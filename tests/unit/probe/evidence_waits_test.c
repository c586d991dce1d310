/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a blocked thread waits for, by the kernel's word. */
#include "supervisor/probe/evidence.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "tests/unit/probe/evidence_fixture.h"

static pthread_mutex_t taken = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;

static void *
locks(void *arg)
{
    (void)pthread_mutex_lock(&taken);
    return arg;
}

static void *
waits(void *arg)
{
    pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;

    (void)pthread_mutex_lock(&own);
    for (;;)
        (void)pthread_cond_wait(&never, &own);
    return arg;
}

static void *
polls(void *arg)
{
    (void)poll(NULL, 0, -1);
    return arg;
}

static void *
epolls(void *arg)
{
    struct epoll_event e;

    (void)epoll_wait(epoll_create1(EPOLL_CLOEXEC), &e, 1, -1);
    return arg;
}

static void *
accepts(void *arg)
{
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr any = {.sa_family = AF_UNIX};

    (void)bind(s, &any, sizeof(any.sa_family)); /* a name of the kernel's choice */
    (void)listen(s, 1);
    (void)accept(s, NULL, NULL);
    return arg;
}

static void *
spins(void *arg)
{
    for (volatile unsigned i = 0;; i++)
        ;
    return arg;
}

static void
a_life_of_waiting(void)
{
    (void)pthread_mutex_lock(&taken);
    for (void *(*const *body)(void *) =
             (void *(*const[])(void *)){locks, waits, polls, epolls, accepts, spins, NULL};
         *body; body++)
        (void)start(*body);
    (void)naps(NULL);
}

static bool
has_wait(const struct evidence *e, const char *class, const char *word)
{
    for (size_t i = 0; i < e->n; i++)
        if (strcmp(e->threads[i].wait_class, class) == 0 && strstr(e->threads[i].wait, word))
            return true;
    return false;
}

START_TEST(each_wait_has_its_class)
{
    static const char *const want[][2] = {
        {"futex",   "a mutex at 0x"              },
        {"futex",   "a condition or semaphore"   },
        {"poll",    "poll"                       },
        {"epoll",   "→ anon_inode:[eventpoll])"},
        {"accept",  "→ socket:["               },
        {"sleep",   "nanosleep"                  },
        {"running", ""                           }
    };
    int64_t deadline_us = mono_now_us() + 20 * US_PER_S;
    size_t found = 0;

    worker_start(a_life_of_waiting);
    while (found < sizeof(want) / sizeof(want[0])) {
        struct evidence *e;

        ck_assert_int_eq(evidence_collect(worker, -1, mono_now_us(), &e, NULL), 0);
        if (has_wait(e, want[found][0], want[found][1]))
            found++;
        evidence_destroy(e);
        ck_assert_msg(mono_now_us() < deadline_us, "nobody was seen in '%s'", want[found][0]);
    }
    ck_assert_int_eq(kill(worker, SIGSTOP), 0);
    struct evidence *e = await("stopped by a signal or a debugger"); /* it works then too */

    evidence_destroy(e);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("evidence_waits");
    TCase *t = tcase_create("evidence_waits");

    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, each_wait_has_its_class);
    suite_add_tcase(s, t);
    return unit_main(s);
}
