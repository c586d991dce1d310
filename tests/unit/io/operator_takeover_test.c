/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/io/operator_image_world.h"
#include "tests/unit/unit.h"

static const char forced[] = "{\"services\":[\"web\"],\"force\":true,\"id\":\"" ID "\"}";

/* _i: the verdict comes before the master dies and is not told, while there is none, or after. */
START_TEST(the_verdict_is_the_same_whoever_was_master_then)
{
    struct client c;
    int status;
    json_t *answer, *s;

    world.blind = true;
    ask(&c, "/v1/reload", forced);
    UNTIL(loop, world.n_looks == 2);
    master_dies();
    client_close(&c);
    if (_i == 0)
        look_now(); /* its records are heard by nobody */
    master_begins();
    if (_i == 1)
        look_now();
    ask(&c, "/v1/reload", forced);
    turn(loop);
    if (_i == 2)
        look_now();
    answer = hear(&c, &status);
    s = first_service(answer);
    ck_assert_int_eq(status, 200);
    ck_assert_str_eq(json_at(s, "outcome"), "serving");
    ck_assert_int_eq(number_at(s, "generation"), 2);
    ck_assert_int_eq(number_at(s, "before"), 1);
    ck_assert_ptr_nonnull(strstr(json_at(s, "cause"), "operator reload by uid"));
    ck_assert_uint_eq(web()->last_generation, 2);
    json_decref(answer);
}
END_TEST

static void
die_leaked(void)
{
    act_leave(1, SIGKILL);
    run_queue();
    ck_assert_ptr_null(service_generation(web(), 1));
}

/* _i: the next master sees the leak and the end, or one saw the leak and none the end. */
START_TEST(a_leak_is_named_whoever_saw_it)
{
    static const char body[] = "{\"services\":[\"web\"],\"wait\":\"gone\",\"id\":\"" ID "\"}";
    struct client c;
    int status;
    json_t *answer, *s, *relieved;

    world.disk.low = 2;
    world.leaves = false;
    world.undying = true;
    ask(&c, "/v1/reload", body);
    UNTIL(loop, web()->last.generation == 2);
    turn(loop);
    if (_i == 1)
        UNTIL(loop, strstr(text_str(&image), "flush-2"));
    master_dies();
    client_close(&c);
    UNTIL(loop, service_generation(web(), 1)->leaks == 1 && core_worker(core, 1)->evidence);
    if (_i == 1)
        die_leaked(); /* its certificate is heard by nobody */
    master_begins();
    ask(&c, "/v1/reload", body);
    turn(loop);
    if (_i == 0)
        die_leaked();
    answer = hear(&c, &status);
    s = first_service(answer);
    relieved = json_array_get(json_object_get(s, "relieved"), 0);
    ck_assert_int_eq(status, 200);
    ck_assert(json_is_true(json_object_get(relieved, "gone")));
    ck_assert_int_eq(number_at(relieved, "leaks"), 1);
    ck_assert_uint_eq(json_array_size(json_object_get(s, "leaks")), 1);
    ck_assert_ptr_nonnull(
        strstr(json_at(json_array_get(json_object_get(s, "leaks"), 0), "text"), "flush-2"));
    json_decref(answer);
}
END_TEST

START_TEST(a_stop_and_a_start_go_on_too)
{
    static const char body[] = "{\"services\":[\"web\"],\"id\":\"" ID "\"}";
    struct client c;
    int status;
    json_t *answer;

    world.leaves = false;
    ask(&c, "/v1/stop", body);
    UNTIL(loop, service_state(web()) == SERVICE_STOPPING);
    master_dies();
    client_close(&c);
    UNTIL(loop, service_state(web()) == SERVICE_STOPPED);
    master_begins();
    ask(&c, "/v1/stop", body);
    answer = hear(&c, &status);
    ck_assert_int_eq(status, 200);
    ck_assert_str_eq(json_at(first_service(answer), "outcome"), "stopped");
    json_decref(answer);

    world.blind = true;
    ask(&c, "/v1/start", "{\"all\":true,\"id\":\"client-0002\"}");
    UNTIL(loop, world.n_looks == 2);
    master_dies();
    client_close(&c);
    master_begins();
    look_now();
    ask(&c, "/v1/start", "{\"all\":true,\"id\":\"client-0002\"}");
    answer = hear(&c, &status);
    ck_assert_int_eq(status, 200);
    ck_assert_str_eq(json_at(first_service(answer), "outcome"), "serving");
    json_decref(answer);
}
END_TEST

START_TEST(connections_of_a_time_without_a_master_are_served_by_the_next)
{
    struct client c;
    int status;
    json_t *answer;

    master_dies();
    client_open(&c, dir); /* would be refused if nobody kept the socket */
    client_request(&c, "GET", "/v1/version", NULL);
    master_begins();
    answer = hear(&c, &status);
    ck_assert_int_eq(status, 200);
    json_decref(answer);
}
END_TEST

