"""Makes the golden vectors that nobody published, with another implementation of everything: Python's struct,
binascii and hmac for layout, checksum and authenticators, PyNaCl (libsodium) for keys and boxes.

    pip install pynacl==1.6.2
    python make.py messages > messages.txt
    python make.py pairing > pairing.txt

The layouts are written down by hand from the specification's tables, not from the Rust code. The values are those
of `tests/protocol/samples` and `tests/protocol/pairing.rs`.
"""

import binascii
import hashlib
import hmac
import struct
import sys

from nacl.bindings import crypto_box_beforenm, crypto_scalarmult_base, crypto_secretbox


def u8(*values):
    return bytes(values)


def u16(*values):
    return struct.pack(f"<{len(values)}H", *values)


def u32(*values):
    return struct.pack(f"<{len(values)}I", *values)


def i8(value):
    return struct.pack("<b", value)


def i16(*values):
    return struct.pack(f"<{len(values)}h", *values)


def f32(*values):
    return struct.pack(f"<{len(values)}f", *values)


def text(length, value):
    return value.encode().ljust(length, b"\0")


def date(year, month, day, hour, minute, second):
    return struct.pack("<H5B", year, month, day, hour, minute, second)


NONCE = bytes(range(0x40, 0x60))
PIN = u16(0x1234)
WIDE_PIN = u32(987_654)
CREATED = date(2024, 2, 29, 23, 59, 58)
ACTIVE = date(2026, 11, 26, 1, 2, 3)
# from, until, Monday and Sunday, 06:30 to 22:15
LIMITS = date(2025, 1, 1, 0, 0, 0) + date(2027, 12, 31, 23, 59, 59) + u8(0b1000001) + u8(6, 30) + u8(22, 15)
NO_LIMITS = bytes(19)
KEY = bytes(range(0x80, 0xA0))
AUTHENTICATOR = bytes(range(0xC0, 0xE0))
UUID = bytes(range(0x10, 0x20))
NAME = text(32, "Zoë's phone")
SHORT_NAME = text(20, "Straße 1")
SETTINGS = (
    i16(-90, 1, -2, 300) + u8(20, 1, 6, 1, 2, 1, 3) + u16(300) + u8(1, 1) + u8(22, 0) + u8(6, 30) + u8(1, 0, 1)
)
STATES = (
    u8(2, 1, 0) + ACTIVE + i16(60) + u8(0xC6, 7, 0, 2, 1, 0, 3)
)

