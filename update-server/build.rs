//! The owners' web app as it is built into the server, with the feature `web-app`: a table of what `cargo xtask web` made.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    let (rows, trial) = if env::var_os("CARGO_FEATURE_WEB_APP").is_some() {
        rows()?
    } else {
        (String::new(), false)
    };
    fs::write(
        Path::new(&out).join("web_app.rs"),
        format!(
            "/// Every file.\nconst BUILT_IN: &[File] = &[\n{rows}];\n\
             /// Whether it was built for trying things out.\nconst TRIAL: bool = {trial};\n"
        ),
    )
}

/// What stands beside the page's files when it was not built with `--release`.
const TRIAL: &str = "TRIAL";

fn rows() -> io::Result<(String, bool)> {
    let root = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let folder = Path::new(&root).join("../.latchkey/web");
    println!("cargo:rerun-if-changed={}", folder.display());
    let entries = fs::read_dir(&folder).map_err(|error| {
        let folder = folder.display();
        io::Error::other(format!(
            "the web app is not in {folder} ({error}); run `cargo xtask web` first"
        ))
    })?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(
            entry?
                .file_name()
                .into_string()
                .map_err(|_| io::Error::other("a file's name is no text"))?,
        );
    }
    let trial = names.iter().any(|name| name == TRIAL);
    names.retain(|name| name != TRIAL);
    names.sort();
    let row = |name: String| {
        let path = folder.join(&name);
        format!("    File {{ name: {name:?}, bytes: include_bytes!({path:?}) }},\n")
    };
    Ok((names.into_iter().map(row).collect(), trial))
}
