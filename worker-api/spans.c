/* SPDX-License-Identifier: MIT */
#include "worker-api/spans.h"

#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "worker-api/state.h"

/*
 * The ring of finished spans (wire.h has its rules). A writer draws a number, claims its entry by one exchange and
 * never waits; it reads the clock and stores words, so that threads, and what runs in a signal handler, may end
 * spans wherever they are. Who is overtaken, or finds the entry in use, goes without.
 */
static uint32_t off;
uint32_t *stn_spans_switch = &off;

static uint64_t *seqs;                   /* written once, in stn_spans_open() */
static struct stint_registry_span *ring; /* behind them */

_Static_assert(sizeof(struct stint_registry_span) == 512, "whole cache lines, and words");
_Static_assert((STINT_REGISTRY_SPANS & (STINT_REGISTRY_SPANS - 1)) == 0, "for numbers that wrap");

void
stn_spans_open(struct stint_registry_header *header, size_t bytes)
{
    const uint32_t at = STINT_REGISTRY_SPANS_AT;
    const uint32_t behind = at + STINT_REGISTRY_SPANS * (uint32_t)sizeof(*seqs);

    if (bytes < STINT_REGISTRY_WITH_SPANS)
        return;
    seqs = (uint64_t *)(void *)((char *)header + at);
    ring = (struct stint_registry_span *)(void *)((char *)header + behind);
    for (size_t i = 0; header->spans_begun > 0 && i < STINT_REGISTRY_SPANS; i++)
        seqs[i] &= ~(uint64_t)1; /* another program was here before its exec */
    header->span_seqs = (struct stint_registry_table){at, sizeof(*seqs), STINT_REGISTRY_SPANS, 0};
    header->spans = (struct stint_registry_table){behind, sizeof(*ring), STINT_REGISTRY_SPANS, 0};
    __atomic_store_n(&stn_spans_switch, &header->spans_wanted, __ATOMIC_RELEASE);
}

