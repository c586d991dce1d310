/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An explicit-state explorer for real code. Threads are coroutines; a state is every byte that they
 * can see: the program's variables, a heap of our own, and the live part of each stack. From each
 * state every possible step is taken, depth first; a state seen before is not looked at again. So what
 * holds here holds in all interleavings of the scene, and what does not comes with the way to it.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include <xxhash.h>

#include "tests/model/inside.h"
#include "tests/model/memory.h"

void
mc_violation(const char *what)
{
    printf("violation in %s: %s\n", mc_explorer->scene->name, what);
    for (unsigned i = 1; i < mc_explorer->depth; i++) {
        const struct step *s = &mc_explorer->steps[i];

        printf("  %3u  thread %u%s  %s:%d\n", i, s->thread, s->alternative ? " *" : "",
               s->file ? s->file : "start", s->line);
    }
    if (mc_running >= 0)
        printf("       thread %d     %s:%d\n", mc_running,
               mc_threads[mc_running].file ? mc_threads[mc_running].file : "start",
               mc_threads[mc_running].line);
    (void)fflush(stdout);
    _exit(1);
}

/* ---- States ---------------------------------------------------------------------------------- */

/* Each piece of the state in turn, by a fixed order. */
static void
pieces(unsigned n_pages, void (*with)(void *piece, size_t bytes, void *arg), void *arg)
{
    struct mc_range heap;

    for (unsigned i = 0; i < n_pages; i++) {
        struct mc_range page = mc_pages_range(i);

        with(page.begin, page.bytes, arg);
    }
    heap = mc_heap_range();
    with(mc_threads, sizeof(*mc_threads) * MC_THREADS,
         arg); /* before the stacks: says how deep they are */
    with(heap.begin, heap.bytes, arg);
    for (int i = 0; i < MC_THREADS; i++)
        if (mc_threads[i].exists && !mc_threads[i].done)
            with(mc_threads[i].low, (size_t)(mc_threads[i].stack + STACK_BYTES - mc_threads[i].low),
                 arg);
}

static void
add_size(void *piece, size_t bytes, void *arg)
{
    (void)piece;
    *(size_t *)arg += bytes;
}

static void
save_piece(void *piece, size_t bytes, void *arg)
{
    char **to = arg;

    memcpy(*to, piece, bytes);
    *to += bytes;
}

static void
restore_piece(void *piece, size_t bytes, void *arg)
{
    char **from = arg;

    memcpy(piece, *from, bytes);
    *from += bytes;
}

static void
save(struct step *step)
{
    char *to;

    step->bytes = 0;
    step->pages = mc_pages_count();
    pieces(step->pages, add_size, &step->bytes);
    step->state = to = realloc(step->state, step->bytes);
    if (!to)
        mc_violation("the explorer has no memory left");
    pieces(step->pages, save_piece, &to);
}

static void
restore(const struct step *step)
{
    char *from = step->state;

    mc_pages_forget(step->pages);
    pieces(step->pages, restore_piece, &from);
}

/* True: it is new, and is known from now on. */
static bool
note(const struct step *step)
{
    XXH128_hash_t hash = XXH3_128bits(step->state, step->bytes);
    size_t mask = ((size_t)1 << SEEN_BITS) - 1;

    for (size_t i = hash.low64 & mask;; i = (i + 1) & mask) {
        if (mc_explorer->seen[i].low64 == hash.low64 && mc_explorer->seen[i].high64 == hash.high64)
            return false;
        if (mc_explorer->seen[i].low64 == 0 && mc_explorer->seen[i].high64 == 0) {
            mc_explorer->seen[i] = hash;
            if (++mc_explorer->states > mask / 2)
                mc_violation("more states than the explorer can remember");
            return true;
        }
    }
}

/* ---- The search -------------------------------------------------------------------------------- */

/* Transition @n of the present state: a thread and its choice. False: there are not so many. */
static bool
transition(unsigned n, int *ret_thread, unsigned *ret_choice)
{
    for (int i = 0; i < MC_THREADS; i++) {
        const struct thread *t = &mc_threads[i];
        unsigned ways = t->asleep ? t->signal_due : t->alternatives;

        if (!t->exists || t->done)
            continue;
        if (n < ways) {
            *ret_thread = i;
            *ret_choice = t->asleep ? 1 : n; /* a sleeper can be woken by its signal */
            return true;
        }
        n -= ways;
    }
    return false;
}

static void
look_at_end(void)
{
    for (int i = 0; i < MC_THREADS; i++)
        if (mc_threads[i].exists && !mc_threads[i].done)
            mc_violation("nobody can go on, and not all have ended");
    mc_explorer->ends++;
    mc_explorer->scene->check();
}

