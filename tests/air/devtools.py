"""Debian's Chromium without a window, spoken to by the DevTools protocol over a pipe.

Knows how to start and end it, and how to send a command and hear an event; not what they mean. Chromium ends when
the pipe does, so it never outlives this process, however that ends.
"""

import asyncio
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

# How long Chromium may take over one command that waits for nothing but Chromium.
PATIENCE = 60

SWITCHES = [
    "--headless",
    "--remote-debugging-pipe",
    "--enable-features=WebBluetooth",
    # Nothing that Chromium would do for itself: no first run, no updates, no crash reports, no calls home.
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--password-store=basic",
    # The sandbox works neither for root nor in most containers. Only pages of these tests are opened.
    "--no-sandbox",
    # There is no screen, and in a container hardly any shared memory.
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    # A page that nobody looks at is still a page under test.
    "--disable-backgrounding-occluded-windows",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
]

# The protocol is spoken on the descriptors 3 and 4, which only a shell can promise to leave alone.
LAUNCH = 'commands=$1 answers=$2; shift 2; exec chromium "$@" 3<&"$commands" 4>&"$answers"'


class DevToolsError(Exception):
    """Chromium refuses a command."""


class Chromium:
    """A browser with a fresh profile."""

    def __init__(self):
        self.profile = None
        self.process = None
        self.writer = None
        self.last = 0
        self.waiting = {}
        self.handlers = {}
        self.reading = None

    async def start(self):
        self.profile = tempfile.mkdtemp(prefix="latchkey-chromium-")
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        shell = ["bash", "-c", LAUNCH, "bash", str(theirs_in), str(theirs_out)]
        self.process = subprocess.Popen(
            [*shell, *SWITCHES, f"--user-data-dir={self.profile}", "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self.log().open("wb"),
            start_new_session=True,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours_in, "rb")
        )
        self.writer, _ = await loop.connect_write_pipe(
            asyncio.Protocol, os.fdopen(ours_out, "wb")
        )
        self.reading = loop.create_task(self.read(reader))
        await self.call("Browser.getVersion")

    async def read(self, reader):
        rest = b""
        while part := await reader.read(1 << 20):
            *messages, rest = (rest + part).split(b"\0")
            for message in messages:
                self.take(json.loads(message))
        for answer in self.waiting.values():
            if not answer.done():
                answer.set_exception(DevToolsError(self.epitaph()))

    def log(self):
        return pathlib.Path(self.profile, "stderr.txt")

    def epitaph(self):
        """What is said of a browser that has ended."""
        return f"Chromium has ended; it said: {self.log().read_text(errors='replace')[-2000:]}"

    def take(self, message):
        if "id" in message:
            answer = self.waiting.pop(message["id"], None)
            if answer is None or answer.done():
                return
            if error := message.get("error"):
                answer.set_exception(DevToolsError(error["message"]))
            else:
                answer.set_result(message["result"])
            return
        for handler in self.handlers.get(message["method"], []):
            handler(message["params"], message.get("sessionId"))

    def on(self, event, handler):
        """Has `handler(parameters, session)` called at each such event."""
        self.handlers.setdefault(event, []).append(handler)

    def send(self, method, parameters=None, session=None):
        """Sends a command at once; gives the future of its result."""
        self.last += 1
        message = {"id": self.last, "method": method, "params": parameters or {}}
        if session:
            message["sessionId"] = session
        answer = asyncio.get_running_loop().create_future()
        if self.reading.done():
            answer.set_exception(DevToolsError(self.epitaph()))
            return answer
        self.waiting[self.last] = answer
        self.writer.write(json.dumps(message).encode() + b"\0")
        return answer

    async def call(self, method, parameters=None, session=None, limit=PATIENCE):
        """Sends a command; gives its result."""
        return await asyncio.wait_for(self.send(method, parameters, session), limit)

    def tell(self, method, parameters=None, session=None):
        """Sends a command whose refusal means that what it is about is gone already."""
        self.send(method, parameters, session).add_done_callback(
            lambda answer: answer.cancelled() or answer.exception()
        )

    def end(self):
        """Ends it, with every process it has, and removes its profile."""
        if self.process:
            # Nothing in its profile is worth saving.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        # Nobody tells when the last of those has ended.
        for _ in range(50):
            if not self.profile or not os.path.exists(self.profile):
                return
            shutil.rmtree(self.profile, ignore_errors=True)
            time.sleep(0.1)
