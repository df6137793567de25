"""Makes the golden frames: requests as smpclient 7.3.0 sends them, its uploads included, and the answers that its
library (smp 4.2.0) writes for what the lock has to say. Also checks that the library tells errors as errors.

    pip install smpclient==7.3.0 smp==4.2.0
    python make.py > frames.txt

The values are those of `golden.rs`. The image is not a real one but for its header; its bytes count up.
"""

import asyncio
import struct

import cbor2
from smp import header as smphdr
from smp import image_management as image
from smp import os_management as os
from smp.error import MGMT_ERR
from smpclient import SMPClient
from smpclient.transport import SMPTransport

HASH = bytes(range(0x80, 0xA0))
RUNNING = bytes([0x11] * 32)
SEQUENCE = 7


def line(name, frame):
    print(name, bytes(frame).hex().upper())


def picture(length):
    """An image's header (version 2.3.4+5, 512 bytes long), then bytes that count up."""
    head = struct.pack("<IIHHIIBBHII", 0x96F3B83D, 0, 0x200, 0, length, 0, 2, 3, 4, 5, 0)
    return (head + bytes(n % 251 for n in range(length)))[:length]


class Recorder(SMPTransport):
    """Answers an upload as the lock does, and notes what was sent."""

    def __init__(self, size, mtu):
        self.sent, self.size, self.offset, self._mtu = [], size, 0, mtu
        self._smp_server_transport_buffer_size = None

    async def connect(self, address, timeout_s):
        pass

    async def disconnect(self):
        pass

    async def send(self, data):
        self.sent.append(data)

    async def receive(self):
        request = smphdr.Header.loads(self.sent[-1][:8])
        version = request.version
        if request.group_id == smphdr.GroupId.OS_MANAGEMENT:
            answer = os.MCUMgrParametersReadResponse(
                version=version, sequence=request.sequence, buf_size=2440, buf_count=1
            )
        else:
            piece = image.ImageUploadWriteRequest.loads(self.sent[-1])
            assert piece.off == self.offset
            self.offset += len(piece.data)
            whole = True if self.offset == self.size else None
            answer = image.ImageUploadWriteResponse(
                version=version, sequence=request.sequence, off=self.offset, match=whole
            )
        return answer.BYTES

    async def send_and_receive(self, data):
        await self.send(data)
        return await self.receive()

    @property
    def mtu(self):
        return self._mtu


async def upload(name, size, mtu):
    transport = Recorder(size, mtu)
    client = SMPClient(transport, "")
    await client.connect()
    async for _ in client.upload(picture(size), slot=0):
        pass
    assert transport.offset == size
    for number, frame in enumerate(transport.sent):
        # The sequence counts on from one program to the next.
        line(f"{name}.{number}", frame[:6] + bytes([number]) + frame[7:])


def requests():
    given = {"sequence": SEQUENCE}
    line("echo", os.EchoWriteRequest(d="Grüß Gott", **given).BYTES)
    line("echo.v1", os.EchoWriteRequest(d="Grüß Gott", version=smphdr.Version.V1, **given).BYTES)
    line("parameters", os.MCUMgrParametersReadRequest(**given).BYTES)
    line("reset", os.ResetWriteRequest(**given).BYTES)
    line("reset.force", os.ResetWriteRequest(force=1, **given).BYTES)
    line("list", image.ImageStatesReadRequest(**given).BYTES)
    line("test", image.ImageStatesWriteRequest(hash=HASH, **given).BYTES)
    line("test.v1", image.ImageStatesWriteRequest(hash=HASH, version=smphdr.Version.V1, **given).BYTES)
    line("confirm", image.ImageStatesWriteRequest(hash=HASH, confirm=True, **given).BYTES)
    line("confirm.running", image.ImageStatesWriteRequest(confirm=True, **given).BYTES)
    line("erase", image.ImageEraseRequest(**given).BYTES)
    line("erase.0", image.ImageEraseRequest(slot=0, **given).BYTES)
    line("statistics", os.TaskStatisticsReadRequest(**given).BYTES)
    line("date", os.DateTimeWriteRequest(datetime="2026-11-26T01:02:03", **given).BYTES)


def answers():
    given = {"sequence": SEQUENCE}
    line("echo.answer", os.EchoWriteResponse(r="Grüß Gott", **given).BYTES)
    line("echo.v1.answer", os.EchoWriteResponse(r="Grüß Gott", version=smphdr.Version.V1, **given).BYTES)
    line("parameters.answer", os.MCUMgrParametersReadResponse(buf_size=2440, buf_count=1, **given).BYTES)
    line("done.reset", os.ResetWriteResponse(**given).BYTES)
    line("done.erase", image.ImageEraseResponse(**given).BYTES)
    active = image.ImageState(
        slot=0, version="1.2.3", hash=RUNNING, bootable=True, pending=False, confirmed=True, active=True
    )
    line("list.answer", image.ImageStatesReadResponse(images=[active], **given).BYTES)
    line("offset.answer", image.ImageUploadWriteResponse(off=70_000, **given).BYTES)
    line("match.answer", image.ImageUploadWriteResponse(off=70_000, match=True, **given).BYTES)
    denied = image.IMG_MGMT_ERR.IMAGE_CONFIRMATION_DENIED
    error("confirm.answer", image.ImageManagementErrorV2, smphdr.OP.WRITE_RSP, 0, err={"group": 1, "rc": denied})
    closed = "no update window is open; the owner opens one with the PIN"
    denied = MGMT_ERR.EACCESSDENIED
    error("closed.answer", image.ImageManagementErrorV1, smphdr.OP.READ_RSP, 0, rc=denied, rsn=closed)


def error(name, kind, operation, command, **body):
    """An error, which the library must know for one."""
    text = cbor2.dumps(body, canonical=True)
    head = smphdr.Header(operation, smphdr.Version.V2, smphdr.Flag(0), len(text), 1, SEQUENCE, command)
    frame = bytes(head) + text
    kind.loads(frame)
    line(name, frame)


if __name__ == "__main__":
    requests()
    answers()
    asyncio.run(upload("upload", 3_000, 244))