MESSAGES = [
    ("RequestData", 0x0001, u16(0x0004)),
    ("PublicKeyOffer", 0x0003, KEY),
    ("Challenge", 0x0004, NONCE),
    ("AuthorizationAuthenticator", 0x0005, AUTHENTICATOR),
    ("AuthorizationData", 0x0006, AUTHENTICATOR + u8(1) + u32(0x01020304) + NAME + NONCE),
    ("GrantedAuthorization", 0x0007, AUTHENTICATOR + u32(5) + UUID + NONCE),
    ("AuthorizationIdConfirmation", 0x001E, AUTHENTICATOR + u32(5)),
    ("AuthorizationInfo", 0x004C, u8(1)),
    ("AuthorizationDataFifth", 0x0006, u32(0x01020304) + NAME + WIDE_PIN),
    ("GrantedAuthorizationFifth", 0x0007, u32(5) + UUID),
    ("RemoveAuthorizationEntry", 0x0008, u32(5) + NONCE + PIN),
    ("RequestAuthorizationEntries", 0x0009, u16(3, 10) + NONCE + PIN),
    ("AuthorizationEntry", 0x000A, u32(5) + u8(2) + NAME + u8(1, 0) + CREATED + ACTIVE + u16(513) + u8(0)),
    ("AuthorizationEntry.limited", 0x000A,
        u32(5) + u8(2) + NAME + u8(1, 0) + CREATED + ACTIVE + u16(513) + u8(1) + LIMITS),
    ("InviteAuthorization", 0x000B, NAME + u8(0) + KEY + u8(1, 0) + NO_LIMITS + NONCE + PIN),
    ("InvitedAuthorization", 0x001F, u32(5) + CREATED),
    ("UpdateAuthorizationEntry", 0x0025, u32(5) + NAME + u8(0, 1, 1) + LIMITS + NONCE + PIN),
    ("UpdateAuthorizationEntry.wide", 0x0025, u32(5) + NAME + u8(0, 1, 1) + LIMITS + NONCE + WIDE_PIN),
    ("AuthorizationEntryCount", 0x0027, u16(259)),
    ("KeyturnerStates", 0x000C, STATES),
    ("KeyturnerStates.newest", 0x000C, STATES + u8(1, 0b1101, 0b101) + i8(-70) + i8(-60) + u8(4, 5, 6)),
    ("PerformLockAction", 0x000D, u8(3) + u32(0x01020304) + u8(2) + NONCE),
    ("PerformLockAction.suffix", 0x000D, u8(0x83) + u32(0x01020304) + u8(1) + SHORT_NAME + NONCE),
    ("StatusReport", 0x000E, u8(1)),
    ("MostRecentCommand", 0x000F, u16(0x000D)),
    ("OpeningsClosingsSummary", 0x0010, u16(1000, 999, 12, 11)),
    ("BatteryReport", 0x0011, u16(15041, 4988) + u8(0, 4) + u16(4987, 4511, 1230) + i8(-5) + u16(1436, 406)),
    ("ErrorReport", 0x0012, u8(0x45) + u16(0x000D)),
    ("SetConfig", 0x0013, NAME + f32(48.25, -16.5) + u8(1, 0, 1, 1, 5) + i16(-90) + u8(1, 4, 0, 3, 1, 2)
        + u16(37) + NONCE + PIN),
    ("RequestConfig", 0x0014, NONCE),
    ("Config", 0x0015, u32(0x1A2B3C4D) + NAME + f32(48.25, -16.5) + u8(1, 0, 1, 1, 5) + ACTIVE + i16(-90)
        + u8(1, 1, 4, 0, 3, 1, 2, 0) + u8(3, 9, 5) + u8(5, 1) + u8(2) + u16(37)),
    ("Config.newest", 0x0015, u32(0x1A2B3C4D) + NAME + f32(48.25, -16.5) + u8(1, 0, 1, 1, 5) + ACTIVE + i16(-90)
        + u8(1, 1, 4, 0, 3, 1, 2, 0) + u8(3, 9, 5) + u8(5, 1) + u8(2) + u16(37) + u8(4, 3, 1, 7, 9)),
    ("SetSecurityPin", 0x0019, u16(4321) + NONCE + PIN),
    ("SetSecurityPin.wide", 0x0019, u32(123_456) + NONCE + WIDE_PIN),
    ("RequestCalibration", 0x001A, NONCE + PIN),
    ("RequestReboot", 0x001D, NONCE + PIN),
    ("VerifySecurityPin", 0x0020, NONCE + PIN),
    ("VerifySecurityPin.wide", 0x0020, NONCE + WIDE_PIN),
    ("UpdateTime", 0x0021, ACTIVE + NONCE + PIN),
    ("FirmwareStatus", 0x0029, u8(3, 9, 5) + u8(1, 2, 3, 4, 5)),
    ("RequestLogEntries", 0x0031, u32(70000) + u16(20) + u8(1, 1) + NONCE + PIN),
    ("LogEntry.logging", 0x0032, u32(70000) + ACTIVE + u32(5) + NAME + u8(1) + u8(1)),
    ("LogEntry.action", 0x0032, u32(70000) + ACTIVE + u32(5) + NAME + u8(2) + u8(1, 6, 2, 0)),
    ("LogEntry.calibration", 0x0032, u32(70000) + ACTIVE + u32(5) + NAME + u8(3) + u8(0, 1, 0, 0x0B)),
    ("LogEntry.initialization", 0x0032, u32(70000) + ACTIVE + u32(5) + NAME + u8(4) + u8(0, 0, 0, 1)),
    ("LogEntry.keypad", 0x0032, u32(70000) + ACTIVE + u32(5) + NAME + u8(5) + u8(2, 1, 0xE0) + u16(300)),
    ("LogEntry.door", 0x0032, u32(70000) + ACTIVE + u32(5) + NAME + u8(6) + u8(1)),
    ("LogEntry.door_logging", 0x0032, u32(70000) + ACTIVE + u32(5) + NAME + u8(7) + u8(0)),
    ("LogEntry.firmware", 0x0032, u32(70000) + ACTIVE + u32(5) + NAME + u8(0x0A) + u8(3, 9, 5)),
    ("LogEntryCount", 0x0033, u8(1) + u16(1000) + u8(0, 1)),
    ("EnableLogging", 0x0034, u8(1) + NONCE + PIN),
    ("SetAdvancedConfig", 0x0035, SETTINGS + NONCE + PIN),
    ("SetAdvancedConfig.autolock", 0x0035, SETTINGS + u8(1, 0, 1) + NONCE + PIN),
    ("SetAdvancedConfig.motor", 0x0035, SETTINGS + u8(1, 0, 1) + u8(2, 1) + NONCE + WIDE_PIN),
    ("RequestAdvancedConfig", 0x0036, NONCE),
    ("AdvancedConfig", 0x0037, u16(1230) + SETTINGS),
    ("AdvancedConfig.autolock", 0x0037, u16(1230) + SETTINGS + u8(1, 0, 1)),
    ("AdvancedConfig.motor", 0x0037, u16(1230) + SETTINGS + u8(1, 0, 1) + u8(2, 1)),
    ("AddTimeControlEntry", 0x0039, u8(0b0111110) + u8(6, 30) + u8(2) + NONCE + PIN),
    ("TimeControlEntryId", 0x003A, u8(9)),
    ("RemoveTimeControlEntry", 0x003B, u8(9) + NONCE + PIN),
    ("RequestTimeControlEntries", 0x003C, NONCE + PIN),
    ("TimeControlEntryCount", 0x003D, u8(4)),
    ("TimeControlEntry", 0x003E, u8(9, 1) + u8(0b0111110) + u8(6, 30) + u8(2)),
    ("UpdateTimeControlEntry", 0x003F, u8(9, 0) + u8(0b0111110) + u8(6, 30) + u8(2) + NONCE + PIN),
    ("AddKeypadCode", 0x0041, u32(987_654) + SHORT_NAME + u8(1) + LIMITS + NONCE + PIN),
    ("AddKeypadCode.unlimited", 0x0041, u32(987_654) + SHORT_NAME + u8(0) + NO_LIMITS + NONCE + PIN),
    ("KeypadCodeId", 0x0042, u16(300) + CREATED),
    ("RequestKeypadCodes", 0x0043, u16(3, 10) + NONCE + PIN),
    ("KeypadCodeCount", 0x0044, u16(259)),
    ("KeypadCodeEntry", 0x0045,
        u16(300) + u32(987_654) + SHORT_NAME + u8(1) + CREATED + ACTIVE + u16(513) + u8(0)),
    ("KeypadCodeEntry.limited", 0x0045,
        u16(300) + u32(987_654) + SHORT_NAME + u8(1) + CREATED + ACTIVE + u16(513) + u8(1) + LIMITS),
    ("UpdateKeypadCode", 0x0046, u16(300) + u32(987_654) + SHORT_NAME + u8(0, 1) + LIMITS + NONCE + PIN),
    ("RemoveKeypadCode", 0x0047, u16(300) + NONCE + PIN),
    ("PerformKeypadAction", 0x0048, u8(1) + u32(123_456) + u8(4) + NONCE),
    ("PerformSimpleLockAction", 0x0100, u8(2) + NONCE),
    ("OpenUpdateWindow", 0x4C00, u16(600) + NONCE + PIN),
    ("OpenUpdateWindow.image", 0x4C00, u16(600) + KEY + NONCE + PIN),
    ("CloseUpdateWindow", 0x4C01, NONCE + PIN),
    ("UpdateStatus", 0x4C02, u16(599) + u8(1) + u32(70000, 200000) + u16(156)),
    ("RunningImage", 0x4C03, KEY[:16] + KEY[16:] + u32(393216) + KEY + u8(1, 2) + u16(3) + u32(4, 5, 6)
        + u8(1, 3) + u16(35) + KEY[:16] + u8(2)),
]


