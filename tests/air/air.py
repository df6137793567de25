"""The virtual air: Bluetooth controllers on one link, each behind a TCP port of its own.

    air.py NAME[=ADDRESS]...

Prints `air: NAME HOST:PORT` a controller, then `air: ready`; a Bluetooth host (the emulated lock, a phone, a
test) that connects to a port has that controller until another one does. Each line on standard input is answered by one:

    carried             `air: carried BYTES`: L2CAP packets with their headers, over all connections and both ways
                        since the start
    lose NAME BYTES...  `air: losses COUNT`: once this controller has carried so many bytes more, both ways, its
                        connections are lost, as by a supervision time-out at both ends; after the next number of
                        bytes again, and so on. COUNT is how many of these are still to come
    losses NAME         `air: losses COUNT`

Ends when standard input does, so that it never outlives whoever started it.

The controllers are Bumble's. What they lack for a lock with a public address, and for tests that cut power, is
added here, and only that; there is no loss that nobody asked for, no delay and no range on this air.
"""

import asyncio
import dataclasses
import logging
import sys

from bumble import hci, ll
from bumble.controller import Connection, Controller
from bumble.core import PhysicalTransport
from bumble.link import LocalLink
from bumble.transport.common import StreamPacketSource

# What radios of today have: the longest link-layer payload, and the time it takes on air.
OCTETS = 251
MICROSECONDS = 2120

# Zephyr's and Nordic's controllers take their public address by this vendor command; the lock sends it.
HCI_WRITE_BD_ADDR_COMMAND = hci.hci_vendor_command_op_code(0x0006)
hci.HCI_Command.register_commands(globals())


@hci.HCI_SyncCommand.sync_command(hci.HCI_StatusReturnParameters)
@dataclasses.dataclass
class HCI_Write_Bd_Addr_Command(hci.HCI_SyncCommand[hci.HCI_StatusReturnParameters]):
    """BT_HCI_OP_VS_WRITE_BD_ADDR of Zephyr's hci_vs.h."""

    bd_addr: hci.Address = dataclasses.field(
        metadata=hci.metadata(hci.Address.parse_address)
    )


class Air(LocalLink):
    """Delivers data under the address its connection was made with. Bumble's takes the sender's random one,
    under which nobody knows a lock with a public address."""

    carried = 0

    def send_acl_data(self, sender_controller, destination_address, transport, data):
        link = sender_controller.le_connections.get(destination_address)
        receiver = self.find_le_controller(destination_address)
        if link is None or receiver is None:
            return
        self.carried += len(data)
        lost = [radio.carry(len(data)) for radio in (sender_controller, receiver)]
        if any(lost):
            return
        asyncio.get_running_loop().call_soon(
            receiver.on_link_acl_data, link.self_address, transport, data
        )

    def send_advertising_pdu(self, sender_controller, packet):
        if not isinstance(packet, ll.ConnectInd):
            super().send_advertising_pdu(sender_controller, packet)
            return
        # Whoever has advertised listens right afterwards. With Bumble's it could have stopped before the request
        # comes: the central alone would have a connection, of which nothing tells it that nobody else has.
        for controller in self.controllers:
            if controller is not sender_controller:
                controller.on_ll_advertising_pdu(packet)

    def send_ll_control_pdu(self, sender_address, receiver_address, packet):
        # Whoever is gone hears nothing; that is no error on air.
        if self.find_le_controller(receiver_address):
            super().send_ll_control_pdu(sender_address, receiver_address, packet)


