/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "worker-api/prof.h"
#include "worker-api/state.h"
#include "worker-api/wait.h"

static struct sigaction previous; /* what SIGTERM did before us */

static void
on_sigterm(int signo, siginfo_t *info, void *context)
{
    int saved = errno;

    stint_token_cancel_signal(&stn_root.head);
    if (previous.sa_flags & SA_SIGINFO)
        previous.sa_sigaction(signo, info, context);
    else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN)
        previous.sa_handler(signo);
    errno = saved;
}

/*
 * ThreadSanitizer (seen with that of gcc 12) makes a thread's room for signals in its first call that
 * may block, and loses a signal that comes while it does. So that call is now: a SIGTERM right behind
 * READY, when the first wait begins, would never be seen.
 */
static void
make_room_for_signals(void)
{
#if defined(__SANITIZE_THREAD__)
    (void)poll(NULL, 0, 0); /* returns at once */
#endif
}

static int
sigterm_install(void)
{
    struct sigaction ours = {.sa_sigaction = on_sigterm,
                             .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    bool chains;

    make_room_for_signals();
    if (sigaction(SIGTERM, NULL, &previous) == -1)
        return -errno;
    chains = (previous.sa_flags & SA_SIGINFO) ||
             (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN);
    if (chains && !(previous.sa_flags & SA_RESTART))
        ours.sa_flags &= ~SA_RESTART; /* that program's calls are meant to be interrupted */
    ours.sa_mask = previous.sa_mask;  /* what the chained handler counts on */
    return sigaction(SIGTERM, &ours, NULL) == -1 ? -errno : 0;
}

static void
before_fork(void)
{
    stn_lock_take(&stn.channel);
    stn_tree_take();
    stn_lock_take(&stn.slots);
}

static void
after_fork_parent(void)
{
    stn_lock_give(&stn.slots);
    stn_tree_give();
    stn_lock_give(&stn.channel);
}

/*
 * Only async-signal-safe calls: the parent may have had other threads inside malloc. All locks are
 * held. @whole: nobody was changing the tree, so that it can be walked.
 */
static void
become_child(bool whole)
{
    if (stn.alive)
        *stn.alive = 1;
    stn_ids_forget();
    stn.notify[0] = '\0';
    if (stn.nudge_fd >= 0)
        stn_close(stn.nudge_fd);
    stn.nudge_fd = -1;
    stn_channel_after_fork();
    stn_gate_after_fork();
    stn_turns_after_fork();
    stn_prof_after_fork();
    stn_registry_after_fork();
    if (whole) {
        stn_tokens_after_fork();
        stn_callbacks_after_fork();
    }
    stn_lock_give(&stn.slots);
    stn_threads_after_fork(whole);
    stn_tree_give();
    stn_lock_give(&stn.channel);
    if (whole)
        stn_tokens_unsignal();
}

static void
after_fork_child(void)
{
    sigset_t all, before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* no handler half way; cannot fail */
    become_child(true);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/*
 * A child made by clone() itself, as some language runtimes do: found out by its first call that does
 * more than read. Locks that were held belong to threads that are not here. If somebody was changing
 * the tree of tokens at that very moment, threads and descriptors of tokens are not set right.
 */
void
stn_forked(void)
{
    sigset_t all, before;
    bool whole = stn.tree.word == 0;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    stn.tree.word = stn.slots.word = stn.channel.word = 1;
    become_child(whole);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* An old kernel without MADV_WIPEONFORK has fork handlers only. */
static void
watch_for_forks(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint32_t *word;

    if (stn.alive)
        return;
    word = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (word == MAP_FAILED)
        return;
    if (madvise(word, page, MADV_WIPEONFORK) == -1) {
        (void)munmap(word, page);
        return;
    }
    *word = 1;
    stn.alive = word;
    stn.wiped = (char *)word + CACHE_LINE;
}

/*
 * Under Yama only ancestors may look into a process, unless it names somebody: the keeper, whose
 * descendants may then, too. Elsewhere there is no such call, and no need.
 */
static void
name_tracer(void)
{
    const char *text = getenv("STINT_PTRACER");
    char *end = NULL;
    long pid = text ? strtol(text, &end, 10) : 0;

    if (!text)
        return;
    if (*end == '\0' && pid > 0)
        (void)prctl(PR_SET_PTRACER, pid, 0, 0, 0); /* EINVAL: no Yama here */
    (void)unsetenv("STINT_PTRACER");
}

static bool
asks_for(const struct stint_options *options, unsigned flag)
{
    const size_t reach = offsetof(struct stint_options, flags) + sizeof(options->flags);

    return options && options->size >= reach && (options->flags & flag);
}

int
stint_init(const struct stint_options *options)
{
    static int channel = -1;
    int r = 0;

    if (stn.initialised)
        return 0;
    if (!stn.registry) { /* else an attempt that failed has taken them already */
        channel = stn_environ_take_fd("STINT_CHANNEL");
        stn_environ_read();
        name_tracer();
        watch_for_forks();
        r = stn_registry_open(stn_environ_take_fd("STINT_REGISTRY"));
    }
    if (r == 0) /* now, so that a full table of descriptors is found now */
        r = stint_token_fd(&stn_root.head);
    if (r >= 0)
        r = stn_gate_open();
    if (r >= 0) {
        stn.trace.begin_ns = stn_span_begin(&stn.trace);
        r = stn_threads_init();
    }
    if (r == 0)
        r = -pthread_atfork(before_fork, after_fork_parent, after_fork_child);
    if (r == 0 && !asks_for(options, STINT_OPT_KEEP_SIGTERM))
        r = sigterm_install();
    if (r < 0)
        return r;
    stn.initialised = true;
    stn_heap_tell();
    stn_channel_open(channel);
    if (stn_channel_poll_fd() < 0)
        stn_gate_shut();
    if (stn_channel_poll_fd() >= 0 && atexit(stn_channel_bye) != 0)
        return -ENOMEM;
    if (stn.trace.begin_ns != 0 && atexit(stn_span_of_process) != 0)
        return -ENOMEM;
    return asks_for(options, STINT_OPT_LISTENER) ? stn_listener_start() : 0;
}
