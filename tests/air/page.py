"""A page, driven as a person would: by pointer and keyboard, at what is seen; and what it did that nobody saw.

Waits for the document's own events, and always with a limit.
"""

import asyncio
import base64
import json
import pathlib
import time

from devtools import PATIENCE, DevToolsError

WORLD = "latchkey"
# How long nothing in a document may have changed before its accessibility is asked for again: what only a change of
# layout brings forth has no event.
GLANCE = 2

# Name: as the page is told it, its code, and what it types.
KEYS = {
    "Tab": ("Tab", 9, None),
    "Enter": ("Enter", 13, "\r"),
    "Escape": ("Escape", 27, None),
    "Space": (" ", 32, " "),
    "ArrowLeft": ("ArrowLeft", 37, None),
    "ArrowUp": ("ArrowUp", 38, None),
    "ArrowRight": ("ArrowRight", 39, None),
    "ArrowDown": ("ArrowDown", 40, None),
    "Backspace": ("Backspace", 8, None),
}
SHIFT = 8
PICKERS = {"date", "time", "datetime-local", "month", "week", "color", "range"}


def script(name):
    return (pathlib.Path(__file__).parent / name).read_text()


class Failure(Exception):
    """The page does not do what it was expected to."""


class Page:
    def __init__(self, chromium):
        self.chromium = chromium
        self.session = None
        self.frame = None
        self.context = None
        self.has_context = asyncio.Event()
        self.sessions = []
        self.messages = []
        self.requests = []
        self.urls = {}
        self.offline = False
        self.loads = {}
        self.registration = None
        self.lived = None
        # Where the mouse is pressed.
        self.held = None
        self.on_leave = lambda: None

    async def start(self):
        """A new tab, with nothing in it."""
        on = self.chromium.on
        on("Runtime.executionContextCreated", self.on_context)
        on("Runtime.executionContextsCleared", self.on_cleared)
        on("Runtime.consoleAPICalled", self.on_console)
        on("Runtime.exceptionThrown", self.on_exception)
        on("Log.entryAdded", self.on_log)
        on("Network.requestWillBeSent", self.on_request)
        on("Network.responseReceived", self.on_response)
        on("Network.loadingFailed", self.on_failed)
        on("Page.loadEventFired", self.on_load)
        on("Page.javascriptDialogOpening", self.on_dialog)
        on("Target.attachedToTarget", self.on_attached)
        on("Emulation.virtualTimeBudgetExpired", self.on_lived)
        self.session = await self.tab("about:blank")
        self.sessions.append(self.session)
        await self.call("Page.enable")
        self.frame = (await self.call("Page.getFrameTree"))["frameTree"]["frame"]["id"]
        for name in (None, WORLD):
            text = {"source": script("page.js" if name else "web_bluetooth.js")}
            await self.call(
                "Page.addScriptToEvaluateOnNewDocument", text | ({"worldName": name} if name else {})
            )
        await self.call("Runtime.addBinding", {"name": "latchkeyBridge"})
        for domain in ("Runtime", "Network", "Log"):
            await self.call(f"{domain}.enable")
        # Service workers load and say things of their own; they are held until that is listened to.
        await self.chromium.call(
            "Target.setAutoAttach",
            {
                "autoAttach": True,
                "waitForDebuggerOnStart": True,
                "flatten": True,
                "filter": [{"type": "service_worker"}, {"exclude": True}],
            },
        )

    async def tab(self, url):
        target = await self.chromium.call("Target.createTarget", {"url": url})
        attached = await self.chromium.call(
            "Target.attachToTarget", {"targetId": target["targetId"], "flatten": True}
        )
        return attached["sessionId"]

    async def call(self, method, parameters=None, limit=PATIENCE):
        return await self.chromium.call(method, parameters, self.session, limit)

    # What happens by itself

    def on_context(self, parameters, session):
        context = parameters["context"]
        main = context.get("auxData", {}).get("frameId") == self.frame
        if session == self.session and context["name"] == WORLD and main:
            self.context = context["id"]
            self.has_context.set()

    def on_cleared(self, _parameters, session):
        if session == self.session:
            self.context = None
            self.has_context.clear()
            self.on_leave()

    def on_attached(self, parameters, _session):
        session = parameters["sessionId"]
        if parameters["targetInfo"]["type"] != "service_worker":
            return
        self.sessions.append(session)
        for domain in ("Runtime", "Network", "Log"):
            self.chromium.tell(f"{domain}.enable", session=session)
        self.apply_offline(session)
        self.chromium.tell("Runtime.runIfWaitingForDebugger", session=session)

    def on_console(self, parameters, session):
        if session in self.sessions:
            words = [one.get("value", one.get("description", "")) for one in parameters["args"]]
            self.messages.append(f"{parameters['type']}: {' '.join(map(str, words))}")

    def on_exception(self, parameters, session):
        if session in self.sessions:
            details = parameters["exceptionDetails"]
            text = details.get("exception", {}).get("description", details["text"])
            self.messages.append(f"uncaught: {text}")

    def on_log(self, parameters, session):
        entry = parameters["entry"]
        # What Chromium only remarks, such as that Bluetooth is experimental on Linux, is nobody's fault.
        if session in self.sessions and entry["level"] in ("warning", "error"):
            self.messages.append(f"{entry['source']} {entry['level']}: {entry['text']} {entry.get('url', '')}")

    def on_request(self, parameters, session):
        if session in self.sessions:
            url = parameters["request"]["url"]
            self.urls[session, parameters["requestId"]] = url
            if parameters["request"].get("hasPostData"):
                self.messages.append(f"sent: {parameters['request']['method']} {url}")
            # What carries its own content, such as Chromium's pictures in inputs, asks nobody.
            if not url.startswith("data:"):
                self.requests.append(url)

    def on_response(self, parameters, session):
        if session in self.sessions and (status := parameters["response"]["status"]) >= 400:
            self.messages.append(f"failed: {status} {parameters['response']['url']}")

    def on_failed(self, parameters, session):
        url = self.urls.get((session, parameters["requestId"]))
        if session in self.sessions and not parameters.get("canceled"):
            why = parameters.get("blockedReason") or parameters["errorText"]
            self.messages.append(f"failed: {why} {url}")

    def on_dialog(self, parameters, session):
        self.messages.append(f"dialog: {parameters['type']} {parameters['message']}")
        self.chromium.tell("Page.handleJavaScriptDialog", {"accept": True}, session)

    # Going somewhere

    async def go(self, url, session):
        await self.chromium.call("Page.enable", session=session)
        loaded = self.load(session)
        result = await self.chromium.call("Page.navigate", {"url": url}, session)
        if error := result.get("errorText"):
            raise Failure(f"{url} does not open: {error}")
        await asyncio.wait_for(loaded, PATIENCE)

    async def open(self, url):
        await self.go(url, self.session)

    async def reload(self):
        loaded = self.load(self.session)
        await self.call("Page.reload")
        await asyncio.wait_for(loaded, PATIENCE)

    def load(self, session):
        """The next time that a document of this tab has loaded."""
        future = asyncio.get_running_loop().create_future()
        self.loads.setdefault(session, []).append(future)
        return future

    def on_load(self, _parameters, session):
        for future in self.loads.pop(session, []):
            if not future.done():
                future.set_result(None)

    def apply_offline(self, session):
        conditions = {"offline": self.offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.chromium.tell("Network.emulateNetworkConditions", conditions, session)

    async def set_offline(self, offline):
        self.offline = offline
        for session in self.sessions:
            self.apply_offline(session)
        # Answered once what was sent before it has been taken.
        await self.call("Runtime.evaluate", {"expression": "0"})

    # Looking

    async def evaluate(self, expression, limit, by_value=True):
        """Evaluates in the driver's world of the document that is there; waits for one when there is none."""
        async with asyncio.timeout(limit):
            await self.has_context.wait()
        result = await self.call(
            "Runtime.evaluate",
            {
                "expression": expression,
                "contextId": self.context,
                "awaitPromise": True,
                "returnByValue": by_value,
            },
            limit,
        )
        return self.value(result)

    @staticmethod
    def value(result):
        if details := result.get("exceptionDetails"):
            raise Failure(details.get("exception", {}).get("description", details["text"]))
        return result["result"]

    async def until(self, limit, look):
        """Calls `look` with the seconds left until it gives something; a document that is left is no failure."""
        deadline = time.monotonic() + limit
        while (left := deadline - time.monotonic()) > 0:
            try:
                if found := await look(left):
                    return found
            except (DevToolsError, TimeoutError):
                # The document went away meanwhile; there is another, or the limit passes.
                await asyncio.sleep(0)
        return None

    async def find(self, selector, text, limit):
        """The first element that is seen, and says that."""

        async def look(left):
            return await self.look_for(selector, text, left)

        return await self.found(selector, text, limit, look)

    async def words(self, selector, text, limit):
        """All that such an element says. What it says and that it is there are one document's, or looked for again."""

        async def look(left):
            element = await self.look_for(selector, text, left)
            return element and [await self.ask(element, "this.innerText || this.value || ''")]

        return (await self.found(selector, text, limit, look))[0]

    async def look_for(self, selector, text, left):
        words = ", ".join(map(json.dumps, (selector, text)))
        call = f"latchkey.find({words}, {left * 1000})"
        return (await self.evaluate(call, left + PATIENCE, by_value=False)).get("objectId")

    async def found(self, selector, text, limit, look):
        if not (found := await self.until(limit, look)):
            wanted = f"{selector!r}" + (f" with {text!r}" if text else "")
            raise Failure(f"{wanted} is not seen; the page says: {await self.whole()}")
        return found

    async def gone(self, selector, text, limit):
        words = ", ".join(map(json.dumps, (selector, text)))

        async def look(left):
            return (await self.evaluate(f"latchkey.gone({words}, {left * 1000})", left + PATIENCE)).get("value")

        if not await self.until(limit, look):
            raise Failure(f"{selector!r} is still seen; the page says: {await self.whole()}")

    async def whole(self):
        """All that a person could read."""
        result = await self.call("Runtime.evaluate", {"expression": "document.body?.innerText ?? ''"})
        return result["result"].get("value", "")

    async def find_role(self, role, name, limit):
        """By what the page tells those who do not see it: role, and accessible name as it is."""

        async def look(left):
            seen = (await self.evaluate("latchkey.revision()", left))["value"]
            root = await self.evaluate("document", left, by_value=False)
            query = {"objectId": root["objectId"], "role": role, "accessibleName": name}
            nodes = (await self.call("Accessibility.queryAXTree", query))["nodes"]
            for node in nodes:
                if not node["ignored"] and "backendDOMNodeId" in node:
                    which = {"backendNodeId": node["backendDOMNodeId"], "executionContextId": self.context}
                    return (await self.call("DOM.resolveNode", which))["object"]["objectId"]
            wait = min(left, GLANCE) * 1000
            await self.evaluate(f"latchkey.after({seen}, {wait})", left + PATIENCE)
            return None

        found = await self.until(limit, look)
        if not found:
            raise Failure(f"there is no {role} {name!r}; the page says: {await self.whole()}")
        return found

    async def tree(self):
        """Role, accessible name and id of every node that a screen reader has."""
        nodes = (await self.call("Accessibility.getFullAXTree"))["nodes"]
        ids = await self.ids()
        return [
            [node["role"]["value"], node.get("name", {}).get("value", ""), ids.get(node.get("backendDOMNodeId"), "")]
            for node in nodes
            if not node["ignored"]
        ]

    async def ids(self):
        """The ids of elements, by the numbers that DevTools know them by."""
        found = {}
        document = await self.call("DOM.getDocument", {"depth": -1})

        def visit(node):
            attributes = node.get("attributes", [])
            names = dict(zip(attributes[::2], attributes[1::2], strict=True))
            found[node["backendNodeId"]] = names.get("id", "")
            for child in node.get("children", []):
                visit(child)

        visit(document["root"])
        return found

    async def axe(self, source):
        """What axe-core finds wrong, in the driver's world: the page's own does not see it."""
        await self.evaluate(source, PATIENCE)
        run = "axe.run(document).then(({violations}) => JSON.stringify(violations))"
        violations = json.loads((await self.evaluate(run, PATIENCE))["value"])
        return [
            f"{violation['id']}: {node['failureSummary']} {node['html'][:200]}"
            for violation in violations
            for node in violation["nodes"]
        ]

    async def installability(self):
        """Why the browser would not install the page as an app."""
        manifest = await self.call("Page.getAppManifest")
        errors = (await self.call("Page.getInstallabilityErrors"))["installabilityErrors"]
        return [error["message"] for error in manifest["errors"]] + [error["errorId"] for error in errors]

    async def permit(self, names):
        origin = await self.origin()
        await self.chromium.call("Browser.resetPermissions")
        if names:
            await self.chromium.call("Browser.grantPermissions", {"origin": origin, "permissions": list(names)})

    async def origin(self):
        return (await self.call("Runtime.evaluate", {"expression": "location.origin"}))["result"]["value"]

    async def until_visibility(self, state):
        words = json.dumps(state)
        await self.call(
            "Runtime.evaluate",
            {
                "expression": f"""new Promise((resolve) => {{
                    const look = () => document.visibilityState === {words} && resolve();
                    document.addEventListener("visibilitychange", look);
                    look();
                }})""",
                "awaitPromise": True,
            },
        )

    async def later(self, seconds):
        """Virtual time: what the page waits for with timers comes at once, one after the other."""
        self.lived = asyncio.get_running_loop().create_future()
        policy = {"policy": "pauseIfNetworkFetchesPending", "budget": seconds * 1_000}
        await self.call("Emulation.setVirtualTimePolicy", policy)
        await asyncio.wait_for(self.lived, PATIENCE)

    def on_lived(self, _parameters, session):
        if session == self.session and self.lived and not self.lived.done():
            self.lived.set_result(None)

    async def periodic(self, tag):
        if self.registration is None:
            # Told once, when it is first listened to.
            self.registration = asyncio.get_running_loop().create_future()
            self.chromium.on("ServiceWorker.workerRegistrationUpdated", self.on_registration)
            await self.call("ServiceWorker.enable")
        registration = await asyncio.wait_for(asyncio.shield(self.registration), PATIENCE)
        event = {"origin": await self.origin(), "registrationId": registration, "tag": tag}
        await self.call("ServiceWorker.dispatchPeriodicSyncEvent", event)

    def on_registration(self, parameters, _session):
        for registration in parameters["registrations"]:
            if not registration["isDeleted"] and not self.registration.done():
                self.registration.set_result(registration["registrationId"])

    async def ask(self, element, function):
        """Calls a function of the driver with an element."""
        result = await self.call(
            "Runtime.callFunctionOn",
            {
                "objectId": element,
                "functionDeclaration": f"function () {{ return {function}; }}",
                "returnByValue": True,
                "awaitPromise": True,
            },
        )
        return self.value(result).get("value")

    # Acting

    async def click(self, find, limit):
        await self.hold(find, limit)
        await self.release()

    async def hold(self, find, limit):
        """Presses on what `find` finds, and finds again when the page has put another element in its place."""
        place = None
        element = await find()

        async def look(left):
            nonlocal place, element
            seen = (await self.evaluate("latchkey.revision()", left))["value"]
            if not await self.ask(element, "this.isConnected"):
                element = await find()
            # Into the middle: what stays at a page's edges would cover it there.
            await self.ask(element, "this.scrollIntoView({block: 'center', behavior: 'instant'})")
            place = await self.ask(element, "latchkey.place(this)")
            if isinstance(place, dict):
                return True
            wait = min(left, GLANCE) * 1000
            await self.evaluate(f"latchkey.after({seen}, {wait})", left + PATIENCE)
            return False

        if not await self.until(limit, look):
            raise Failure(f"it cannot be clicked: {place or 'it is gone'}")
        await self.mouse("mouseMoved", place)
        await self.mouse("mousePressed", place)
        self.held = place

    async def mouse(self, kind, place):
        pressed = {"mouseMoved": ("none", 0), "mousePressed": ("left", 1), "mouseReleased": ("left", 0)}
        button, buttons = pressed[kind]
        event = {"type": kind, "button": button, "buttons": buttons, "clickCount": 1}
        await self.call("Input.dispatchMouseEvent", event | place)

    async def release(self):
        """Lets go of what is held."""
        await self.mouse("mouseReleased", self.held)

    async def type(self, find, text, limit):
        """Replaces what an input holds."""
        element = await find()
        kind = await self.ask(element, "this.tagName === 'SELECT' ? 'select' : this.type ?? ''")
        if kind in PICKERS:
            await self.ask(element, f"latchkey.fill(this, {json.dumps(text)})")
        elif kind == "select":
            # A list opens a window of its own when clicked; typed at, it goes to the first entry that begins so.
            await self.call("DOM.focus", {"objectId": element})
            for letter in text:
                await self.press(letter, 0, letter)
        else:
            await self.click(find, limit)
            # The page may have put another element in its place.
            await self.evaluate("document.activeElement?.select?.()", PATIENCE)
            await self.call("Input.insertText", {"text": text})

    async def key(self, name):
        modifier, _, plain = name.rpartition("+")
        await self.press(*KEYS[plain], SHIFT if modifier == "Shift" else 0)

    async def press(self, key, code, typed, modifiers=0):
        event = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        down = {"type": "keyDown", "text": typed} if typed else {"type": "rawKeyDown"}
        await self.call("Input.dispatchKeyEvent", event | down)
        await self.call("Input.dispatchKeyEvent", event | {"type": "keyUp"})

    async def screenshot(self, file, size, scheme):
        if size:
            width, height = map(int, size.split("x"))
            metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
            await self.call("Emulation.setDeviceMetricsOverride", metrics)
        if scheme:
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            await self.call("Emulation.setEmulatedMedia", {"features": features})
        taken = await self.call("Page.captureScreenshot", {"format": "png"})
        pathlib.Path(file).write_bytes(base64.b64decode(taken["data"]))
