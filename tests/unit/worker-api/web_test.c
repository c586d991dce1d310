/* SPDX-License-Identifier: MIT */
/* The example worker against clients that count every answer. WEB_PROGRAM is its path. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

#define GET "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

static char dir[64];
static int listener;
static struct sockaddr_in address;

static void
write_config(const char *text)
{
    char path[96];
    FILE *f;

    snprintf(path, sizeof(path), "%s/web.conf", dir);
    ck_assert_ptr_nonnull(f = fopen(path, "we"));
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

static void
set_up(void)
{
    socklen_t size = sizeof(address);

    snprintf(dir, sizeof(dir), "/tmp/stint-web-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    write_config("threads = 2\ndrain_quiet_ms = 100\n");
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    address = (struct sockaddr_in){.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(listener, 128), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
}

static void
tear_down(void)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/web.conf", dir);
    unlink(path);
    rmdir(dir);
    close(listener);
}

static void
exec_web(const struct master *m, int generation)
{
    char config[96], pid[16], number[16];

    signal(SIGTERM, SIG_DFL);
    snprintf(config, sizeof(config), "%s/web.conf", dir);
    snprintf(pid, sizeof(pid), "%d", getpid());
    snprintf(number, sizeof(number), "%d", generation);
    if (dup2(m->theirs, 100) == -1 || dup2(listener, 3) == -1)
        _exit(125);
    setenv("STINT_CHANNEL", "100", 1);
    setenv("STINT_GENERATION", number, 1);
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_FDNAMES", "http", 1);
    execl(WEB_PROGRAM, "web", "--config", config, (char *)NULL);
    _exit(126);
}

/* A worker that has said READY. The channel stays open in *@m. */
static pid_t
start_web(struct master *m, int generation)
{
    char body[STINT_FRAME_MAX];
    pid_t pid;

    *m = master_start();
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        exec_web(m, generation);
    close(m->theirs);
    master_hello(m);
    while (master_receive(m, body).type != STINT_FRAME_READY)
        ;
    return pid;
}

