"""Runs a program on a terminal of its own and types answers at its prompts.

    terminal.py [--answer PROMPT=TEXT]... -- PROGRAM ARGUMENTS...

Waits for each prompt in turn and for the terminal to stop echoing, types the text, prints everything that the terminal showed, ends with the program's
exit code. A program that ends without asking, or asks for more, makes it fail.
"""

import argparse
import os
import pty
import sys
import termios
import time

LOCAL_FLAGS = 3  # in what tcgetattr gives


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answer", action="append", default=[], metavar="PROMPT=TEXT")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()

    child, terminal = pty.fork()
    if child == 0:
        os.execv(options.command[0], options.command)
    shown = b""
    seen = 0
    for answer in options.answer:
        prompt, text = answer.encode().split(b"=", 1)
        while prompt not in shown[seen:]:
            more = read(terminal)
            if not more:
                sys.exit(f"the program ended without asking {prompt!r}: {shown!r}")
            shown += more
        seen = len(shown)
        wait_for_silence(terminal)
        os.write(terminal, text + b"\n")
    while more := read(terminal):
        shown += more
    sys.stdout.write(shown.decode())
    _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status))


def wait_for_silence(terminal):
    """Programs print their prompt first and turn echo off then; nothing tells when, so it is polled."""
    deadline = time.monotonic() + 60
    while termios.tcgetattr(terminal)[LOCAL_FLAGS] & termios.ECHO:
        if time.monotonic() > deadline:
            sys.exit("the program asks for a secret and leaves the echo on")
        time.sleep(0.001)


def read(terminal):
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says so when the other side is closed.
        return b""


if __name__ == "__main__":
    main()
