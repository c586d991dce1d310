/* SPDX-License-Identifier: MIT */
#ifndef STINT_TRACE_H
#define STINT_TRACE_H

/*
 * The part of <stint.h> about W3C trace context and the log: which request a thread, a child process and
 * a line belong to. Included by <stint.h>, whose conventions hold here.
 *
 * A token carries the trace, and what is made under it inherits that. Each thread, scope and task is a span
 * of its own, whose parent is the span of whoever made it; so is each call that goes out, and each child
 * process. Nothing has to be passed along by hand. What ends by itself is a span that ends by itself; where one is
 * wanted in between, stint_span_start() makes it. Finished spans go to the supervisor, where its configuration says
 * `export` and the trace is sampled, through memory: no call, no wait.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct stint_token;

/* ---- Trace context ------------------------------------------------------------------------ */

#define STINT_TRACEPARENT_MAX 56  /* bytes of a traceparent with its NUL */
#define STINT_TRACESTATE_MAX  513 /* enough for what everybody has to pass on, and a NUL */

struct stint_header {
    const char *name, *value; /* borrowed for the call; need no NUL */
    size_t name_bytes, value_bytes;
};

static inline struct stint_header
stint_header_of(const char *name, const char *value)
{
    struct stint_header header;

    header.name = name;
    header.value = value;
    header.name_bytes = strlen(name);
    header.value_bytes = strlen(value);
    return header;
}

/**
 * stint_trace_extract - give @token the trace of a request that came in.
 * @token:   just made, before others are made from it
 * @headers: @n of them, in their order, among them perhaps `traceparent` and `tracestate`; others are ignored
 *
 * Names are in any case; values may have blanks around them. The request is a span of its own in the trace
 * of its caller. Without a traceparent, or with one that is malformed or is there twice, a new trace begins, and
 * no tracestate counts; a tracestate that is malformed is dropped and changes nothing else.
 *
 * Return: 1 the caller's trace goes on, 0 a new one begins; -EINVAL for NULL and the root, -EBUSY when others
 * have @token's trace already, -ENOMEM.
 */
int stint_trace_extract(struct stint_token *token, const struct stint_header *headers, size_t n);

/**
 * stint_trace_inject - the headers of a call that goes out.
 * @token:       whose trace; NULL = what the calling thread works for
 * @traceparent: receives "00-…-…-01", or "" when there is no trace
 * @tracestate:  receives what fits into @size bytes; whole members, from the left, the long ones dropped
 *               first; "": do not send it. NULL with @size 0
 *
 * Each call makes a span of its own: its id are the 16 digits at @traceparent + 36.
 * Return: 1, 0 when there is no trace.
 */
int stint_trace_inject(struct stint_token *token, char traceparent[STINT_TRACEPARENT_MAX],
                       char *tracestate, size_t size);

/**
 * stint_trace_environ - the environment of a child process: @envp with TRACEPARENT and TRACESTATE of its own.
 * @token: as for inject
 * @envp:  usually `environ`; its strings are borrowed by the result
 *
 * What @envp has of those two is left out, so that no child hangs itself below a span of somebody else. Call it
 * before fork() or vfork().
 *
 * Return: an array with NULL at its end, one block to be freed with free(); NULL without memory.
 */
char **stint_trace_environ(struct stint_token *token, char *const *envp);

/* stint_trace_ids - for other loggers: the ids of @token's span, NULL = of the calling thread's, as hex digits;
 * "" when there are none. Return: 1, 0 when there is no trace. AS-safe. */
int stint_trace_ids(struct stint_token *token, char trace_id[33], char span_id[17]);

/* ---- Spans of your own --------------------------------------------------------------------- */

struct stint_span;

enum stint_span_kind {
    STINT_SPAN_INTERNAL = 1,
    STINT_SPAN_SERVER = 2,   /* handles a request */
    STINT_SPAN_CLIENT = 3,   /* waits for the answer to one */
    STINT_SPAN_PRODUCER = 4, /* leaves something to be done by others, later */
    STINT_SPAN_CONSUMER = 5  /* does that */
};

/**
 * stint_span_start - a part of the work that has a name and a duration.
 * @token: NULL = of what the calling thread works for: until its end lines, threads, tasks and calls of this thread
 *         belong to it, and the same thread ends it; else it is of that token's work, and any thread may end it
 * @name:  copied, 63 bytes of it: what it does and not to what, "SELECT users"
 *
 * One load while nobody wants spans. Spans of a thread lie in each other: what was left open inside ends with what
 * is around it, be that a span, a task or the thread.
 *
 * Return: the span, for stint_span_end(); NULL: nobody wants it, the trace is not sampled or there is none, the
 * thread is not registered, no memory. All calls take NULL.
 */
struct stint_span *stint_span_start(struct stint_token *token, const char *name,
                                    enum stint_span_kind kind);
void stint_span_end(struct stint_span *span); /* tells of it, and frees it */

/* stint_span_attribute - something to find it by; a value as printf(3) makes it replaces that of the same @key.
 * Return: 0; -ENOSPC: all of them, each with two bytes more, have no room in 191 bytes, and this one is left out. */
__attribute__((format(printf, 3, 4))) int stint_span_attribute(struct stint_span *span,
                                                               const char *key, const char *format,
                                                               ...);

/* stint_span_error - it failed, and why, as printf(3) makes it; 63 bytes of it. Without this its status is "ok", unless the
 * deadline of its token is over. */
__attribute__((format(printf, 2, 3))) void stint_span_error(struct stint_span *span,
                                                            const char *format, ...);

/* stint_span_inject - as stint_trace_inject(), for the call that @span is: what is called hangs below it. NULL: what
 * the calling thread works for, with a span that is told of as a moment. */
int stint_span_inject(struct stint_span *span, char traceparent[STINT_TRACEPARENT_MAX],
                      char *tracestate, size_t size);

/* ---- The log ------------------------------------------------------------------------------- */

enum stint_log_level {
    STINT_LOG_DEBUG = 0,
    STINT_LOG_INFO = 1,
    STINT_LOG_WARNING = 2,
    STINT_LOG_ERROR = 3
};

enum stint_log_form {
    STINT_LOG_LOGFMT = 0, /* time=… level=info trace_id=… span_id=… thread=… tid=… msg="…" */
    STINT_LOG_JSON = 1 /* the same keys as one object */
};

/* stint_log_to - where lines go, and how. Before there are threads; else standard error, logfmt. @fd: borrowed */
void stint_log_to(int fd, enum stint_log_form form);

/**
 * stint_log - one line about what the calling thread does.
 * @format: as for printf(3); what it makes may hold anything, and is cut when the line would be too long
 *
 * The line is written by one write(2) of at most PIPE_BUF bytes, so lines of many threads and processes do not
 * mix in a pipe. It has `trace_id` and `span_id`, always; or `trace=none` and the reason: `startup` before
 * stint_init(), `unregistered` in a thread nobody registered, `no-traceparent` where the process has none.
 *
 * Return: 0, -errno of write(2): then the line is lost; -EAGAIN on a full pipe that does not block.
 */
__attribute__((format(printf, 2, 3))) int stint_log(enum stint_log_level level, const char *format,
                                                    ...);

/* stint_log_for - the same about the work under @token, for a thread that works for several; NULL as stint_log(). */
__attribute__((format(printf, 3, 4))) int stint_log_for(struct stint_token *token,
                                                        enum stint_log_level level,
                                                        const char *format, ...);

/* stint_log_signal - the same with plain text, AS-safe. */
int stint_log_signal(enum stint_log_level level, const char *text);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
