/* SPDX-License-Identifier: MIT */
#ifndef STINT_STATE_H
#define STINT_STATE_H

/*
 * What the files of libstint share. Nothing here is installed. Names begin with stn_, so that the
 * static library takes none of the program's.
 *
 * One lock, `tree`, guards tokens, registrations and the links from threads to tokens. A cancel from
 * a signal handler cannot wait for it, so it combines: push the token on `signalled`, then try the
 * lock. Whoever holds the lock looks at `signalled` after letting go of it (stn_tree_give), so the walk is
 * done either by the handler or by the holder, and no third thread is needed. Lock order: channel, tree.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker-api/lock.h"
#include "worker-api/spans.h"
#include "worker-api/stint.h"
#include "worker-api/tables.h"
#include "worker-api/trace.h"
#include "worker-api/wire.h"

#define CACHE_LINE 64

/* What the published word says. */
#define TOKEN_CANCELLED 1u
#define TOKEN_EXPIRED   2u

/* What a cancel says beyond its cause and its time: from a pool, since a cancel allocates nothing. */
struct words {
    char text[STINT_TEXT_MAX]; /* NUL-terminated */
    char who[STINT_NAME_MAX];  /* name of the cancelling thread; "" = none */
    struct words *next;        /* while it is free */
};

/* From a token to another that is cancelled with it, see any.c. */
struct link {
    struct link *next, *prev; /* tree lock: in source->links */
    struct token *source;     /* holds a reference */
    struct token *follower;
};

/* The sources of an any-of token; it is freed with the last of them. */
struct any {
    struct any *next; /* tree lock: waits to be walked; or, of a token that is gone, to be put */
    struct token *token;
    size_t n;
    struct link links[];
};

/*
 * Three cache lines. The first is what everyone reads, written once, when it is cancelled; a cancel
 * walks along the second; the third is seldom wanted.
 *
 * The one that was cancelled is the `origin` of all that were cancelled with it, and keeps the cause
 * for them. It lives as long as they do: it is above them, or above a source of theirs.
 */
struct token {
    struct stint_token head;   /* atomic; first: what the inline function reads */
    uint32_t cause;            /* tree lock; of an origin: enum stint_cause */
    int64_t deadline_us;       /* effective: never later than the parent's */
    const struct trace *trace; /* never NULL */
    struct token *origin;      /* tree lock; NULL = live */
    int64_t at_us;             /* tree lock; of an origin: CLOCK_MONOTONIC */
    int64_t leave_by_us;       /* tree lock; of an origin; STINT_NEVER = none */
    struct words *words;       /* tree lock; of an origin; owned; NULL = nothing said */
    int fd;                    /* tree lock; owned; -1 until asked for */
    uint16_t scope;            /* id of the one it belongs to: stn_scope_of() */
    bool fd_is_timer;          /* a timerfd, else an eventfd */
    bool apart;                /* linked below `top`: `parent` gave it its name and trace alone */

    struct token *parent __attribute__((aligned(CACHE_LINE))); /* holds a reference; NULL: `top` */
    struct token *child, *next, *prev;        /* tree lock: first child; siblings */
    struct stint_thread *threads;             /* tree lock: those that obey it */
    struct stint_registration *registrations; /* tree lock: armed ones */
    struct link *links;                       /* tree lock: any-of tokens that follow it */
    uint32_t waiters;                         /* atomic: threads in futex_wait on head.cancelled */
    uint32_t refs;                            /* atomic */

    struct any *any __attribute__((aligned(CACHE_LINE))); /* owned; NULL = not an any-of token */
    struct token *next_signalled;                         /* valid while `signalled` */
    uint32_t signalled;                                   /* atomic: is on stn.signalled */
    bool owns_trace;                                      /* else it is one above it that does */
    bool overran;                                         /* atomic: of a request; it was counted */
    uint8_t caller; /* of a request: see overrun.c; 0 = it is none */
    bool told;      /* atomic: its own span was, or will be otherwise */
    char name[STINT_NAME_MAX];
};

_Static_assert(sizeof(struct token) == (size_t)3 * CACHE_LINE, "a token is three cache lines");

enum registration_state { REG_ARMED, REG_DUE, REG_RUNNING, REG_RAN };

struct stint_registration {
    uint32_t state;      /* enum registration_state; written under the tree lock */
    bool removed;        /* by its own callback: the runner frees it */
    bool awaited;        /* a thread in remove() sleeps on `state` */
    bool wake;           /* the library's own, see stn_wake_arm(); constant */
    pthread_t runner;    /* valid in REG_RUNNING */
    struct token *token; /* holds a reference */
    struct stint_registration *next, *prev; /* in the token's, the due or the running list */
    void (*fn)(void *arg);
    void *arg;
};

