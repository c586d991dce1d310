/* SPDX-License-Identifier: MIT */
#ifndef STINT_THREADS_H
#define STINT_THREADS_H

/*
 * The part of <stint.h> about threads: who made them, what they obey and wait for, the scopes they
 * live in. All of it is told to the supervisor by the registry, memory that it reads from outside;
 * a call costs no message. Included by <stint.h>, whose conventions hold here.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define STINT_NEVER INT64_MAX
#define STINT_NAME_MAX \
    40 /* bytes of a thread's, token's or scope's name with its NUL; longer is cut */

struct stint_token;

/* ---- Threads ------------------------------------------------------------------------------ */

struct stint_thread;

struct stint_birth {
    const char *name;     /* borrowed for the call */
    const char *file;     /* static */
    const char *function; /* static */
    unsigned line;
};

static inline struct stint_birth
stint_birth_at(const char *name, const char *file, const char *function, unsigned line)
{
    struct stint_birth birth;

    birth.name = name;
    birth.file = file;
    birth.function = function;
    birth.line = line;
    return birth;
}

#define STINT_BIRTH(name) stint_birth_at((name), __FILE__, __func__, __LINE__)

/**
 * stint_thread_spawn - start a thread the supervisor knows by name and creator.
 * @thread: receives the handle for join or detach; NULL = detached
 * @token:  what it obeys, found there as stint_current(); a reference is held while it runs; NULL = none
 * @name:   copied; the kernel's comm gets its first 15 bytes
 * @fn, @arg: what it does; @arg is the caller's until @fn returns
 *
 * Registered before @fn runs, in the scope of its token; without a token, in its creator's. The signal
 * mask is inherited: a program that wants SIGTERM handled in one thread blocks it around the spawn.
 * When the registry is full the thread runs unregistered and is counted.
 *
 * Return: 0, -errno as pthread_create().
 */
#define stint_thread_spawn(thread, token, name, fn, arg) \
    stint_thread_spawn_at((thread), (token), STINT_BIRTH(name), (fn), (arg))
int stint_thread_spawn_at(struct stint_thread **thread, struct stint_token *token,
                          struct stint_birth birth, void (*fn)(void *arg), void *arg);

/* stint_thread_join - wait for its end until @abs_us, or until @token (NULL: none) is cancelled, and
 * free the handle. Meanwhile the caller's slot says whom it joins. -EDEADLK for the caller itself.
 * Return: 0; with the handle still valid: -ETIMEDOUT, or as stint_token_err(). */
int stint_thread_join(struct stint_thread *thread, struct stint_token *token, int64_t abs_us);

void stint_thread_detach(struct stint_thread *thread); /* give the handle up; NULL is fine */

/* stint_thread_adopt - register the calling thread, made by someone else's pthread_create, in the scope
 * of @token; NULL = the process's.
 * Return: 0, -EBUSY when it is registered, -ENOMEM. Ends at stint_thread_disown() or with the thread. */
#define stint_thread_adopt(token, name) stint_thread_adopt_at((token), STINT_BIRTH(name))
int stint_thread_adopt_at(struct stint_token *token, struct stint_birth birth);
void stint_thread_disown(void);

/**
 * stint_thread_exempt - the calling thread may outlive its token.
 * @reason:   copied, shown in every report; NULL takes the exemption back
 * @until_us: from then on it may not; STINT_NEVER = for ever
 */
void stint_thread_exempt(const char *reason, int64_t until_us);

/**
 * stint_thread_vital - the calling thread has to be there: a watcher, a flusher, whom nobody would miss.
 * @beat_every_us: duration; it calls stint_beat() at least that often. 0 = it need not; -1 takes it back
 *
 * While its token is not cancelled its end is reported as `dead-watcher`, and so is a beat that does
 * not come. A thread of the same name that becomes vital takes the place of one that ended.
 */
void stint_thread_vital(int64_t beat_every_us);

void stint_beat(void); /* the calling thread makes progress: one relaxed store */

/* stint_served - this process has served @n more: what `restart_after: {requests: N}` counts. Any thread,
 * one atomic addition. Does nothing before stint_init(), and nothing that counts in a fork()ed child. */
void stint_served(unsigned long n);

/**
 * stint_shield - a section that may not be disturbed: a commit, a hand-over.
 * @until_us: when it is over at the latest; from then on the thread is judged as any other
 * @reason:   copied, shown in reports
 *
 * The supervisor does not hold it against the calling thread that it goes on after a cancel. The token
 * returned is for the calls inside: stint_current() and its cancel stay as they are, this one ends at
 * @until_us only. Shields nest; the latest time counts.
 *
 * Return: a token that stint_unshield() frees; NULL without memory, and then there is no shield.
 */
