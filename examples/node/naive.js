// SPDX-License-Identifier: MIT
// What most servers look like. On SIGTERM node ends at once, with whatever is under way; with `polite` as its argument
// it calls server.close(), as the manuals have it.
'use strict';
const fs = require('node:fs');
const http = require('node:http');

const release = 'release 1';
const server = http.createServer((request, response) => {
    const answer = () => response.end(`hello, ${release}\n`);
    if (request.url === '/slow')
        setTimeout(answer, 1000);
    else
        answer();
});
server.listen({ fd: 3, backlog: 4096 }, () => fs.writeSync(4, '\n'));
if (process.argv[2] === 'polite')
    process.on('SIGTERM', () => server.close());
