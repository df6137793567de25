//! Frames that smpclient and its library make (`make.py`): the lock reads the requests and gives the answers byte for
//! byte, an upload from the first frame to the last included.

use std::collections::HashMap;

use latchkey_lock::smp::Outcome;

use crate::bench::*;

fn frames() -> HashMap<&'static str, Vec<u8>> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    include_str!("frames.txt")
        .lines()
        .map(|line| {
            let (name, hex) = line.split_once(' ').unwrap();
            (name, hex.as_bytes().chunks(2).map(byte).collect())
        })
        .collect()
}

#[test]
fn what_anybody_may_ask_is_answered_byte_for_byte() {
    let frames = frames();
    let mut bench = Bench::new();
    for (request, answer) in [
        ("echo", "echo.answer"),
        ("echo.v1", "echo.v1.answer"),
        ("parameters", "parameters.answer"),
        ("list", "closed.answer"),
    ] {
        assert_eq!(bench.exchange(A, &frames[request]), frames[answer], "{request}");
    }
}

#[test]
fn what_is_for_the_window_is_answered_byte_for_byte() {
    let frames = frames();
    let mut bench = Bench::opened();
    for (request, answer) in [
        ("list", "list.answer"),
        ("confirm", "confirm.answer"),
        ("confirm.running", "confirm.answer"),
        ("erase", "done.erase"),
        ("reset.force", "done.reset"),
        ("reset", "done.reset"),
    ] {
        assert_eq!(bench.exchange(A, &frames[request]), frames[answer], "{request}");
    }
    assert_eq!(bench.outcome, Outcome::Restart);
}

#[test]
fn an_upload_of_smpclient_arrives_whole() {
    let frames = frames();
    let mut bench = Bench::opened();
    let mut offsets = Vec::new();
    for number in 1.. {
        let Some(frame) = frames.get(format!("upload.{number}").as_str()) else {
            break;
        };
        let reply = Reply::read(&bench.exchange(A, frame));
        assert_eq!(reply.sequence, number);
        offsets.push(reply.off.unwrap());
        assert_eq!(reply.matches, (reply.off == Some(3_000)).then_some(true));
    }
    assert_eq!(offsets, [2_357, 3_000]);
    assert_eq!(bench.outcome, Outcome::Whole);
    let counting: Vec<u8> = (0..2_968).map(|n| (n % 251) as u8).collect();
    let at = MAP.dfu.offset as usize + 32;
    assert!(bench.flash.holds(at, &counting), "as it was sent");
}

#[test]
fn errors_come_in_the_form_of_the_clients_version() {
    let frames = frames();
    let mut bench = Bench::opened();
    // Nothing was uploaded: an error of the image group in version 2, of all groups in version 1.
    let reply = Reply::read(&bench.exchange(A, &frames["test"]));
    assert_eq!((reply.err, reply.rc), (Some((1, 3)), None));
    let reply = Reply::read(&bench.exchange(A, &frames["test.v1"]));
    assert_eq!((reply.err, reply.rc), (None, Some(6)));
    assert!(reply.rsn.unwrap().contains("upload it first"));
    let reply = Reply::read(&bench.exchange(A, &frames["erase.0"]));
    assert_eq!(reply.err, Some((1, 14)));
    for unsupported in ["statistics", "date"] {
        let reply = Reply::read(&bench.exchange(A, &frames[unsupported]));
        assert_eq!(reply.rc, Some(8), "{unsupported}");
    }
}