/* From the state at the top: its next step, or back. */
static void
advance(void)
{
    struct step *at = &mc_explorer->steps[mc_explorer->depth - 1], *below;
    unsigned choice;
    int thread;

    restore(at);
    if (!transition(at->next, &thread, &choice)) {
        if (at->next == 0)
            look_at_end();
        mc_explorer->depth--;
        return;
    }
    at->next++;
    if (mc_explorer->depth == DEPTH_MAX)
        mc_violation("no end is in sight");
    below = &mc_explorer->steps[mc_explorer->depth];
    below->next = 0;
    below->thread = (unsigned)thread;
    below->alternative = choice;
    below->file = mc_threads[thread].file;
    below->line = mc_threads[thread].line;
    mc_resume(thread, choice);
    mc_heap_check();
    save(below);
    if (note(below))
        mc_explorer->depth++;
}

static void
start(const struct scene *scene)
{
    mc_explorer->scene = scene;
    mc_running = -1;
    scene->setup();
    for (int i = 0; i < MC_THREADS; i++) {
        struct thread *t = &mc_threads[i];

        *t = (struct thread){.stack = t->stack, .alternatives = 1, .exists = scene->threads[i]};
        if (!t->exists)
            continue;
        t->signal_due = scene->handlers[i] != NULL;
        memset(t->stack, 0, STACK_BYTES);
        (void)getcontext(&t->context);
        t->context.uc_stack.ss_sp = t->stack;
        t->context.uc_stack.ss_size = STACK_BYTES;
        makecontext(&t->context, mc_body, 0);
        t->low = t->stack + STACK_BYTES - 512; /* what makecontext() laid down */
    }
    mc_explorer->depth = 1;
    mc_explorer->steps[0].next = 0;
    save(&mc_explorer->steps[0]);
    (void)note(&mc_explorer->steps[0]);
}

static void
on_fault(int signo, siginfo_t *info, void *context)
{
    (void)signo;
    (void)context;
    if (mc_pages_fault(info->si_addr))
        return;
    mc_violation("a pointer leads into memory that was freed, or nowhere");
}

void *
mc_map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        abort();
    return memory;
}

static void
prepare(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_ONSTACK | SA_SIGINFO};
    stack_t other = {.ss_sp = mc_map(65536), .ss_size = 65536};

    mc_explorer = mc_map(sizeof(*mc_explorer));
    mc_explorer->seen = mc_map(sizeof(*mc_explorer->seen) << SEEN_BITS);
    mc_threads = mc_map(sizeof(*mc_threads) * MC_THREADS);
    for (int i = 0; i < MC_THREADS; i++)
        mc_threads[i].stack = mc_map(STACK_BYTES);
    mc_heap_open(mc_map(MC_HEAP_BYTES));
    if (sigaltstack(&other, NULL) == -1 || sigaction(SIGSEGV, &action, NULL) == -1 ||
        sigaction(SIGBUS, &action, NULL) == -1)
        abort();
    mc_pages_open();
}

/* In a process of its own, with the library as it was loaded. Return: it holds. */
static bool
explore(const struct scene *scene)
{
    int status;
    pid_t pid;

    (void)fflush(stdout);
    pid = fork();
    if (pid == 0) {
        prepare();
        start(scene);
        while (mc_explorer->depth > 0)
            advance();
        printf("%-28s %8llu states, %llu ends: holds in all\n", scene->name,
               (unsigned long long)mc_explorer->states, (unsigned long long)mc_explorer->ends);
        exit(mc_explorer->ends > 0 ? 0 : 1);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* explore [--long] [SCENE...]; all with --long: 24 scenes, 12.1 million states, 96 s of a processor and 1.1 GB,
 * nearly all of it remove_vs_two_cancels. */
int
main(int argc, char **argv)
{
    const struct scene *const all[] = {mc_scenes, mc_scenes_callbacks, mc_scenes_any};
    const bool long_ones = argc > 1 && strcmp(argv[1], "--long") == 0;
    bool holds = true;

    argc -= long_ones;
    argv += long_ones;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        for (const struct scene *scene = all[i]; scene->name; scene++) {
            bool wanted = argc < 2 && (long_ones || !scene->long_one);

            for (int j = 1; j < argc; j++)
                wanted = wanted || strcmp(argv[j], scene->name) == 0;
            if (wanted)
                holds = explore(scene) && holds;
        }
    return holds ? 0 : 1;
}
