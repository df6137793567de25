"""The bridge between a page's Web Bluetooth and the virtual air.

On one side is Chromium's own emulation of Bluetooth, of which this is the one owner; on the other a Bumble central
on a controller of the air. What the page asks of a device is done with that device by real packets, and the answer
given to the page; what the device sends by itself is passed on the way that `web_bluetooth.js` describes.

Keeps this: nothing is answered for a device but by what the device said, and nothing stays unanswered when its
connection ends.
"""

import asyncio
import base64
import collections
import contextlib
import json
import uuid

import gatt
from bumble import att, hci
from bumble.core import AdvertisingData
from bumble.device import Peer
from bumble.gatt import Characteristic
from bumble.hci import Address
from devtools import DevToolsError

# How long a device may take to be connected to and to tell what it has.
CONNECT = 60
# How long a page's request for a device stays open when there is none.
CHOOSE = 20
# What BlueZ asks for.
MTU = 517

SUCCESS = 0x00
UNLIKELY_ERROR = 0x0E

PROPERTIES = {
    "broadcast": Characteristic.Properties.BROADCAST,
    "read": Characteristic.Properties.READ,
    "writeWithoutResponse": Characteristic.Properties.WRITE_WITHOUT_RESPONSE,
    "write": Characteristic.Properties.WRITE,
    "notify": Characteristic.Properties.NOTIFY,
    "indicate": Characteristic.Properties.INDICATE,
}


def full(short):
    """A UUID as the emulation wants it."""
    return str(uuid.UUID(bytes=bytes(reversed(short.to_bytes(force_128=True)))))


def encoded(data):
    return base64.b64encode(data).decode()


async def unless(ended, work):
    """Does the work, unless the connection ends before: Bumble would wait for answers that cannot come."""
    doing = asyncio.ensure_future(work)
    ending = asyncio.ensure_future(ended.wait())
    try:
        await asyncio.wait({doing, ending}, return_when=asyncio.FIRST_COMPLETED)
        if ended.is_set():
            raise ConnectionError("the device has disconnected")
        await doing
    finally:
        doing.cancel()
        ending.cancel()


class Attribute:
    """A characteristic or descriptor of a device that the page knows too."""

    def __init__(self, identity, found):
        self.identity = identity
        self.found = found
        # Kinds of operations that the page waits for.
        self.pending = set()
        # What the device sent and the page has not taken; `None` unless it is subscribed.
        self.sent = None


