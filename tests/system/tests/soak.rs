//! The same again and again: whether anything is used up, and whether the lock ever drops whom it should serve.
//! `cargo xtask soak` does more of it, by `LATCHKEY_SOAK=ACTIONS:CONNECTIONS`.

use latchkey_protocol::gatt;
use latchkey_protocol::message::{FromLock, StatusReport};
use latchkey_protocol::value::{LockAction, LockState, Status};
use latchkey_system_tests::{Client, Door, PATIENCE};

const ACTIONS: usize = 2_000;
const CONNECTIONS: usize = 300;
/// A motor that does not make the test wait.
const FAST_DEG_S: u32 = 36_000;
/// By how much the stack may still get deeper in the second half, in bytes: something rare, as a page of the storage
/// that is full, may be met there first.
const SLACK: u32 = 2048;

/// How deep the stack has been, in bytes.
fn stack(door: &mut Door) -> u32 {
    door.lock.type_line("memory stack").unwrap();
    let line = door.lock.wait_for("stack has been ", PATIENCE).unwrap();
    let (_, rest) = line.split_once("stack has been ").unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

/// Lock actions and connections, as many as was asked for.
fn rounds() -> (usize, usize) {
    let Ok(wanted) = std::env::var("LATCHKEY_SOAK") else {
        return (ACTIONS, CONNECTIONS);
    };
    let (actions, connections) = wanted.split_once(':').unwrap();
    (actions.parse().unwrap(), connections.parse().unwrap())
}

#[test]
fn nothing_is_used_up() {
    let (actions, connections) = rounds();
    let mut door = Door::new(&["phone"], |lock| lock.set_motor(FAST_DEG_S));
    let mut client = Client::new(door.phone("phone"), &door.address, gatt::MTU_MAX);
    client.connect();
    client.pair("Ada").unwrap();
    // Starting and pairing go deeper than what comes every day.
    door.lock.type_line("memory clear").unwrap();
    door.lock.wait_for("typed: memory clear", PATIENCE).unwrap();
    let mut early = 0;
    let complete = FromLock::StatusReport(StatusReport {
        status: Status::Complete,
    });
    for round in 0..actions {
        let (action, state) = if round % 2 == 0 {
            (LockAction::Lock, LockState::Locked)
        } else {
            (LockAction::Unlock, LockState::Unlocked)
        };
        assert_eq!(client.act(action).last(), Some(&complete), "action {round}");
        if round * connections / actions != (round + 1) * connections / actions {
            client.phone.disconnect().unwrap();
            client.connect();
            assert_eq!(client.lock_state(), state, "after action {round}");
        }
        if round == actions / 2 {
            early = stack(&mut door);
        }
    }
    let late = stack(&mut door);
    println!("{actions} actions, {connections} connections: stack {early} bytes deep early, {late} late");
    assert!(
        late <= early + SLACK,
        "the stack went from {early} to {late} bytes"
    );
    assert!(!door.has_restarted());
}