struct task {
    struct token *token; /* what the thread obeyed before; holds its reference */
    struct task *outer;
    struct stint_span *around; /* what was open when it began */
    struct span span;
    char name[STINT_NAME_MAX]; /* shown as the token's, "" = that one's own */
};

struct shield {
    struct stint_token *token; /* the caller's, to find it by */
    struct shield *outer;
    int64_t before_us;      /* what the slot said */
    uint32_t before_reason; /* and why */
};

/* STN_AWAITED: it runs, and somebody sleeps until it is done. Not 2, as who sleeps at a mutex. */
enum { STN_RUNS, STN_DONE, STN_AWAITED = 3 };

struct stint_thread {
    uint32_t done;             /* atomic futex; STN_DONE: it uses nothing of ours */
    uint32_t refs;             /* atomic: the thread itself, and the handle */
    uint32_t tid;              /* atomic; 0 until it has begun */
    uint32_t epoch;            /* of the slot, valid once `done` */
    pthread_t thread;          /* valid for the handle's owner; of a scope's: once it has begun */
    struct token *token;       /* holds a reference until the end; NULL = none */
    struct stint_scope *scope; /* never NULL */
    struct token *scope_token; /* holds a reference until the end: it keeps `scope` */
    struct stint_thread *next, *prev;         /* tree lock: in token->threads */
    struct stint_thread *later, *earlier;     /* tree lock: in stn.threads, while it runs */
    struct stint_thread *next_own, *prev_own; /* tree lock: in scope->spawned or ->ended */
    struct stint_registry_slot *slot;         /* in the registry; NULL = unregistered */
    struct task *task;                        /* owned; the innermost; NULL = none */
    struct shield *shield;                    /* owned; the innermost */
    struct stint_span *open;                  /* owned; the innermost in the innermost task */
    struct stint_span *spare;                 /* owned; room for the next one */
    struct span span;                         /* the thread's own writes, from its birth on */
    struct stint_birth birth;                 /* name points to `name` */
    const void *creator_pc; /* behind the call that started it; NULL = not known */
    int64_t started_us;
    uint32_t creator_tid;
    uint32_t birth_site;
    uint16_t flags;  /* STINT_SLOT_*, from its birth */
    uint8_t endings; /* how often the TLS destructor came */
    bool of_scope;   /* tree lock: the scope has the handle, in `spawned` */
    bool begun;      /* tree lock: it runs, and knows itself */
    bool let_go;     /* tree lock: its scope was given up before that, so it detaches itself */
    bool detached;   /* slots lock: nobody will join it */
    char name[STINT_NAME_MAX];
    char creator_name[STINT_NAME_MAX];
    void (*fn)(void *arg);
    void *arg;
};

/*
 * Lives as long as its token. The handle, each thread and each scope within that has a place in the
 * registry are its users: without any, its own place is given up, though a token of it may live on.
 */
struct stint_scope {
    struct token *token;             /* the handle and each thread hold a reference to it */
    struct stint_scope *parent;      /* NULL = this is the process */
    struct stint_scope *next, *prev; /* tree lock: in stn.scopes */
    struct stint_thread *spawned;    /* tree lock: those it has to join, while they run … */
    struct stint_thread *ended;      /* … and after that */
    uint32_t threads; /* atomic futex, written under the tree lock: in it and within */
    uint32_t waiters; /* atomic: in stint_scope_close() */
    uint32_t users;   /* tree lock */
    uint32_t state;   /* tree lock: enum stint_scope_state */
    uint32_t birth_site;
    uint16_t id;    /* of tokens; 0 = the process */
    uint16_t place; /* in the registry; STN_NO_PLACE = none */
    uint64_t generation;
    int64_t opened_us, grace_us; /* STINT_NEVER = none said */
    char name[STINT_NAME_MAX];
};

#define STN_NO_PLACE UINT16_MAX

struct listener {
    int fd; /* atomic; -1 = gated, and not here yet */
    char name[STINT_NAME_MAX * 2];
};

#define LISTENERS_MAX 64

/* Written in stint_init() before there are threads, then constant, unless a lock is named. */
struct state {
    struct lock tree;
    struct token *signalled;              /* atomic stack, pushed by signal handlers */
    struct stint_registration *due;       /* tree: cancelled, not run yet */
    struct stint_registration *due_wakes; /* tree: the same, of waiters in this library */
    struct stint_registration *running;   /* tree */
    uint32_t due_count;                   /* atomic: length of both, for a look without the lock */
    int nudge_fd;                         /* eventfd that wakes the listener; -1 = none */

    struct lock channel;
    int channel_fd;          /* atomic; -1 = no supervisor (any more) */
    int channel_kept;        /* the same, kept when it died: closed at fork */
    bool hello_seen;         /* channel */
    uint64_t sent, received; /* channel: last sequence each way */

