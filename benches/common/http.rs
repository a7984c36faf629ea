//! One question to the admin API, one connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::Outcome;

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// 200 and the like.
    pub(crate) status: u16,
    /// The body as it came.
    pub(crate) body: String,
}

/// The longest that any part of an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks and waits for the answer.
pub(crate) fn get(admin: SocketAddr, path: &str) -> Outcome<Answer> {
    receive(ask(admin, "GET", path, "")?, path)
}

/// Changes something and waits for the answer.
pub(crate) fn post(admin: SocketAddr, path: &str, body: &str) -> Outcome<Answer> {
    receive(ask(admin, "POST", path, body)?, path)
}

/// Changes something and does not wait: the connection on which the answer will come.
pub(crate) fn post_blindly(admin: SocketAddr, path: &str, body: &str) -> Outcome<TcpStream> {
    ask(admin, "POST", path, body)
}

fn ask(admin: SocketAddr, method: &str, path: &str, body: &str) -> Outcome<TcpStream> {
    let fail = |error: std::io::Error| format!("{method} {path}: {error}");
    let mut stream = TcpStream::connect_timeout(&admin, PATIENCE).map_err(fail)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(fail)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(fail)?;
    // The old version of HTTP: the answer comes in one piece and ends with the connection.
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {admin}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).map_err(fail)?;
    Ok(stream)
}

fn receive(mut stream: TcpStream, path: &str) -> Outcome<Answer> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map_err(|error| format!("{path}: {error}"))?;
    let text = String::from_utf8_lossy(&bytes);
    let answer = text.split_once("\r\n\r\n").and_then(|(head, body)| {
        let status = head.split_whitespace().nth(1)?.parse().ok()?;
        Some(Answer { status, body: body.to_owned() })
    });
    answer.ok_or_else(|| format!("{path}: no answer of HTTP, but {text:?}"))
}

/// The first value of this name anywhere in a document.
pub(crate) fn find<'a>(document: &'a Value, name: &str) -> Option<&'a Value> {
    match document {
        Value::Object(fields) => {
            fields.get(name).or_else(|| fields.values().find_map(|value| find(value, name)))
        }
        Value::Array(values) => values.iter().find_map(|value| find(value, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// A sample of a metrics page, by its whole name with labels.
pub(crate) fn sample(page: &str, name: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.split(' ').next()?.parse().ok())
}
