<?php
// SPDX-License-Identifier: MIT
$end = microtime(true) + ($_SERVER['REQUEST_URI'] === '/slow' ? 1 : 0);
while (microtime(true) < $end) {
    usleep(10000); // in a loop: the drain signal wakes a sleeper
}
$body = 'hello, ' . getenv('RELEASE') . "\n";
header('Content-Type: text/plain');
header('Content-Length: ' . strlen($body));
echo $body;
