/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel writes of a thread, taken apart. By hand: it is done for each of thousands, twice. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/probe/proc.h"

static const char *
blanks(const char *at)
{
    while (*at == ' ')
        at++;
    return at;
}

/* decimal - the number at *@at, behind blanks, and *@at behind it. A negative one wraps. Return: is there one? */
static bool
decimal(const char **at, uint64_t *ret)
{
    const char *p = blanks(*at);
    bool negative = *p == '-';
    uint64_t v = 0;

    p += negative;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(v, 10U, &v) || __builtin_add_overflow(v, *p - '0', &v))
            return false;
    *at = p;
    *ret = negative ? 0 - v : v;
    return true;
}

/* hexadecimal - the same of "0x7ffe". */
static bool
hexadecimal(const char **at, uint64_t *ret)
{
    const char *p = blanks(*at);
    uint64_t v = 0;

    if (p[0] != '0' || p[1] != 'x' || !isxdigit((unsigned char)p[2]))
        return false;
    for (p += 2; isxdigit((unsigned char)*p); p++) {
        unsigned digit = *p <= '9' ? (unsigned)(*p - '0') : (unsigned)((*p | 0x20) - 'a' + 10);

        if (v >> 60 != 0)
            return false;
        v = v << 4 | digit;
    }
    *at = p;
    *ret = v;
    return true;
}

int
proc_stat_parse(const char *text, struct proc_stat *ret)
{
    const char *open_paren = strchr(text, '(');
    const char *close_paren =
        strrchr(text, ')'); /* comm may hold any of them: the last one counts */
    struct proc_stat st = {0};
    uint64_t v = 0;
    const char *p = text;

    if (!open_paren || !close_paren || close_paren < open_paren || !decimal(&p, &v))
        return -EPROTO;
    size_t n = (size_t)(close_paren - open_paren - 1);

    if (n >= sizeof(st.comm))
        n = sizeof(st.comm) - 1;
    memcpy(st.comm, open_paren + 1, n);
    st.pid = (pid_t)v;
    p = close_paren + 1;
    if (st.pid <= 0 || p[0] != ' ' || !isalpha((unsigned char)p[1]))
        return -EPROTO;
    st.state = p[1];
    p += 2;
    for (int field = 4; field <= 22; field++) { /* numbered as in proc(5) */
        if (!decimal(&p, &v))
            return -EPROTO;
        if (field == 4)
            st.ppid = (pid_t)v; /* a negative one comes back right by the cast */
        else if (field == 5)
            st.pgrp = (pid_t)v;
        else if (field == 6)
            st.session = (pid_t)v;
        else if (field == 9)
            st.flags = (unsigned)v;
        else if (field == 14 || field == 15)
            st.cpu_ticks += v;
        else if (field == 16 || field == 17)
            st.children_ticks += v;
        else if (field == 20)
            st.threads = (unsigned)v;
        else if (field == 22)
            st.start_time = v;
    }
    *ret = st;
    return 0;
}

int
proc_syscall_parse(const char *text, struct proc_syscall *ret)
{
    struct proc_syscall call = {0};
    uint64_t *into[] = {&call.args[0], &call.args[1], &call.args[2], &call.args[3],
                        &call.args[4], &call.args[5], &call.sp,      &call.pc};
    const char *p = text;
    uint64_t number;

    if (strncmp(text, "running", 7) == 0) {
        call.running = true;
        *ret = call;
        return 0;
    }
    if (!decimal(&p, &number))
        return -EPROTO;
    call.number = (long)number;
    /* "-1 SP PC" when it is blocked outside of a system call */
    for (size_t i = call.number < 0 ? 6 : 0; i < ARRAY_LEN(into); i++)
        if (!hexadecimal(&p, into[i]))
            return -EPROTO;
    *ret = call;
    return 0;
}

int
proc_schedstat_parse(const char *text, uint64_t *ret_cpu_ns, uint64_t *ret_turns)
{
    uint64_t waited;

    return decimal(&text, ret_cpu_ns) && decimal(&text, &waited) && decimal(&text, ret_turns)
               ? 0
               : -EPROTO;
}
