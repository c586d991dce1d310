/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>

#include "worker-api/state.h"
#include "worker-api/wait.h"

static bool
is_done(const struct stint_thread *thread)
{
    return __atomic_load_n(&thread->done, __ATOMIC_ACQUIRE) == STN_DONE;
}

/* Somebody who is waited for for ever keeps his waiter too: the waiter's slot says whom to blame. */
static struct stint_block
enter(const struct stint_thread *thread)
{
    static uint32_t site;
    uint32_t tid = __atomic_load_n(&thread->tid, __ATOMIC_RELAXED);

    return stn_block_enter(&site, STINT_SITE_JOIN, "join", tid ? tid : stn_tid_of(thread->thread));
}

static int
wait_until_done(struct stint_thread *thread, struct token *token, int64_t abs_us)
{
    struct stint_block block = enter(thread);
    uint32_t runs = STN_RUNS;
    int err;

    (void)__atomic_compare_exchange_n(&thread->done, &runs, STN_AWAITED, false, __ATOMIC_ACQ_REL,
                                      __ATOMIC_ACQUIRE); /* or done, or asked for before */
    while ((err = stint_token_err(token ? &token->head : NULL)) == 0 && !is_done(thread) &&
           stint_now_us() < abs_us)
        stn_word_wait(&thread->done, STN_AWAITED, token, abs_us); /* all ends are looked at above */
    stint_block_leave(&block);
    return err < 0 || is_done(thread) ? err : -ETIMEDOUT;
}

/* Without a limit libc's own wait does: it sleeps once, where ours sleeps for the word and then for the end. */
static void
join_for_ever(const struct stint_thread *thread)
{
    struct stint_block block = enter(thread);

    (void)pthread_join(thread->thread, NULL); /* ours and joinable */
    stint_block_leave(&block);
}

int
stint_thread_join(struct stint_thread *thread, struct stint_token *token, int64_t abs_us)
{
    int r;
    bool for_ever;

    if (!thread)
        return -EINVAL;
    if (thread == stn_self)
        return -EDEADLK;
    stn_entry();
    r = stint_token_err(token);
    for_ever = !token && abs_us == STINT_NEVER;
    if (r == 0 && !for_ever && !is_done(thread))
        r = wait_until_done(thread, token_of(token), abs_us);
    if (r < 0)
        return r;
    if (for_ever)
        join_for_ever(thread);
    else
        (void)pthread_join(thread->thread, NULL); /* ours, joinable, at its last instructions */
    stn_slot_settled(thread);
    stn_thread_put(thread);
    stn_callbacks_run();
    return 0;
}

void
stint_thread_detach(struct stint_thread *thread)
{
    if (!thread)
        return;
    (void)pthread_detach(thread->thread); /* ours and joinable */
    stn_slot_settled(thread);
    stn_thread_put(thread);
}
