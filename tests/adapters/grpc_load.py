# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls of a real gRPC client against examples/grpc-worker, for adapter.grpc.

grpc_load.py PORT THREADS: calls without a pause from each thread, over a channel of its own, until standard input
ends; then one line "calls N expired N unsaid N failed N generations N: what failed". A tenth of the calls has less
time than it takes: those have to come back as DEADLINE_EXCEEDED, about when that was over. Unsaid are those of
them whose connection was closed at that moment instead.

grpc_load.py PORT one TEXT TIMEOUT_MS [CALLER]: one call; "OK answer" or the name of the status, and its details.
"""

import collections
import sys
import threading
import time

import grpc

METHOD = "/stint.Worker/Sleep"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def stub(port):
    # A connection for each, and no policy to retry: a call that is lost is to be seen.
    channel = grpc.insecure_channel("127.0.0.1:" + port, options=[("grpc.use_local_subchannel_pool", 1)])
    return channel.unary_unary(METHOD)


def one(port, text, timeout_ms, caller):
    try:
        answer = stub(port)(text.encode(), timeout=int(timeout_ms) / 1000 if int(timeout_ms) else None,
                            metadata=(("x-caller", caller), ("traceparent", TRACEPARENT)))
        print("OK", answer.decode())
    except grpc.RpcError as e:
        print(e.code().name, e.details())


class Counts:
    def __init__(self):
        self.lock = threading.Lock()
        self.calls = self.expired = self.unsaid = 0
        self.failed = collections.Counter()
        self.generations = set()


def load(port, counts, over, number):
    call = stub(port)
    n = 0
    while not over.is_set():
        n += 1
        late = n % 10 == number % 10
        began = time.monotonic()
        why = None
        try:
            answer = call(b"3000" if late else b"2", timeout=0.1 if late else 10, metadata=(("x-caller", "load"),))
            why = "an answer past its deadline" if late else None
            with counts.lock:
                counts.generations.add(int(answer.split()[0]))
        except grpc.RpcError as e:
            took = time.monotonic() - began
            if late and e.code() == grpc.StatusCode.UNAVAILABLE and took >= 0.09:
                with counts.lock:
                    counts.unsaid += 1
            elif not late or e.code() != grpc.StatusCode.DEADLINE_EXCEEDED:
                why = "%s: %s after %d ms" % (e.code().name, e.details(), took * 1000)
            elif took > 2:  # well before the work would have ended, on however busy a machine
                why = "DEADLINE_EXCEEDED, but too late"
        with counts.lock:
            counts.calls += 1
            counts.expired += late
            if why:
                counts.failed[why] += 1


def main():
    if sys.argv[2] == "one":
        one(sys.argv[1], sys.argv[3], sys.argv[4], sys.argv[5] if len(sys.argv) > 5 else "one")
        return
    counts, over = Counts(), threading.Event()
    threads = [threading.Thread(target=load, args=(sys.argv[1], counts, over, i)) for i in range(int(sys.argv[2]))]
    for t in threads:
        t.start()
    print("began", flush=True)
    sys.stdin.read()
    over.set()
    for t in threads:
        t.join()
    print("calls %d expired %d unsaid %d failed %d generations %d: %s" % (
        counts.calls, counts.expired, counts.unsaid, sum(counts.failed.values()), len(counts.generations),
        ", ".join("%s (%d)" % f for f in counts.failed.most_common(5))))


main()
