/* SPDX-License-Identifier: GPL-2.0-or-later */

/* I, the second lot: contracts within a process that serves. */
#include <sys/socket.h>
#include <unistd.h>

#include "tests/corpus/corpus.h"

/* I90: a scope is closed, two of it go, one does not. */
static struct queue i90_queue = QUEUE(1);

static NOINLINE THREAD_RESULT
i90_obeys(void *arg)
{
    here();
    (void)queue_get(&i90_queue, arg);
    LEAVE;
}

static NOINLINE THREAD_RESULT
i90_deaf(void *arg)
{
    here();
    (void)queue_get(&i90_queue, fixed ? arg : NULL);
    LEAVE;
}

void
row_I90(void)
{
    struct scope *s = scope_open("import");
    struct token *t = scope_token(s);

    let_go(spawn(t, "i90-obeys", i90_obeys, t));
    let_go(spawn(t, "i90-obeys", i90_obeys, t));
    (void)spawn(t, "i90-deaf", i90_deaf, t);
    (void)spawn(root(), "i90-other", i90_obeys, root());
    all_here(4);
    scope_close(s, 100000);
    serve();
    queue_close(&i90_queue);
    join_all();
}

/* I91: a request had a tenth of a second, and its handler is still with a backend; its like are idle. */
static int i91_pair[2];

static NOINLINE void
i91_ask_backend(void)
{
    char c[16];

    here();
    (void)recv(i91_pair[0], c, sizeof(c), 0);
    NOT_THE_LAST();
}

static NOINLINE THREAD_RESULT
i91_handler(void *arg)
{
    if (arg) {
        task_begin(root(), "GET /slow", 100000);
        i91_ask_backend();
        task_end();
    } else {
        here();
    }
    (void)queue_get(&i90_queue, root());
    LEAVE;
}

void
row_I91(void)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, i91_pair) == -1)
        return;
    if (fixed)
        (void)shutdown(i91_pair[1], SHUT_RDWR);
    (void)spawn(root(), "i91-slow", i91_handler, i91_pair);
    for (int i = 0; i < 3; i++)
        (void)spawn(root(), "i91-idle", i91_handler, NULL);
    all_here(4);
    serve();
    (void)shutdown(i91_pair[1], SHUT_RDWR);
    join_all();
}

/* I92: a trap: it was cancelled, and has ten seconds for its clean-up. */
static NOINLINE THREAD_RESULT
i92_cleans_up(void *arg)
{
    while (!token_await(arg, NEVER))
        ;
    here();
    while (!token_cancelled(root()))
        (void)token_await(NULL, 20000);
    LEAVE;
}

void
row_I92(void)
{
    struct scope *g = generation_open("one");
    struct token *t = scope_token(g);

    (void)spawn(t, "i92-cleans-up", i92_cleans_up, t);
    generation_retire(g, 10000000);
    all_here(1);
    serve();
    join_all();
}

/* I93: one token of two was cancelled; who has the other goes on, in the same function. */
static NOINLINE THREAD_RESULT
i93_session(void *arg)
{
    here();
    while (!(fixed && token_cancelled(arg)) && !token_cancelled(root()))
        (void)token_await(NULL, 10000);
    LEAVE;
}

void
row_I93(void)
{
    struct token *gone = token_new(root(), "gone"), *goes = token_new(root(), "goes");

    (void)spawn(gone, "i93-gone", i93_session, gone);
    (void)spawn(goes, "i93-goes", i93_session, goes);
    all_here(2);
    token_cancel(gone);
    serve();
    join_all();
}

/* I94: it waits with a token, and that is another's. */
static NOINLINE THREAD_RESULT
i94_waits(void *arg)
{
    here();
    (void)queue_get(&i90_queue, arg);
    LEAVE;
}

void
row_I94(void)
{
    struct token *own = token_new(root(), "own"), *other = token_new(NULL, "other");

    (void)spawn(own, "i94-waits", i94_waits, fixed ? own : other);
    all_here(1);
    serve();
    join_all();
}

/* I95: who joins a deaf one is its victim, within a process that serves. */
static NOINLINE THREAD_RESULT
i95_collects(void *arg)
{
    here();
    join(arg);
    LEAVE;
}

void
row_I95(void)
{
    struct scope *s = scope_open("batch");
    struct token *t = scope_token(s);
    struct thread *deaf = spawn(t, "i95-deaf", i90_deaf, t);

    mine(deaf);
    (void)spawn(t, "i95-collects", i95_collects, deaf);
    all_here(2);
    scope_close(s, 50000);
    serve();
    queue_close(&i90_queue);
    join_all();
}

/* I96: three generations, each of which left one behind. */
void
row_I96(void)
{
    for (unsigned i = 1; i <= 3; i++) {
        struct scope *g = generation_open("conf");

        (void)spawn(scope_token(g), "i96-watch", i90_deaf, scope_token(g));
        all_here(i);
        generation_retire(g, 50000);
    }
    serve();
    queue_close(&i90_queue);
    join_all();
}
