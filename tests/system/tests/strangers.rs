//! Clients by others, as their registries have them, against the real firmware.

use std::path::Path;
use std::process::Command;

use latchkey_lab::{nuki_rs_program, peer_program};
use latchkey_system_tests::{Door, PATIENCE};

fn assert_said(printed: &str, wanted: &[&str]) {
    for line in wanted {
        assert!(printed.contains(line), "it did not say {line:?}:\n{printed}");
    }
}

#[test]
fn py_nuki_bt_pairs_and_uses_the_lock() {
    let door = Door::with_phones(&["bluez"]);
    let bluez = door.bluez("bluez");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../air/pynuki.py");
    let mut client = Command::new(peer_program("python").unwrap());
    let printed = bluez.run(client.arg(script).arg(&door.address));
    let printed = printed.unwrap_or_else(|error| panic!("{error:#}"));
    let serial = format!("serial {}", door.nuki_id);
    let wanted = [
        "paired 01000000",
        "battery 100",
        &serial,
        "PIN told",
        "time set",
        "log has it all",
    ];
    assert_said(&printed, &wanted);
}

#[test]
fn nuki_rs_pairs_and_uses_the_lock() {
    // It only finds locks that somebody has put into pairing mode.
    let mut door = Door::with_phones(&["bluez"]);
    door.invite();
    let bluez = door.bluez("bluez");
    let printed = bluez.run(&mut Command::new(nuki_rs_program().unwrap()));
    let printed = printed.unwrap_or_else(|error| panic!("{error:#}"));
    assert_said(
        &printed,
        &["paired", "lock state 3", "battery 6200 mV", "lock accepted"],
    );
    // It is gone as soon as the lock has accepted; the bolt turns all the same.
    door.lock.wait_for("bolt at rest at 720", PATIENCE).unwrap();
}
