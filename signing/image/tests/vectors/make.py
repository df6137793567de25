"""Makes the golden vectors: images by imgtool and by latchkey-sign, and what a lock must say to each.

    make.py OUT --imgtool IMGTOOL --latchkey-sign LATCHKEY_SIGN --keys keys-example

The verdicts are written down here by hand, from the rules in the README; they are not what the code under
test happens to say. Code 0 is "accepted", the others are those of `latchkey_image::Refusal`.
"""

import argparse
import pathlib
import struct
import subprocess
import tempfile

SLOT = 0x2101_8000  # lock-emulator-1
RAM_END = 0x2004_0000
IDENTITY = ["--vid", "latchkey.example", "--cid", "lock-emulator-1"]
FULL = ["-s", "7", *IDENTITY]

# name, imgtool's arguments, verdict, why
BY_IMGTOOL = [
    ("plain", FULL, 0, "what we require and nothing else"),
    ("counter-auto", ["-s", "auto", *IDENTITY], 0, "counter from the version"),
    ("boot-record", [*FULL, "--boot-record", "LOCKAPP"], 0, "an attestation record is tolerated where it is signed"),
    ("vendor-field", [*FULL, "--custom-tlv", "0x00a1", "hello"], 0, "a vendor field is tolerated where it is signed"),
    ("min-version", [*FULL, "--custom-tlv", "0x00a0", "0x0102030004000000"], 0, "our own vendor field"),
    ("no-fields", [], 27, "no protected area"),
    ("no-counter", IDENTITY, 27, "no security counter"),
    ("no-vendor", ["-s", "7"], 28, "no UUIDs"),
    ("no-class", ["-s", "7", "--vid", "latchkey.example"], 29, "no class UUID"),
    ("other-vendor", ["-s", "7", "--vid", "example.com", "--cid", "lock-emulator-1"], 37, "another vendor's"),
    ("other-class", ["-s", "7", "--vid", "latchkey.example", "--cid", "lock-nrf52840-1"], 38, "other hardware"),
    ("old", ["-s", "6", *IDENTITY], 39, "below the floor"),
    ("min-version-short", [*FULL, "--custom-tlv", "0x00a0", "0x01020304"], 18, "our own vendor field, too short"),
    ("dependency", [*FULL, "-d", "(1, 1.0.0+0)"], 26, "a demand nobody here honours"),
    ("pure", [*FULL, "--pure"], 22, "signed over the image, not its digest"),
    ("sha512", [*FULL, "--sha", "512"], 23, "another hash"),
    ("full-key", [*FULL, "--public-key-format", "full"], 24, "the key in place of its hash"),
    ("load-address", [*FULL, "-L", "0x20000000"], 8, "RAM_LOAD flag"),
    ("rom-fixed", [*FULL, "-F", "0x21018000"], 8, "ROM_FIXED flag"),
    ("not-bootable", [*FULL, "--non-bootable"], 8, "NON_BOOTABLE flag"),
    ("compressed", [*FULL, "--compression", "lzma2"], 7, "LZMA2"),
]
# Fresh keys at each run, so these differ from run to run.
ENCRYPTED = [
    ("encrypted-aes128", [*FULL], 6, "AES-128"),
    ("encrypted-aes256", [*FULL, "--encrypt-keylen", "256"], 6, "AES-256"),
    ("encrypted-hmac512", [*FULL, "--hmac-sha", "512"], 6, "AES-128 with HMAC-SHA-512"),
    ("encrypted-clear", [*FULL, "--clear"], 6, "in clear, with the means to encrypt it"),
]


def payload(length, header_size=0x200):
    """A vector table for lock-emulator-1, then bytes without meaning (compressible, for LZMA)."""
    body = bytearray((i * 7 + 3) & 0xFF for i in range(length))
    body[:8] = struct.pack("<II", RAM_END, SLOT + header_size + 8 + 1)
    return bytes(body)


