//! Speaks the API: one request, one connection, and a sentence for whatever goes wrong.

use std::io;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Failure;
use super::table::plain;
use crate::admin::access;

/// A gateway's API.
#[derive(Debug)]
pub(super) struct Client {
    host: String,
    port: u16,
    token: Option<String>,
}

/// The port of the default address.
const PORT: u16 = 9600;
/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long an answer may take: a reload waits for links and first probes, an upgrade for a whole process.
const ANSWER_TIME: Duration = Duration::from_secs(180);
/// More than ten thousand sessions need.
const MOST_ANSWER: usize = 64 << 20;
/// What stands in a path as it is.
const IN_PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':').remove(b'@');

impl Client {
    /// One for the API at a URL, with the token of a file.
    ///
    /// # Errors
    /// When the URL is none of HTTP, or the file holds no token.
    pub(super) fn new(url: &str, token_file: Option<&Path>) -> Result<Self, Failure> {
        let (host, port) = place(url).ok_or_else(|| {
            let error = format!("--admin {url} is not where an API is");
            Failure::told(
                &error,
                "write http://HOST:PORT; only http is spoken, so tunnel what goes over a network",
            )
        })?;
        let token = match token_file {
            Some(file) => Some(access::token(file).map_err(|why| {
                let error = format!("--token-file {}: {why}", file.display());
                Failure::told(
                    &error,
                    "name a copy of the file that token_file in the gateway's [admin] table names",
                )
            })?),
            None => None,
        };
        Ok(Self { host, port, token })
    }

    /// Asks for what is true now.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, String::new()).await
    }

    /// Asks for a change.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, path, body.to_string()).await
    }

    async fn ask(&self, method: Method, path: &str, body: String) -> Result<Value, Failure> {
        let request = self.request(method, path, body)?;
        let asked = timeout(ANSWER_TIME, self.exchange(request)).await;
        let (status, body) = asked.map_err(|_| self.silent())??;
        let answer = serde_json::from_slice(&body).map_err(|_| self.strange())?;
        if status.is_success() { Ok(answer) } else { Err(self.refused(status, answer)) }
    }

    fn request(&self, method: Method, path: &str, body: String) -> Result<Request<Full<Bytes>>, Failure> {
        let mut builder = Request::builder().method(method).uri(path).header(HOST, self.authority());
        if let Some(token) = &self.token {
            builder = builder.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = builder.header(CONTENT_TYPE, "application/json").body(Full::from(body));
        request.map_err(|error| Failure::new(format!("this cannot be asked: {error}")))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Failure> {
        let connecting = timeout(CONNECT_TIME, TcpStream::connect((self.host.as_str(), self.port))).await;
        let stream = connecting
            .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
            .map_err(|error| self.unreachable(&error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|_| self.strange())?;
        let driving = tokio::spawn(connection);
        let answered = async { collect(sender.send_request(request).await?).await };
        let answered = answered.await.map_err(|_| self.closed());
        driving.abort();
        answered
    }

    fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    fn unreachable(&self, error: &io::Error) -> Failure {
        Failure::told(
            &format!("no gateway answers at {}: {error}", self.authority()),
            "see that it runs and that its file has an [admin] table; name another address with --admin http://HOST:PORT",
        )
    }

    fn closed(&self) -> Failure {
        Failure::told(
            &format!("{} closed the connection without an answer", self.authority()),
            "without a token the gateway serves its own machine only, and no more than 64 connections at a time",
        )
    }

    fn silent(&self) -> Failure {
        Failure::told(
            &format!("{} did not answer within {} s", self.authority(), ANSWER_TIME.as_secs()),
            "it may still do what was asked; look at its log and at realmgate ctl status",
        )
    }

    fn strange(&self) -> Failure {
        Failure::told(
            &format!("what answers at {} is not the API of a gateway", self.authority()),
            "name the address of its [admin] table: --admin http://HOST:PORT",
        )
    }

    fn refused(&self, status: StatusCode, answer: Value) -> Failure {
        let text = |key: &str| answer.get(key).and_then(Value::as_str).map(lines).unwrap_or_default();
        let (error, hint) = match (status, &self.token) {
            (StatusCode::UNAUTHORIZED, None) => (
                format!("the gateway at {} wants its token", self.authority()),
                "name its file: --token-file FILE".to_owned(),
            ),
            (StatusCode::UNAUTHORIZED, Some(_)) => (
                format!("the gateway at {} has another token", self.authority()),
                "name a copy of the file that token_file in its [admin] table names".to_owned(),
            ),
            _ if text("error").is_empty() => return self.strange(),
            _ => (text("error"), text("hint")),
        };
        Failure { said: format!("{error}\n  {hint}"), answer: Some(answer) }
    }
}

/// The mistakes of a file have several lines, and no line may move the cursor of a terminal.
fn lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}

async fn collect(
    answer: Response<Incoming>,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MOST_ANSWER).collect().await?;
    Ok((status, body.to_bytes()))
}

/// Host and port of `http://HOST:PORT`.
fn place(url: &str) -> Option<(String, u16)> {
    let whole = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let uri: Uri = whole.parse().ok()?;
    let is_plain = uri.scheme_str() == Some("http") && uri.path() == "/" && uri.query().is_none();
    let authority = uri.authority().filter(|authority| is_plain && !authority.as_str().contains('@'))?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let port = match authority.as_str().strip_prefix(authority.host())? {
        "" => PORT,
        _ => authority.port_u16()?,
    };
    Some((host.to_owned(), port)).filter(|_| !host.is_empty())
}

/// The path of these parts, whatever is in their names.
pub(super) fn path(parts: &[&str]) -> String {
    parts.iter().map(|part| format!("/{}", encoded(part))).collect()
}

/// A text as it stands in a path or a query.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, IN_PATH).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_urls_of_an_api_are_taken() {
        let place = |url: &str| place(url).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(place("http://127.0.0.1:9600").as_deref(), Some("127.0.0.1 9600"));
        assert_eq!(place("http://[::1]:9700/").as_deref(), Some("::1 9700"));
        assert_eq!(place("gw1.example").as_deref(), Some("gw1.example 9600"));
        assert_eq!(place("localhost:1").as_deref(), Some("localhost 1"));
        for wrong in [
            "",
            "https://gw1.example",
            "http://",
            "http://a/v1",
            "http://a/?b",
            "http://u@a",
            "http://a:b",
            "ftp://a",
        ] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_cannot_leave_their_place_in_a_path() {
        assert_eq!(path(&["v1", "clusters", "a/../b?c#d%"]), "/v1/clusters/a%2F..%2Fb%3Fc%23d%25");
        assert_eq!(path(&["v1", "backends", "battle", "10.0.0.1:7100"]), "/v1/backends/battle/10.0.0.1:7100");
        assert_eq!(encoded("späť & co"), "sp%C3%A4%C5%A5%20%26%20co");
    }
}