    struct stint_thread *threads; /* tree: all that are registered, in a slot or not */
    struct stint_scope *scopes;   /* tree: all but the process */
    uint32_t starting;            /* atomic: threads that are made and not registered yet */
    uint64_t generations;         /* atomic: of the configuration, opened so far */

    struct stint_registry_header *registry; /* mapped; NULL before stint_init() */
    struct lock slots;                      /* also of the sites; last in the order */
    uint32_t sites;                         /* slots */

    uint32_t *
        alive; /* 1; the kernel makes it 0 in a forked child, whoever forked. NULL: no such kernel */
    void *wiped; /* more of that page, for trace_ids.c; NULL as `alive` */

    bool initialised;
    uint64_t generation;
    unsigned slot;
    char service[64];
    char trace_id[33];
    struct trace trace; /* of the process, from $TRACEPARENT */
    char notify[108];   /* "" = nobody listens */
    struct listener listeners[LISTENERS_MAX];
    unsigned n_listeners;
    int gate_fd;        /* eventfd, readable once nothing more will come; -1 = not gated */
    uint32_t gate_over; /* atomic: 1 = all are here, or the supervisor has gone */
};

extern struct state stn;
extern struct token stn_top; /* parent of all: never cancelled, so that fork can find every token */
extern struct token stn_root; /* what stint_root() gives out */

static inline struct token *
token_of(struct stint_token *token)
{
    return (struct token *)(void *)token; /* head is its first member */
}

/* text_copy - copy what fits, always terminated, nothing left over behind the end. NULL = "". */
void stn_text_copy(char *to, size_t size, const char *from);

/* init.c */
void stn_forked(void); /* by clone() or the like, which runs no fork handlers. AS-safe */

/* First in whatever changes more than a word: are we still who we were? A vfork()ed child is. */
static inline void
stn_here(void)
{
    if (stn.alive && __atomic_load_n(stn.alive, __ATOMIC_RELAXED) == 0)
        stn_forked();
}

/* cancel.c */
void stn_tree_take(void); /* of a child that nobody told us about, makes a fork first */
void stn_tree_give(void); /* AS-safe; finishes cancels that signal handlers left behind */

/* @who: name of the thread that does it, "" = none. False: it was cancelled before. AS-safe. */
bool stn_token_cancel_locked(struct token *token, enum stint_cause cause, const char *text,
                             const char *who, int64_t leave_by_us);

/* cause.c */
void stn_words_say(struct token *origin, const char *text, const char *who); /* tree lock held */
void stn_words_put(struct token *origin);                                    /* tree lock held */
void stn_cause_tell(const struct token *origin,
                    struct stint_cancel_info *info); /* AS-safe, tree lock held */
void stn_root_refine(enum stint_cause cause, const char *text, int64_t leave_by_us);

/* slab.c */
struct token *stn_slab_get(void);        /* tree lock held; NULL = none is free: stn_slab_grow() */
int stn_slab_grow(void);                 /* takes the tree lock; 0 or -ENOMEM */
void *stn_slab_put(struct token *token); /* tree lock held; to be free()d behind it; or NULL */

/* any.c */
void stn_any_link(struct any *any, struct token *token); /* tree lock held; @token is new */
void stn_any_unlink(struct any *any);                    /* tree lock held */
struct token *stn_any_next_source(
    struct any **to_put); /* its reference; NULL = no more, all freed */

/* token.c */
void stn_token_fire_fd(const struct token *token); /* AS-safe, tree lock held */
void stn_tokens_after_fork(void);                  /* tree lock held, in the child */
void stn_tokens_unsignal(void); /* in the child, nothing on `signalled`, signals blocked */
struct token *stn_token_step(const struct token *from, struct token *at,
                             bool descend); /* pre-order */

/* @any: taken, unless it fails; NULL = none. @apart: not cancelled with @parent. NULL without memory. */
struct token *stn_token_make(struct token *parent, const char *name, int64_t deadline_us,
                             struct any *any, bool apart);
void stn_token_expire(struct token *token); /* its deadline came; runs callbacks */
const struct trace *stn_token_trace(const struct token *token); /* NULL: the process's */

/* heap_tell.c */
void stn_heap_tell(
    void); /* the sampler of the heap, where it is loaded, asks for labels from now on */

/* wait.c */
void stn_entry(void); /* what every call that may wait does first and last: frames, callbacks */

/* callback.c */
void stn_registrations_due(struct token *token); /* AS-safe, tree lock held */
void stn_callbacks_run(void);                    /* no lock held */
void stn_callbacks_after_fork(void);             /* tree lock held, in the child */

