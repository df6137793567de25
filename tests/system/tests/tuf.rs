//! The TUF repository of the real server, made by the real `latchkey-sign`, read by clients of others: python-tuf and
//! tough, as their registries have them. And every attack on it that a client must see through, also by whoever has
//! taken the server and its key.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use latchkey_lab::{Release, Server, SignedImage, peer_program, sign_program, tough_program};
use latchkey_tuf::{Custom, Document, Expires, Hash, Role, Root, Snapshot, Targets, Timestamp};
use serde_json::Value;

const NAME_V1: &str = "lock-emulator-1-1.0.0-0.img";
const NAME_V2: &str = "lock-emulator-1-2.0.0-0.img";
const EXAMPLE: &str = "--allow-example-keys";

/// A server with a repository, and the engineers' table beside it.
struct Table {
    server: Server,
    folder: tempfile::TempDir,
}

/// Small, and plausible to the lock's check.
fn image(major: u8) -> SignedImage {
    let entry = latchkey_image::Hardware::EMULATOR.slot.address + 0x200 + 0x41;
    let mut payload = [0x2004_0000_u32.to_le_bytes(), entry.to_le_bytes()].concat();
    payload.resize(5_000, major);
    Release::new(payload, major).sign().unwrap()
}

fn example(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../keys-example");
    folder.join(name).to_str().unwrap().to_owned()
}

impl Table {
    /// Root 2 of three, targets 2 of three, by the example engineers; version 1.0.0 listed.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&folder.path().join("server")).unwrap();
        server.trust_example_policy().unwrap();
        let table = Self { server, folder };
        let key = table.server.operator(&["tuf", "status"]).unwrap()["server_key"].clone();
        let pem = table.server.tuf_key().unwrap();
        fs::write(table.path("server.pub.pem"), &pem).unwrap();
        assert!(key.as_str().unwrap().len() == 64);
        let mut new = vec![
            "tuf",
            "root",
            "new",
            "--expires",
            "365d",
            EXAMPLE,
            "--server-key",
            "server.pub.pem",
        ];
        let keys: Vec<String> = ["a", "b", "c"]
            .map(|name| example(&format!("release-{name}.pub.pem")))
            .into();
        for key in &keys {
            new.extend(["--root-key", key, "--targets-key", key]);
        }
        new.extend(["--root-threshold", "2", "--targets-threshold", "2", "1.root.json"]);
        table.sign(&new);
        table.signed("1.root.json", None, &["a", "b"]);
        table.publish_image(&image(1), "1.img");
        let policy = example("policy.toml");
        let list = [
            "tuf",
            "targets",
            "new",
            "--expires",
            "90d",
            "--policy",
            &policy,
            "--add",
            "1.img",
        ];
        table.sign(&[&list[..], &["1.targets.json"]].concat());
        table.signed("1.targets.json", Some("1.root.json"), &["b", "c"]);
        table.publish(Some("1.root.json"), Some("1.targets.json"));
        table
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn publish_image(&self, image: &SignedImage, name: &str) {
        fs::write(self.path(name), &image.bytes).unwrap();
        self.server.publish(image).unwrap();
    }

