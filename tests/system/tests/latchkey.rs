//! The command `latchkey`, as it is built, against the real firmware: over the stand-in for BlueZ as over the
//! laboratory's controllers, everything that an owner does.

use std::process::Stdio;

use latchkey_lab::{Lock, Owner, Server, Variant};
use latchkey_phone::request::Report;
use latchkey_phone::session::News;
use latchkey_protocol::gatt;
use latchkey_protocol::message::FromLock;
use latchkey_system_tests::{Desktop, Door, FAST_MOTOR_DEG_S, Latchkey, Way, run};
use serde_json::{Value, json};

fn fast(lock: &mut Lock) {
    lock.set_motor(FAST_MOTOR_DEG_S);
}

fn by_bluez(door: &Door) -> Latchkey {
    Latchkey::new(Way::Bluez(door.bluez("owner")))
}

fn by_hci(door: &Door) -> Latchkey {
    Latchkey::new(Way::Hci(door.controller("owner")))
}

/// What a row says under this name.
fn column(rows: &Value, name: &str) -> Vec<Value> {
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| row[name].clone())
        .collect()
}

/// Everything but updates, one after the other, as an owner's first day might go.
fn first_day(door: &mut Door, owner: &Latchkey) {
    let seen = owner.facts(&["scan", "--listen", "2"]);
    assert_eq!(column(&seen, "id"), [json!(door.nuki_id)]);
    assert_eq!(column(&seen, "mode"), [json!("new")]);

    let nobody = owner.run(&["status"]);
    assert_eq!(nobody.code, 4, "{nobody:?}");
    assert!(nobody.said.contains("latchkey pair"), "{nobody:?}");

    let paired = owner.facts(&["pair", "--lock", "home", "--user", "Ann"]);
    assert_eq!(paired["lock"], door.nuki_id.as_str());
    let status = owner.facts(&["status"]);
    assert_eq!(status["version"], "1.0.0+0");
    assert_eq!(status["confirmed"], true);
    assert!(status["time_utc"].is_string(), "pairing sets the clock: {status}");

    for (action, state) in [
        ("unlock", "unlocked"),
        ("lock", "locked"),
        ("unlatch", "unlatched"),
    ] {
        let turned = owner.facts(&[action]);
        assert_eq!(
            (&turned["done"], &turned["completion"]),
            (&json!(true), &json!("success"))
        );
        let now = owner.facts(&["status"])["lock_state"].clone();
        // The latch is held back only for a moment.
        assert!(
            now == state || (state == "unlatched" && now == "unlocked"),
            "{action}: {now}"
        );
    }
    settings(owner);
    accessories(door, owner);
    people(owner);
    log_and_pin(owner);
}

