#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a script of the usual kind does on noisy consoles: one thread and one
pexpect for each, `uptime` once a second, the answer by a pattern that is
anchored to its line.  Arguments: folder, consoles, seconds.  Prints how many
dialogues failed, of guests that are all well."""
import re
import socket
import sys
import threading
import time

import pexpect
from pexpect import fdpexpect

folder, count, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
until = time.time() + seconds
total = failed = 0
lock = threading.Lock()


def talk(index):
    global total, failed
    s = socket.socket(socket.AF_UNIX)
    s.connect("%s/fake%d/cons" % (folder, index))
    p = fdpexpect.fdspawn(s.fileno(), timeout=3)
    while time.time() < until:
        p.send(b"uptime\r")
        try:
            p.expect(re.compile(rb"^.*load average: [0-9.]+, [0-9.]+, [0-9.]+\r\n[^\n]*[#$] $", re.M))
            bad = 0
        except (pexpect.TIMEOUT, pexpect.EOF):
            bad = 1
        with lock:
            total += 1
            failed += bad
        time.sleep(1)


threads = [threading.Thread(target=talk, args=(i,)) for i in range(count)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print("%d of %d failed" % (failed, total))
