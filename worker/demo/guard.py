"""Runs one server and sees to it that the server never outlives whoever started it.

Started as a program: `python guard.py HOME COMMAND...`. It prints the server's pid, then takes signal numbers
on its standard input, one a line. When that input ends although the server still runs, its owner is gone,
perhaps by kill -9: the server is killed and HOME, its temporary folder, is removed. A pipe does this on every
system and from every thread; Linux's parent-death signal fires when the *thread* that started it ends.
"""

import os
import shutil
import subprocess
import sys
import threading


def main() -> None:
    home, *command = sys.argv[1:]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    print(server.pid, flush=True)
    orphaned = threading.Event()

    def end_with_server() -> None:
        code = server.wait()
        if not orphaned.is_set():
            os._exit(code & 0xFF)

    threading.Thread(target=end_with_server, daemon=True).start()
    for line in sys.stdin:
        server.send_signal(int(line))
    orphaned.set()
    server.kill()
    server.wait()
    shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
