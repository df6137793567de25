//! The same again and again: whether anything is used up. `LATCHKEY_SOAK` multiplies the rounds; 20 makes it 2,000
//! lock actions and 300 connections.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "tests: what is not there must end them"
)]

use latchkey_protocol::gatt;
use latchkey_protocol::message::{FromLock, StatusReport};
use latchkey_protocol::value::{LockAction, LockState, Status};
use latchkey_system_tests::{Client, Door, PATIENCE};

const ACTIONS: usize = 100;
const CONNECTIONS: usize = 15;
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

#[test]
fn nothing_is_used_up() {
    let times = std::env::var("LATCHKEY_SOAK").map_or(1, |times| times.parse().unwrap());
    let (actions, connections) = (ACTIONS * times, CONNECTIONS * times);
    let mut door = Door::new(&["phone"], |lock| lock.set_motor(FAST_DEG_S));
    let mut client = Client::new(door.phone("phone"), &door.address, gatt::MTU_MAX);
    client.connect();
    client.pair("Ada").unwrap();
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
        if round % (actions / connections) == 0 {
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
