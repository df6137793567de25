"""A browser that does as it is told, whose Web Bluetooth is a controller of the virtual air.

    browser.py HOST:PORT

Each line on standard input is one command, a JSON array of strings; it is answered by one line, `ok JSON` or
`error TEXT`. What happens by itself is printed as it comes, each line after `browser: `. SECONDS is when to give up.

    open URL                        reload
    click SELECTOR SECONDS          the first such element that is seen, with the mouse, once it can be
    click-role ROLE NAME SECONDS    the same by accessible role and name
    hold SELECTOR SECONDS           presses the mouse there
    release                         lets go of it
    type SELECTOR TEXT SECONDS      replaces what an input holds
    key NAME                        Tab, Enter, Escape, Space, Backspace, Arrow..., Shift+...
    insert TEXT                     types into whatever has the focus
    file SELECTOR PATH SECONDS      chooses a file
    wait SELECTOR TEXT SECONDS      until such an element is seen, and says TEXT somewhere; gives all it says
    wait-role ROLE NAME SECONDS     until there is such an element
    gone SELECTOR TEXT SECONDS      until there is no such element
    eval EXPRESSION SECONDS         in the page; gives the value, of a promise what it comes to
    screenshot FILE SIZE SCHEME     SIZE as 360x800, SCHEME light or dark; empty for as it is. Both stay
    offline on|off
    scripts on|off                  whether pages run scripts, from the next one on
    tree                            what those are told who do not see the page: [role, name, id] for each node
    axe PATH                        what axe-core, the script at PATH, finds wrong with the page, a line each
    installable                     why the browser would not install the page as an app, a line each
    permit NAME...                  what the person allows this page, as DevTools call it; without a name, nothing
    aside                           another tab comes to the front, and this page is not seen any more
    back                            it is again
    later SECONDS                   clocks and timers of the page live through so much time in a moment
    periodic TAG                    the browser finds it time for the service worker's periodic work of this name
    console                         messages, policy violations, uncaught errors, failed requests and requests that
                                    carry data to a server, since last asked
    requests                        every URL asked for since last asked, by the page and its service worker
    range ADDRESS SECONDS           until this device is in range
    choose ADDRESS                  what the person takes when asked for a device: `first` that matches, or `none`

Ends, and Chromium with it, when standard input does.
"""

import asyncio
import json
import logging
import pathlib
import signal
import sys

from bumble.device import Device
from bumble.hci import Address
from bumble.transport import open_transport

from devtools import Chromium, DevToolsError
from page import Failure, Page
from web_bluetooth import Bridge


def say(*words):
    print(*words, flush=True)