/* scope.c */
extern struct stint_scope stn_process;
struct stint_scope *stn_scope_of(const struct token *token); /* NULL: the process's */
void stn_scope_enter(struct stint_thread *thread);           /* tree lock held */
void stn_scope_leave(struct stint_thread *thread);           /* tree lock held */
/* close.c, tree lock held: of one its scope would join, if it is: it has ended, or never began. */
void stn_scope_thread_ended(struct stint_thread *thread);
void stn_scope_thread_unmade(struct stint_thread *thread);
void stn_scope_cancelled(const struct token *token); /* AS-safe, tree lock held; any token */
void stn_scope_token_gone(
    const struct token *token);   /* tree lock held; any token, about to be freed */
void stn_scopes_publish(void);    /* all of them; tree lock held */
void stn_scopes_after_fork(void); /* tree lock held, in the child */
void stn_scope_put_locked(struct stint_scope *scope); /* tree lock held: a user less */
struct stint_scope *stn_scope_make(struct stint_scope *parent, struct stint_birth birth,
                                   uint64_t generation, /* 0 = the parent's */
                                   int64_t deadline_us);
void stn_scope_ask(struct stint_scope *scope, enum stint_cause cause, const char *text,
                   int64_t grace_us);                                            /* to leave */
void stn_scope_give_up(struct stint_scope *scope, enum stint_scope_state state); /* the handle */
bool stn_scope_within(const struct stint_scope *scope, const struct stint_scope *of);
uint16_t stn_scope_place(const struct stint_scope *scope); /* the nearest that has one */

/* thread.c */
extern __thread struct stint_thread *stn_self STINT_TLS_;
int stn_threads_init(void);              /* registers the caller as "main" */
void stn_threads_after_fork(bool whole); /* tree lock held, in the child; false: lists may lie */
void stn_thread_name(char name[STINT_NAME_MAX]); /* the caller's: as registered, else its comm */
struct stint_thread *stn_thread_new(struct stint_token *token, struct stint_birth birth,
                                    const void *creator_pc); /* refs 1, a user of its scope */
int stn_thread_start(struct stint_thread *thread, void (*fn)(void *arg), void *arg,
                     bool joinable); /* frees it on failure */
void stn_thread_put(struct stint_thread *thread);
void stn_thread_link(struct stint_thread *thread);         /* to its token; tree lock held */
void stn_thread_unlink(const struct stint_thread *thread); /* tree lock held */

/* straggler.c */
void stn_straggler_fill(const struct stint_thread *thread,
                        struct stint_straggler *ret); /* tree lock held */
struct stint_block stn_block_enter(uint32_t *site, enum stint_site_kind kind, const char *text,
                                   uint64_t object); /* for stint_block_leave() */

/* tid.c */
uint32_t stn_tid_of(pthread_t thread); /* not joined yet; 0 = it has gone, or libc does not tell */
uint32_t stn_tid_of_new(void); /* of the caller, a thread of pthread_create()'s in this process */

/* task.c, shield.c */
void stn_tasks_end(struct stint_thread *thread);
void stn_shields_end(struct stint_thread *thread);

/* channel.c */
void stn_channel_open(int fd); /* takes the fd */
int stn_channel_send(enum stint_frame_type type, const void *body, uint32_t length);
void stn_look(int64_t at_us, uint64_t generation, const char *text);
int stn_channel_read(void);    /* frames obeyed; -EPIPE when the other side has gone */
int stn_channel_poll_fd(void); /* -1 = nothing to poll */
void stn_channel_bye(void);
void stn_channel_after_fork(void);

/* gate.c */
int stn_gate_open(void); /* when a listener is to come; 0 or -errno */
void stn_gate_take(const char *bytes, uint32_t length, const int *fds,
                   unsigned n); /* takes the fds */
void stn_gate_shut(void);       /* nothing more will come */
void stn_gate_after_fork(void);

/* listener.c */
int stn_listener_start(void);

/* environ.c */
void stn_environ_read(void);
int stn_environ_take_fd(
    const char *variable); /* -1 = not there; made close-on-exec, variable unset */

/* overrun.c */
uint8_t stn_caller_of(const char *name);                        /* for token->caller */
void stn_caller_called(uint8_t caller, int64_t said_us, int r); /* @r: what became of the call */
/* At the end of work under @token, within something whose deadline is @outer_us; no lock held. */
void stn_overrun_work(const struct stint_thread *thread, struct token *token, const char *task,
                      int64_t outer_us);
void stn_overrun_request(struct token *token); /* the same, unless its work was counted */

/* deadline_policy.c */
void stn_deadlines_read(const char *text); /* of $STINT_DEADLINES; before there are threads */

/* notify.c */
int stn_notify_send(const char *text);

#endif
