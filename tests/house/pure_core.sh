#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# pure_core.sh ROOT COMPILER: a file of supervisor/core/ that makes a system call does not compile.
# Each call is tried by itself, and the same file without pure.h has to compile, so that it is the
# wall that stops it and not a slip of this test.
set -eu
root=$1 compiler=$2
failed=0 tried=0

compiles() { # compiles WITH_WALL STATEMENT
    {
        echo '#include <fcntl.h>'
        echo '#include <pthread.h>'
        echo '#include <signal.h>'
        echo '#include <stdio.h>'
        echo '#include <stdlib.h>'
        echo '#include <sys/socket.h>'
        echo '#include <sys/wait.h>'
        echo '#include <time.h>'
        echo '#include <unistd.h>'
        if [ "$1" = wall ]; then echo '#include "supervisor/core/pure.h"'; fi
        echo 'void decide(void);'
        echo "void decide(void) { $2; }"
    } | "$compiler" -std=gnu11 -D_GNU_SOURCE -I "$root" -x c -fsyntax-only - >/dev/null 2>&1
}

try() {
    tried=$((tried + 1))
    compiles open "$1" || {
        echo "the test is wrong: without pure.h '$1' has to compile"
        failed=$((failed + 1))
    }
    if compiles wall "$1"; then
        echo "core may still say: $1"
        failed=$((failed + 1))
    fi
}

compiles wall '(void)0' || {
    echo "pure.h itself does not compile"
    exit 1
}
try 'kill(2, SIGTERM)'
try 'raise(SIGTERM)'
try 'fork()'
try 'execve("", 0, 0)'
try 'waitpid(2, 0, 0)'
try 'open("x", O_RDONLY)'
try 'read(0, 0, 0)'
try 'write(1, "", 0)'
try 'close(0)'
try 'socket(AF_UNIX, SOCK_STREAM, 0)'
try 'fopen("x", "r")'
try 'printf("x")'
try 'struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t)'
try 'time(0)'
try 'usleep(1)'
try 'getenv("x")'
try 'rand()'
try 'exit(1)'
try 'abort()'
try 'pthread_create(0, 0, 0, 0)'
echo "$tried calls tried in core, $failed got through"
[ "$failed" -eq 0 ]
