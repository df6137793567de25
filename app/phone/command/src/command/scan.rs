//! `scan`: which locks are here.

use std::time::Duration;

use latchkey_protocol::advertising::Advertisement;
use latchkey_protocol::value::AuthorizationType;
use serde_json::{Value, json};

use super::Context;
use crate::failure::Outcome;
use crate::link::Heard;
use crate::output;
use crate::store::{self, Store};

/// How long to listen, if nothing else was said.
const LISTEN: Duration = Duration::from_secs(5);

pub(super) fn run(context: &Context) -> Outcome<()> {
    let known = known(&context.store()?)?;
    let mut link = context.link()?;
    let spinner = output::spinner("listening for locks");
    let heard = link.scan(context.common.listen.unwrap_or(LISTEN), &|_| false);
    spinner.finish_and_clear();
    let mut heard = heard?;
    heard.sort_by_key(|heard| heard.id());
    let rows: Vec<Value> = heard.iter().map(|heard| row(heard, &known)).collect();
    let none = "No lock was heard. Go nearer, and see that it has power.";
    context.output.rows(&["id", "mode", "rssi", "name"], &rows, none);
    Ok(())
}

/// Numbers of locks that are paired with, and their names.
fn known(store: &Store) -> Outcome<Vec<(u32, String)>> {
    let names = store.names(AuthorizationType::App)?;
    // A file that cannot be used is named when its lock is; here it is about what is on air.
    let ids = names.into_iter().filter_map(|name| {
        let label = store::label(&store.path(&name, AuthorizationType::App)).ok()?;
        Some((label.lock.get(), name))
    });
    Ok(ids.collect())
}

/// What a lock is about, as it says itself.
pub(super) const fn mode(says: &Advertisement) -> &'static str {
    match says {
        Advertisement::Uninitialized(_) => "new",
        Advertisement::Pairing(..) => "pairing",
        Advertisement::DoorMode { .. } => "at work",
    }
}

fn row(heard: &Heard, known: &[(u32, String)]) -> Value {
    let id = heard.id();
    let name = known.iter().find(|(known, _)| *known == id.get());
    json!({
        "id": id.to_string(),
        "mode": mode(&heard.says),
        "rssi": heard.rssi,
        "name": name.map(|(_, name)| name),
    })
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::value::NukiId;

    use super::*;

    #[test]
    fn a_row_is_as_scripts_know_it() {
        let id = NukiId::new(0x1234_ABCD).unwrap();
        let heard = Heard {
            says: Advertisement::Uninitialized(id),
            rssi: Some(-50),
        };
        let known = [(id.get(), "home".to_owned())];
        assert_eq!(
            row(&heard, &known).to_string(),
            r#"{"id":"1234ABCD","mode":"new","name":"home","rssi":-50}"#
        );
    }
}