def plain(command, payload):
    content = u16(command) + payload
    return content + u16(binascii.crc_hqx(content, 0xFFFF))


def sealed(key, nonce, authorization, command, payload):
    content = u32(authorization) + u16(command) + payload
    inner = content + u16(binascii.crc_hqx(content, 0xFFFF))
    box = crypto_secretbox(inner, nonce, key)
    return nonce + u32(authorization) + u16(len(box)) + box


def mac(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def line(name, value):
    print(name, value.hex().upper())


def messages():
    """Each message's payload, then the same one sealed."""
    key = bytes(range(0x20, 0x40))
    for number, (name, command, payload) in enumerate(MESSAGES):
        line(f"{name}.payload", payload)
        line(f"{name}.frame", plain(command, payload))
        nonce = bytes([number]) * 24
        line(f"{name}.sealed", sealed(key, nonce, 0x01020304, command, payload))


def pairing():
    """Whole pairings, both families, with every random byte fixed."""
    lock_secret, client_secret = bytes(range(1, 33)), bytes(range(101, 133))
    lock, client = crypto_scalarmult_base(lock_secret), crypto_scalarmult_base(client_secret)
    key = crypto_box_beforenm(lock, client_secret)
    assert key == crypto_box_beforenm(client, lock_secret)
    first, second, third, own = (bytes([byte]) * 31 + b"\x01" for byte in (0xA1, 0xA2, 0xA3, 0xB1))
    kind, app, number, uuid = u8(1), u32(0x01020304), u32(5), UUID
    for name, value in (("lock_secret", lock_secret), ("client_secret", client_secret), ("shared", key),
                        ("first", first), ("second", second), ("third", third), ("client_nonce", own)):
        line(name, value)
    beginning = [
        plain(0x0001, u16(0x0003)),
        plain(0x0003, lock),
        plain(0x0003, client),
        plain(0x0004, first),
        plain(0x0005, mac(key, client, lock, first)),
    ]
    fourth = beginning + [
        plain(0x0004, second),
        plain(0x0006, mac(key, kind, app, NAME, own, second) + kind + app + NAME + own),
        plain(0x0007, mac(key, number, uuid, third, own) + number + uuid + third),
        plain(0x001E, mac(key, number, third) + number),
        plain(0x000E, u8(0)),
    ]
    fifth = beginning + [
        plain(0x004C, u8(1)),
        sealed(key, b"\xC1" * 24, 0xFFFFFF7F, 0x0006, app + NAME + WIDE_PIN),
        sealed(key, b"\xC2" * 24, 5, 0x0007, number + uuid),
    ]
    for family, frames in (("fourth", fourth), ("fifth", fifth)):
        for step, frame in enumerate(frames, 1):
            line(f"{family}.{step}", frame)


if __name__ == "__main__":
    {"messages": messages, "pairing": pairing}[sys.argv[1]]()
