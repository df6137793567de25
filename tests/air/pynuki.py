"""Pairs with a lock and uses it, all by pyNukiBT as it comes from PyPI, over whatever BlueZ the system bus has.

    pynuki.py ADDRESS

Prints a line for each step; fails with what went wrong.
"""

import asyncio
import datetime
import sys

import nacl.public
from bleak import BleakScanner
from pyNukiBT import NukiDevice

# A new lock's.
PIN = 0
NAME = "pyNukiBT"


async def drive(address):
    device = await BleakScanner.find_device_by_address(address, timeout=20)
    assert device, "the lock is not found"
    key = nacl.public.PrivateKey.generate()
    nuki = NukiDevice(
        address=address,
        auth_id=None,
        nuki_public_key=None,
        bridge_public_key=bytes(key.public_key),
        bridge_private_key=bytes(key),
        app_id=4711,
        name=NAME,
        ble_device=device,
    )
    await nuki.connect()
    paired = await nuki.pair()
    print("paired", paired["auth_id"].hex())

    await nuki.update_state()
    print("lock state", nuki.last_state["lock_state"])
    print("battery", nuki.battery_percentage)
    print("serial", f"{nuki.config['nuki_id']:08X}")

    const = nuki._const
    for action, state in [
        (const.LockAction.LOCK, const.LockState.LOCKED),
        (const.LockAction.UNLOCK, const.LockState.UNLOCKED),
        (const.LockAction.UNLATCH, const.LockState.UNLOCKED),
    ]:
        done = await nuki.lock_action(action, name_suffix="!", wait_for_completed=True)
        assert done.status == const.StatusCode.COMPLETED, done
        await nuki.update_state()
        assert nuki.last_state["lock_state"] == state, nuki.last_state
        print(action, "done")

    assert await nuki.verify_security_pin(PIN)
    assert not await nuki.verify_security_pin(PIN + 1)
    print("PIN told right from wrong")

    now = datetime.datetime.now(datetime.UTC)
    await nuki.update_nuki_time(PIN)
    await nuki.update_state()
    apart = nuki.last_state["current_time"].replace(tzinfo=datetime.UTC) - now
    assert abs(apart) < datetime.timedelta(minutes=1), apart
    print("time set")

    entries = await nuki.request_log_entries(PIN, count=10)
    actions = [entry.data.lock_action for entry in entries if entry.name == NAME + "!"]
    assert actions == [
        const.LockAction.UNLATCH,
        const.LockAction.UNLOCK,
        const.LockAction.LOCK,
    ], entries
    print("log has it all")
    await nuki.disconnect()


if __name__ == "__main__":
    asyncio.run(drive(sys.argv[1]))
