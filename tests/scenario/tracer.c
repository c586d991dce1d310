/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A worker that links libstint and logs: threads that keep their trace, and threads that do not, by what
 * its arguments say.
 *
 *   good       a request with a traceparent, whose lines are stint_log()'s
 *   lose       a thread "forgetful" prints a line of its own without the trace that it has
 *   span       a thread "careless" prints a span without a trace
 *   zero       … a line of JSON with ids of zeroes
 *   bad        … one with ids that are none
 *   change     … a span in two traces
 *   child      a child process prints the TRACEPARENT it got
 *   again      what follows is done anew for each line of a fifo "again", which is answered by a byte in "acted"
 *   raw        a thread nobody registered logs
 *   flood      a thread ends spans, more at once than there is room for; the last is "the last"
 */
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stint.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define OTHER "1af7651916cd43dd8448eb211c80319c"
#define SPAN  "b7ad6b7169203331"

extern char **environ;

static void
say(const char *line)
{
    if (write(STDOUT_FILENO, line, strlen(line)) == -1)
        _exit(98);
}

static void
good(void *arg)
{
    struct stint_token *request = stint_token_new(stint_root(), "request");
    struct stint_header header = stint_header_of("traceparent", "00-" TRACE "-" SPAN "-01");

    (void)arg;
    if (stint_trace_extract(request, &header, 1) != 1 || stint_task_begin(request, "GET /") < 0)
        _exit(97);
    (void)stint_log(STINT_LOG_INFO, "within the request");
    stint_task_end();
    stint_token_unref(request);
}

static void
lose(void *arg)
{
    char line[128];

    (void)arg;
    (void)snprintf(line, sizeof(line), "level=info tid=%d msg=\"I forgot\"\n", (int)gettid());
    say(line);
}

static void
say_it(void *line)
{
    say(line);
}

static void
child(void *arg)
{
    static char shell[] = "sh", c[] = "-c", script[] = "echo traceparent=$TRACEPARENT of a child";
    char *argv[] = {shell, c, script, NULL}, **envp = stint_trace_environ(NULL, environ);
    pid_t pid;

    (void)arg;
    if (!envp || posix_spawnp(&pid, "sh", NULL, NULL, argv, envp) != 0)
        _exit(96);
    (void)waitpid(pid, NULL, 0);
    free(envp);
}

static void *
raw(void *arg)
{
    (void)arg;
    (void)stint_log(STINT_LOG_INFO, "nobody knows me");
    return NULL;
}

static void
in_thread(const char *name, void (*fn)(void *), void *arg)
{
    struct stint_thread *thread;

    if (stint_thread_spawn(&thread, stint_root(), name, fn, arg) < 0 ||
        stint_thread_join(thread, NULL, STINT_NEVER) < 0)
        _exit(95);
}

static void
flood(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20000; i++)
        stint_span_end(stint_span_start(NULL, "one of many", STINT_SPAN_INTERNAL));
    stint_span_end(stint_span_start(NULL, "the last", STINT_SPAN_INTERNAL));
}

static void
act(const char *what)
{
    static char alone[] = "level=info thread=careless span_id=" SPAN " msg=x\n";
    static char zero[] = "{\"trace_id\":\"00000000000000000000000000000000\",\"span_id\":\"" SPAN
                         "\",\"thread\":\"careless\"}\n";
    static char bad[] = "trace_id=xyz thread=careless\n";
    static char change[] = "trace_id=" TRACE " span_id=" SPAN " thread=careless\n"
                           "trace_id=" OTHER " span_id=" SPAN " thread=careless\n";
    pthread_t thread;

    if (strcmp(what, "good") == 0)
        in_thread("server", good, NULL);
    else if (strcmp(what, "lose") == 0)
        in_thread("forgetful", lose, NULL);
    else if (strcmp(what, "span") == 0)
        in_thread("careless", say_it, alone);
    else if (strcmp(what, "zero") == 0)
        in_thread("careless", say_it, zero);
    else if (strcmp(what, "bad") == 0)
        in_thread("careless", say_it, bad);
    else if (strcmp(what, "change") == 0)
        in_thread("careless", say_it, change);
    else if (strcmp(what, "child") == 0)
        in_thread("parent", child, NULL);
    else if (strcmp(what, "flood") == 0)
        in_thread("flooder", flood, NULL);
    else if (strcmp(what, "raw") == 0 && pthread_create(&thread, NULL, raw, NULL) == 0)
        (void)pthread_join(thread, NULL);
}

/* As often as somebody wants it. */
static void
act_again(int argc, char **argv)
{
    FILE *wish = fopen("again", "r+e"), *done = fopen("acted", "r+e");
    char line[16];

    if (!wish || !done)
        _exit(94);
    while (fgets(line, sizeof(line), wish)) {
        for (int i = 0; i < argc; i++)
            act(argv[i]);
        (void)fputc('x', done);
        (void)fflush(done);
    }
}

int
main(int argc, char **argv)
{
    int again = argc;

    if (stint_init(NULL) < 0)
        return 1;
    for (int i = 1; i < again; i++)
        if (strcmp(argv[i], "again") == 0)
            again = i;
        else
            act(argv[i]);
    (void)stint_log(STINT_LOG_INFO, "serving");
    if (stint_ready() < 0)
        return 1;
    if (again < argc)
        act_again(argc - again - 1, argv + again + 1);
    (void)stint_token_wait(stint_root(), STINT_NEVER);
    return 0;
}
