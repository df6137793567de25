//! A client of a TUF repository: tough's own, as it comes from crates.io.
//!
//!     latchkey-tough ROOT STATE FOLDER NAME
//!
//! ROOT is the first root, as the client carries it; STATE a folder that the client keeps; FOLDER a mirror of the
//! repository. Prints a line for each fact; ends with 1 and `refused ERROR` when tough refuses.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use tough::{IntoVec, RepositoryLoader, TargetName};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match read(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("refused {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn read(arguments: &[String]) -> Result<()> {
    let [root, state, folder, name] = arguments else {
        anyhow::bail!("usage: latchkey-tough ROOT STATE FOLDER NAME");
    };
    let root = std::fs::read(root).context("the first root")?;
    std::fs::create_dir_all(state)?;
    let place = |part: &str| -> Result<url::Url> {
        let path: PathBuf = std::path::absolute(Path::new(folder).join(part))?;
        url::Url::from_directory_path(&path).map_err(|()| anyhow::anyhow!("{} is no URL", path.display()))
    };
    let repository = RepositoryLoader::new(&root, place("metadata")?, place("targets")?)
        .datastore(state)
        .load()
        .await?;
    println!("root {}", repository.root().signed.version);
    println!("timestamp {}", repository.timestamp().signed.version);
    println!("snapshot {}", repository.snapshot().signed.version);
    println!("targets {}", repository.targets().signed.version);
    let target = TargetName::new(name)?;
    let listed = repository.targets().signed.find_target(&target, false)?;
    let length = listed.length;
    let stream = repository
        .read_target(&target)
        .await?
        .context("it is not listed")?;
    let image = stream.into_vec().await?;
    ensure!(
        image.len() as u64 == length,
        "{} of {length} bytes came",
        image.len()
    );
    println!("length {length}");
    Ok(())
}
