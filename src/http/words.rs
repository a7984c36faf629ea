//! What clients read in the bodies of errors where several parts of the gateway refuse for the same reason: one voice,
//! whoever speaks. The words of metrics are others, and shorter.

/// No route, or one that nothing answers at.
pub(in crate::http) const NOTHING_HERE: &str = "there is nothing here";
/// No backend is well, or those that are get nothing of this route for now.
pub(in crate::http) const NOBODY_SERVES: &str = "nobody can serve this now";
/// Those who serve have as much as they take.
pub(in crate::http) const TOO_MUCH: &str = "too much is asked at once";
/// A body beyond `max_body`, or longer than a frame.
pub(in crate::http) const BODY_TOO_LONG: &str = "the body is too long";
/// The client is silent in the midst of a body.
pub(in crate::http) const BODY_LATE: &str = "the body did not come in time";
/// The connection broke in the midst of a body, or the body is malformed.
pub(in crate::http) const BODY_BROKEN: &str = "the body broke off";
/// Whoever asks learns no more.
pub(in crate::http) const FORBIDDEN: &str = "forbidden";