class Maker:
    def __init__(self, options, work):
        self.out = options.out
        self.imgtool = options.imgtool
        self.sign = options.latchkey_sign
        self.keys = options.keys
        self.work = pathlib.Path(work)
        self.listing = []
        for length, header_size in [(600, 0x200), (605, 0x200), (600, 0x400), (4096, 0x200)]:
            (self.work / f"{length}-{header_size:x}.bin").write_bytes(payload(length, header_size))

    def record(self, name, maker, code, why, threshold=1, reproducible=True):
        self.listing.append((name, maker, code, why, threshold, reproducible))

    def by_imgtool(self, name, arguments, source="600-200.bin", key="release-a.pem"):
        command = [self.imgtool, "sign", "--pad-header", "-H", "0x200", "-S", "0x20000", "--align", "4"]
        command += ["-v", "1.2.3+4", *arguments]
        if key:
            command += ["-k", self.keys / key]
        run([*command, self.work / source, self.out / f"{name}.bin"])

    def by_us(self, name, arguments, source="600-200.bin"):
        command = [self.sign, "sign", "--version", "1.2.3+4", "--security-counter", "7", *IDENTITY, *arguments]
        run([*command, self.work / source, self.out / f"{name}.bin"])

    def add_signer(self, name, key):
        image = self.out / f"{name}.bin"
        run([self.sign, "sign", "--key", self.keys / key, "--allow-example-keys", image, image])

    def make(self):
        for name, arguments, code, why in BY_IMGTOOL:
            source = "4096-200.bin" if name == "compressed" else "600-200.bin"
            self.by_imgtool(name, arguments, source)
            self.record(name, "imgtool", code, why)
        self.by_imgtool("unaligned", FULL, "605-200.bin")
        self.record("unaligned", "imgtool", 0, "areas at an odd offset")
        run([self.imgtool, "keygen", "-t", "x25519", "-k", self.work / "enc.pem"])
        run([self.imgtool, "keygen", "-t", "ecdsa-p256", "-k", self.work / "ecdsa.pem"])
        for name, arguments, code, why in ENCRYPTED:
            self.by_imgtool(name, [*arguments, "-E", self.work / "enc.pem"])
            self.record(name, "imgtool", code, why, reproducible=False)
        self.by_imgtool("ecdsa", FULL, key=self.work / "ecdsa.pem")
        self.record("ecdsa", "imgtool", 25, "signed with ECDSA", reproducible=False)
        self.by_imgtool("other-key", FULL, key="director.pem")
        self.record("other-key", "imgtool", 32, "signed by a key that is in no policy")
        self.by_imgtool("unsigned", FULL, key=None)
        self.record("unsigned", "imgtool", 20, "hashed, not signed")
        self.changed()
        self.ours()

    def changed(self):
        plain = (self.out / "plain.bin").read_bytes()
        flipped = bytearray(plain)
        flipped[0x200 + 300] ^= 0x10
        (self.out / "flipped.bin").write_bytes(flipped)
        self.record("flipped", "imgtool, then changed", 35, "one bit of the payload")
        (self.out / "truncated.bin").write_bytes(plain[:-1])
        self.record("truncated", "imgtool, then changed", 11, "the last byte is missing")
        oversized = bytearray(plain)
        oversized[12:16] = b"\xff\xff\xff\xff"
        (self.out / "oversized.bin").write_bytes(oversized)
        self.record("oversized", "imgtool, then changed", 11, "payload size 0xffffffff")

    def ours(self):
        key = ["--key", self.keys / "release-a.pem", "--allow-example-keys"]
        self.by_us("ours", key)
        self.record("ours", "latchkey-sign", 0, "must equal imgtool's plain")
        self.by_us("ours-large-header", [*key, "--header-size", "0x400"], "600-400.bin")
        self.record("ours-large-header", "latchkey-sign", 0, "header of 1024 bytes")
        self.by_us("ours-min-version", [*key, "--min-version", "1.2.3+4"])
        self.record("ours-min-version", "latchkey-sign", 0, "must equal imgtool's min-version")
        self.by_us("ours-two-signers", key)
        self.add_signer("ours-two-signers", "release-c.pem")
        self.record("ours-two-signers", "latchkey-sign", 0, "two of three", threshold=2)
        self.by_us("ours-too-few", key)
        self.record("ours-too-few", "latchkey-sign", 33, "one of three where two are needed", threshold=2)
        self.by_imgtool("mixed-signers", FULL, key="release-b.pem")
        self.add_signer("mixed-signers", "release-a.pem")
        self.record("mixed-signers", "imgtool, then latchkey-sign", 0, "a signature by each tool", threshold=2)

    def write_listing(self):
        lines = ["# Made by make.py. Verdict 0 is accepted; the floor is 7, the policy `threshold` of release-a to -c.\n"]
        for name, maker, code, why, threshold, reproducible in self.listing:
            lines.append(
                f'\n[[vector]]\nfile = "{name}.bin"\nmade_by = "{maker}"\nverdict = {code}\nwhy = "{why}"\n'
                f"threshold = {threshold}\nreproducible = {str(reproducible).lower()}\n"
            )
        (self.out / "vectors.toml").write_text("".join(lines))


def run(command):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--imgtool", required=True)
    parser.add_argument("--latchkey-sign", required=True)
    parser.add_argument("--keys", type=pathlib.Path, required=True)
    with tempfile.TemporaryDirectory(prefix="latchkey-vectors-") as work:
        maker = Maker(parser.parse_args(), work)
        maker.out.mkdir(parents=True, exist_ok=True)
        maker.make()
        maker.write_listing()


if __name__ == "__main__":
    main()