START_TEST(a_configuration_that_was_being_read_is_read_again)
{
    struct client c;
    int status;
    json_t *answer;

    world.reads_long = true;
    ask(&c, "/v1/reload", "{\"force\":true,\"id\":\"" ID "\"}");
    UNTIL(loop, world.n_read == 2);
    turn(loop);
    master_dies();
    client_close(&c);
    world.reads_long = _i == 0;
    world.config = _i < 2 ? one_service : "version: 1\nservices: {web: {comand: [x]}}\n";
    master_begins();
    ask(&c, "/v1/reload", "{\"force\":true,\"id\":\"" ID "\"}");
    UNTIL(loop, world.n_read == 3);
    if (_i == 0)
        operator_config_read(desk, 0, "");
    answer = hear(&c, &status);
    ck_assert_uint_eq(world.n_read, 3);
    ck_assert_int_eq(status, _i < 2 ? 200 : 409);
    if (_i < 2)
        ck_assert_int_eq(number_at(first_service(answer), "generation"), 2);
    else
        ck_assert_ptr_nonnull(
            strstr(json_at(json_object_get(answer, "config"), "error"), "comand"));
    json_decref(answer);
}
END_TEST

/* An image as it would be, made of one ticket's keys. */
static void
leave_image(const char *ticket)
{
    text_clear(&image);
    text_addf(&image,
              "{\"desk\":1,\"tickets\":[{\"id\":\"" ID "\",\"started_us\":%" PRId64
              ",\"deadline_us\":%" PRId64 ",%s}]}",
              mono_now_us() - US_PER_S, mono_now_us() + 20 * US_PER_S, ticket);
}

START_TEST(what_was_not_asked_for_any_more_is_asked_for_now)
{
    char ticket[256];
    struct client c;
    int status;
    json_t *answer;

    master_dies();
    (void)snprintf(ticket, sizeof(ticket),
                   "\"uid\":%u,\"pid\":7,\"kind\":\"stop\",\"wait\":1,\"n_asked\":0,"
                   "\"claims\":[{\"id\":%u,\"service\":\"web\",\"before\":1}]",
                   (unsigned)geteuid(), web()->id);
    leave_image(ticket);
    master_begins();
    UNTIL(loop, service_state(web()) == SERVICE_STOPPED);
    ask(&c, "/v1/stop", "{\"services\":[\"web\"],\"id\":\"" ID "\"}");
    answer = hear(&c, &status);
    ck_assert_int_eq(status, 200);
    ck_assert_str_eq(json_at(first_service(answer), "outcome"), "stopped");
    json_decref(answer);
}
END_TEST

START_TEST(an_id_belongs_to_the_user_who_chose_it)
{
    char ticket[256];
    int status;
    json_t *answer;

    master_dies();
    (void)snprintf(ticket, sizeof(ticket),
                   "\"uid\":%u,\"kind\":\"stop\",\"asked\":true,\"status\":200,\"answer\":{}",
                   (unsigned)geteuid() + 1);
    leave_image(ticket);
    master_begins();
    ck_assert_uint_eq(remembered(), 1);
    answer = call("POST", "/v1/stop", "{\"services\":[\"web\"],\"id\":\"" ID "\"}", &status);
    ck_assert_str_eq(json_at(first_service(answer), "outcome"), "stopped"); /* and not: {} */
    json_decref(answer);
}
END_TEST

static const struct bad {
    const char *ticket;
    int result;
    const char *says;
} bads[] = {
    {"\"kind\":\"dance\"",                                                         -EBADMSG, "'kind'"   },
    {"\"kind\":\"wait\",\"asked\":true",                                           -EBADMSG, "'kind'"   },
    {"\"kind\":\"stop\",\"uid\":-1",                                               -EBADMSG, "'uid'"    },
    {"\"kind\":\"stop\",\"wait\":3",                                               -EBADMSG, "'wait'"   },
    {"\"kind\":\"stop\",\"n_asked\":1",                                            -EBADMSG, "'n_asked'"},
    {"\"kind\":\"stop\",\"claims\":{}",                                            -EBADMSG, "'claims'" },
    {"\"kind\":\"stop\",\"claims\":[3]",                                           -EBADMSG, "'service'"},
    {"\"kind\":\"stop\",\"asked\":true,\"claims\":[{\"id\":1,\"service\":\"w\"}]", -EBADMSG,
     "'n_asked'"                                                                                        },
    {"\"kind\":\"stop\",\"status\":200,\"answer\":[]",                             -EBADMSG, "'answer'" },
    {"\"kind\":\"stop\",\"reading\":true",                                         -EBADMSG, "'reading'"},
    {"\"kind\":\"upgrade\"",                                                       -EBADMSG, "'kind'"   },
    {"\"kind\":\"stop\"},{\"id\":\"" ID "\",\"kind\":\"stop\"",                    -EBADMSG, "number 2" },
    {"\"kind\":\"stop\"}],\"tickets\":[{",                                         -EBADMSG, "not what" },
    {"\"kind\":\"stop\",\"claims\":[{\"id\":1,\"service\":\"other\"}]",            -EBADMSG, "'service'"},
    {"\"kind\":\"stop\",\"a key of tomorrow\":{\"x\":1}",                          0,        ""         },
};

