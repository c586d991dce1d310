# SPDX-License-Identifier: GPL-2.0-or-later
# A server that knows nothing of libstint: it takes an inherited socket, says READY=1 and answers.
# Its arguments are faults: memory or descriptor (1 MiB, or one, with each SIGHUP), warm (caches that are
# filled in the first reloads, and memory that comes and goes), port NUMBER (of its own), late-port NUMBER
# (the same, at the first SIGHUP), socket PATH MODE (a unix socket, which gives out profiles), escape
# PROGRAM.
import os
import signal
import socket
import subprocess
import sys
import threading

faults = sys.argv[1:]
kept = []
passing = []
reloads = [0]


def notify(words):
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(words.encode(), "\0" + path[1:] if path[0] == "@" else path)


def on_hup(*_):
    notify("RELOADING=1")
    if "memory" in faults:
        kept.append(bytearray(os.urandom(1 << 20)))
    if "descriptor" in faults:
        kept.append(os.open("/dev/null", os.O_RDONLY))
    if "warm" in faults:
        reloads[0] += 1
        kept.append(bytearray(os.urandom((4 << 20) >> reloads[0])))
        passing[:] = [bytearray(os.urandom((reloads[0] * 7 % 3) << 18)), open("/dev/null")]
    if "late-port" in faults and not kept:
        listen_at(int(faults[faults.index("late-port") + 1]))
    notify("READY=1")


def listen_at(port):
    own = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    own.bind(("127.0.0.1", port))
    own.listen(8)
    kept.append(own)


def on_term(*_):
    os._exit(0)


signal.signal(signal.SIGHUP, on_hup)
signal.signal(signal.SIGTERM, on_term)
if "port" in faults:
    listen_at(int(faults[faults.index("port") + 1]))


def debug(own):
    while True:
        client, _ = own.accept()
        with client:
            index = b"<a>heap</a><a>threads</a><a>cmdline</a>"
            asked = client.recv(65536).startswith(b"GET /debug/pprof/ ")
            client.sendall(b"HTTP/1.1 %s\r\nConnection: close\r\n\r\n%s" %
                           ((b"200 OK", index) if asked else (b"404 No", b"")))


if "socket" in faults:
    path, mode = faults[faults.index("socket") + 1:][:2]
    own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if path[0] != "@" and os.path.exists(path):
        os.unlink(path)
    own.bind("\0%s%d" % (path[1:], os.getpid()) if path[0] == "@" else path)
    if path[0] != "@":
        os.chmod(path, int(mode, 8))
    own.listen(8)
    threading.Thread(target=debug, args=(own,), daemon=True).start()
if "escape" in faults:
    subprocess.Popen([faults[faults.index("escape") + 1], "1000"], start_new_session=True)
listener = socket.socket(fileno=3)
notify("READY=1")
while True:
    client, _ = listener.accept()
    with client:
        if client.recv(65536):
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n")
