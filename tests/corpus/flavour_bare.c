/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The bare flavour: pthreads, and what a careful program has for tokens without us. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "corpus.h"

#define TOKENS_MAX  4096
#define THREADS_MAX 8192

struct token {
    volatile sig_atomic_t cancelled;
    struct token *parent;
    int ends[2]; /* a pipe, once somebody asked for it; readable when cancelled */
};

struct scope {
    struct token *token;
};

struct thread {
    pthread_t id;
    bool over; /* joined, or let go */
};

static struct token tokens[TOKENS_MAX] = {{.ends = {-1, -1}}};
static unsigned n_tokens = 1;
static struct thread threads[THREADS_MAX];
static unsigned n_threads;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool
is_below(const struct token *t, const struct token *above)
{
    while (t && t != above)
        t = t->parent;
    return t != NULL;
}

/* AS-safe. */
static void
cancel(struct token *t)
{
    int saved = errno;

    t->cancelled = 1;
    for (unsigned i = 0; i < n_tokens; i++) {
        if (!is_below(&tokens[i], t))
            continue;
        tokens[i].cancelled = 1;
        if (tokens[i].ends[1] >= 0)
            (void)!write(tokens[i].ends[1], "!", 1);
    }
    errno = saved;
}

static void
on_term(int sig)
{
    (void)sig;
    cancel(&tokens[0]);
}

void
flavour_init(void)
{
    struct sigaction sa = {.sa_handler = on_term, .sa_flags = SA_RESTART};

    (void)token_fd(root());
    (void)sigaction(SIGTERM, &sa, NULL);
}

struct token *
root(void)
{
    return &tokens[0];
}

struct token *
token_new(struct token *parent, const char *name)
{
    struct token *t;

    (void)name;
    (void)pthread_mutex_lock(&lock);
    if (n_tokens == TOKENS_MAX)
        abort();
    t = &tokens[n_tokens];
    t->parent = parent;
    t->ends[0] = t->ends[1] = -1;
    t->cancelled = parent ? parent->cancelled : 0;
    n_tokens++;
    (void)pthread_mutex_unlock(&lock);
    return t;
}

void
token_cancel(struct token *t)
{
    cancel(t);
}

bool
token_cancelled(struct token *t)
{
    return t && t->cancelled;
}

int
token_fd(struct token *t)
{
    (void)pthread_mutex_lock(&lock);
    if (t->ends[0] == -1) {
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) == -1)
            abort();
        t->ends[0] = ends[0];
        t->ends[1] = ends[1];
        if (t->cancelled)
            (void)!write(t->ends[1], "!", 1);
    }
    (void)pthread_mutex_unlock(&lock);
    return t->ends[0];
}

/* A careful program without us looks every so often. */
bool
cond_wait_token(pthread_cond_t *cond, pthread_mutex_t *mutex, struct token *t)
{
    while (!token_cancelled(t)) {
        struct timespec until;
        int r;

        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 20000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        r = pthread_cond_timedwait(cond, mutex, &until);
        if (r == 0)
            return false;
    }
    return true;
}

/* ---- scopes: a token each ----------------------------------------------------------------------- */

struct scope *
scope_open(const char *name)
{
    struct scope *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->token = token_new(root(), name);
    return s;
}

struct scope *
generation_open(const char *label)
{
    return scope_open(label);
}

struct token *
scope_token(struct scope *s)
{
    return s->token;
}

void
scope_close(struct scope *s, int64_t grace_us)
{
    (void)grace_us;
    cancel(s->token);
}

void
generation_retire(struct scope *g, int64_t grace_us)
{
    (void)grace_us;
    cancel(g->token);
    free(g);
}

/* ---- threads ------------------------------------------------------------------------------------- */

struct thread *
spawn_at(struct scope *s, struct token *t, const char *name, const char *file, const char *function,
         unsigned line, thread_fn *fn, void *arg)
{
    struct thread *thread;
    pthread_attr_t attr;
    char comm[16];

    (void)t;
    (void)s;
    (void)file;
    (void)function;
    (void)line;
    (void)pthread_mutex_lock(&lock);
    if (n_threads == THREADS_MAX)
        abort();
    thread = &threads[n_threads++];
    (void)pthread_mutex_unlock(&lock);
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, (size_t)128 << 10);
    if (pthread_create(&thread->id, &attr, fn, arg) != 0)
        abort();
    (void)pthread_attr_destroy(&attr);
    (void)snprintf(comm, sizeof(comm), "%.15s", name);
    (void)pthread_setname_np(thread->id, comm);
    return thread;
}

void
join(struct thread *thread)
{
    thread->over = true;
    (void)pthread_join(thread->id, NULL);
    NOT_THE_LAST();
}

void
mine(struct thread *thread)
{
    thread->over = true;
}

void
let_go(struct thread *thread)
{
    thread->over = true;
    (void)pthread_detach(thread->id);
}

NOINLINE void
join_all(void)
{
    for (unsigned i = 0; i < n_threads; i++)
        if (!threads[i].over)
            join(&threads[i]);
}

/* ---- what it cannot say -------------------------------------------------------------------------- */

static void
notify(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (path && fd >= 0) {
        (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
        if (sendto(fd, text, strlen(text), 0, (const struct sockaddr *)&to, sizeof(to)) == -1)
            exit(91);
    }
    (void)close(fd);
}

void
say_ready(void)
{
    notify("READY=1");
}

void
extend(int64_t usec)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "EXTEND_TIMEOUT_USEC=%lld", (long long)usec);
    notify(text);
}

void
exempt(const char *reason, int64_t for_us)
{
    (void)reason;
    (void)for_us;
}

void
vital(int64_t beat_every_us)
{
    (void)beat_every_us;
}

void
beat(void)
{
}

struct token *
shield(int64_t for_us, const char *reason)
{
    (void)for_us;
    return token_new(NULL, reason);
}

void
unshield(struct token *t)
{
    (void)t;
}

void
task_begin(struct token *t, const char *name, int64_t deadline_in_us)
{
    (void)t;
    (void)name;
    (void)deadline_in_us;
}

void
task_end(void)
{
}
