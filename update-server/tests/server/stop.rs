//! Stopping in order: what is under way is finished, the database closed, the exit code 0.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::program::{Operator, PATIENCE, Server};
use crate::support::Draft;

#[tokio::test]
async fn a_server_told_to_stop_finishes_what_it_began() {
    for signal in ["-TERM", "-INT"] {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::start(folder.path()).await;
        let token = server.token();
        Operator::new(token.clone()).set_policy(&server).await;
        let file = Draft::new(2, 7).file();
        let mut half_done = TcpStream::connect(server.address()).await.unwrap();
        let head = format!(
            "POST /api/v1/releases HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\
             expect: 100-continue\r\n\r\n",
            file.len()
        );
        half_done.write_all(head.as_bytes()).await.unwrap();
        // The server says "100 Continue" when it waits for the body: the request is under way.
        let mut begun = [0; 25];
        tokio::time::timeout(PATIENCE, half_done.read_exact(&mut begun))
            .await
            .unwrap()
            .unwrap();
        assert!(
            begun.starts_with(b"HTTP/1.1 100"),
            "{:?}",
            String::from_utf8_lossy(&begun)
        );

        server.signal(signal).await;
        server.logged("stopping").await;
        half_done.write_all(&file).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(PATIENCE, half_done.read_to_string(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        let status = tokio::time::timeout(PATIENCE, server.child.wait())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(status.code(), Some(0), "{signal}");
        assert!(TcpStream::connect(server.address()).await.is_err());
        assert!(
            !folder.path().join("latchkey.db-wal").exists(),
            "the database was closed in order"
        );

        let again = Server::start(folder.path()).await;
        assert_eq!(again.started.get("admin_token"), None, "shown once");
        let listed = Operator::new(token)
            .get(format!("{}/api/v1/releases", again.url))
            .await;
        assert_eq!(listed.as_array().unwrap().len(), 1);
    }
}
