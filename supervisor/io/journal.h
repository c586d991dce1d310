/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_JOURNAL_H
#define STINT_IO_JOURNAL_H

/*
 * What people read: one line for each event, and the captured output of the workers.
 *
 *   record, event, output ──▶ line ──▶ bounded queue ──▶ fd (stderr), or journald's socket
 *                               └────▶ rings ──▶ stint events, stint logs
 *
 * Nothing here ever waits: when the reader of the log is slow, whole lines are dropped and counted,
 * and a line says how many. Memory is bounded whatever the workers print. One thread: the master's.
 *
 * Queue and rings are in a memfd. A line is in there when the call that gave it returns; whoever
 * keeps journal_ring_fd() and hands it to the next process (options.ring_fd) has lost no line even
 * when this process was SIGKILLed. What it was just writing is written again then: a line
 * event=log_repeated says how many bytes that may be, a datagram says STINT_REPEATED=1. Of the
 * output of the services the last lines of all together are kept that way, not those of each.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "config/spec.h"

struct ev_loop;
struct journal;
struct journal_ring;
struct record;
struct text;

#define JOURNAL_BUFFER_BYTES ((size_t)1 << 20)   /* lines waiting for the fd */
#define JOURNAL_EVENTS_MAX   4096                /* events kept for `stint events` */
#define JOURNAL_OUTPUT_LINES 500                 /* lines kept for each service … */
#define JOURNAL_OUTPUT_BYTES ((size_t)128 << 10) /* … and their bytes */
#define JOURNAL_LINE_BYTES   ((size_t)16 << 10)  /* a longer line is cut, and says so */

struct journal_options {
    int fd;                     /* borrowed, outlives the journal; usually 2. -1: rings only */
    int ring_fd;                /* of the journal before; 0, -1: there was none */
    enum log_format format;     /* of the lines written to fd; readers always get JSON */
    enum log_level level;       /* quieter events go nowhere */
    size_t buffer_bytes;        /* of a new queue; 0: JOURNAL_BUFFER_BYTES */
    const char *journal_socket; /* borrowed; NULL: journald's own */
};

/**
 * journal_create - a journal that writes from @loop.
 *
 * It writes through a file description of its own where it can get one; otherwise O_NONBLOCK is set
 * on the shared one, and destroy puts the flag back. SIGPIPE is ignored from here on.
 *
 * LOG_AUTO means datagrams to journald when $JOURNAL_STREAM says that fd is a stream of the journal,
 * else logfmt. While journald does not listen, lines go to fd.
 *
 * options.ring_fd is taken over, whatever comes of it. What was not written is written first; a
 * memfd that is not what it should be is closed, and a line event=log_memory says so, as it does
 * when there is only memory that ends with the process. Return: 0 or negative errno.
 */
int journal_create(struct ev_loop *loop, const struct journal_options *options,
                   struct journal **ret);
void journal_destroy(struct journal *j); /* writes what goes without waiting; NULL is fine */

/* journal_ring_fd - the memfd, to be kept by somebody who lives longer. Borrowed; -1: there is none. */
int journal_ring_fd(const struct journal *j);

/* journal_configure - the configuration changed: format and level of the lines from now on. */
void journal_configure(struct journal *j, enum log_format format, enum log_level level);

/* journal_flush - before the process ends: wait at most @budget_us for the fd to take the rest. */
void journal_flush(struct journal *j, int64_t budget_us);

/* journal_record - a line for something the core decided. Copies. */
void journal_record(struct journal *j, const struct record *r);

/* journal_record_repeated - one that the process before may have told already: repeated=1. */
void journal_record_repeated(struct journal *j, const struct record *r);

enum journal_field_type { JOURNAL_TEXT, JOURNAL_NUMBER, JOURNAL_BOOL };

