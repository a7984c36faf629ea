//! A probe by HTTP: a GET whose answer may carry a load report.

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;

use super::attempt::{Answer, Attempt};
use super::failure::{Failure, Step};
use super::report;
use crate::net::stream::BackendStream;

/// A longer body is no load report.
const MAX_BODY: usize = 64 * 1024;

/// Asks for `path`; a status of success is one.
pub(super) async fn probe(
    attempt: &Attempt<'_>,
    stream: BackendStream,
    path: &str,
) -> Result<Answer, Failure> {
    attempt.enter(Step::Answer);
    let request = request(path, attempt.backend.address()).map_err(Failure::Request)?;
    let asked = attempt.backend.mark();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Failure::Http)?;
    let mut carrier = JoinSet::new(); // ends with this probe
    carrier.spawn(connection);
    let response = sender.send_request(request).await.map_err(Failure::Http)?;
    if !response.status().is_success() {
        return Err(Failure::Status(response.status().as_u16()));
    }
    let Some(body) = body(response).await? else { return Ok(Answer::Good) };
    match report::read(&body) {
        Err(key) => Ok(Answer::BadReport(key)),
        Ok(said) => {
            said.state.into_iter().for_each(|state| attempt.state(state));
            attempt.report(said.report, asked);
            Ok(Answer::Good)
        }
    }
}

fn request(path: &str, host: &str) -> Result<Request<Empty<Bytes>>, hyper::http::Error> {
    Request::get(path).header(HOST, host).header(CONNECTION, "close").body(Empty::new())
}

/// The whole body; `None` when it is too long.
async fn body(response: Response<Incoming>) -> Result<Option<Vec<u8>>, Failure> {
    let mut incoming = response.into_body();
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(Failure::Http)?;
        let data = frame.data_ref().map_or(&[][..], |data| data);
        if body.len() + data.len() > MAX_BODY {
            return Ok(None);
        }
        body.extend_from_slice(data);
    }
    Ok(Some(body))
}
