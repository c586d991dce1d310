/* SPDX-License-Identifier: MIT */
/*
 * hello - the smallest worker: one thread that greets, until it is told to leave.
 *
 *     cc hello.c $(pkg-config --cflags --libs stint) -o hello
 *     ./hello &          # works alone, under systemd, and under stint
 *     kill %1            # SIGTERM: and leaves at once
 */
#include <stdio.h>

#include <stint.h>

static void
greet(void *arg)
{
    do
        printf("%s from generation %llu\n", (const char *)arg,
               (unsigned long long)stint_generation());
    while (fflush(stdout) == 0 && stint_token_sleep(stint_current(), 1000000) == 0);
}

int
main(void)
{
    static char greeting[] = "hello";
    struct stint_cancel_info why = {.size = sizeof(why)};
    struct stint_thread *greeter;

    /* These three lines make a program a worker: attach, a named thread with a token, ready. */
    if (stint_init(NULL) < 0 ||
        stint_thread_spawn(&greeter, stint_root(), "greeter", greet, greeting) < 0 ||
        stint_ready() < 0)
        return 1;

    (void)stint_thread_join(greeter, NULL, STINT_NEVER); /* no time limit: only its end ends this */
    (void)stint_token_cause(stint_root(), &why);         /* the answer is in `why` */
    printf("bye: %s\n", why.text);
    return 0;
}
