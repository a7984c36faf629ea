//! What a request that is not let through is told: who has not proven itself learns nothing, who asks too much learns
//! when it may ask again.

use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{HeaderMap, StatusCode};

use super::pace::Allowance;
use crate::http::answer::seconds;
use crate::http::words;
use crate::partners::Refusal;

/// A request that is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) why: Refusal,
    /// When it may be tried again, and the most of what there is too much of.
    again: Option<(Duration, u64)>,
}

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

impl From<Refusal> for Refused {
    fn from(why: Refusal) -> Self {
        Self { why, again: None }
    }
}

impl Refused {
    /// More than `most`: it may be tried again after this time.
    pub(super) fn over(why: Refusal, again: Duration, most: u64) -> Self {
        Self { why, again: Some((again, most)) }
    }

    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.why.status()).unwrap_or(StatusCode::FORBIDDEN)
    }

    /// What the body says. A limit may be told by its name: who hears of it has proven who it is.
    pub(super) fn words(&self) -> &'static str {
        match self.why {
            Refusal::Unsigned
            | Refusal::Unknown
            | Refusal::BadKey
            | Refusal::BadSignature
            | Refusal::Late
            | Refusal::Replayed
            | Refusal::Expired => "unauthorized",
            Refusal::Disabled | Refusal::Address => words::FORBIDDEN,
            Refusal::Rate => "too many requests: the rate is used up",
            Refusal::Quota => "too many requests: the day's quota is used up",
            Refusal::Connections => "too many requests: too many connections are open",
            Refusal::InFlight => "too many requests: too many are in progress",
        }
    }

    pub(super) fn mark(&self, headers: &mut HeaderMap) {
        if self.why.status() == 401 {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some((again, most)) = self.again {
            let seconds = seconds(again);
            headers.insert(RETRY_AFTER, seconds.into());
            headers.insert(LIMIT, most.into());
            headers.insert(REMAINING, 0.into());
            headers.insert(RESET, seconds.into());
        }
    }
}

impl Allowance {
    /// What the answer of a request that was let through says of the next ones.
    pub(super) fn mark(&self, headers: &mut HeaderMap) {
        headers.insert(LIMIT, self.limit.into());
        headers.insert(REMAINING, self.remaining.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_asks_too_much_is_told_more_than_no() {
        for why in Refusal::ALL {
            let mut headers = HeaderMap::new();
            let refused = match why.status() {
                429 => Refused::over(why, Duration::from_millis(1200), 200),
                _ => Refused::from(why),
            };
            refused.mark(&mut headers);
            let words = refused.words();
            match refused.status().as_u16() {
                401 => assert!(words == "unauthorized" && headers.len() == 1, "{why:?} {headers:?}"),
                403 => assert!(words == "forbidden" && headers.is_empty(), "{why:?} {headers:?}"),
                429 => {
                    let number = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
                    assert_eq!(number(RETRY_AFTER), Some("2"), "rounded up");
                    assert_eq!((number(LIMIT), number(REMAINING)), (Some("200"), Some("0")));
                    assert_eq!(number(RESET), Some("2"));
                }
                other => panic!("{other}"),
            }
        }
    }
}
