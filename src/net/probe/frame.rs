//! A probe in the game's own words: one frame there, and the first bytes of the answer.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::attempt::{Answer, Attempt};
use super::failure::{Failure, Step};
use crate::net::stream::BackendStream;

/// Sends `send` and reads as many bytes as `expect` has.
pub(super) async fn probe(
    attempt: &Attempt<'_>,
    mut stream: BackendStream,
    send: &[u8],
    expect: &[u8],
) -> Result<Answer, Failure> {
    attempt.enter(Step::Answer);
    stream.write_all(send).await.map_err(Failure::Broken)?;
    stream.flush().await.map_err(Failure::Broken)?;
    let mut answer = Vec::with_capacity(expect.len());
    let mut reader = stream.take(expect.len() as u64);
    while answer.len() < expect.len() {
        match reader.read_buf(&mut answer).await.map_err(Failure::Broken)? {
            0 if answer.is_empty() => return Err(Failure::Closed(Step::Answer)),
            0 => return Err(Failure::Unlike(answer)),
            _ => {}
        }
    }
    if answer == expect { Ok(Answer::Good) } else { Err(Failure::Unlike(answer)) }
}