    fn sign(&self, arguments: &[&str]) {
        let mut command = Command::new(sign_program().unwrap());
        let output = command
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn signed(&self, file: &str, root: Option<&str>, engineers: &[&str]) {
        for engineer in engineers {
            let key = example(&format!("release-{engineer}.pem"));
            let mut arguments = vec!["tuf", "sign", EXAMPLE, "--key", &key];
            arguments.extend(root.iter().flat_map(|root| ["--root", root]));
            self.sign(&[&arguments[..], &[file]].concat());
        }
    }

    fn publish(&self, root: Option<&str>, targets: Option<&str>) {
        let given = |option, name: Option<&str>| {
            name.map(|name| vec![option, self.path(name).to_str().unwrap().to_owned()])
        };
        let files = [
            given("--root".to_owned(), root),
            given("--targets".to_owned(), targets),
        ];
        let files: Vec<String> = files.into_iter().flatten().flatten().collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        self.server
            .operator(&[&["tuf", "publish"], &files[..]].concat())
            .unwrap();
    }

    /// The next version: another root without release-a, and 2.0.0 listed beside 1.0.0.
    fn goes_on(&self) {
        self.publish_image(&image(2), "2.img");
        let stranger = self.path("dora.pem");
        self.sign(&["keygen", "--no-passphrase", "--out", stranger.to_str().unwrap()]);
        self.sign(&["public", "--key", "dora.pem", "--out", "dora.pub.pem"]);
        let out = example("release-a.pub.pem");
        let next = [
            "tuf",
            "root",
            "next",
            "--expires",
            "365d",
            "--remove-root-key",
            &out,
        ];
        self.sign(
            &[
                &next[..],
                &["--add-root-key", "dora.pub.pem", "1.root.json", "2.root.json"],
            ]
            .concat(),
        );
        self.signed("2.root.json", Some("1.root.json"), &["b", "c"]);
        let policy = example("policy.toml");
        let next = [
            "tuf",
            "targets",
            "next",
            "--expires",
            "90d",
            "--root",
            "2.root.json",
            "--policy",
            &policy,
        ];
        self.sign(&[&next[..], &["--add", "2.img", "1.targets.json", "2.targets.json"]].concat());
        self.signed("2.targets.json", Some("2.root.json"), &["a", "c"]);
        self.publish(Some("2.root.json"), Some("2.targets.json"));
    }

    /// A copy of the repository, to be served by somebody who means no good.
    fn mirror(&self, name: &str) -> Mirror {
        let folder = self.path(name);
        let url = format!("{}/tuf", self.server.url());
        let output = python(&["mirror", &url, folder.to_str().unwrap()]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Mirror { folder }
    }

    /// What the server's own key is, for attacks by whoever took it.
    fn server_key(&self) -> SigningKey {
        let pem = fs::read_to_string(self.path("server/tuf.pem")).unwrap();
        SigningKey::from_pkcs8_pem(&pem).unwrap()
    }

    /// Reads with python-tuf, from the first root on, with this client's state.
    fn python(&self, state: &str, place: &str, name: &str) -> Read {
        let (root, state) = (self.path("1.root.json"), self.path(state));
        Read::of(&python(&[
            "read",
            root.to_str().unwrap(),
            state.to_str().unwrap(),
            place,
            name,
        ]))
    }

    /// Reads with tough.
    fn tough(&self, state: &str, mirror: &Mirror, name: &str) -> Read {
        let mut command = Command::new(tough_program().unwrap());
        let output = command
            .args([self.path("1.root.json"), self.path(state), mirror.folder.clone()])
            .arg(name)
            .output()
            .unwrap();
        Read::of(&output)
    }
}

fn python(arguments: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tuf/client.py");
    let mut command = Command::new(peer_program("python").unwrap());
    command.arg(script).args(arguments).output().unwrap()
}

/// What a client said.
#[derive(Debug)]
struct Read {
    facts: BTreeMap<String, String>,
    whole: String,
}

impl Read {
    fn of(output: &Output) -> Self {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let whole = format!("{said}{}", String::from_utf8_lossy(&output.stderr));
        let refused = said.lines().any(|line| line.starts_with("refused "));
        assert_eq!(
            output.status.success(),
            !refused,
            "it neither read nor refused: {whole}"
        );
        let facts = said.lines().filter_map(|line| line.split_once(' '));
        let facts = facts
            .map(|(name, fact)| (name.to_owned(), fact.to_owned()))
            .collect();
        Self { facts, whole }
    }

    #[track_caller]
    fn fact(&self, name: &str) -> &str {
        self.facts
            .get(name)
            .unwrap_or_else(|| panic!("no {name:?} in {}", self.whole))
    }

    /// Refused, for this.
    #[track_caller]
    fn refused(&self, why: &str) {
        let said = self.fact("refused");
        assert!(said.contains(why), "it was to refuse with {why:?}: {said}");
    }
}

/// A folder with a repository's files.
struct Mirror {
    folder: PathBuf,
}

impl Mirror {
    fn place(&self) -> &str {
        self.folder.to_str().unwrap()
    }

    fn read<R: Role>(&self, name: &str) -> Document<R> {
        Document::parse(&fs::read(self.folder.join("metadata").join(name)).unwrap()).unwrap()
    }

    fn write(&self, name: &str, file: impl AsRef<[u8]>) {
        fs::write(self.folder.join("metadata").join(name), file).unwrap();
    }

    fn target(&self, name: &str) -> PathBuf {
        let files = fs::read_dir(self.folder.join("targets")).unwrap();
        let mut files = files.map(|file| file.unwrap().path());
        files.find(|file| file.to_str().unwrap().ends_with(name)).unwrap()
    }

    /// A timestamp like the one that is there, changed and signed.
    fn timestamp(&self, key: &SigningKey, expires: Expires) -> Document<Timestamp> {
        let there = self.read::<Timestamp>("timestamp.json");
        let there = there.claims();
        signed(
            Timestamp::new(there.version, expires, there.meta.snapshot),
            &[key],
        )
    }

    /// Puts other targets in place, with snapshot and timestamp signed around them by whoever took the server.
    fn around(&self, targets: &Document<Targets>, server: &SigningKey) {
        let before = self.read::<Timestamp>("timestamp.json");
        let (version, expires) = (before.claims().version + 1, before.claims().expires);
        let number = before.claims().meta.snapshot.version + 1;
        let snapshot = signed(Snapshot::new(number, expires, targets.meta()), &[server]);
        let timestamp = signed(Timestamp::new(version, expires, snapshot.meta()), &[server]);
        self.write(
            &format!("{}.targets.json", targets.claims().version),
            targets.to_file(),
        );
        self.write(&format!("{number}.snapshot.json"), snapshot.to_file());
        self.write("timestamp.json", timestamp.to_file());
    }
}

fn signed<R: Role>(role: R, keys: &[&SigningKey]) -> Document<R> {
    let mut document = Document::new(role).unwrap();
    for key in keys {
        document.sign(key).unwrap();
    }
    document
}

#[test]
fn python_tuf_and_tough_read_the_repository_and_follow_the_root() {
    let table = Table::new();
    let url = format!("{}/tuf", table.server.url());
    let read = table.python("python", &url, NAME_V1);
    assert_eq!(
        [read.fact("root"), read.fact("targets"), read.fact("timestamp")],
        ["1", "1", "1"]
    );
    assert_eq!(read.fact("sha256"), Hash::of(&image(1).bytes).to_string());
    let custom: Custom = serde_json::from_str(read.fact("custom")).unwrap();
    assert_eq!((custom.version.as_str(), custom.security_counter), ("1.0.0+0", 1));
    assert_eq!(custom.image_digest, image(1).digest.to_string());
    let read = table.tough("tough", &table.mirror("first"), NAME_V1);
    assert_eq!(
        [read.fact("root"), read.fact("targets"), read.fact("timestamp")],
        ["1", "1", "1"]
    );
    assert_eq!(read.fact("length"), image(1).bytes.len().to_string());

    table.goes_on();
    let read = table.python("python", &url, NAME_V2);
    assert_eq!(
        [read.fact("root"), read.fact("targets"), read.fact("timestamp")],
        ["2", "2", "2"]
    );
    assert_eq!(read.fact("sha256"), Hash::of(&image(2).bytes).to_string());
    let read = table.tough("tough", &table.mirror("second"), NAME_V2);
    assert_eq!(
        [read.fact("root"), read.fact("targets"), read.fact("timestamp")],
        ["2", "2", "2"]
    );
    assert_eq!(read.fact("length"), image(2).bytes.len().to_string());
    // A client that never saw the first version comes as far.
    assert_eq!(table.python("late", &url, NAME_V1).fact("root"), "2");
}

#[test]
fn attacks_on_a_mirror_are_seen_by_python_tuf_and_tough() {
    let table = Table::new();
    let old = table.mirror("old");
    table.goes_on();
    let server = table.server_key();
    let late = Expires::day("2099-01-01").unwrap();
    let untouched = table.mirror("untouched");
    table.python("seen", untouched.place(), NAME_V2).fact("sha256");
    table.tough("seen-tough", &untouched, NAME_V2).fact("length");

    let attack = |name: &str, what: &dyn Fn(&Mirror), python: &str, tough: &str| {
        let name = &name.replace(' ', "-");
        let mirror = table.mirror(name);
        what(&mirror);
        table
            .python(&format!("{name}-python"), mirror.place(), NAME_V2)
            .refused(python);
        table
            .tough(&format!("{name}-tough"), &mirror, NAME_V2)
            .refused(tough);
    };
    attack(
        "one byte of the image flipped",
        &|mirror| {
            let path = mirror.target(NAME_V2);
            let mut bytes = fs::read(&path).unwrap();
            bytes[2000] ^= 1;
            fs::write(path, bytes).unwrap();
        },
        "LengthOrHashMismatchError",
        "ash mismatch",
    );
    attack(
        "root 2 with one signature",
        &|mirror| mirror.write("2.root.json", fewer_signatures(mirror, 1)),
        "UnsignedMetadataError",
        "threshold",
    );
    attack(
        "root 2 with the same signature three times",
        &|mirror| {
            let mut file: Value = serde_json::from_slice(&fewer_signatures(mirror, 1)).unwrap();
            let one = file["signatures"][0].clone();
            file["signatures"] = Value::Array(vec![one; 3]);
            mirror.write("2.root.json", file.to_string());
        },
        "Failed to deserialize",
        "Duplicate key ID",
    );
    attack(
        "timestamp that is over",
        &|mirror| {
            let over = mirror.timestamp(&server, Expires::day("2020-01-01").unwrap());
            mirror.write("timestamp.json", over.to_file());
        },
        "ExpiredMetadataError",
        "xpired",
    );
    attack(
        "timestamp by another key",
        &|mirror| {
            let stranger = SigningKey::from_bytes(&[0x5a; 32]);
            mirror.write("timestamp.json", mirror.timestamp(&stranger, late).to_file());
        },
        "UnsignedMetadataError",
        "threshold",
    );
    attack(
        "targets edited by whoever took the server",
        &|mirror| {
            let mut targets = mirror.read::<Targets>("2.targets.json").claims().clone();
            targets.version += 1;
            for target in targets.targets.values_mut() {
                target.custom.security_counter += 1;
            }
            mirror.around(
                &signed(targets, &[&server, &SigningKey::from_bytes(&[0x5a; 32])]),
                &server,
            );
        },
        "UnsignedMetadataError",
        "threshold",
    );
    // Going back is seen by who saw more; a new client cannot know.
    table
        .python("seen", old.place(), NAME_V1)
        .refused("BadVersionNumberError");
    table
        .tough("seen-tough", &old, NAME_V1)
        .refused("previously fetched");
}

/// Root 2 with so many of its signatures.
fn fewer_signatures(mirror: &Mirror, count: usize) -> Vec<u8> {
    let mut file: Value = serde_json::from_slice(&mirror.read::<Root>("2.root.json").to_file()).unwrap();
    file["signatures"].as_array_mut().unwrap().truncate(count);
    file.to_string().into_bytes()
}

/// Why expiry is in whole seconds: the same file with a fraction is no metadata to python-tuf.
#[test]
fn python_tuf_reads_no_fractions_of_a_second() {
    let table = Table::new();
    let mirror = table.mirror("fraction");
    table.python("before", mirror.place(), NAME_V1).fact("sha256");
    let file = fs::read_to_string(mirror.folder.join("metadata/timestamp.json")).unwrap();
    let expires = mirror
        .read::<Timestamp>("timestamp.json")
        .claims()
        .expires
        .to_string();
    mirror.write(
        "timestamp.json",
        file.replace(&expires, &expires.replace('Z', ".5Z")),
    );
    table
        .python("after", mirror.place(), NAME_V1)
        .refused("Failed to deserialize");
}