class Browser:
    def __init__(self, chromium, page, bridge):
        self.chromium = chromium
        self.page = page
        self.bridge = bridge

    async def do_open(self, url):
        await self.page.open(url)

    async def do_reload(self):
        await self.page.reload()

    async def do_click(self, selector, seconds):
        await self.page.click(lambda: self.page.find(selector, "", float(seconds)), float(seconds))

    async def do_hold(self, selector, seconds):
        await self.page.hold(lambda: self.page.find(selector, "", float(seconds)), float(seconds))

    async def do_release(self):
        await self.page.release()

    async def do_click_role(self, role, name, seconds):
        await self.page.click(lambda: self.page.find_role(role, name, float(seconds)), float(seconds))

    async def do_type(self, selector, text, seconds):
        await self.page.type(lambda: self.page.find(selector, "", float(seconds)), text, float(seconds))

    async def do_key(self, name):
        await self.page.key(name)

    async def do_insert(self, text):
        await self.page.call("Input.insertText", {"text": text})

    async def do_tree(self):
        return await self.page.tree()

    async def do_axe(self, path):
        return await self.page.axe(pathlib.Path(path).read_text())

    async def do_installable(self):
        return await self.page.installability()

    async def do_permit(self, *names):
        await self.page.permit(names)

    async def do_aside(self):
        await self.chromium.call("Page.bringToFront", session=self.bridge.beside)
        await self.page.until_visibility("hidden")

    async def do_back(self):
        await self.page.call("Page.bringToFront")
        await self.page.until_visibility("visible")

    async def do_later(self, seconds):
        await self.page.later(float(seconds))

    async def do_periodic(self, tag):
        await self.page.periodic(tag)

    async def do_file(self, selector, path, seconds):
        # File inputs are often hidden behind a label.
        found = await self.page.evaluate(
            f"document.querySelector({json.dumps(selector)})", float(seconds), by_value=False
        )
        await self.page.call("DOM.setFileInputFiles", {"files": [path], "objectId": found["objectId"]})

    async def do_wait(self, selector, text, seconds):
        return await self.page.words(selector, text, float(seconds))

    async def do_wait_role(self, role, name, seconds):
        await self.page.find_role(role, name, float(seconds))

    async def do_gone(self, selector, text, seconds):
        await self.page.gone(selector, text, float(seconds))

    async def do_eval(self, expression, seconds):
        result = await self.page.call(
            "Runtime.evaluate",
            {"expression": expression, "awaitPromise": True, "returnByValue": True},
            float(seconds),
        )
        return self.page.value(result).get("value")

    async def do_screenshot(self, file, size, scheme):
        await self.page.screenshot(file, size, scheme)

    async def do_offline(self, state):
        await self.page.set_offline(state == "on")

    async def do_scripts(self, state):
        await self.page.call("Emulation.setScriptExecutionDisabled", {"value": state == "off"})

    async def do_console(self):
        messages, self.page.messages = self.page.messages, []
        return messages

    async def do_requests(self):
        requests, self.page.requests = self.page.requests, []
        return requests

    async def do_range(self, address, seconds):
        async with asyncio.timeout(float(seconds)):
            await self.bridge.until_in_range(address)

    async def do_choose(self, address):
        self.bridge.refuses = address == "none"
        self.bridge.wanted = None if address in ("first", "none") else address

    async def obey(self, line):
        try:
            name, *arguments = json.loads(line)
            result = await getattr(self, "do_" + name.replace("-", "_"))(*arguments)
            say("ok", json.dumps(result))
        except TimeoutError:
            say("error", "the limit passed")
        except (Failure, DevToolsError) as error:
            say("error", " ".join(str(error).split()))
        except Exception as error:  # Whatever it is, whoever drives this browser wants to know.
            say("error", type(error).__name__, " ".join(str(error).split()))


async def nothing(_reader, writer):
    """An empty page on this machine."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


async def hold_adapter(chromium, page):
    """Chromium takes Bluetooth down with the last page that uses it, so also when one is reloaded: another stays."""
    server = await asyncio.start_server(nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    session = await page.tab("about:blank")
    await page.go(f"http://localhost:{port}/", session)
    asked = {"expression": "navigator.bluetooth.getAvailability()", "awaitPromise": True}
    available = await chromium.call("Runtime.evaluate", asked, session)
    if page.value(available).get("value") is not True:
        raise Failure("Chromium has no Bluetooth")
    return server, session


async def serve(address, lines, chromium):
    async with await open_transport(f"tcp-client:{address}") as transport:
        device = Device.with_hci(
            "browser", Address.generate_static_address(), transport.source, transport.sink
        )
        await device.power_on()
        await chromium.start()
        page = Page(chromium)
        await page.start()
        bridge = Bridge(
            chromium,
            device,
            lambda *words: say("browser:", *words),
            lambda text: page.messages.append(f"bluetooth: {text}"),
        )
        page.on_leave = bridge.leave
        await bridge.start(page.session)
        server, bridge.beside = await hold_adapter(chromium, page)
        # Only the tab in front is drawn, and takes input.
        await page.call("Page.bringToFront")
        browser = Browser(chromium, page, bridge)
        say("ready")
        while line := await lines.readline():
            await browser.obey(line)
        server.close()


async def main(address):
    chromium = Chromium()
    lines = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    serving = loop.create_task(serve(address, lines, chromium))

    class Input(asyncio.StreamReaderProtocol):
        def connection_lost(self, exc):
            super().connection_lost(exc)
            # Nobody waits for an answer any more.
            serving.cancel()

    await loop.connect_read_pipe(lambda: Input(lines), sys.stdin)
    loop.add_signal_handler(signal.SIGTERM, serving.cancel)
    try:
        await serving
    except (asyncio.CancelledError, BrokenPipeError):
        pass
    finally:
        chromium.end()


if __name__ == "__main__":
    # What Bumble complains about here, tests provoke.
    logging.disable(logging.CRITICAL)
    asyncio.run(main(sys.argv[1]))
