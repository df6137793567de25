//! A small client of the operator API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use zeroize::Zeroizing;

use super::CliError;

/// An answer longer than this is not read: no page of the operator API comes near.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the server may say nothing. Not how long an answer may take: a fleet's list takes as long as it is.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);

/// Which server to talk to, and with what token.
#[derive(Args)]
pub(super) struct Server {
    /// The server.
    #[arg(
        long,
        value_name = "URL",
        env = "LATCHKEY_SERVER",
        default_value = "http://127.0.0.1:8470"
    )]
    server: String,
    /// File with the token. Without it: the variable LATCHKEY_TOKEN.
    #[arg(long, value_name = "FILE", env = "LATCHKEY_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Certificate of the one authority that the server's certificate must be from, PEM. Without it: those that the
    /// system trusts.
    #[arg(long, value_name = "FILE", env = "LATCHKEY_CA")]
    ca: Option<PathBuf>,
}

impl Server {
    pub(super) async fn get(&self, path: &str) -> Result<Value, CliError> {
        let request = self.request(Method::GET, path)?;
        self.send(request).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Value, CliError> {
        let request = self.request(Method::DELETE, path)?;
        self.send(request).await
    }

    pub(super) async fn post(&self, path: &str, body: Option<&Value>) -> Result<Value, CliError> {
        let request = self.request(Method::POST, path)?;
        self.send(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        let request = self.request(Method::PUT, path)?;
        self.send(request.json(body)).await
    }

    pub(super) async fn post_bytes(
        &self,
        path: &str,
        body: reqwest::Body,
        length: u64,
    ) -> Result<Value, CliError> {
        let request = self
            .request(Method::POST, path)?
            .header(reqwest::header::CONTENT_TYPE, "application/octet-stream")
            .header(reqwest::header::CONTENT_LENGTH, length)
            .body(body);
        self.send(request).await
    }

    /// Hands an answer on as it comes: lists of a whole fleet are longer than this command would hold.
    pub(super) async fn copy(&self, path: &str, to: &mut impl std::io::Write) -> Result<(), CliError> {
        let request = self.request(Method::GET, path)?;
        let mut response = self.response(request).await?;
        if !response.status().is_success() {
            return Err(refusal(response.status(), &read(response).await?, &self.server));
        }
        loop {
            let piece = response.chunk().await;
            let piece = piece.map_err(|error| {
                CliError::unreachable(format!("the answer broke off, so it is not whole: {error}"))
            })?;
            let Some(piece) = piece else { break };
            to.write_all(&piece)
                .map_err(|error| CliError::failed(format!("cannot write what came: {error}")))?;
        }
        to.flush()
            .map_err(|error| CliError::failed(format!("cannot write what came: {error}")))
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, CliError> {
        let token = self.token()?;
        let mut client = reqwest::Client::builder();
        if let Some(file) = &self.ca {
            client = client.tls_certs_only(authorities(file)?);
        }
        let client = client
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE_TIMEOUT)
            // A redirect would carry the token elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| CliError::failed(format!("cannot set up HTTP: {error}")))?;
        let url = format!("{}{path}", self.server.trim_end_matches('/'));
        Ok(client.request(method, url).bearer_auth(token.as_str()))
    }

    fn token(&self) -> Result<Zeroizing<String>, CliError> {
        let found = match &self.token_file {
            Some(file) => std::fs::read_to_string(file).map_err(|error| {
                CliError::failed(format!("cannot read the token file {}: {error}", file.display()))
            })?,
            None => std::env::var("LATCHKEY_TOKEN").map_err(|_| {
                CliError::unauthorised("no token: set LATCHKEY_TOKEN, or name a file with --token-file")
            })?,
        };
        let found = Zeroizing::new(found);
        Ok(Zeroizing::new(found.trim().to_owned()))
    }

    async fn response(&self, request: RequestBuilder) -> Result<Response, CliError> {
        request.send().await.map_err(|error| {
            let mut message = format!("the server {} cannot be reached", self.server);
            let mut cause: Option<&dyn std::error::Error> = Some(&error);
            while let Some(this) = cause {
                message = format!("{message}: {this}");
                cause = this.source();
            }
            CliError::unreachable(format!("{message}; is it running, and is --server right?"))
        })
    }

    async fn send(&self, request: RequestBuilder) -> Result<Value, CliError> {
        let response = self.response(request).await?;
        let status = response.status();
        let body = read(response).await?;
        if !status.is_success() {
            return Err(refusal(status, &body, &self.server));
        }
        serde_json::from_slice(&body).map_err(|_| no_json(status, &self.server))
    }
}

fn no_json(status: StatusCode, server: &str) -> CliError {
    CliError::failed(format!(
        "{server} answered {status} and no JSON; is it a latchkey-server?"
    ))
}

/// What a server says when it does not do something.
fn refusal(status: StatusCode, body: &[u8], server: &str) -> CliError {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return no_json(status, server);
    };
    let detail = value.get("detail").and_then(Value::as_str);
    let message = match (detail, value.get("refusal_code")) {
        (Some(detail), Some(code)) => format!("{detail} [refusal {code}]"),
        (Some(detail), None) => detail.to_owned(),
        (None, _) => format!("the server answered {status}"),
    };
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => CliError::unauthorised(message),
        _ => CliError::failed(message),
    }
}

fn authorities(file: &Path) -> Result<Vec<reqwest::Certificate>, CliError> {
    let cannot = |error: &dyn std::fmt::Display| {
        CliError::failed(format!("{} holds no certificates: {error}", file.display()))
    };
    let pem = std::fs::read(file).map_err(|error| cannot(&error))?;
    reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| cannot(&error))
}

async fn read(mut response: Response) -> Result<Vec<u8>, CliError> {
    let mut body = Vec::new();
    loop {
        let piece = response.chunk().await;
        let piece = piece.map_err(|error| CliError::unreachable(format!("the answer broke off: {error}")))?;
        let Some(piece) = piece else { return Ok(body) };
        if body.len().saturating_add(piece.len()) > ANSWER_BYTES_MAX {
            return Err(CliError::failed(
                "the answer is longer than any this command knows",
            ));
        }
        body.extend_from_slice(&piece);
    }
}