START_TEST(what_cannot_be_is_not_restored)
{
    struct error e = {0};

    leave_image(bads[_i].ticket);
    ck_assert_int_eq(operator_restore(desk, image.data, image.bytes, &e), bads[_i].result);
    ck_assert_msg(strstr(e.text, bads[_i].says) != NULL, "says: %s", e.text);
    ck_assert_uint_eq(remembered(), bads[_i].result == 0 ? 1 : 0);
    ck_assert_int_eq(operator_restore(desk, "{\"desk\":2,\"tickets\":[]}", 23, &e), -EPROTO);
    ck_assert_int_eq(operator_restore(desk, "{\"desk\":\"1\",\"tickets\":[]}", 25, &e), -EBADMSG);
    ck_assert_int_eq(operator_restore(desk, "", 0, &e), -EBADMSG);
}
END_TEST

/* An image with one of each: under way, reading, answered, with leaks. */
static void
rich_image(struct text *ret)
{
    struct client c[4];
    json_t *answer;
    int status;

    world.leaves = false;
    world.undying = true;
    world.disk.low = 2;
    ask(&c[0], "/v1/reload", "{\"services\":[\"web\"],\"wait\":\"gone\",\"id\":\"" ID "\"}");
    UNTIL(loop, strstr(text_str(&image), "flush-2"));
    world.blind = true;
    ask(&c[1], "/v1/reload", "{\"services\":[\"web\"],\"id\":\"client-0002\"}");
    UNTIL(loop, strstr(text_str(&image), "client-0002"));
    ask(&c[2], "/v1/reload",
        "{\"services\":[\"web\"],\"timeout_ms\":60000,\"id\":\"client-0003\"}");
    UNTIL(loop, strstr(text_str(&image), "client-0003"));
    client_close(&c[2]);
    answer = call("POST", "/v1/stop", "{\"services\":[\"web\"],\"wait\":\"none\"}", &status);
    json_decref(answer);
    UNTIL(loop, strstr(text_str(&image), "\"answer\""));
    world.reads_long = true;
    ask(&c[3], "/v1/reload", "{\"id\":\"client-0004\"}");
    UNTIL(loop, strstr(text_str(&image), "\"reading\""));
    text_addn(ret, image.data, image.bytes);
    client_close(&c[0]);
    client_close(&c[1]);
    client_close(&c[3]);
}

START_TEST(any_bytes_are_survived)
{
    static const char bites[] = "0123456789-{}[]\",:atrue\\\1\377";
    auto_text struct text whole = TEXT_INIT;
    auto_text struct text bytes = TEXT_INIT;
    unsigned restored = 0;
    uint64_t chance = 88172645463325252U + (uint64_t)_i;

    rich_image(&whole);
    for (int i = 0; i < 300; i++) {
        struct error e = {0};
        int r;

        operator_destroy(desk);
        text_clear(&image);
        master_begins();
        text_clear(&bytes);
        text_addn(&bytes, whole.data, whole.bytes);
        for (int k = 0; i > 0 && k <= i % 3; k++) {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            bytes.data[chance % bytes.bytes] = bites[(chance >> 32) % (sizeof(bites) - 1)];
        }
        r = operator_restore(desk, bytes.data, i % 10 == 9 ? chance % bytes.bytes : bytes.bytes,
                             &e);
        ck_assert_msg(r == 0 || r == -EBADMSG || r == -EPROTO, "%d: %s", r, e.text);
        ck_assert_msg((r == 0) == (e.text[0] == '\0'), "%s", e.text);
        restored += r == 0;
        if (i == 0)
            ck_assert_uint_eq(remembered(), 3); /* the second was fetched */
        ev_run(loop, EVRUN_NOWAIT);             /* whatever it was, it is looked at */
    }
    ck_assert_uint_gt(restored, 1); /* some of it was only another number */
    ck_assert_uint_lt(restored, 300);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("operator");
    TCase *tc = tcase_create("takeover");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, the_verdict_is_the_same_whoever_was_master_then, 0, 3);
    tcase_add_loop_test(tc, a_leak_is_named_whoever_saw_it, 0, 2);
    tcase_add_test(tc, a_stop_and_a_start_go_on_too);
    tcase_add_test(tc, connections_of_a_time_without_a_master_are_served_by_the_next);
    tcase_add_loop_test(tc, a_configuration_that_was_being_read_is_read_again, 0, 3);
    tcase_add_test(tc, what_was_not_asked_for_any_more_is_asked_for_now);
    tcase_add_test(tc, an_id_belongs_to_the_user_who_chose_it);
    tcase_add_loop_test(tc, what_cannot_be_is_not_restored, 0, (int)ARRAY_LEN(bads));
    tcase_add_loop_test(tc, any_bytes_are_survived, 0, 3);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
