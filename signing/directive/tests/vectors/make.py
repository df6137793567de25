"""Makes the sealed messages beside this file with an implementation of its own (cbor2, cryptography).

    pip install cbor2 cryptography && python3 make.py

The seeds below are for these vectors alone.
"""

import hashlib
import pathlib

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HERE = pathlib.Path(__file__).parent
DEVICE = Ed25519PrivateKey.from_private_bytes(bytes([0x11] * 32))
DIRECTOR = Ed25519PrivateKey.from_private_bytes(bytes([0x22] * 32))
DEVICE_KEY = DEVICE.public_key().public_bytes_raw()
DEVICE_ID = hashlib.sha256(DEVICE_KEY).digest()[:16]
VENDOR, CLASS = bytes(range(16)), bytes(range(16, 32))
IMAGE, OTHER = bytes([0xA5] * 32), bytes([0x5A] * 32)
NONCE = bytes([7] * 16)


def seal(key, purpose, message):
    payload = cbor2.dumps(message)
    digest = hashlib.sha256(purpose.encode() + b"\0" + payload).digest()
    return cbor2.dumps([payload, key.sign(digest)])


def write(name, key, purpose, message):
    (HERE / f"{name}.cbor").write_bytes(seal(key, purpose, message))


write("enrolment", DEVICE, "latchkey/enrolment/1", {0: DEVICE_KEY, 1: VENDOR, 2: CLASS})
write(
    "check-in",
    DEVICE,
    "latchkey/check-in/1",
    {
        0: DEVICE_ID,
        1: NONCE,
        2: (3 << 32) | 9,
        3: VENDOR,
        4: CLASS,
        5: {0: IMAGE, 1: [1, 2, 3, 4], 2: 5, 3: True},
        6: 4,
        7: {0: 2, 1: 100, 2: OTHER[:16], 3: 0},
        8: 81,
    },
)
write(
    "directive-install",
    DIRECTOR,
    "latchkey/directive/1",
    {0: DEVICE_ID, 1: NONCE, 2: [1, [{0: OTHER, 1: 262832, 2: [1, 3, 0, 0], 3: 6}]], 3: 900},
)
write(
    "directive-nothing",
    DIRECTOR,
    "latchkey/directive/1",
    {0: DEVICE_ID, 1: NONCE, 2: [0, []], 3: 3600, 99: "a field of a later version"},
)
write(
    "report", DEVICE, "latchkey/report/1", {0: DEVICE_ID, 1: (3 << 32) | 10, 2: 3, 3: OTHER, 4: 0}
)
write("receipt", DIRECTOR, "latchkey/receipt/1", {0: DEVICE_ID, 1: (3 << 32) | 10})