class Peripheral:
    """A device in range."""

    def __init__(self, bridge, address):
        self.bridge = bridge
        self.chromium = bridge.chromium
        self.address = address
        self.heard = [b"", b""]
        self.peer = None
        self.connecting = asyncio.Lock()
        self.attributes = {}
        self.operations = asyncio.Queue()
        self.worker = None
        # Tells the emulation that a connection has ended.
        self.parting = None

    async def show(self):
        """Tells the emulation what the device advertises."""
        data = AdvertisingData.from_bytes(self.heard[0] + self.heard[1])
        names = data.get_all(AdvertisingData.COMPLETE_LOCAL_NAME)
        lists = (
            AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
            AdvertisingData.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
            AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
            AdvertisingData.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
        )
        services = [full(one) for kind in lists for some in data.get_all(kind) for one in some]
        makers = data.get_all(AdvertisingData.MANUFACTURER_SPECIFIC_DATA)
        await self.chromium.call(
            "BluetoothEmulation.simulatePreconnectedPeripheral",
            {
                "address": self.address,
                "name": names[0] if names else "",
                "manufacturerData": [
                    {"key": company, "data": encoded(content)} for company, content in makers
                ],
                "knownServiceUuids": services,
            },
        )
        self.bridge.say("in range", self.address, names[0] if names else "")

    async def connect(self):
        async with self.connecting:
            if self.peer:
                return
            await self.parted()
            async with asyncio.timeout(CONNECT):
                public = Address(self.address, Address.PUBLIC_DEVICE_ADDRESS)
                connection = await self.bridge.device.connect(public, timeout=CONNECT)
                peer = Peer(connection)
                ended = asyncio.Event()
                connection.on("disconnection", lambda _: ended.set())
                connection.on("disconnection", lambda reason: self.on_disconnection(peer, reason))
                # It may have ended before anybody listened.
                if self.bridge.device.lookup_connection(connection.handle) is not connection:
                    ended.set()
                try:
                    await unless(ended, self.discover(peer))
                except BaseException:
                    if not ended.is_set():
                        await connection.disconnect()
                    raise
            self.peer = peer
            self.operations = asyncio.Queue()
            self.worker = asyncio.get_running_loop().create_task(self.work(peer))
            self.bridge.say("connected", self.address, "MTU", peer.gatt_client.mtu)

    async def discover(self, peer):
        await peer.request_mtu(MTU)
        await peer.discover_services()
        for service in peer.services:
            await service.discover_characteristics()
            for characteristic in service.characteristics:
                await characteristic.discover_descriptors()
        await self.mirror(peer)

    async def mirror(self, peer):
        """Gives the emulation the services of the device."""
        self.attributes = {}
        for service in peer.services:
            added = await self.chromium.call(
                "BluetoothEmulation.addService",
                {"address": self.address, "serviceUuid": full(service.uuid)},
            )
            for characteristic in service.characteristics:
                await self.mirror_characteristic(added["serviceId"], characteristic)

    async def mirror_characteristic(self, service, characteristic):
        has = characteristic.properties
        added = await self.chromium.call(
            "BluetoothEmulation.addCharacteristic",
            {
                "serviceId": service,
                "characteristicUuid": full(characteristic.uuid),
                "properties": {name: bool(has & flag) for name, flag in PROPERTIES.items()},
            },
        )
        identity = added["characteristicId"]
        self.attributes[identity] = Attribute(identity, characteristic)
        for descriptor in characteristic.descriptors:
            added = await self.chromium.call(
                "BluetoothEmulation.addDescriptor",
                {"characteristicId": identity, "descriptorUuid": full(descriptor.type)},
            )
            under = added["descriptorId"]
            self.attributes[under] = Attribute(under, descriptor)

    async def disconnect(self):
        """Ends the connection for the page, which has left it."""
        async with self.connecting:
            peer = self.peer
            if peer is None:
                return
            self.end()
            await self.parted()
            try:
                await peer.connection.disconnect()
            except Exception:  # It has ended in the meantime, which is what is wanted.
                pass
            self.bridge.say("disconnected", self.address, "by the page")

    def on_disconnection(self, peer, reason):
        if self.peer is peer:
            self.end()
            self.bridge.say("disconnected", self.address, hci.HCI_Constant.error_name(reason))

    def end(self):
        """Nothing of the connection remains: not in the emulation either, which would keep subscriptions."""
        self.peer = None
        self.settle()
        self.parting = self.bridge.begin(self.part())

    async def part(self):
        # What the page has under way is answered first: the emulation would not answer it any more.
        await self.bridge.quiet(self)
        self.chromium.tell("BluetoothEmulation.simulateGATTDisconnection", {"address": self.address})
        # The emulation has forgotten the services with that, and does not offer the device any more.
        self.attributes = {}
        await self.show()

    async def parted(self):
        if self.parting:
            await asyncio.wait({self.parting})

    def settle(self):
        """Fails all that the page still waits for."""
        if self.worker:
            self.worker.cancel()
            self.worker = None
        for attribute in self.attributes.values():
            attribute.sent = None
            for kind in list(attribute.pending):
                self.answer(attribute, kind, UNLIKELY_ERROR)

    def on_operation(self, identity, kind, data, write_type):
        attribute = self.attributes[identity]
        if write_type != "write-without-response":
            attribute.pending.add(kind)
        if self.peer is None:
            self.answer(attribute, kind, UNLIKELY_ERROR)
        elif kind == "read" and attribute.sent is not None:
            self.pass_on(attribute)
        else:
            value = base64.b64decode(data) if data else b""
            self.operations.put_nowait((attribute, kind, value, write_type))

    async def work(self, peer):
        """Does what the page asks for, one after the other, as ATT has it."""
        while True:
            attribute, kind, value, write_type = await self.operations.get()
            code, read = SUCCESS, None
            try:
                read = await self.perform(peer, attribute, kind, value, write_type)
            except att.ATT_Error as error:
                code = error.error_code
            except Exception as error:  # Whatever it is, the page is told, and whoever reads the log.
                code = UNLIKELY_ERROR
                self.bridge.complain(f"{kind}: {type(error).__name__} {error}")
            if write_type != "write-without-response":
                self.answer(attribute, kind, code, read)

    async def perform(self, peer, attribute, kind, value, write_type):
        found = attribute.found
        if kind == "read":
            return bytes(await found.read_value())
        if kind == "write":
            if write_type != "write-without-response":
                await gatt.write(peer.gatt_client, found, value)
            elif len(value) > peer.gatt_client.mtu - 3:
                raise ValueError(f"{len(value)} bytes without response at an MTU of {peer.gatt_client.mtu}")
            else:
                await found.write_value(value, with_response=False)
        elif kind == "subscribe-to-notifications":
            attribute.sent = collections.deque()
            prefer_notify = bool(found.properties & Characteristic.Properties.NOTIFY)
            await found.subscribe(lambda sent: self.on_sent(attribute, bytes(sent)), prefer_notify)
        elif kind == "unsubscribe-from-notifications":
            attribute.sent = None
            if "read" in attribute.pending:
                self.answer(attribute, "read", UNLIKELY_ERROR)
            await found.unsubscribe(force=True)
        return None

    def on_sent(self, attribute, value):
        if attribute.sent is not None:
            attribute.sent.append(value)
            self.pass_on(attribute)

    def pass_on(self, attribute):
        if attribute.sent and "read" in attribute.pending:
            self.answer(attribute, "read", SUCCESS, attribute.sent.popleft())

    def answer(self, attribute, kind, code, value=None):
        attribute.pending.discard(kind)
        characteristic = hasattr(attribute.found, "properties")
        name = "Characteristic" if characteristic else "Descriptor"
        parameters = {
            "characteristicId" if characteristic else "descriptorId": attribute.identity,
            "type": kind,
            "code": code,
        }
        if value is not None:
            parameters["data"] = encoded(value)
        self.chromium.tell(f"BluetoothEmulation.simulate{name}OperationResponse", parameters)