struct journal_field {
    const char *
        key; /* a literal, [a-z0-9_]; "service" "gen" "slot" "pid" "trace" "msg" find their place */
    enum journal_field_type type;
    const char *text; /* JOURNAL_TEXT; NULL leaves the field out */
    int64_t number;   /* JOURNAL_NUMBER, JOURNAL_BOOL */
};

#define FIELD_TEXT(k, v) ((struct journal_field){.key = (k), .type = JOURNAL_TEXT, .text = (v)})
#define FIELD_NUMBER(k, v) \
    ((struct journal_field){.key = (k), .type = JOURNAL_NUMBER, .number = (v)})
#define FIELD_BOOL(k, v) ((struct journal_field){.key = (k), .type = JOURNAL_BOOL, .number = (v)})

/* journal_event - a line for something the rim did or saw. @name: as in "event=@name". Copies. */
void journal_event(struct journal *j, enum log_level level, const char *name,
                   const struct journal_field *fields, size_t n);

/* journal_say - journal_event() with just a sentence. */
__attribute__((format(printf, 4, 5))) void journal_say(struct journal *j, enum log_level level,
                                                       const char *name, const char *fmt, ...);

/* Where a line of captured output comes from. All borrowed for the call. */
struct journal_origin {
    const char *service;
    uint64_t generation;
    unsigned slot;
    pid_t pid;
    const char *stream; /* "stdout", "stderr" */
    const char *trace;  /* 32 hex digits, "" or NULL */
};

enum journal_output_flags {
    JOURNAL_OUTPUT_CUT = 1,   /* the line was longer than the reader's buffer: more of it follows */
    JOURNAL_OUTPUT_LAST = 2,  /* the stream ended without a newline here */
    JOURNAL_OUTPUT_AGAIN = 4, /* may have been reported before (a master died in between) */
    JOURNAL_OUTPUT_KEPT = 8,  /* it goes elsewhere: kept for `stint logs`, and not written */
    JOURNAL_OUTPUT_NATIVE = 16, /* to journald, whatever the format of other lines is */
    JOURNAL_OUTPUT_JSON = 32    /* journal_output_text(): JSON, not logfmt */
};

/* journal_output - one line a worker printed, without its newline. Any bytes. Copies. */
void journal_output(struct journal *j, const struct journal_origin *from, const char *bytes,
                    size_t n, unsigned flags);

/* One of many lines. Borrowed for the call. */
struct journal_text {
    const char *bytes;
    const char *trace; /* of the line itself, 32 hex digits; NULL: that of its origin */
    uint32_t n;
    uint32_t flags; /* enum journal_output_flags */
};

/*
 * journal_output_kept - lines that go elsewhere, all of one stream: kept for `stint logs`. Those that
 * would lose their place to the ones behind them are counted only, while nobody is in journal_watch_add().
 */
void journal_output_kept(struct journal *j, const struct journal_origin *from,
                         const struct journal_text *lines, size_t n);

/* journal_output_text - the line that journal_output() would write, with its newline. */
void journal_output_text(const struct journal_origin *from, const char *bytes, size_t n,
                         unsigned flags, struct text *out);

/*
 * journal_output_fits - is there room for a line of @n bytes? Some is left to events, and some to
 * services that have less than an eighth of it in there.
 */
bool journal_output_fits(const struct journal *j, const char *service, size_t n);
/* journal_want_room - say on_room() when three quarters are free; once, perhaps before this returns. */
void journal_want_room(struct journal *j);
void journal_on_room(struct journal *j, void (*on_room)(void *env), void *env); /* NULL: nobody */

/*
 * journal_tells - the lines that are given from now on are those of @key (0: nobody's any more), and are
 * still where they came from. Kept for the next process, which asks with journal_told() whether the
 * one before was killed while it gave lines of @key: only those may be given again. True also when
 * that is not known.
 */
void journal_tells(struct journal *j, uint64_t key);
bool journal_told(const struct journal *j, uint64_t key);

