"""A stand-in for BlueZ: `org.bluez` on a private D-Bus, over a controller of the virtual air.

    bluez.py HOST:PORT

Prints `bluez: ADDRESS`, the bus that clients are to take for their system bus (DBUS_SYSTEM_BUS_ADDRESS). So
programs that know BlueZ run as they are, with what their registries install. Serves discovery, connections and
GATT as far as clients of a lock need them, and nothing else. Ends when standard input does.
"""

import asyncio
import ctypes
import signal
import subprocess
import sys

from bumble import hci
from bumble.core import AdvertisingData, BaseBumbleError
from bumble.device import Device, Peer
from bumble.gatt import Characteristic as Properties
from bumble.hci import Address
from bumble.transport import open_transport
from dbus_fast import DBusError, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_property, method

ADAPTER = "/org/bluez/hci0"
MTU = 247


def fails(error):
    return DBusError("org.bluez.Error.Failed", str(error) or type(error).__name__)


def read_only(signature):
    """A property that is an attribute of the same name with an underscore in front."""

    def make(name):
        def get(self):
            return getattr(self, "_" + name)

        get.__name__ = name
        get.__annotations__ = {"return": signature}
        return dbus_property(access=PropertyAccess.READ)(get)

    return make


class Adapter(ServiceInterface):
    """org.bluez.Adapter1"""

    Address = read_only("s")("Address")
    AddressType = read_only("s")("AddressType")
    Name = read_only("s")("Name")
    Alias = read_only("s")("Alias")
    Discovering = read_only("b")("Discovering")
    Modalias = read_only("s")("Modalias")
    UUIDs = read_only("as")("UUIDs")
    Roles = read_only("as")("Roles")

    def __init__(self, host):
        super().__init__("org.bluez.Adapter1")
        self.host = host
        self._Address = str(host.device.public_address).split("/")[0]
        self._AddressType = "public"
        self._Name = self._Alias = "air"
        self._Powered, self._Discovering = True, False
        self._Modalias, self._UUIDs = "usb:v1D6Bp0246d0542", []
        self._Roles = ["central"]

    @dbus_property()
    def Powered(self) -> "b":
        return self._Powered

    @Powered.setter
    def Powered(self, powered: "b"):
        self._Powered = powered

    async def discover(self, on):
        if on != self._Discovering:
            self._Discovering = on
            await self.host.scan(on)
            self.emit_properties_changed({"Discovering": on})

    @method()
    async def StartDiscovery(self):
        await self.discover(True)

    @method()
    async def StopDiscovery(self):
        await self.discover(False)

    @method()
    def SetDiscoveryFilter(self, properties: "a{sv}"):
        pass

    @method()
    def RemoveDevice(self, device: "o"):
        pass


class RemoteDevice(ServiceInterface):
    """org.bluez.Device1"""

    Address = read_only("s")("Address")
    AddressType = read_only("s")("AddressType")
    Name = read_only("s")("Name")
    Alias = read_only("s")("Alias")
    Adapter = read_only("o")("Adapter")
    RSSI = read_only("n")("RSSI")
    Connected = read_only("b")("Connected")
    Paired = read_only("b")("Paired")
    Bonded = read_only("b")("Bonded")
    Trusted = read_only("b")("Trusted")
    Blocked = read_only("b")("Blocked")
    LegacyPairing = read_only("b")("LegacyPairing")
    ServicesResolved = read_only("b")("ServicesResolved")
    UUIDs = read_only("as")("UUIDs")
    ManufacturerData = read_only("a{qv}")("ManufacturerData")
    ServiceData = read_only("a{sv}")("ServiceData")

    def __init__(self, host, address):
        super().__init__("org.bluez.Device1")
        self.host = host
        self.address = address
        self.connection = None
        self.exported = []
        self._Address = str(address).split("/")[0]
        self.path = f"{ADAPTER}/dev_{self._Address.replace(':', '_')}"
        self._AddressType = "public" if address.is_public else "random"
        self._Name = self._Alias = self._Address.replace(":", "-")
        self._Adapter, self._RSSI = ADAPTER, -50
        self._Connected = self._ServicesResolved = False
        self._Paired = self._Bonded = self._Trusted = False
        self._Blocked = self._LegacyPairing = False
        self._UUIDs, self._ManufacturerData, self._ServiceData = [], {}, {}

    def change(self, **properties):
        for name, value in properties.items():
            setattr(self, "_" + name, value)
        self.emit_properties_changed(properties)

    def heard(self, data, announce):
        """Takes in an advertisement or a scan response."""
        found = {"RSSI": self._RSSI}
        if name := data.get(AdvertisingData.Type.COMPLETE_LOCAL_NAME):
            found["Name"] = found["Alias"] = name
        if maker := data.get(AdvertisingData.Type.MANUFACTURER_SPECIFIC_DATA):
            company, content = maker
            found["ManufacturerData"] = {company: Variant("ay", bytes(content))}
        if service := data.get(AdvertisingData.Type.SERVICE_DATA_128_BIT_UUID):
            uuid, content = service
            uuid = uuid.to_hex_str("-").lower()
            found["ServiceData"] = {uuid: Variant("ay", bytes(content))}
        for name, value in found.items():
            setattr(self, "_" + name, value)
        if announce:
            self.host.bus.export(self.path, self)
        self.emit_properties_changed(found)

    @method()
    async def Connect(self):
        try:
            if not self.connection:
                await self.establish()
        except (asyncio.TimeoutError, BaseBumbleError) as error:
            raise fails(error) from error

    async def establish(self):
        # The controller cannot scan and connect at once, as many cannot.
        async with self.host.paused_scan():
            self.connection = await self.host.device.connect(self.address, timeout=20)
        self.connection.on("disconnection", self.on_disconnection)
        self.change(Connected=True)
        peer = Peer(self.connection)
        self.mtu = await peer.request_mtu(MTU)
        await peer.discover_services()
        for number, service in enumerate(peer.services):
            await service.discover_characteristics()
            self.export_service(f"{self.path}/service{number:04x}", service)
        for service in peer.services:
            for found in service.characteristics:
                await found.discover_descriptors()
        self.change(ServicesResolved=True, UUIDs=[uuid_of(s) for s in peer.services])

    def export_service(self, path, service):
        self.export(path, Service(uuid_of(service), self.path))
        for found in service.characteristics:
            self.export(
                f"{path}/char{found.handle:04x}", RemoteCharacteristic(self, path, found)
            )

    def export(self, path, interface):
        self.host.bus.export(path, interface)
        self.exported.append((path, interface))

    def on_disconnection(self, _reason):
        self.connection = None
        for path, interface in reversed(self.exported):
            self.host.bus.unexport(path, interface)
        self.exported.clear()
        self.change(Connected=False, ServicesResolved=False)

    @method()
    async def Disconnect(self):
        if self.connection:
            await self.connection.disconnect()


