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
#include "worker-api/stint.h"
#include "worker-api/wire.h"

#define CACHE_LINE 64

/* What the published word says. */
#define TOKEN_CANCELLED 1u
#define TOKEN_EXPIRED   2u

/* A W3C trace context. Tokens share it; the process's own is written before there are threads. */
struct trace {
    uint8_t trace_id[16], span_id[8]; /* all zero = none */
    uint8_t flags;
};

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
    char name[STINT_NAME_MAX];
};

_Static_assert(sizeof(struct token) == (size_t)3 * CACHE_LINE, "a token is three cache lines");

enum registration_state { REG_ARMED, REG_DUE, REG_RUNNING, REG_RAN };

struct stint_registration {
    uint32_t state;      /* enum registration_state; written under the tree lock */
    bool removed;        /* by its own callback: the runner frees it */
    bool awaited;        /* a thread in remove() sleeps on `state` */
    pthread_t runner;    /* valid in REG_RUNNING */
    struct token *token; /* holds a reference */
    struct stint_registration *next, *prev; /* in the token's, the due or the running list */
    void (*fn)(void *arg);
    void *arg;
};

struct stint_thread {
    uint32_t done;                    /* atomic futex: 1 once it will touch nothing of ours */
    uint32_t refs;                    /* atomic: the thread itself, and the handle */
    pthread_t thread;                 /* valid for the handle's owner */
    struct token *token;              /* holds a reference until the end; NULL = none */
    struct stint_thread *next, *prev; /* tree lock: in token->threads */
    struct stint_registry_slot *slot; /* in the registry; NULL = unregistered */
    struct stint_birth birth;         /* name points to `name` */
    char name[STINT_NAME_MAX];
    char creator_name[STINT_NAME_MAX];
    uint32_t creator_tid;
    void (*fn)(void *arg);
    void *arg;
};

struct listener {
    int fd; /* atomic; -1 = gated, and not here yet */
    char name[STINT_NAME_MAX * 2];
};

#define LISTENERS_MAX 64

/* Written in stint_init() before there are threads, then constant, unless a lock is named. */
struct state {
    struct lock tree;
    struct token *signalled;            /* atomic stack, pushed by signal handlers */
    struct stint_registration *due;     /* tree: cancelled, not run yet */
    struct stint_registration *running; /* tree */
    uint32_t due_count;                 /* atomic: length of `due`, for a look without the lock */
    int nudge_fd;                       /* eventfd that wakes the listener; -1 = none */

    struct lock channel;
    int channel_fd;          /* atomic; -1 = no supervisor (any more) */
    int channel_kept;        /* the same, kept when it died: closed at fork */
    bool hello_seen;         /* channel */
    uint64_t sent, received; /* channel: last sequence each way */

    struct stint_registry_header *registry; /* mapped; NULL before stint_init() */
    struct lock slots;
    uint16_t free_slots[STINT_REGISTRY_SLOTS]; /* slots: a ring, oldest DONE last */
    uint32_t free_head, free_count;            /* slots */

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

/* cancel.c */
void stn_tree_take(void);
void stn_tree_give(void); /* AS-safe; finishes cancels that signal handlers left behind */

/* @who: name of the thread that does it, "" = none. False: it was cancelled before. AS-safe. */
bool stn_token_cancel_locked(struct token *token, enum stint_cause cause, const char *text,
                             const char *who, int64_t leave_by_us);

/* cause.c */
void stn_words_say(struct token *origin, const char *text, const char *who); /* tree lock held */
void stn_words_put(struct token *origin);                                    /* tree lock held */
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

/* wait.c */
void stn_entry(void); /* what every call that may wait does first and last: frames, callbacks */

/* callback.c */
void stn_registrations_due(struct token *token); /* AS-safe, tree lock held */
void stn_callbacks_run(void);                    /* no lock held */
void stn_callbacks_after_fork(void);             /* tree lock held, in the child */

/* registry.c */
int stn_registry_open(int fd); /* fd -1: private memory. Takes the fd. */
void stn_registry_after_fork(void);
struct stint_registry_slot *stn_slot_claim(void); /* NULL = full, counted */
void stn_slot_fill(const struct stint_thread *thread);
void stn_slot_done(struct stint_registry_slot *slot);
void stn_slot_cancelled(struct stint_registry_slot *slot,
                        const struct token *origin); /* AS-safe, tree lock held */
void stn_slot_text(struct stint_registry_slot *slot, char *field, size_t size, const char *text);
void stn_slot_exempt(struct stint_registry_slot *slot, const char *reason);

/* thread.c */
int stn_threads_init(void);                      /* registers the caller as "main" */
void stn_threads_after_fork(void);               /* in the child */
void stn_thread_name(char name[STINT_NAME_MAX]); /* the caller's: as registered, else its comm */

/* channel.c */
void stn_channel_open(int fd); /* takes the fd */
int stn_channel_send(enum stint_frame_type type, const void *body, uint32_t length);
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

/* notify.c */
int stn_notify_send(const char *text);

#endif