struct stint_token *stint_shield(int64_t until_us, const char *reason);
void stint_unshield(struct stint_token *token); /* in the thread that shielded; NULL is fine */

/**
 * stint_task_begin - the calling thread, of a pool, works for this request or task now.
 * @token: the task's; a reference is held until its end. NULL: the pool's token goes on to count
 * @name:  copied, shown instead of the token's name; NULL = that one
 *
 * Until stint_task_end() stint_current() is @token, and who looks from outside sees its deadline, its
 * trace and its cancel: a pool is not blamed for a request, nor a request for the pool. Tasks nest.
 *
 * Return: 0, -ESRCH in a thread that is not registered, -ENOMEM.
 */
int stint_task_begin(struct stint_token *token, const char *name);
void stint_task_end(void); /* ends the innermost; nothing without one. So does the thread's end */

/* ---- What a thread waits for --------------------------------------------------------------- */

/* Use STINT_BLOCK(); what follows is its inside. */
struct stint_site {
    const char *text, *file, *function;
    unsigned line;
    uint32_t index; /* atomic; 0 = the registry has not got it yet */
};

struct stint_wait_cell {
    uint64_t object;
    uint32_t site;
};

struct stint_block {
    struct stint_wait_cell *cell;
    uint64_t object; /* what was there before, from here on */
    uint32_t site;
    int over;
};

/* glibc has room for a little of that in libraries which are loaded late; with others dlopen() would refuse. */
#ifdef __GLIBC__
#define STINT_TLS_ __attribute__((tls_model("initial-exec")))
#else
#define STINT_TLS_
#endif
__extension__ extern __thread struct stint_wait_cell *stint_wait_cell
    STINT_TLS_; /* NULL: the calling thread is not registered */
uint32_t stint_site_intern(struct stint_site *site);

#ifdef __cplusplus
#define STINT_ADDRESS_(object) (static_cast<uint64_t>(reinterpret_cast<uintptr_t>(object)))
#else
#define STINT_ADDRESS_(object) ((uint64_t)(uintptr_t)(object))
#endif

static inline struct stint_block
stint_block_enter(struct stint_site *site, const void *object)
{
    struct stint_block block;
    struct stint_wait_cell *cell = stint_wait_cell;
    uint32_t index;

    block.cell = cell;
    block.object = 0;
    block.site = 0;
    block.over = 0;
    if (!cell)
        return block;
    index = __atomic_load_n(&site->index, __ATOMIC_RELAXED);
    if (index == 0)
        index = stint_site_intern(site);
    block.object = cell->object; /* nobody else writes it */
    block.site = cell->site;
    __atomic_store_n(&cell->object, STINT_ADDRESS_(object), __ATOMIC_RELAXED);
    __atomic_store_n(&cell->site, index, __ATOMIC_RELEASE);
    return block;
}

static inline void
stint_block_leave(struct stint_block *block)
{
    struct stint_wait_cell *cell = block->cell;

    if (!cell || cell != stint_wait_cell) /* disowned meanwhile: it is somebody else's */
        return;
    __atomic_store_n(&cell->site, block->site, __ATOMIC_RELAXED);
    __atomic_store_n(&cell->object, block->object, __ATOMIC_RELEASE);
}

#define STINT_GLUE_(a, b)  STINT_GLUE2_(a, b)
#define STINT_GLUE2_(a, b) a##b

/**
 * STINT_BLOCK - say what the calling thread waits for while the statement behind it runs:
 *
 *     STINT_BLOCK("for a job", &queue)
 *         while (queue_is_empty(&queue))
 *             pthread_cond_wait(&queue.filled, &queue.lock);
 *
 * @text:   a string literal; a report says "waits for a job at queue.c:41"
 * @object: address of what it waits on, NULL = none; a report says its symbol
 *
 * Two plain stores before and two after, in every way out: the end, `return`, `goto`, an exception. A
 * `break` or `continue` directly in it leaves the block, not a loop around it. Blocks nest. In a thread that is
 * not registered it does nothing.
 */
#define STINT_BLOCK(text, object) STINT_BLOCK_(text, object, STINT_GLUE_(stint_block_, __COUNTER__))
#define STINT_BLOCK_(what, object, block)                                        \
    for (struct stint_block block __attribute__((cleanup(stint_block_leave))) =  \
             stint_block_enter(__extension__({                                   \
                                   static struct stint_site stint_site_here = {  \
                                       (what), __FILE__, __func__, __LINE__, 0}; \
                                   &stint_site_here;                             \
                               }),                                               \
                               (object));                                        \
         !(block).over; (block).over = 1)

