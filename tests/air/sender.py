"""smpclient as it is, against a lock on the virtual air.

    sender.py HOST:PORT NAME COMMAND...

connects a controller of the virtual air to the lock that is advertised as NAME and gives it the commands in order:

    echo                  prints `echo TEXT`
    upload FILE           prints `offset N` for each answer, and `seconds S` for all of it
    upload-until N FILE   the same, and ends the program once so many bytes are there
    list                  prints `image SLOT VERSION HASH FLAGS` for each
    test HASH             asks for the install of this image
    confirm HASH          asks to have it confirmed
    erase
    reset

What is refused prints `refused` and what smpclient makes of it, and ends the program.
"""

import asyncio
import logging
import sys
import time

from smpclient import SMPClient
from smpclient.exceptions import SMPUploadError
from smpclient.generics import success
from smpclient.requests.image_management import ImageErase, ImageStatesRead, ImageStatesWrite
from smpclient.requests.os_management import EchoWrite, ResetWrite
from smpclient.transport.bumble import SMPBumbleTransport

FLAGS = ("active", "pending", "confirmed")


class Refused(Exception):
    pass


def say(*words):
    print(*words, flush=True)


async def ask(client, request):
    answer = await client.request(request, timeout_s=20)
    if not success(answer):
        raise Refused(str(answer))
    return answer


async def upload(client, path, until):
    with open(path, "rb") as file:
        image = file.read()
    start = time.perf_counter()
    try:
        async for offset in client.upload(image, subsequent_timeout_s=20):
            say("offset", offset)
            if until is not None and offset >= until:
                return False
    except SMPUploadError as error:
        raise Refused(str(error)) from error
    say("seconds", round(time.perf_counter() - start, 3))
    return True


def tell(images):
    for image in images:
        flags = [flag for flag in FLAGS if getattr(image, flag)]
        say("image", image.slot, image.version, image.hash.hex(), *flags)


async def obey(client, words):
    words = iter(words)
    for command in words:
        match command:
            case "echo":
                answer = await ask(client, EchoWrite(d="who is there?"))
                say("echo", answer.r)
            case "upload":
                if not await upload(client, next(words), None):
                    return
            case "upload-until":
                until = int(next(words))
                if not await upload(client, next(words), until):
                    return
            case "list":
                tell((await ask(client, ImageStatesRead())).images)
            case "test":
                tell((await ask(client, ImageStatesWrite(hash=bytes.fromhex(next(words))))).images)
            case "confirm":
                tell((await ask(client, ImageStatesWrite(hash=bytes.fromhex(next(words)), confirm=True))).images)
            case "erase":
                await ask(client, ImageErase())
                say("erased")
            case "reset":
                await ask(client, ResetWrite())
                say("reset")
            case _:
                raise ValueError(command)


async def main():
    logging.disable(logging.CRITICAL)
    controller, name, *words = sys.argv[1:]
    client = SMPClient(SMPBumbleTransport(hci=f"tcp-client:{controller}"), name, timeout_s=20)
    await client.connect()
    say("connected")
    try:
        await obey(client, words)
    except Refused as refused:
        say("refused", refused)
    await client.disconnect()


asyncio.run(main())