static int
status_of(pid_t pid)
{
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int
dial(void)
{
    struct timeval limit = {.tv_sec = SOON_US / 1000000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void
say(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* One whole answer into @text, read byte by byte so that none of the next is taken. 0 = the end. */
static int
hear(int fd, char *text, size_t size)
{
    size_t n = 0, whole = size;
    const char *length;
    ssize_t r;

    while (n < whole && n + 1 < size) {
        r = recv(fd, text + n, 1, 0);
        if (r == 0 && n == 0)
            return 0;
        if (r != 1)
            return -1;
        text[++n] = '\0';
        if (whole == size && n >= 4 && memcmp(text + n - 4, "\r\n\r\n", 4) == 0) {
            length = strstr(text, "Content-Length: ");
            if (!length)
                return -1;
            whole = n + strtoul(length + 16, NULL, 10);
        }
    }
    return n == whole ? 1 : -1;
}

START_TEST(it_says_who_answered)
{
    struct master m;
    pid_t pid;
    char text[2048], body[256];
    int fd;

    write_config("greeting = good day\n# a remark\n\nthreads = 1\n");
    pid = start_web(&m, 7);
    fd = dial();
    say(fd, GET);
    ck_assert_int_eq(hear(fd, text, sizeof(text)), 1);
    snprintf(body, sizeof(body),
             "\r\n\r\n{\"greeting\":\"good day\",\"generation\":7,\"slot\":3,\"pid\":%d}", pid);
    ck_assert_ptr_nonnull(strstr(text, body));
    ck_assert_str_eq(strstr(text, body), body);
    ck_assert_ptr_eq(strstr(text, "HTTP/1.1 200 OK\r\n"), text);
    ck_assert_ptr_nonnull(strstr(text, "\r\nX-Stint-Generation: 7\r\n"));
    close(fd);
    kill(pid, SIGTERM);
    ck_assert_int_eq(status_of(pid), 0);
}
END_TEST

static const struct {
    const char *request;
    const char *answers[3]; /* beginnings, in order; NULL = the connection ends */
} talks[] = {
    {GET GET,                                                             {"HTTP/1.1 200", "HTTP/1.1 200", "open"}},
    {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" GET,
     {"HTTP/1.1 405", "HTTP/1.1 200", "open"}                                                                     },
    {"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",            {"HTTP/1.1 200", NULL, NULL}            },
    {"GET / HTTP/1.0\r\n\r\n",                                            {"HTTP/1.1 200", NULL, NULL}            },
    {"HEAD / HTTP/1.0\r\n\r\n",                                           {"HTTP/1.1 200", NULL, NULL}            },
    {"nonsense\r\n\r\n",                                                  {"HTTP/1.1 400", NULL, NULL}            },
    {"GET / HTTP/3.0\r\n\r\n",                                            {"HTTP/1.1 400", NULL, NULL}            },
    {"GET  / HTTP/1.1\r\n\r\n",                                           {"HTTP/1.1 400", NULL, NULL}            },
    {"GET / HTTP/1.1\r\nHost : x\r\n\r\n",                                {"HTTP/1.1 400", NULL, NULL}            },
    {"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",                      {"HTTP/1.1 400", NULL, NULL}            },
    {"GET / HTTP/1.1\nHost: x\n\r\n\r\n",                                 {"HTTP/1.1 400", NULL, NULL}            },
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",             {"HTTP/1.1 400", NULL, NULL}            },
    {"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
     {"HTTP/1.1 400", NULL, NULL}                                                                                 },
    {"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",                     {"HTTP/1.1 400", NULL, NULL}            },
    {"GET /slow?ms=x HTTP/1.1\r\nHost: x\r\n\r\n",                        {"HTTP/1.1 400", NULL, NULL}            },
    {"GET /slow?ms=30 HTTP/1.1\r\nHost: x\r\n\r\n" GET,                   {"HTTP/1.1 200", "HTTP/1.1 200", "open"}},
};

START_TEST(every_request_gets_the_answer_it_deserves)
{
    struct master m;
    pid_t pid = start_web(&m, 1);

    for (size_t t = 0; t < sizeof(talks) / sizeof(*talks); t++) {
        bool head = strncmp(talks[t].request, "HEAD", 4) == 0;
        char text[2048];
        int fd = dial();

        say(fd, talks[t].request);
        for (int i = 0; i < 3; i++) {
            const char *want = talks[t].answers[i];

            if (!want) {
                ck_assert_int_eq(hear(fd, text, sizeof(text)), 0);
                break;
            }
            if (strcmp(want, "open") == 0) {
                ck_assert_int_eq(recv(fd, text, 1, MSG_DONTWAIT), -1);
                break;
            }
            int r = hear(fd, text, sizeof(text));
            ck_assert_msg(r == (head ? -1 : 1), "%s", talks[t].request);
            ck_assert_msg(strncmp(text, want, strlen(want)) == 0, "%s: %s", talks[t].request, text);
        }
        close(fd);
    }
    kill(pid, SIGTERM);
    ck_assert_int_eq(status_of(pid), 0);
}
END_TEST

START_TEST(a_head_without_end_is_refused)
{
    struct master m;
    pid_t pid = start_web(&m, 1);
    char big[20000], text[2048];
    int fd = dial();

    memset(big, 'a', sizeof(big));
    memcpy(big, "GET / HTTP/1.1\r\nX: ", 19);
    ck_assert_int_gt(send(fd, big, sizeof(big), MSG_NOSIGNAL), 0);
    ck_assert_int_eq(hear(fd, text, sizeof(text)), 1);
    ck_assert_ptr_eq(strstr(text, "HTTP/1.1 400"), text);
    close(fd);
    kill(pid, SIGTERM);
    ck_assert_int_eq(status_of(pid), 0);
}
END_TEST

/* Thousands of pipelined requests to a client that reads late: partial writes, none lost. */
START_TEST(a_slow_reader_gets_every_pipelined_answer)
{
    enum { N = 3000 };
    struct master m;
    pid_t pid = start_web(&m, 1);
    char text[2048];
    int fd = dial();
    pid_t writer = fork();

    ck_assert_int_ge(writer, 0);
    if (writer == 0) {
        for (int i = 0; i < N; i++)
            if (send(fd, GET, sizeof(GET) - 1, MSG_NOSIGNAL) != sizeof(GET) - 1)
                _exit(1);
        _exit(0);
    }
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(hear(fd, text, sizeof(text)), 1);
        ck_assert_ptr_eq(strstr(text, "HTTP/1.1 200"), text);
    }
    ck_assert_int_eq(status_of(writer), 0);
    close(fd);
    kill(pid, SIGTERM);
    ck_assert_int_eq(status_of(pid), 0);
}
END_TEST

/* What a lame duck owes: the request in flight, the one on an idle connection, and a goodbye. */
START_TEST(a_lame_duck_answers_what_is_open_and_leaves)
{
    struct master m;
    pid_t pid;
    char text[2048];
    int idle, slow, half, fresh;

    write_config("threads = 1\ndrain_quiet_ms = 1000\n");
    pid = start_web(&m, 1);
    idle = dial();
    slow = dial();
    half = dial();
    say(idle, GET);
    ck_assert_int_eq(hear(idle, text, sizeof(text)), 1);
    ck_assert_ptr_null(strstr(text, "Connection: close"));
    say(slow, "GET /slow?ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n");
    say(half, "GET / HTTP/1.1\r\nHo");
    say(idle, GET); /* one thread: when this is answered, it has read the others */
    ck_assert_int_eq(hear(idle, text, sizeof(text)), 1);

    master_cancel(&m, STINT_CAUSE_RELIEVED, "relieved", INT64_MAX);

    ck_assert_int_eq(hear(slow, text, sizeof(text)), 1); /* its sleep was cut short */
    ck_assert_ptr_nonnull(strstr(text, "Connection: close"));
    ck_assert_int_eq(hear(slow, text, sizeof(text)), 0);
    fresh = dial();
    say(fresh, GET); /* waits for our successor */
    say(idle, GET);
    ck_assert_int_eq(hear(idle, text, sizeof(text)), 1);
    ck_assert_ptr_nonnull(strstr(text, "Connection: close"));
    ck_assert_int_eq(hear(idle, text, sizeof(text)), 0);
    say(half, "st: x\r\n\r\n");
    ck_assert_int_eq(hear(half, text, sizeof(text)), 1);
    ck_assert_ptr_nonnull(strstr(text, "Connection: close"));
    close(idle);
    close(slow);
    close(half);
    ck_assert_int_eq(status_of(pid), 0);
    ck_assert_int_eq(recv(fresh, text, 1, MSG_DONTWAIT), -1);
    ck_assert_int_eq(errno, EAGAIN);

    pid = start_web(&m, 2);
    ck_assert_int_eq(hear(fresh, text, sizeof(text)), 1);
    ck_assert_ptr_nonnull(strstr(text, "\"generation\":2,"));
    close(fresh);
    kill(pid, SIGTERM);
    ck_assert_int_eq(status_of(pid), 0);
}
END_TEST

struct client {
    int requests, failures, newest; /* the client's; read after join */
};

static int clients_stop; /* atomic */

static void
busy_client(void *arg)
{
    struct client *c = arg;
    char text[2048];
    int fd = dial();

    while (!__atomic_load_n(&clients_stop, __ATOMIC_ACQUIRE)) {
        const char *generation;

        c->requests++;
        if (send(fd, GET, sizeof(GET) - 1, MSG_NOSIGNAL) != sizeof(GET) - 1 ||
            hear(fd, text, sizeof(text)) != 1 || strncmp(text, "HTTP/1.1 200", 12) != 0) {
            c->failures++;
            close(fd);
            fd = dial();
            continue;
        }
        generation = strstr(text, "\"generation\":");
        c->newest = generation ? atoi(generation + 13) : 0;
        if (strstr(text, "Connection: close")) {
            close(fd);
            fd = dial();
        }
        stint_token_sleep(NULL, 5000);
    }
    close(fd);
}

START_TEST(busy_clients_lose_nothing_over_ten_handovers)
{
    enum { CLIENTS = 8, HANDOVERS = 10 };
    struct client clients[CLIENTS] = {{0}};
    struct stint_thread *threads[CLIENTS];
    struct master old, young;
    pid_t pid = start_web(&old, 1), next;

    for (int i = 0; i < CLIENTS; i++)
        ck_assert_int_eq(stint_thread_spawn(&threads[i], NULL, "client", busy_client, &clients[i]),
                         0);
    for (int generation = 2; generation < 2 + HANDOVERS; generation++) {
        next = start_web(&young, generation);
        master_cancel(&old, STINT_CAUSE_RELIEVED, "relieved", INT64_MAX);
        kill(pid, SIGTERM);
        ck_assert_int_eq(status_of(pid), 0);
        close(old.channel);
        pid = next;
        old = young;
    }
    __atomic_store_n(&clients_stop, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < CLIENTS; i++) {
        ck_assert_int_eq(stint_thread_join(threads[i], soon()), 0);
        ck_assert_int_gt(clients[i].requests, HANDOVERS);
        ck_assert_int_eq(clients[i].failures, 0);
        ck_assert_int_ge(clients[i].newest, HANDOVERS);
    }
    kill(pid, SIGTERM);
    ck_assert_int_eq(status_of(pid), 0);
}
END_TEST

START_TEST(the_planted_thread_stays_and_is_named)
{
    struct master m;
    struct stint_registry_slot slot = {0};
    int64_t limit = soon();
    pid_t pid;

    write_config("leak = yes\nthreads = 1\n");
    pid = start_web(&m, 1);
    master_cancel(&m, STINT_CAUSE_RELIEVED, "relieved", INT64_MAX);
    kill(pid, SIGTERM);
    while (stint_now_us() < limit &&
           !(master_find(&m, "serve-0", &slot) && slot.state == STINT_SLOT_DONE))
        stint_token_sleep(NULL, 1000);
    ck_assert_uint_eq(slot.state, STINT_SLOT_DONE);

    ck_assert_int_eq(master_find(&m, "flush-2", &slot), 1);
    ck_assert_uint_eq(slot.state, STINT_SLOT_LIVE);
    ck_assert_str_eq(slot.function, "cache_start_flusher");
    ck_assert_ptr_nonnull(strstr(slot.file, "examples/web/cache.c"));
    ck_assert_uint_eq(slot.token_cause, STINT_CAUSE_RELIEVED);
    ck_assert_uint_gt(slot.cancelled_us, 0);
    ck_assert_ptr_nonnull(strstr(slot.wait_site, "read of the flush queue"));
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}
END_TEST

static const struct {
    const char *config, *complaint; /* NULL = none */
} checks[] = {
    {"",                                               NULL                                      },
    {"greeting = hi\nthreads=64\n\n # x\nleak = no\n", NULL                                      },
    {"greeting = hi\ncolour = red\n",                  ":2: 'colour' is an unknown key\n"        },
    {"threads = 0\n",                                  ":1: threads '0' is out of range\n"       },
    {"threads = two\n",                                ":1: threads 'two' is not a number\n"     },
    {"\nleak = maybe\n",                               ":2: leak 'maybe' is neither yes nor no\n"},
    {"greeting\n",                                     ":1: expected 'key = value'\n"            },
    {"greeting = \"hi\"\n",                            ":1: greeting '\"hi\"' holds a quote, a backslash or a control "
                            "character\n"                             },
};

START_TEST(check_points_at_the_line)
{
    char command[256], text[512] = "", path[96];
    FILE *out;
    int status;

    write_config(checks[_i].config);
    snprintf(path, sizeof(path), "%s/web.conf", dir);
    snprintf(command, sizeof(command), "%s --check %s 2>&1", WEB_PROGRAM, path);
    ck_assert_ptr_nonnull(out = popen(command, "re"));
    text[fread(text, 1, sizeof(text) - 1, out)] = '\0';
    status = pclose(out);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), checks[_i].complaint ? 1 : 0);
    if (!checks[_i].complaint) {
        ck_assert_str_eq(text, "");
        return;
    }
    ck_assert_ptr_eq(strstr(text, path), text);
    ck_assert_str_eq(text + strlen(path), checks[_i].complaint);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("web");
    TCase *http = tcase_create("http");
    TCase *handover = tcase_create("handover");

    tcase_add_checked_fixture(http, set_up, tear_down);
    tcase_add_checked_fixture(handover, set_up, tear_down);
    tcase_set_timeout(http, 60);
    tcase_set_timeout(handover, 100);
    tcase_add_test(http, it_says_who_answered);
    tcase_add_test(http, every_request_gets_the_answer_it_deserves);
    tcase_add_test(http, a_head_without_end_is_refused);
    tcase_add_test(http, a_slow_reader_gets_every_pipelined_answer);
    tcase_add_loop_test(http, check_points_at_the_line, 0, (int)(sizeof(checks) / sizeof(*checks)));
    tcase_add_test(handover, a_lame_duck_answers_what_is_open_and_leaves);
    tcase_add_test(handover, busy_clients_lose_nothing_over_ten_handovers);
    tcase_add_test(handover, the_planted_thread_stays_and_is_named);
    suite_add_tcase(suite, http);
    suite_add_tcase(suite, handover);
    return unit_main(suite);
}
