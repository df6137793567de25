//! What is set up before anything is measured: a release in a rollout, and devices that are let in.

use anyhow::{Context as _, Result, ensure};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use latchkey_image::build::Description;
use latchkey_image::{SecurityCounter, Version};
use reqwest::Method;
use serde_json::json;

use crate::load::{self, Load, request_with};
use crate::locks::{HARDWARE, Lock};
use crate::ours::Server;

/// Most devices named in one request.
const NAMED_MAX: usize = 10_000;
/// Length of what is signed of the image that is downloaded, in bytes.
const IMAGE_BYTES: usize = 256 * 1024;

/// Names devices to a server and has them enrol.
pub(crate) async fn let_in(server: &Server, locks: &[Lock], width: usize) -> Result<()> {
    for locks in locks.chunks(NAMED_MAX) {
        let names: Vec<String> = locks.iter().map(|lock| lock.id().to_string()).collect();
        let body = json!({ "devices": names }).to_string();
        server.ask(Method::POST, "/api/v1/devices", body).await?;
    }
    let enrolments = locks.iter().map(Lock::enrolment).collect::<Result<Vec<_>>>()?;
    let all = enrolments.iter().map(Vec::as_slice);
    let done = load::send(&server.peer, all, Load::all(width)).await?;
    ensure!(done.failed == 0, "{} enrolments failed", done.failed);
    Ok(())
}

fn engineer() -> SigningKey {
    SigningKey::from_bytes(&[0x5e; 32])
}

/// A release that would update one device in twenty; gives its digest.
pub(crate) async fn publish(server: &Server, image: &[u8]) -> Result<String> {
    let pem = engineer().verifying_key().to_public_key_pem(LineEnding::LF)?;
    let document = format!("threshold = 1\n[[keys]]\nname = \"engineer\"\npublic = \"\"\"\n{pem}\"\"\"\n");
    let policy = json!({ "document": document }).to_string();
    server
        .ask(Method::PUT, "/api/v1/policies/lock-emulator-1", policy)
        .await?;
    let release = server
        .ask(Method::POST, "/api/v1/releases", image.to_vec())
        .await?;
    let digest = release["digest"].as_str().context("a release without a digest")?;
    let rollout = json!({ "release": digest, "to": "all", "stages": [5, 100] });
    server
        .ask(Method::POST, "/api/v1/rollouts", rollout.to_string())
        .await?;
    Ok(digest.to_owned())
}

/// An image that a lock would take.
pub(crate) fn image() -> Result<Vec<u8>> {
    let mut payload = vec![0x5a; IMAGE_BYTES];
    fastrand::Rng::with_seed(1).fill(&mut payload);
    let vectors = [HARDWARE.slot.ram.end, HARDWARE.slot.address + 0x200 + 9];
    for (into, vector) in payload.chunks_exact_mut(4).zip(vectors) {
        into.copy_from_slice(&vector.to_le_bytes());
    }
    let description = Description {
        version: Version {
            major: 2,
            ..Version::default()
        },
        counter: SecurityCounter(2),
        vendor: HARDWARE.vendor,
        class: HARDWARE.class,
        min_version: None,
        header_size: 0x200,
    };
    let failed = |error: &dyn std::fmt::Debug| anyhow::anyhow!("no image: {error:?}");
    let mut image = description.build(&payload).map_err(|error| failed(&error))?;
    image.sign(&engineer()).map_err(|error| failed(&error))?;
    Ok(image.into_bytes())
}

/// Makes devices that speak hawkBit's interface; gives the poll of each.
pub(crate) async fn hawkbit_polls(server: &Server, count: u64, width: usize) -> Result<Vec<Vec<u8>>> {
    let class = json!({ "class": "lock-emulator-1" }).to_string();
    let made = (0..count).map(|_| server.ask(Method::POST, "/api/v1/devices/hawkbit", class.clone()));
    let made: Vec<serde_json::Value> = stream::iter(made).buffer_unordered(width).try_collect().await?;
    let told = json!({ "mode": "merge", "data": { "version": "1.0.0", "counter": "1" } }).to_string();
    let (mut tell, mut polls) = (Vec::new(), Vec::new());
    for device in &made {
        let id = device["id"].as_str().context("a device without a name")?;
        let token = device["token"].as_str().context("a device without a token")?;
        let path = format!("/DEFAULT/controller/v1/{id}");
        let lines = format!("Authorization: TargetToken {token}\r\n");
        tell.push(request_with(
            "PUT",
            &format!("{path}/configData"),
            &lines,
            told.as_bytes(),
        ));
        polls.push(request_with("GET", &path, &lines, &[]));
    }
    let tell = tell.iter().map(Vec::as_slice);
    let done = load::send(&server.peer, tell, Load::all(width)).await?;
    ensure!(
        done.failed == 0,
        "{} devices could not tell what they run",
        done.failed
    );
    Ok(polls)
}
