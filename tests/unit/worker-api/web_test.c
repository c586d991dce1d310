/* SPDX-License-Identifier: MIT */
/* What the example worker answers. */
#include "tests/unit/unit.h"
#include "tests/unit/worker-api/web.h"

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
    (void)snprintf(body, sizeof(body),
                   "\r\n\r\n{\"greeting\":\"good day\",\"generation\":7,\"slot\":3,\"pid\":%d}",
                   pid);
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
    const char begin[] = "GET / HTTP/1.1\r\nX: ";
    char big[20000], text[2048];
    int fd = dial();

    memset(big, 'a', sizeof(big));
    memcpy(big, begin, sizeof(begin) - 1);
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
    (void)snprintf(path, sizeof(path), "%s/web.conf", dir);
    (void)snprintf(command, sizeof(command), "%s --check %s 2>&1", WEB_PROGRAM, path);
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

    tcase_add_checked_fixture(http, set_up, tear_down);
    tcase_set_timeout(http, 60);
    tcase_add_test(http, it_says_who_answered);
    tcase_add_test(http, every_request_gets_the_answer_it_deserves);
    tcase_add_test(http, a_head_without_end_is_refused);
    tcase_add_test(http, a_slow_reader_gets_every_pipelined_answer);
    tcase_add_loop_test(http, check_points_at_the_line, 0, (int)(sizeof(checks) / sizeof(*checks)));
    suite_add_tcase(suite, http);
    return unit_main(suite);
}