/* The header is a new one already, whose switch is off; somebody of ours may have been at an entry. */
void
stn_ring_after_fork(void)
{
    __atomic_store_n(&stn_spans_switch, &off, __ATOMIC_RELAXED);
    if (seqs)
        (void)mmap(seqs, STINT_REGISTRY_WITH_SPANS - STINT_REGISTRY_SPANS_AT,
                   PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

int64_t
stn_spans_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail: the clock exists */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t
stn_span_begin(const struct trace *trace)
{
    return stn_spans_wanted() && (trace->flags & TRACE_SAMPLED) ? stn_spans_now() : 0;
}

/* ---- One entry -------------------------------------------------------------------------------- */

/* NULL: it is in use, or somebody was faster by a whole round. */
static struct stint_registry_span *
claim(uint64_t ticket, uint64_t **ret_seq)
{
    uint64_t *seq = &seqs[ticket % STINT_REGISTRY_SPANS];
    uint64_t was = __atomic_load_n(seq, __ATOMIC_RELAXED);

    if (was % 2 != 0 || was > ticket * 2 ||
        !__atomic_compare_exchange_n(seq, &was, ticket * 2 + 1, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return NULL;
    *ret_seq = seq;
    return &ring[ticket % STINT_REGISTRY_SPANS];
}

static void
put(const struct stint_registry_span *s, size_t bytes)
{
    struct stint_registry_header *header = __atomic_load_n(&stn.registry, __ATOMIC_ACQUIRE);
    struct stint_registry_span *entry;
    uint64_t *seq, ticket;

    if (!header)
        return;
    ticket = __atomic_fetch_add(&header->spans_begun, 1, __ATOMIC_RELAXED);
    entry = claim(ticket, &seq);
    if (!entry)
        return;
    stn_put_words(entry, s, (bytes + 7) & ~(size_t)7);
    STN_PUT(*seq, ticket * 2 + 2);
}

/* Why it was cancelled before it ended; a deadline that nobody asked about is one, too. */
static uint32_t
cause_of(const struct token *token, int64_t end_ns)
{
    uint32_t cause = 0;

    if (!token)
        return 0;
    if (__atomic_load_n(&token->head.cancelled, __ATOMIC_ACQUIRE) != 0) {
        stn_tree_take();
        cause = token->origin ? token->origin->cause : 0;
        stn_tree_give();
    }
    if (cause == 0 && token->deadline_us != STINT_NEVER && end_ns / 1000 > token->deadline_us)
        cause = STINT_CAUSE_DEADLINE;
    return cause;
}

static void
describe(struct stint_registry_span *s, const struct span_end *end)
{
    const struct stint_thread *thread = end->thread ? end->thread : stn_self;

    if (thread) {
        s->tid = __atomic_load_n(&thread->tid, __ATOMIC_RELAXED);
        stn_text_copy(s->thread, sizeof(s->thread), thread->name);
        stn_text_copy(s->creator_name, sizeof(s->creator_name), thread->creator_name);
    }
    stn_text_copy(s->name, sizeof(s->name), end->name);
    stn_text_copy(s->scope, sizeof(s->scope), end->scope);
    s->failed = end->text || s->cause == STINT_CAUSE_DEADLINE;
    stn_text_copy(s->text, sizeof(s->text),
                  end->text   ? end->text
                  : s->failed ? "its deadline was over"
                              : NULL);
    if (end->attributes_n > 0)
        memcpy(s->attributes, end->attributes, end->attributes_n);
}

void
stn_span_ended(const struct span_end *end)
{
    const size_t fixed = offsetof(struct stint_registry_span, attributes);
    struct stint_registry_span s;

    stn_here();
    if (!stn_spans_wanted())
        return;
    memset(&s, 0, fixed + ((end->attributes_n + 8) & ~(size_t)7));
    memcpy(s.trace_id, end->trace->trace_id, sizeof(s.trace_id));
    memcpy(s.span_id, end->span->id, sizeof(s.span_id));
    memcpy(s.parent_id, end->span->parent, sizeof(s.parent_id));
    s.start_ns = end->span->begin_ns;
    s.end_ns = stn_spans_now();
    s.deadline_us = end->token ? end->token->deadline_us : STINT_NEVER;
    s.cause = cause_of(end->token, s.end_ns);
    s.of = (uint16_t)end->of;
    s.kind = (uint16_t)end->kind;
    describe(&s, end);
    put(&s, fixed + end->attributes_n + 1);
}

/* ---- What ends by itself ---------------------------------------------------------------------- */

void
stn_span_of_thread(const struct stint_thread *thread)
{
    if (thread->span.begin_ns != 0)
        stn_span_ended(&(struct span_end){.trace = stn_token_trace(thread->token),
                                          .span = &thread->span,
                                          .thread = thread,
                                          .token = thread->token,
                                          .name = thread->name,
                                          .scope = thread->scope->name,
                                          .of = STINT_SPAN_OF_THREAD,
                                          .kind = STINT_SPAN_INTERNAL});
}

void
stn_span_of_task(const struct stint_thread *thread)
{
    const struct task *task = thread->task;
    const struct token *token = thread->token;

    if (task->span.begin_ns != 0)
        stn_span_ended(&(struct span_end){.trace = stn_token_trace(token),
                                          .span = &task->span,
                                          .thread = thread,
                                          .token = token,
                                          .name = task->name[0] ? task->name
                                                  : token       ? token->name
                                                                : NULL,
                                          .scope = thread->scope->name,
                                          .of = STINT_SPAN_OF_TASK,
                                          .kind = STINT_SPAN_INTERNAL});
}

/* Of a token that has one of its own. */
static struct span
span_of(const struct trace *trace)
{
    struct span span = {.begin_ns = trace->begin_ns};

    memcpy(span.id, trace->span_id, sizeof(span.id));
    memcpy(span.parent, trace->parent_id, sizeof(span.parent));
    return span;
}

void
stn_span_of_scope(const struct stint_scope *scope)
{
    const struct trace *trace = scope->token->trace;
    const struct span span = span_of(trace);

    if (span.begin_ns != 0 && scope->token->owns_trace && scope->token->told)
        stn_span_ended(&(struct span_end){.trace = trace,
                                          .span = &span,
                                          .token = scope->token,
                                          .name = scope->name,
                                          .scope = scope->parent ? scope->parent->name : NULL,
                                          .of = STINT_SPAN_OF_SCOPE,
                                          .kind = STINT_SPAN_INTERNAL});
}

void
stn_span_of_request(struct token *token)
{
    const struct stint_scope *scope;
    struct span span;

    if (!token->owns_trace || token->trace->begin_ns == 0 ||
        __atomic_exchange_n(&token->told, true, __ATOMIC_RELAXED))
        return;
    scope = stn_scope_of(token);
    span = span_of(token->trace);
    stn_span_ended(&(struct span_end){.trace = token->trace,
                                      .span = &span,
                                      .token = token,
                                      .name = token->name,
                                      .scope = scope->name,
                                      .of = STINT_SPAN_OF_REQUEST,
                                      .kind = STINT_SPAN_SERVER});
}

void
stn_span_of_call(const struct trace *trace, const struct span *span, const char *name)
{
    if (span->begin_ns != 0)
        stn_span_ended(&(struct span_end){.trace = trace,
                                          .span = span,
                                          .name = name,
                                          .of = STINT_SPAN_OF_CALL,
                                          .kind = STINT_SPAN_CLIENT});
}

void
stn_span_of_process(void)
{
    const struct span span = span_of(&stn.trace);

    if (span.begin_ns == 0)
        return;
    if (stn_self && (stn_self->flags & STINT_SLOT_MAIN)) {
        stn_spans_end(stn_self, NULL);
        stn_span_of_thread(stn_self);
    }
    stn_span_ended(&(struct span_end){.trace = &stn.trace,
                                      .span = &span,
                                      .name = stn.service[0] ? stn.service : "process",
                                      .of = STINT_SPAN_OF_PROCESS,
                                      .kind = STINT_SPAN_INTERNAL});
}
