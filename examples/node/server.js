// SPDX-License-Identifier: MIT
// An HTTP server that hands over without losing a request: it takes the socket that stint bound, says when it
// serves, and leaves as a lame duck. Started by hand it listens on port 8080.
'use strict';
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');

const LISTENER = 3;  // the first of `listen:` in stint.yaml
const READY = 4;     // `ready: {fd: 4}`
const QUIET = 1000;  // ms that an idle connection may still bring a request after we were told to leave

const release = 'release 1';
const unasked = new Set();  // connections that have not brought a request yet
let leaving = false;

const server = http.createServer((request, response) => {
    unasked.delete(request.socket);
    if (leaving)
        response.setHeader('Connection', 'close');
    const answer = () => response.end(`hello, ${release}\n`);
    if (request.url === '/slow')
        setTimeout(answer, 1000);
    else
        answer();
});
server.keepAliveTimeout = 60_000;  // the default of 5 s closes on clients that pause for longer
server.on('connection', (socket) => {
    unasked.add(socket);
    socket.on('close', () => unasked.delete(socket));
});

const inherited = process.env.LISTEN_FDS !== undefined;
server.listen(inherited ? { fd: LISTENER, backlog: 4096 } : { port: 8080 }, () => {
    if (!inherited)
        return;
    fs.writeSync(READY, '\n');
    fs.closeSync(READY);
});

// Not server.close() of http: since node 19 that closes every idle connection at once, and a request that is on its
// way on one of them is lost. net's only stops accepting; the socket itself is the successor's, too.
process.on('SIGTERM', () => {
    if (leaving)
        return;
    leaving = true;
    net.Server.prototype.close.call(server);
    setTimeout(() => {  // who asked since got `Connection: close`; those who are left were quiet all the time
        server.closeIdleConnections();
        for (const socket of unasked)
            socket.end();
    }, QUIET);
});
