use latchkey_protocol::key::SharedKey;
use latchkey_protocol::pairing::Family;
use latchkey_protocol::value::{AppId, AuthorizationId, LockUuid};

use super::*;

const APP: AuthorizationType = AuthorizationType::App;
const KEY: [u8; 32] = [0xA7; 32];

fn held(name: &str) -> Held {
    Held {
        name: name.to_owned(),
        kind: APP,
        lock: NukiId::new(0x1234_ABCD).unwrap(),
        credentials: Credentials::invited(
            Family::ToFourth,
            LockUuid([9; 16]),
            AuthorizationId(5),
            AppId(77),
            SharedKey::from_bytes(&mut { KEY }),
        ),
    }
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(Some(folder.path().join("deep/down")), false).unwrap();
    (folder, store)
}

fn spelled(held: &Held) -> Zeroizing<Vec<u8>> {
    held.credentials.expose(|bytes| spell_here(held, bytes)).unwrap()
}

fn refusal<T>(outcome: Outcome<T>) -> String {
    outcome.err().expect("it is refused").to_string()
}

#[test]
fn what_is_kept_is_read_back() {
    let (_folder, store) = store();
    store.keep(&held("home")).unwrap();
    let read = store.load(None, APP).unwrap();
    assert_eq!(
        (read.name.as_str(), read.kind, read.lock),
        ("home", APP, held("home").lock)
    );
    let key = |held: &Held| held.credentials.expose(|bytes| *bytes);
    assert_eq!(key(&read), key(&held("home")));
}

#[cfg(unix)]
#[test]
fn file_and_folder_are_their_owners_alone() {
    use std::os::unix::fs::MetadataExt;
    let (_folder, store) = store();
    let path = store.keep(&held("home")).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert_eq!(
        fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777,
        0o700
    );
}

#[cfg(unix)]
#[test]
fn what_others_can_read_or_replace_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, store) = store();
    let path = store.keep(&held("home")).unwrap();
    for mode in [0o640, 0o604, 0o660] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let refused = refusal(store.load(None, APP));
        assert!(refused.contains("chmod 600"), "{refused}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o770)).unwrap();
    assert!(refusal(store.load(None, APP)).contains("chmod 700"));
}

#[test]
fn nothing_is_overwritten_and_nothing_is_left_half_written() {
    let (_folder, store) = store();
    let path = store.keep(&held("home")).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(refusal(store.keep(&held("home"))).contains("not overwritten"));
    // Also when it came there after the look.
    assert!(refusal(write(&path, b"other")).contains("not overwritten"));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn every_damaged_byte_is_noticed() {
    let text = spelled(&held("home"));
    assert!(parse(&text).is_ok());
    for at in 0..text.len() - 1 {
        let mut damaged = text.to_vec();
        damaged[at] ^= 1;
        assert!(parse(&damaged).is_err(), "byte {at}");
        assert!(parse(&text[..at]).is_err(), "cut off at {at}");
    }
}

#[test]
fn a_file_that_leads_to_the_keyring_holds_no_key_and_is_read_as_such_only() {
    let text = spell(&held("home"), LAYOUT_KEYRING, "home.app.0011").unwrap();
    let key = hex::encode(KEY);
    assert!(!String::from_utf8(text.to_vec()).unwrap().contains(&key));
    let Ok((label, Kept::InKeyring(entry))) = parse(&text) else {
        panic!("it leads to the keyring")
    };
    assert_eq!((label.name.as_str(), entry.as_str()), ("home", "home.app.0011"));
    for at in 0..text.len() - 1 {
        let mut damaged = text.to_vec();
        damaged[at] ^= 1;
        assert!(parse(&damaged).is_err(), "byte {at}");
    }
}

#[test]
fn what_is_forgotten_is_gone() {
    let (_folder, store) = store();
    let path = store.keep(&held("home")).unwrap();
    store.keep(&held("office")).unwrap();
    assert!(refusal(store.forget(None, APP)).contains("home, office"));
    assert_eq!(store.forget(Some("home"), APP).unwrap(), path);
    assert!(!path.exists());
    assert_eq!(store.names(APP).unwrap(), ["office"]);
    // Also one that cannot be used any more.
    fs::write(store.path("office", APP), b"else").unwrap();
    store.forget(None, APP).unwrap();
    assert!(store.names(APP).unwrap().is_empty());
}

#[test]
fn other_files_are_refused_by_name_and_never_shown() {
    let newer = String::from_utf8(spelled(&held("home")).to_vec())
        .unwrap()
        .replace("\"layout\":1", "\"layout\":3");
    assert!(parse(newer.as_bytes()).err().unwrap().contains("layout 3"));
    for foreign in ["", "{}", "[1]", "hunter2", "{\"latchkey\":\"else\"}", "\u{0}"] {
        let why = parse(foreign.as_bytes()).err().unwrap();
        assert!(
            why.contains("no file of latchkey's") && !why.contains("hunter2"),
            "{why}"
        );
    }
}

#[test]
fn the_only_lock_is_taken_and_among_several_one_must_be_named() {
    let (_folder, store) = store();
    assert!(refusal(store.load(None, APP)).contains("latchkey pair"));
    store.keep(&held("home")).unwrap();
    assert!(refusal(store.load(Some("office"), APP)).contains("home"));
    assert!(refusal(store.load(None, AuthorizationType::Fob)).contains("--as fob"));
    store.keep(&held("office")).unwrap();
    assert!(refusal(store.load(None, APP)).contains("home, office"));
    assert_eq!(store.load(Some("office"), APP).unwrap().name, "office");
}

#[test]
fn no_name_leaves_the_folder() {
    for name in ["", "..", "a/b", "a.b", "a\\b", "é", &"x".repeat(33)] {
        assert!(check_name(name).is_err(), "{name:?}");
    }
    check_name("front-door_2").unwrap();
}

#[test]
fn locks_are_named_by_eight_digits() {
    assert_eq!(parse_id("Nuki_1234abcd"), parse_id("1234ABCD"));
    for wrong in [
        "",
        "1234",
        "1234ABCDE",
        "+1234ABC",
        "00000000",
        "FFFFFFFF",
        "Nuki_",
    ] {
        assert!(parse_id(wrong).is_err(), "{wrong:?}");
    }
}
