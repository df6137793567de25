//! TUF metadata files, as an engineer's tool or the server reads them: anything ends in a name, what is read is written
//! back as one file that reads the same, and nobody signs by chance.
#![no_main]

use latchkey_tuf::{Document, Role, Root, Snapshot, Targets, Timestamp, Trusted};
use libfuzzer_sys::fuzz_target;

/// Signed by the example keys release-a and release-b.
const ROOT: &[u8] = include_bytes!("../seeds/tuf_metadata/root.json");
const TARGETS: &[u8] = include_bytes!("../seeds/tuf_metadata/targets.json");

fn try_as<R: Role>(data: &[u8]) {
    let Ok(document) = Document::<R>::parse(data) else {
        return;
    };
    let file = document.to_file();
    let again = Document::<R>::parse(&file).expect("what was written is read");
    assert_eq!(again.to_file(), file, "one document has one file");
}

fn signed_root() -> Trusted<Root> {
    Trusted::pinned(Document::parse(ROOT).expect("the seed is a root")).expect("two have signed it")
}

fuzz_target!(|data: &[u8]| {
    let _ = latchkey_tuf::kind(data);
    try_as::<Root>(data);
    try_as::<Targets>(data);
    try_as::<Snapshot>(data);
    try_as::<Timestamp>(data);
    let root = signed_root();
    if let Ok(found) = Document::<Root>::parse(data) {
        assert!(
            root.succeed(found.clone()).is_err(),
            "nobody signed a second root"
        );
        if let Ok(found) = Trusted::pinned(found) {
            assert_eq!(found.get(), root.get(), "nobody signed another root");
        }
    }
    if let Ok(found) = Document::<Targets>::parse(data)
        && let Ok(found) = root.targets(found)
    {
        let seed: Document<Targets> = Document::parse(TARGETS).expect("the seed is a list");
        assert_eq!(found.get(), seed.claims(), "nobody signed another list");
    }
});
