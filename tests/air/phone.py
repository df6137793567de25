"""A phone that does as it is told: a Bluetooth Low Energy central, driven line by line.

    phone.py HOST:PORT

connects to a controller of the virtual air. Each line on standard input is one command, answered by one line
that begins with `ok` or `error`; what happens by itself is printed as it comes.

    scan SECONDS            prints `seen ADDRESS ADVERTISEMENT SCAN-RESPONSE`, in hexadecimal, a lock
    connect ADDRESS MTU     connects, and exchanges the MTU unless it is 23
    services                prints `handle N UUID PROPERTIES` a characteristic
    subscribe UUID          asks for indications; for notifications where there are only those
    read UUID               ok HEX
    write UUID HEX          a request; what does not fit one is prepared in parts and executed
    send UUID HEX           a write without response; it must fit
    raw HEX                 sends an L2CAP payload on the attribute channel, whatever it is
    packet CHANNEL HEX      sends an L2CAP packet on any channel
    disconnect

    indication UUID HEX     has come, and is confirmed; or a notification
    disconnected REASON     the link has ended
"""

import asyncio
import logging
import sys

import gatt
from bumble import att, hci
from bumble.core import UUID
from bumble.device import Device, Peer
from bumble.hci import Address
from bumble.transport import open_transport

MTU_MIN = 23
REPORT = hci.HCI_LE_Advertising_Report_Event


def say(*words):
    print(*words, flush=True)


class Phone:
    def __init__(self, device):
        self.device = device
        self.peer = None
        self.seen = {}
        device.host.on("advertising_report", self.on_report)

    def on_report(self, report):
        answer = report.event_type == REPORT.EventType.SCAN_RSP
        seen = self.seen.setdefault(str(report.address).split("/")[0], ["-", "-"])
        seen[1 if answer else 0] = report.data.hex()

    async def scan(self, seconds):
        self.seen.clear()
        await self.device.start_scanning(legacy=True, active=True)
        await asyncio.sleep(float(seconds))
        await self.device.stop_scanning(legacy=True)
        for address, (advertisement, answer) in self.seen.items():
            say("seen", address, advertisement, answer)
        say("ok")

    async def connect(self, address, mtu):
        address = Address(address, Address.PUBLIC_DEVICE_ADDRESS)
        connection = await self.device.connect(address, timeout=20)
        connection.on(
            "disconnection",
            lambda reason: say("disconnected", hci.HCI_Constant.error_name(reason)),
        )
        self.peer = Peer(connection)
        if int(mtu) != MTU_MIN:
            mtu = await self.peer.request_mtu(int(mtu))
        await self.peer.discover_services()
        await self.peer.discover_characteristics()
        say("ok", mtu)

    def characteristic(self, uuid):
        found = self.peer.get_characteristics_by_uuid(UUID(uuid))
        if not found:
            raise LookupError(f"no characteristic {uuid}")
        return found[0]

    async def services(self):
        for service in self.peer.services:
            for found in service.characteristics:
                say("handle", found.handle, found.uuid.to_hex_str("-"), int(found.properties))
        say("ok")

    async def subscribe(self, uuid):
        found = self.characteristic(uuid)
        await found.discover_descriptors()
        await found.subscribe(
            lambda value: say("indication", uuid, bytes(value).hex()),
            prefer_notify=False,
        )
        say("ok")

    async def read(self, uuid):
        value = await self.characteristic(uuid).read_value()
        say("ok", bytes(value).hex())

    async def write(self, uuid, text):
        found, value = self.characteristic(uuid), bytes.fromhex(text)
        await gatt.write(self.peer.gatt_client, found, value)
        say("ok")

    async def send(self, uuid, text):
        await self.characteristic(uuid).write_value(bytes.fromhex(text), with_response=False)
        say("ok")

    async def raw(self, text=""):
        await self.packet(str(att.ATT_CID), text)

    async def packet(self, channel, text=""):
        self.peer.connection.send_l2cap_pdu(int(channel, 0), bytes.fromhex(text))
        say("ok")

    async def disconnect(self):
        await self.peer.connection.disconnect()
        say("ok")


async def obey(address):
    async with await open_transport(f"tcp-client:{address}") as transport:
        device = Device.with_hci(
            "phone",
            Address.generate_static_address(),
            transport.source,
            transport.sink,
        )
        await device.power_on()
        phone = Phone(device)
        say("ready")
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            name, *arguments = line.split()
            try:
                await getattr(phone, name)(*arguments)
            except Exception as error:  # Whatever it is, whoever drives this phone wants to know.
                say("error", type(error).__name__, str(error).replace("\n", " "))


if __name__ == "__main__":
    # What Bumble complains about here, tests provoke.
    logging.disable(logging.CRITICAL)
    asyncio.run(obey(sys.argv[1]))