def uuid_of(attribute):
    text = attribute.uuid.to_hex_str("-").lower()
    return text if len(text) > 4 else f"0000{text}-0000-1000-8000-00805f9b34fb"


class Service(ServiceInterface):
    """org.bluez.GattService1"""

    UUID = read_only("s")("UUID")
    Device = read_only("o")("Device")
    Primary = read_only("b")("Primary")
    Includes = read_only("ao")("Includes")

    def __init__(self, uuid, device):
        super().__init__("org.bluez.GattService1")
        self._UUID, self._Device, self._Primary, self._Includes = uuid, device, True, []


FLAGS = {
    Properties.Properties.READ: "read",
    Properties.Properties.WRITE: "write",
    Properties.Properties.WRITE_WITHOUT_RESPONSE: "write-without-response",
    Properties.Properties.NOTIFY: "notify",
    Properties.Properties.INDICATE: "indicate",
}


class RemoteCharacteristic(ServiceInterface):
    """org.bluez.GattCharacteristic1"""

    UUID = read_only("s")("UUID")
    Service = read_only("o")("Service")
    Value = read_only("ay")("Value")
    Notifying = read_only("b")("Notifying")
    Flags = read_only("as")("Flags")
    MTU = read_only("q")("MTU")

    def __init__(self, device, service, proxy):
        super().__init__("org.bluez.GattCharacteristic1")
        self.proxy = proxy
        self._UUID, self._Service = uuid_of(proxy), service
        self._Value, self._Notifying, self._MTU = b"", False, device.mtu
        self._Flags = [name for flag, name in FLAGS.items() if proxy.properties & flag]

    @method()
    async def ReadValue(self, options: "a{sv}") -> "ay":
        try:
            return bytes(await self.proxy.read_value())
        except BaseBumbleError as error:
            raise fails(error) from error

    @method()
    async def WriteValue(self, value: "ay", options: "a{sv}"):
        kind = options.get("type")
        answered = kind is None or kind.value == "request"
        try:
            await self.proxy.write_value(bytes(value), with_response=answered)
        except BaseBumbleError as error:
            raise fails(error) from error

    def on_value(self, value):
        self._Value = bytes(value)
        self.emit_properties_changed({"Value": self._Value})

    @method()
    async def StartNotify(self):
        # Here as there: asking again for what one has is no error, and no second subscription.
        if not self._Notifying:
            await self.proxy.subscribe(self.on_value, prefer_notify=False)
            self._Notifying = True
            self.emit_properties_changed({"Notifying": True})

    @method()
    async def StopNotify(self):
        await self.proxy.unsubscribe(self.on_value)
        self._Notifying = False
        self.emit_properties_changed({"Notifying": False})


class Host:
    """The Bluetooth host behind the interfaces."""

    def __init__(self, bus, device):
        self.bus, self.device = bus, device
        self.devices = {}
        self.scanning = False
        device.host.on("advertising_report", self.on_report)

    async def scan(self, on):
        self.scanning = on
        if on:
            await self.device.start_scanning(legacy=True, active=True)
        else:
            await self.device.stop_scanning(legacy=True)

    def paused_scan(self):
        host = self

        class Pause:
            async def __aenter__(self):
                self.resume = host.scanning
                if self.resume:
                    await host.scan(False)

            async def __aexit__(self, *_):
                if self.resume:
                    await host.scan(True)

        return Pause()

    def on_report(self, report):
        known = self.devices.get(report.address)
        device = known or RemoteDevice(self, report.address)
        self.devices[report.address] = device
        device.heard(AdvertisingData.from_bytes(report.data), announce=not known)


def dies_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


async def serve(address):
    daemon = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address"],
        stdout=subprocess.PIPE,
        # It complains about limits that do not matter here; when it fails, there is no address.
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=dies_with_parent,
    )
    bus_address = daemon.stdout.readline().strip()
    bus = await MessageBus(bus_address=bus_address).connect()
    async with await open_transport(f"tcp-client:{address}") as transport:
        device = Device.with_hci(
            "bluez",
            Address.generate_static_address(),
            transport.source,
            transport.sink,
        )
        await device.power_on()
        host = Host(bus, device)
        bus.export(ADAPTER, Adapter(host))
        await bus.request_name("org.bluez")
        print(f"bluez: {bus_address}", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    daemon.kill()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
