/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A library of somebody else: it has heard of nobody, and its threads wait for work of their own. */
#include <pthread.h>
#include <stdlib.h>

void foreign_pool_start(unsigned n);

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;

static void *
foreign_pool_run(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&mutex);
    for (;;)
        (void)pthread_cond_wait(&work, &mutex);
    return NULL;
}

__attribute__((visibility("default"))) void
foreign_pool_start(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, foreign_pool_run, NULL) != 0)
            abort();
        (void)pthread_detach(thread);
    }
}
