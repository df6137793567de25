//! The dashboard's files: its style, its few lines of script, and htmx as its authors publish it
//! (`assets/dashboard/README.md` says which).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::HeaderMap;

use super::Shown;
use super::forms::At;
use crate::failure::{Failure, Kind};
use crate::http::web_app::{Entry, File};

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(File { name: $name, bytes: include_bytes!(concat!("../../../assets/dashboard/", $name)) }),+]
    };
}

const FILES: &[File] = files![
    "dashboard.js",
    "htmx.min.js",
    "hx-sse.min.js",
    "icon.svg",
    "style.css"
];

static ENTRIES: LazyLock<BTreeMap<&str, Entry>> =
    LazyLock::new(|| FILES.iter().map(|file| (file.name, Entry::new(file))).collect());

/// One of the files.
pub(in crate::http) async fn get(At(name): At<String>, request: HeaderMap) -> Shown {
    let found = ENTRIES.get(name.as_str()).map(|entry| entry.answer(&request));
    Ok(found.ok_or_else(|| Failure::new(Kind::NotFound, "the dashboard has no such file"))?)
}