/**
 * journal_last_lines - what a service printed last, newline separated, for obituaries and verdicts.
 * @generation: 0 = any
 * @pid:        0 = any
 * @max:        at most so many lines
 */
struct journal_query {
    const char *service;
    uint64_t generation;
    pid_t pid;
    size_t max;
};
void journal_last_lines(const struct journal *j, const struct journal_query *q, struct text *out);

/* journal_forget - the service is gone from the configuration: its kept output goes too. */
void journal_forget(struct journal *j, const char *service);

/* ---- Reading back -------------------------------------------------------------------------- */

/* One kept line. Pointers are the journal's, valid until the loop turns or a line is added. */
struct journal_entry {
    uint64_t seq;        /* from 1, increasing; events and output have numbers of their own */
    uint64_t lost;       /* lines after the cursor that are no longer kept; output: 1 = some */
    const char *service; /* "" when it concerns none */
    const char *json;    /* one object, no newline */
    size_t bytes;
    const char *text; /* output only, as it came; NULL: that is not kept … */
    size_t text_bytes;
    uint64_t generation; /* output only: 0 in events */
    pid_t pid;           /* output only */
};

/* journal_events_next - the first kept event with a number above @after. Return: false: none (yet). */
bool journal_events_next(const struct journal *j, uint64_t after, struct journal_entry *ret);

/* journal_events_tail - the cursor with at most @lines events of @service (NULL: any) behind it. */
uint64_t journal_events_tail(const struct journal *j, const char *service, size_t lines);

/* journal_output_next - the same over the kept output of @service; NULL: of all, in order. */
bool journal_output_next(const struct journal *j, const char *service, uint64_t after,
                         struct journal_entry *ret);

/*
 * journal_recent_next - the same over the last lines of all services together, in order; each costs little, and fewer
 * are kept: for somebody who is never far behind.
 */
bool journal_recent_next(const struct journal *j, uint64_t after, struct journal_entry *ret);

/*
 * Somebody who reads the output of all services in order: of as many as there are, and a little in each turn of the
 * loop. All zero at first. Its memory is for as many heads as there are services.
 */
struct journal_reader {
    struct journal_head {
        const struct journal_ring *ring;
        uint64_t seq;
        unsigned i; /* the line of that number */
    } * heads;      /* owned; the lowest number first, a heap */
    size_t n, room;
    uint64_t as_of, after; /* what they are good for */
};
void journal_reader_finish(struct journal_reader *r);

struct journal_search {
    const char
        *trace; /* 32 digits: only lines that have it, as their own or in their text; NULL: all */
    uint64_t *cursor; /* nothing up to here; set behind what was looked at */
    size_t *budget;   /* so much may be looked at, about in bytes; what it costs is taken off */
};

enum journal_found {
    JOURNAL_NOTHING, /* there is none (yet) */
    JOURNAL_LATER,   /* there may be more: ask with a new budget, in another turn */
    JOURNAL_FOUND
};
enum journal_found journal_reader_next(const struct journal *j, struct journal_reader *r,
                                       const struct journal_search *search,
                                       struct journal_entry *ret);

/* journal_output_tail - the cursor that makes journal_output_next() start @lines before the end. */
uint64_t journal_output_tail(const struct journal *j, const char *service, size_t lines);

/* Somebody who follows. The caller's memory; woken() may not add lines, it notes and leaves. */
struct journal_watch {
    struct list node;
    void (*woken)(struct journal_watch *w);
};
void journal_watch_add(struct journal *j, struct journal_watch *w);
void journal_watch_remove(struct journal_watch *w); /* harmless when it is not (any more) there */

struct journal_counters {
    uint64_t written_lines, dropped_lines; /* to the fd */
    uint64_t events, output_lines;
    size_t buffered_bytes;
    bool broken; /* the fd failed for good (EPIPE …); the rings go on */
};
void journal_counters(const struct journal *j, struct journal_counters *ret);

#endif
