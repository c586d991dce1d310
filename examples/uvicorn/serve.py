# SPDX-License-Identifier: MIT
"""serve.py APP: uvicorn on the socket that it inherits, and with a lame duck's end.

uvicorn itself closes each connection on which it has no request in hand, also one that was accepted a moment ago and whose
request is on its way. This one stops to accept, goes on answering for a while, each answer with "Connection: close", and
then does what uvicorn does.
"""
import asyncio
import socket
import sys
import time

import uvicorn

FIRST_LISTENER = 3
QUIET_S = 1.0
CLOSE = (b"connection", b"close")


class LameDuck(uvicorn.Server):
    async def shutdown(self, sockets=None):
        for server in self.servers:
            server.close()
        end = time.monotonic() + QUIET_S
        while time.monotonic() < end:
            for holder in [self.server_state, *self.server_state.connections]:
                if CLOSE not in holder.default_headers:
                    holder.default_headers.append(CLOSE)
            await asyncio.sleep(0.01)
        await super().shutdown(sockets)


if __name__ == "__main__":
    listener = socket.socket(fileno=FIRST_LISTENER)  # looks what it is; `--fd` takes it for a unix socket
    LameDuck(uvicorn.Config(sys.argv[1], access_log=False)).run(sockets=[listener])
