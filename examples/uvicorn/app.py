# SPDX-License-Identifier: MIT
import asyncio
import os
import socket


def tell_supervisor(state):
    """What sd_notify(3) does; nothing without a supervisor."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(state, "\0" + address[1:] if address.startswith("@") else address)


async def lifespan(receive, send):
    await receive()  # lifespan.startup: here connections to databases are opened …
    tell_supervisor(b"READY=1")
    await send({"type": "lifespan.startup.complete"})
    await receive()  # lifespan.shutdown: … and here they are closed, after the last request
    await send({"type": "lifespan.shutdown.complete"})


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    if scope["path"] == "/slow":
        await asyncio.sleep(1)
    body = b"hello, release 1\n"
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
