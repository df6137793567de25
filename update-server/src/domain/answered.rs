//! What was done is answered from the change itself. Whoever had to wait for another place at the database could be told
//! that nothing was done; here there is none to be had.

use ed25519_dalek::SigningKey;
use latchkey_image::Hardware;
use latchkey_tuf::{Document, Expires, Key, Root, Signers};

use super::access::Caller;
use super::again::service;
use super::device::State;
use super::release::Published;
use super::tuf::Upload;

#[tokio::test]
async fn the_token_of_a_device_that_was_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let (service, store) = service(folder.path()).await;
    store.close_readers().await;
    let class = Hardware::EMULATOR.class_name;
    let (device, _token) = service
        .add_hawkbit_device(&Caller::console(), class)
        .await
        .unwrap();
    assert_eq!(device.state, State::Approved);
}

#[tokio::test]
async fn how_the_repository_stands_after_an_upload_and_after_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let (service, store) = service(folder.path()).await;
    let engineer = SigningKey::from_bytes(&[1; 32]);
    let key = Key::new(&engineer.verifying_key().to_bytes()).unwrap();
    let server = service.tuf().await.unwrap().server_key;
    let mut root = Root::new(1, Expires::at(2_000_000_000));
    root.roles.root = Signers::new([&key], 1);
    root.roles.targets = Signers::new([&key], 1);
    root.roles.snapshot = Signers::new([&server], 1);
    root.roles.timestamp = Signers::new([&server], 1);
    root.keys = [key, server].map(|key| (key.id(), key)).into();
    let mut root = Document::new(root).unwrap();
    root.sign(&engineer).unwrap();
    let upload = Upload {
        roots: vec![String::from_utf8(root.to_file()).unwrap()],
        targets: None,
    };
    store.close_readers().await;
    for published in [Published::Now, Published::Before] {
        let (overview, was) = service.publish_tuf(&Caller::console(), &upload).await.unwrap();
        assert_eq!(was, published);
        assert_eq!(overview.files.len(), 1);
    }
}