class Radio(Controller):
    """One controller."""

    le_acl_data_packet_length = OCTETS
    supported_max_tx_octets = OCTETS
    supported_max_rx_octets = OCTETS
    # Legacy advertising only, which is what locks use; hosts then ask for legacy reports.
    le_features = Controller.le_features & ~hci.LeFeatureMask.LE_EXTENDED_ADVERTISING

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        # After how many more bytes connections are lost, the next time first.
        self.losses = []

    def carry(self, length):
        """Takes note of data; says whether it was lost with the connection."""
        if not self.losses:
            return False
        self.losses[0] -= length
        if self.losses[0] > 0:
            return False
        self.losses.pop(0)
        # Not in the midst of a packet's way through the stack that sends it.
        asyncio.get_running_loop().call_soon(self.lose)
        return True

    def lose(self):
        """Ends every connection, and both ends see their supervision time-out."""
        for link in list(self.le_connections.values()):
            other = self.link.find_le_controller(link.peer_address)
            if other and (there := other.le_connections.get(link.self_address)):
                other.on_le_disconnected(there, hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)
            self.on_le_disconnected(link, hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)

    def create_le_connection(self, peer_address):
        # An advertisement that was under way when its sender stopped is not answered: there will be another, or none.
        if any(radio.advertises(peer_address) for radio in self.link.controllers):
            super().create_le_connection(peer_address)

    def advertises(self, address):
        return self.le_legacy_advertiser.enabled and self.le_legacy_advertiser.address == address

    def on_hci_write_bd_addr_command(self, command):
        self.public_address = hci.Address(
            bytes(command.bd_addr), hci.Address.PUBLIC_DEVICE_ADDRESS
        )
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def on_hci_le_set_data_length_command(self, command):
        self.send_hci_packet(
            hci.HCI_LE_Data_Length_Change_Event(
                connection_handle=command.connection_handle,
                max_tx_octets=OCTETS,
                max_tx_time=MICROSECONDS,
                max_rx_octets=OCTETS,
                max_rx_time=MICROSECONDS,
            )
        )
        return hci.HCI_StatusAndConnectionHandleReturnParameters(
            status=hci.HCI_ErrorCode.SUCCESS,
            connection_handle=command.connection_handle,
        )

    def on_hci_le_create_connection_cancel_command(self, command):
        if not self.pending_le_connection:
            return hci.HCI_StatusReturnParameters(
                hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR
            )
        self.pending_le_connection = None
        self.send_hci_packet(
            hci.HCI_LE_Connection_Complete_Event(
                status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                connection_handle=0,
                role=hci.Role.CENTRAL,
                peer_address_type=hci.Address.PUBLIC_DEVICE_ADDRESS,
                peer_address=hci.Address.ANY,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            )
        )
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def on_hci_le_set_advertising_parameters_command(self, command):
        # As the specification has it; Bumble's takes them at any time.
        if self.le_legacy_advertiser.enabled:
            return hci.HCI_StatusReturnParameters(
                hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR
            )
        return super().on_hci_le_set_advertising_parameters_command(command)

    def on_hci_reset_command(self, command):
        self.leave()
        return super().on_hci_reset_command(command)

    def leave(self):
        """Ends everything, as a controller without power does; the others see their supervision time-out."""
        self.le_legacy_advertiser.stop()
        self.le_scan_enable = False
        self.pending_le_connection = None
        for link in list(self.le_connections.values()):
            other = self.link.find_le_controller(link.peer_address)
            if other and (there := other.le_connections.get(link.self_address)):
                other.on_le_disconnected(
                    there, hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR
                )
        self.le_connections.clear()

    def on_link_acl_data(self, sender_address, transport, data):
        """Hands data to the host in parts no longer than its buffers."""
        link = self.le_connections.get(sender_address)
        if link is None or transport != PhysicalTransport.LE:
            return
        for start in range(0, len(data), OCTETS):
            part = data[start : start + OCTETS]
            boundary = 1 if start else 2
            self.send_hci_packet(
                hci.HCI_AclDataPacket(link.handle, boundary, 0, len(part), part)
            )

    def on_advertising_pdu(self, pdu):
        """Reports advertisement and scan response; Bumble's controller reports the advertisement twice."""
        if self.le_scan_enable:
            self.report(pdu.advertiser_address, pdu.data, scan_response=False)
            answer = self.scan_response_of(pdu.advertiser_address)
            if self.le_scan_type == 1 and answer:
                self.report(pdu.advertiser_address, answer, scan_response=True)
        wanted = self.pending_le_connection
        if wanted and wanted.peer_address == pdu.advertiser_address:
            self.create_le_connection(pdu.advertiser_address)

    def scan_response_of(self, address):
        for radio in self.link.controllers:
            advertiser = radio.le_legacy_advertiser
            if advertiser.enabled and advertiser.address == address:
                return advertiser.scan_response_data
        return b""

    def report(self, address, data, scan_response):
        event = hci.HCI_LE_Advertising_Report_Event
        kind = event.EventType.SCAN_RSP if scan_response else event.EventType.ADV_IND
        report = event.Report(
            event_type=kind,
            address_type=address.address_type,
            address=address,
            data=data,
            rssi=-50,
        )
        self.send_hci_packet(event([report]))


class Socket(StreamPacketSource):
    """A host at the other end of the port, for as long as it stays."""

    def __init__(self, radio):
        super().__init__()
        self.radio = radio
        self.transport = None
        self.set_packet_sink(radio)

    def connection_made(self, transport):
        self.transport = transport
        before, self.radio.host = self.radio.host, self
        self.radio.leave()
        if before:
            before.transport.abort()

    def connection_lost(self, exc):
        if self.radio.host is self:
            self.radio.host = None
            self.radio.leave()

    def on_packet(self, packet):
        if self.transport and not self.transport.is_closing():
            self.transport.write(packet)


async def serve(names):
    air = Air()
    loop = asyncio.get_running_loop()
    servers = []
    radios = {}
    for number, argument in enumerate(names, 1):
        name, _, address = argument.partition("=")
        address = address or f"C0:FF:EE:00:00:{number:02X}"
        radio = radios[name] = Radio(name, link=air, public_address=address)
        server = await loop.create_server(
            lambda radio=radio: Socket(radio), "127.0.0.1", 0
        )
        host, port = server.sockets[0].getsockname()
        print(f"air: {name} {host}:{port}", flush=True)
        servers.append(server)
    print("air: ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        match line.split():
            case ["lose", name, *numbers]:
                radios[name].losses.extend(map(int, numbers))
                print(f"air: losses {len(radios[name].losses)}", flush=True)
            case ["losses", name]:
                print(f"air: losses {len(radios[name].losses)}", flush=True)
            case _:
                print(f"air: carried {air.carried}", flush=True)


if __name__ == "__main__":
    # Data for a link that has just ended is no news.
    logging.disable(logging.WARNING)
    asyncio.run(serve(sys.argv[1:]))