fn settings(owner: &Latchkey) {
    let set = owner.facts(&[
        "config",
        "set",
        "name=Front door",
        "led_brightness=2",
        "lock_n_go_seconds=30",
    ]);
    assert_eq!(set["led_brightness"], 2);
    let got = owner.facts(&["config", "get"]);
    assert_eq!(
        (&got["name"], &got["lock_n_go_seconds"]),
        (&json!("Front door"), &json!(30))
    );
    let wrong = owner.run(&["config", "set", "colour=red"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert!(wrong.said.contains("Nothing was changed"), "{wrong:?}");
}

fn accessories(door: &mut Door, owner: &Latchkey) {
    for role in ["keypad", "fob"] {
        door.invite();
        let paired = owner.facts(&["pair", "--as", role, "--lock", "home", "--user", role]);
        assert_eq!(paired["as"], role);
    }
    let added = owner
        .command(&["codes", "add", "Plumber"])
        .env("LATCHKEY_CODE", "345678")
        .output()
        .unwrap();
    assert!(added.status.success(), "{added:?}");
    let refused = owner.run(&["keypad", "enter", "987654", "--action", "unlock"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.said.contains("the keypad code is wrong"), "{refused:?}");
    let opened = owner.facts(&["keypad", "enter", "345678", "--action", "lock"]);
    assert_eq!(opened["done"], true);
    assert_eq!(owner.facts(&["fob", "press"])["done"], true);

    let listed = owner.run(&["codes", "list", "--json"]);
    assert!(
        !listed.told.contains("345678"),
        "no code is ever shown: {listed:?}"
    );
    let rows: Value = serde_json::from_str(&listed.told).unwrap();
    assert_eq!(
        (column(&rows, "name"), column(&rows, "lock_count")),
        (vec![json!("Plumber")], vec![json!(1)])
    );

    // What is limited in time goes by the clock that pairing set.
    for (until, code) in [("2020-01-01", 1), ("2099-12-31", 0)] {
        let limited = owner.facts(&["codes", "update", "Plumber", "--until", until]);
        assert_eq!(limited["now"], "changed");
        let entered = owner.run(&["keypad", "enter", "345678"]);
        assert_eq!(entered.code, code, "{entered:?}");
    }
    assert!(owner.facts(&["config", "clock"])["time_utc"].is_string());

    let off = owner.facts(&[
        "codes",
        "update",
        "Plumber",
        "--enabled",
        "false",
        "--user",
        "Plumbers",
    ]);
    assert_eq!(off["now"], "changed");
    let refused = owner.run(&["keypad", "enter", "345678"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert_eq!(owner.facts(&["codes", "remove", "Plumbers"])["now"], "removed");
    assert_eq!(owner.facts(&["codes", "list"]), json!([]));
}

fn people(owner: &Latchkey) {
    let rows = owner.facts(&["users", "list"]);
    assert_eq!(
        column(&rows, "name"),
        [json!("Ann"), json!("keypad"), json!("fob")]
    );
    let file = owner.home().join("for-bob");
    let file = file.to_str().unwrap();
    let invited = owner.facts(&["users", "invite", "Bob", "--out", file]);
    assert_eq!(invited["name"], "Bob");
    let word = std::fs::read_to_string(file).unwrap();
    assert!(word.starts_with("latchkey:") && !invited.to_string().contains(word.trim()));
    // Bob keeps the key in the keyring of his desktop.
    let desktop = Desktop::new();
    let bob = |arguments: &[&str]| {
        let arguments = [arguments, &["--lock", "as-bob", "--json"]].concat();
        run(&mut desktop.session(&owner.command(&arguments)))
    };
    let taken = bob(&["pair", "--invitation", file, "--keyring"]);
    assert_eq!(taken.code, 0, "{taken:?}");
    let kept = std::fs::read_to_string(owner.home().join("locks/as-bob.app.latchkey")).unwrap();
    assert!(kept.contains("\"layout\":2"), "{kept}");
    assert!(desktop.folder().join("keyrings/login.keyring").exists());
    let status = bob(&["status"]);
    assert!(status.told.contains("1.0.0+0"), "{status:?}");
    let mut outside = owner.command(&["status", "--lock", "as-bob"]);
    let outside = run(outside.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere"));
    assert_eq!(outside.code, 4, "{outside:?}");
    assert!(outside.said.contains("keyring cannot be used"), "{outside:?}");

    assert_eq!(
        owner.facts(&["users", "disable", "Bob", "--lock", "home"])["now"],
        "disabled"
    );
    let refused = bob(&["lock"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert_eq!(
        owner.facts(&["users", "enable", "Bob", "--lock", "home"])["now"],
        "enabled"
    );
    let locked = bob(&["lock"]);
    assert_eq!(locked.code, 0, "{locked:?}");
    assert_eq!(
        owner.facts(&["users", "remove", "Bob", "--lock", "home"])["now"],
        "removed"
    );
    let gone = bob(&["status"]);
    assert_eq!(gone.code, 1, "{gone:?}");
    assert!(gone.said.contains("does not know this client"), "{gone:?}");
    let forgotten = bob(&["forget"]);
    assert_eq!(forgotten.code, 0, "{forgotten:?}");
    let nobody = bob(&["status"]);
    assert_eq!(nobody.code, 4, "{nobody:?}");
}

fn log_and_pin(owner: &Latchkey) {
    let rows = owner.facts(&["log", "--count", "5"]);
    assert_eq!(rows.as_array().unwrap().len(), 5);
    assert!(column(&rows, "who").contains(&json!("Plumber")), "{rows}");

    let set = run(owner.command(&["pin", "set"]).env("LATCHKEY_NEW_PIN", "4711"));
    assert_eq!(set.code, 0, "{set:?}");
    let refused = owner.run(&["log"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.said.contains("PIN is wrong"), "{refused:?}");
    let taken = run(owner.command(&["log"]).env("LATCHKEY_PIN", "4711"));
    assert_eq!(taken.code, 0, "{taken:?}");
    assert!(taken.told.contains("lock-action"), "{taken:?}");
}

#[test]
fn everything_an_owner_does_over_the_systems_bluetooth() {
    let mut door = Door::new(&["owner"], fast);
    let owner = by_bluez(&door);
    first_day(&mut door, &owner);
}

#[test]
fn everything_an_owner_does_over_a_controller_of_the_laboratory() {
    let mut door = Door::new(&["owner"], fast);
    let owner = by_hci(&door);
    first_day(&mut door, &owner);
}

#[test]
fn a_lock_that_is_away_or_gone_in_the_middle_is_a_failure_with_a_name() {
    let mut door = Door::new(&["owner"], fast);
    let owner = by_hci(&door);
    assert_eq!(owner.facts(&["pair", "--lock", "home"])["name"], "home");
    let again = owner.run(&["pair", "--lock", "home"]);
    assert_eq!(again.code, 3, "what is kept is not overwritten: {again:?}");
    let other = owner.run(&["pair", "--lock", "other", "--listen", "2"]);
    assert_eq!(other.code, 1, "nobody pressed the button: {other:?}");
    assert!(other.said.contains("hold the lock's button"), "{other:?}");
    door.lock.cut_power();
    let away = owner.run(&["status", "--listen", "2"]);
    assert_eq!(away.code, 5, "{away:?}");
    assert!(away.said.contains("was not heard"), "{away:?}");
    let none = run(owner
        .command(&["scan"])
        .env("LATCHKEY_HCI", "tcp-client:127.0.0.1:1"));
    assert_eq!(none.code, 5, "{none:?}");

    // What cannot be printed is not taken for done; a pipe that was closed is nobody's failure.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let untold = run(owner.command(&["completions", "bash"]).stdout(full));
    assert_eq!(untold.code, 3, "{untold:?}");
    assert!(untold.said.contains("cannot print"), "{untold:?}");
    let mut unheard = owner.command(&["completions", "bash"]);
    let mut unheard = unheard.stdout(Stdio::piped()).spawn().unwrap();
    drop(unheard.stdout.take());
    assert_eq!(unheard.wait().unwrap().code(), Some(0));
}

/// The example policy's file.
fn policy() -> String {
    format!("{}/../../keys-example/policy.toml", env!("CARGO_MANIFEST_DIR"))
}

/// Finds an update by a real server, fetches it, and brings it to the lock once the server is gone.
fn updates(door: &mut Door, owner: &Latchkey) {
    let (policy, image) = (policy(), owner.home().join("image"));
    let file = image.to_str().unwrap();
    let next = door.world.release(Variant::V2, 2);
    let mut server = Server::start(&door.world.path("server")).unwrap();
    server.trust_example_policy().unwrap();
    assert_eq!(owner.facts(&["pair", "--lock", "home"])["name"], "home");

    let url = server.url().to_owned();
    let check = ["update", "check", "--server", &url];
    assert_eq!(owner.facts(&check)["available"], Value::Null);
    server.publish(&next).unwrap();
    server.roll_out(&next).unwrap();
    assert_eq!(owner.facts(&check)["available"], "2.0.0+0");

    let download = ["update", "download", "--server", &url, "--out", file];
    let untrusting = owner.run(&download);
    assert_eq!(untrusting.code, 4, "{untrusting:?}");
    assert!(untrusting.said.contains("there is no policy"), "{untrusting:?}");
    let download = [&download[..], &["--policy", &policy]].concat();
    // What an earlier download left, damaged: it is thrown away, and the next begins anew.
    let part = owner.home().join("image.part");
    std::fs::write(&part, vec![7; 1_000]).unwrap();
    let damaged = owner.run(&download);
    assert_eq!((damaged.code, image.exists()), (7, false), "{damaged:?}");
    // And what it left, whole so far: it goes on from there.
    std::fs::write(&part, &next.bytes[..1_000]).unwrap();
    assert_eq!(owner.facts(&download)["version"], "2.0.0+0");
    assert_eq!(std::fs::read(&image).unwrap(), next.bytes);
    server.kill();
    let gone = owner.run(&check);
    assert_eq!(gone.code, 7, "{gone:?}");
    assert!(gone.said.contains("update install FILE"), "{gone:?}");

    let install = ["update", "install", file, "--policy", &policy];
    let unasked = owner.run(&install);
    assert_eq!(unasked.code, 2, "nobody said yes: {unasked:?}");
    let install = [&install[..], &["--yes"]].concat();
    let installed = owner.facts(&install);
    assert_eq!(
        (&installed["outcome"], &installed["before"]),
        (&json!("confirmed"), &json!(false))
    );
    let plan = &installed["plan"];
    assert_eq!(
        (&plan["from"], &plan["to"]),
        (&json!("1.0.0+0"), &json!("2.0.0+0"))
    );
    assert!(
        plan["away_seconds"].as_u64().unwrap() > 0 && plan["battery_percent"].is_u64(),
        "{plan}"
    );
    let status = owner.facts(&["status"]);
    assert_eq!(
        (&status["version"], &status["confirmed"]),
        (&json!("2.0.0+0"), &json!(true))
    );
    assert_eq!(owner.facts(&install)["before"], true, "it runs already");
    refusals(door, owner);
}

/// What is not for this lock ends before it is bothered, or with its word.
fn refusals(door: &Door, owner: &Latchkey) {
    let policy = policy();
    let bad = owner.home().join("bad");
    let mut tampered = door.world.release(Variant::V2, 3).bytes;
    tampered[5_000] ^= 1;
    let older = door.world.release(Variant::V1, 1).bytes;
    for (image, why) in [
        (&tampered[..], "The lock was not asked"),
        (&older[..], "older than what the lock installs"),
        (b"no image", "The lock was not asked"),
    ] {
        std::fs::write(&bad, image).unwrap();
        let refused = owner.run(&[
            "update",
            "install",
            bad.to_str().unwrap(),
            "--policy",
            &policy,
            "--yes",
        ]);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.said.contains(why), "{why}: {refused:?}");
    }
    assert_eq!(owner.facts(&["status"])["version"], "2.0.0+0");
}

#[test]
fn a_lock_is_updated_over_the_systems_bluetooth_with_the_server_gone() {
    let mut door = Door::new(&["owner"], fast);
    let owner = by_bluez(&door);
    updates(&mut door, &owner);
}

#[test]
fn a_lock_is_updated_over_a_controller_of_the_laboratory_with_the_server_gone() {
    let mut door = Door::new(&["owner"], fast);
    let owner = by_hci(&door);
    updates(&mut door, &owner);
}

/// Bytes of an image that the lock has, as it tells another of its clients.
fn received(watcher: &mut Owner) -> u32 {
    let told = watcher.ask(Report::Update {}).unwrap();
    let [News::Done(Some(FromLock::UpdateStatus(status)))] = &told[..] else {
        panic!("{told:?}");
    };
    status.received
}

#[test]
fn an_install_that_was_killed_goes_on_where_it_was() {
    let mut door = Door::new(&["owner", "watcher"], fast);
    let owner = by_hci(&door);
    assert_eq!(owner.facts(&["pair", "--lock", "home"])["name"], "home");
    let mut watcher = Owner::new(door.phone("watcher"), &door.address, gatt::MTU_MAX);
    door.invite();
    watcher.connect().unwrap();
    assert_eq!(watcher.pair("Watcher").unwrap(), [News::Paired]);

    let next = door.world.release(Variant::V2, 2);
    let image = owner.home().join("image");
    std::fs::write(&image, &next.bytes).unwrap();
    let policy = policy();
    let install = [
        "update",
        "install",
        image.to_str().unwrap(),
        "--policy",
        &policy,
        "--yes",
    ];
    let mut killed = owner.command(&install).spawn().unwrap();
    let third = u32::try_from(next.bytes.len() / 3).unwrap();
    while received(&mut watcher) < third {
        assert!(
            killed.try_wait().unwrap().is_none(),
            "it ended before it could be killed"
        );
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let installed = owner.facts(&install);
    assert_eq!(installed["outcome"], "confirmed");
    let before = installed["plan"]["received_before"].as_u64().unwrap();
    assert!(before >= third.into(), "{before} of {third} bytes were kept");
}

/// Unlocks, with the link lost in the air at several points of it. What the command says of the lock is so.
fn unlocks_that_lose_the_link(door: &mut Door, owner: &Latchkey) {
    let before = door.carried();
    assert_eq!(owner.facts(&["unlock"])["done"], true);
    let whole = door.carried() - before;
    let mut codes = Vec::new();
    for share in [20, 50, 80, 90] {
        assert_eq!(owner.facts(&["lock"])["done"], true);
        door.lose("owner", &[whole * share / 100]);
        let lost = owner.run(&["unlock"]);
        assert!(door.has_lost("owner"), "{share} of 100: {lost:?}");
        let now = owner.facts(&["status"])["lock_state"].clone();
        if lost.code == 5 {
            assert_eq!(now, "locked", "{share} of 100: {lost:?}");
        } else {
            assert_eq!(lost.code, 6, "{share} of 100: {lost:?}");
            assert!(lost.said.contains("ask it for its state"), "{lost:?}");
        }
        codes.push(lost.code);
    }
    assert_eq!((codes.first(), codes.last()), (Some(&5), Some(&6)), "{codes:?}");
}

/// Reads the log, with the link lost in the air while the lock's clock is looked after: the log is told all the same.
fn a_question_beside_the_clock_that_loses_the_link(door: &mut Door, owner: &Latchkey) {
    let before = door.carried();
    let _ = owner.facts(&["log", "--count", "1"]);
    let whole = door.carried() - before;
    let warned = (1..10).any(|tenth| {
        door.lose("owner", &[whole * tenth / 10]);
        let log = owner.run(&["log", "--count", "1"]);
        assert!(door.has_lost("owner"), "{tenth} of 10: {log:?}");
        let warned = log.said.contains("clock could not be looked after");
        assert!(
            if warned { log.code == 0 } else { log.code == 5 },
            "{tenth} of 10: {log:?}"
        );
        warned
    });
    assert!(warned, "no loss came while the clock was asked for");
}

/// Installs an image, with the link lost in the air before it is there and again and again while it is sent.
fn an_install_that_loses_the_link(door: &mut Door, owner: &Latchkey) {
    let image = owner.home().join("image");
    let next = door.world.release(Variant::V2, 2);
    std::fs::write(&image, &next.bytes).unwrap();
    let (policy, file) = (policy(), image.to_str().unwrap());
    door.lose("owner", &[1_000, 500, 60_000, 9_000, 120_000]);
    let installed = owner.facts(&["update", "install", file, "--policy", &policy, "--yes"]);
    assert_eq!(installed["outcome"], "confirmed");
    assert!(door.has_lost("owner"));
    assert_eq!(owner.facts(&["status"])["version"], "2.0.0+0");
}

fn a_link_that_is_lost(door: &mut Door, owner: &Latchkey) {
    assert_eq!(owner.facts(&["pair", "--lock", "home"])["name"], "home");
    unlocks_that_lose_the_link(door, owner);
    a_question_beside_the_clock_that_loses_the_link(door, owner);
    an_install_that_loses_the_link(door, owner);
}

#[test]
fn a_link_that_is_lost_over_the_systems_bluetooth_is_named_or_made_again() {
    let mut door = Door::new(&["owner"], fast);
    let owner = by_bluez(&door);
    a_link_that_is_lost(&mut door, &owner);
}

#[test]
fn a_link_that_is_lost_over_a_controller_of_the_laboratory_is_named_or_made_again() {
    let mut door = Door::new(&["owner"], fast);
    let owner = by_hci(&door);
    a_link_that_is_lost(&mut door, &owner);
}