class Bridge:
    """All devices in range, and the page's requests for one."""

    def __init__(self, chromium, device, say, complain):
        self.chromium = chromium
        self.device = device
        self.say = say
        self.complain = complain
        self.page = None
        # Where the page's own script runs; `None` when the page has been left.
        self.context = None
        # The tab beside it.
        self.beside = None
        self.peripherals = {}
        self.arrived = asyncio.Condition()
        self.tasks = set()
        # The address that the person at the browser takes; `None` for the first that is offered.
        self.wanted = None
        self.refuses = False
        self.chosen = None
        # Devices as the page knows them: it is never told an address.
        self.known = {}
        self.prompts = set()
        self.closed = set()

    async def start(self, page):
        """Takes over the Bluetooth of this page's browser, and begins to listen to the air."""
        self.page = page
        on = self.chromium.on
        on("DeviceAccess.deviceRequestPrompted", self.on_prompt)
        on("BluetoothEmulation.gattOperationReceived", self.on_gatt)
        on("BluetoothEmulation.characteristicOperationReceived", self.on_characteristic)
        on("BluetoothEmulation.descriptorOperationReceived", self.on_descriptor)
        on("Runtime.bindingCalled", self.on_asked)
        await self.chromium.call("DeviceAccess.enable", session=page)
        await self.chromium.call(
            "BluetoothEmulation.enable", {"state": "powered-on", "leSupported": True}
        )
        self.device.host.on("advertising_report", self.on_report)
        await self.device.start_scanning(legacy=True, active=True)

    def begin(self, work):
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.ended)
        return task

    def ended(self, task):
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.complain(f"{type(error).__name__} {error}")

    def on_report(self, report):
        address = str(report.address).split("/")[0]
        peripheral = self.peripherals.get(address)
        if peripheral is None:
            peripheral = self.peripherals[address] = Peripheral(self, address)
        answer = report.event_type == hci.HCI_LE_Advertising_Report_Event.EventType.SCAN_RSP
        data = bytes(report.data)
        if peripheral.heard[answer] == data:
            return
        peripheral.heard[answer] = data
        # A device is shown once both halves of what it says are there.
        if all(peripheral.heard):
            self.begin(self.show(peripheral))

    async def show(self, peripheral):
        await peripheral.show()
        async with self.arrived:
            self.arrived.notify_all()

    async def until_in_range(self, address):
        def heard():
            found = self.peripherals.get(address)
            return found is not None and all(found.heard)

        async with self.arrived:
            await self.arrived.wait_for(heard)

    def on_prompt(self, parameters, _session):
        """The browser asks which device; it asks again whenever it learns of one."""
        prompt, devices = parameters["id"], [device["id"] for device in parameters["devices"]]
        if prompt in self.closed:
            return
        if prompt not in self.prompts:
            self.prompts.add(prompt)
            self.begin(self.close_unanswered(prompt))
        if self.refuses:
            self.close(prompt, None)
        elif self.wanted in devices or (self.wanted is None and devices):
            self.close(prompt, self.wanted or devices[0])

    async def close_unanswered(self, prompt):
        await asyncio.sleep(CHOOSE)
        if prompt not in self.closed:
            self.complain("no device was offered that matches what the page asks for")
            self.close(prompt, None)

    def close(self, prompt, device):
        # Never twice: that ends Chromium.
        self.closed.add(prompt)
        if device is None:
            self.chromium.tell("DeviceAccess.cancelPrompt", {"id": prompt}, self.page)
            return
        self.chosen = device
        self.chromium.tell("DeviceAccess.selectPrompt", {"id": prompt, "deviceId": device}, self.page)

    def on_gatt(self, parameters, _session):
        # The page's script has had the device connected and its services added before it comes to this.
        peripheral = self.peripherals.get(parameters["address"])
        code = SUCCESS if peripheral and peripheral.peer else UNLIKELY_ERROR
        self.say("asked for", parameters["type"], parameters["address"], "code", code)
        self.chromium.tell("BluetoothEmulation.simulateGATTOperationResponse", parameters | {"code": code})

    def on_characteristic(self, parameters, _session):
        self.on_attribute(
            "characteristic",
            parameters["characteristicId"],
            parameters["type"],
            parameters.get("data"),
            parameters.get("writeType"),
        )

    def on_descriptor(self, parameters, _session):
        self.on_attribute(
            "descriptor", parameters["descriptorId"], parameters["type"], parameters.get("data"), None
        )

    def on_attribute(self, kind, identity, operation, *what):
        for peripheral in self.peripherals.values():
            if identity in peripheral.attributes:
                peripheral.on_operation(identity, operation, *what)
                return
        # It was asked for while its connection ended.
        answer = {f"{kind}Id": identity, "type": operation, "code": UNLIKELY_ERROR}
        method = f"BluetoothEmulation.simulate{kind.capitalize()}OperationResponse"
        self.chromium.tell(method, answer)

    def on_asked(self, parameters, session):
        if parameters["name"] == "latchkeyBridge":
            asked = json.loads(parameters["payload"])
            self.context = parameters["executionContextId"]
            self.begin(self.serve(asked, session, parameters["executionContextId"]))

    async def serve(self, asked, session, context):
        error = None
        self.say("page asks to", asked["what"])
        try:
            if asked["what"] == "chosen":
                self.known[asked["device"]] = self.peripherals[self.chosen]
            peripheral = self.known[asked["device"]]
            match asked["what"]:
                case "connect":
                    await peripheral.connect()
                case "disconnect":
                    await peripheral.disconnect()
        except Exception as failure:  # The page is told, as of any device that does not answer.
            error = f"{type(failure).__name__} {failure}"
        self.say("page is answered", asked["what"], error)
        words = ", ".join(json.dumps(word) for word in (asked["id"], error))
        self.chromium.tell(
            "Runtime.evaluate",
            {"expression": f"latchkeyAnswer({words})", "contextId": context},
            session,
        )

    async def quiet(self, peripheral):
        """Ends when the page has nothing under way with this device, and begins nothing; at once when it is gone."""
        names = [device for device, known in self.known.items() if known is peripheral]
        for device in names if self.context else []:
            waiting = {
                "expression": f"latchkeyQuiet({json.dumps(device)})",
                "contextId": self.context,
                "awaitPromise": True,
            }
            with contextlib.suppress(DevToolsError, TimeoutError):
                await self.chromium.call("Runtime.evaluate", waiting, self.page)

    def leave(self):
        """The page is gone, and with it its connections."""
        self.context = None
        for peripheral in self.peripherals.values():
            self.begin(peripheral.disconnect())