/* ---- Scopes ------------------------------------------------------------------------------- */

struct stint_scope;

/**
 * stint_scope_open - a nursery: a token, and the threads that obey it, which do not outlive it unseen.
 * @parent: closing or retiring it cancels this one too; NULL = the process, whose end does
 * @name:   copied
 *
 * A thread belongs to the scope of its token: to this one, whether spawned in it or by
 * stint_thread_spawn() under its token or one below. The supervisor sees up to 255 scopes at a time by
 * name, and counts the others.
 *
 * Return: the scope, which stint_scope_close(), abandon or retire frees; NULL without memory, or
 * with 65,000 of them open.
 */
#define stint_scope_open(parent, name) stint_scope_open_at((parent), STINT_BIRTH(name))
struct stint_scope *stint_scope_open_at(struct stint_scope *parent, struct stint_birth birth);

/* stint_scope_open_by - one whose work is to be over by @abs_us, or the parent's deadline if that is earlier: its token
 * is cancelled then. A thread of it that ends later is counted as an overrun, see <stint_deadline.h>. */
#define stint_scope_open_by(parent, name, abs_us) \
    stint_scope_open_by_at((parent), STINT_BIRTH(name), (abs_us))
struct stint_scope *stint_scope_open_by_at(struct stint_scope *parent, struct stint_birth birth,
                                           int64_t abs_us);

struct stint_token *stint_scope_token(struct stint_scope *scope); /* borrowed; NULL: stint_root() */

/* stint_scope_spawn - start a thread in @scope, which joins it. Else as stint_thread_spawn(). */
#define stint_scope_spawn(scope, name, fn, arg) \
    stint_scope_spawn_at((scope), STINT_BIRTH(name), (fn), (arg))
int stint_scope_spawn_at(struct stint_scope *scope, struct stint_birth birth, void (*fn)(void *arg),
                         void *arg);

/* A thread that should have left. */
struct stint_straggler {
    size_t size; /* sizeof(struct stint_straggler), set by the caller in the first of an array */
    pid_t tid;
    unsigned line;        /* where it was started; 0 = not known */
    int64_t started_us;   /* CLOCK_MONOTONIC */
    int64_t cancelled_us; /* its token was; 0 = not, or it has none */
    char name[STINT_NAME_MAX];
    char file[64], function[48]; /* of `line`; the tail of a long path */
    char waits[96];              /* "for a job at queue.c:41"; "" = it did not say */
};

/**
 * stint_scope_close - ask all threads of the scope to leave, and see to it that they did.
 * @grace_us:   duration; how long this call waits for them at most. 0 = only look
 * @stragglers: receives those that did not leave, @max at most; NULL with @max 0
 *
 * Cancels the token, waits, joins those of its own that ended; threads of scopes within count, too. It
 * never hangs and never kills. When some stay, the supervisor is asked to look who they are, and the
 * scope stays, too: close it again, or abandon it. Their arguments are still in use.
 *
 * Return: 0: everyone has left and the scope is freed. Or the number of threads that are still there.
 * -EDEADLK: called from a thread of the scope.
 */
int stint_scope_close(struct stint_scope *scope, int64_t grace_us,
                      struct stint_straggler *stragglers, size_t max);

/* stint_scope_abandon - cancel it and give the handle up: it is freed when its last thread leaves, and
 * until then those that overstay are reported. NULL is fine. */
void stint_scope_abandon(struct stint_scope *scope);

/* ---- Generations of the configuration ------------------------------------------------------ */

/**
 * stint_generation_open - a scope with a number, for what one configuration of a living process runs.
 * @label: copied; a digest, a version, the time of the file; NULL = "generation N"
 *
 * Open the new one, spawn its threads in it, then retire the old one: threads of an old configuration
 * that go on are then found and named, with the generation they belong to.
 *
 * Return: the scope, NULL as stint_scope_open().
 */
#define stint_generation_open(label) stint_generation_open_at(STINT_BIRTH(label))
struct stint_scope *stint_generation_open_at(struct stint_birth birth);

uint64_t stint_generation_number(const struct stint_scope *scope); /* from 1; 0 = it has none */

/**
 * stint_generation_retire - it has given way to another: cancel it, and give the handle up.
 * @grace_us: duration; who is there after it is judged: the supervisor is asked to look then
 * @text:     for the cancel: "reloaded"; NULL = the name of the generation
 *
 * Does not wait. The memory of the configuration is not to be freed while threads are in it: see
 * stint_scope_close(), which a generation knows as well and which does wait.
 *
 * Return: the number of threads still in it.
 */
int stint_generation_retire(struct stint_scope *generation, int64_t grace_us, const char *text);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
