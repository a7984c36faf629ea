//! Why bytes are no request that everybody reads alike.

use std::fmt;

/// What is wrong with a request. The connection cannot be read on after any of them: where the next request would
/// begin is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFault {
    /// Not a method, a target and a version with one space between them.
    RequestLine,
    /// A version other than HTTP/1.0 and HTTP/1.1.
    Version,
    /// A target that has no form of RFC 9112, has letters no URI has, or does not go with the method.
    Target,
    /// A line that does not end in CR LF, or a CR inside it.
    LineEnd,
    /// A first line over the limit.
    FirstLineTooLong,
    /// Another line over the limit.
    LineTooLong,
    /// A head, or trailers, over the limit.
    HeadTooLong,
    /// Too many fields.
    TooManyFields,
    /// A field without a name, with letters no name has, or with a space before the colon.
    FieldName,
    /// A control character in a value.
    FieldValue,
    /// A line that begins with a space: obsolete folding.
    Folded,
    /// No host, two, one that is none, or another one than the target's.
    Host,
    /// A `Content-Length` that is no plain number, too large, or not the only one.
    Length,
    /// A `Transfer-Encoding` other than one `chunked`, or one in HTTP/1.0.
    Coding,
    /// Both `Content-Length` and `Transfer-Encoding`.
    TwoLengths,
    /// `Upgrade` with a body: where the new protocol begins would be a guess.
    UpgradeWithBody,
    /// A chunk whose size is no plain number or too large, or which does not end where it says.
    Chunk,
    /// A trailer that belongs into the head: it would change how the request was read.
    Trailer,
}

impl RequestFault {
    /// Whether nothing is wrong but the length: an honest client may be like that.
    #[must_use]
    pub const fn is_of_size(self) -> bool {
        matches!(self, Self::FirstLineTooLong | Self::LineTooLong | Self::HeadTooLong | Self::TooManyFields)
    }

    /// The word for the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestLine => "request_line",
            Self::Version => "version",
            Self::Target => "target",
            Self::LineEnd => "line_end",
            Self::FirstLineTooLong => "first_line_too_long",
            Self::LineTooLong => "line_too_long",
            Self::HeadTooLong => "head_too_long",
            Self::TooManyFields => "too_many_fields",
            Self::FieldName => "field_name",
            Self::FieldValue => "field_value",
            Self::Folded => "folded",
            Self::Host => "host",
            Self::Length => "length",
            Self::Coding => "coding",
            Self::TwoLengths => "two_lengths",
            Self::UpgradeWithBody => "upgrade_with_body",
            Self::Chunk => "chunk",
            Self::Trailer => "trailer",
        }
    }

    /// What is wrong, for whoever sent it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::RequestLine => "the first line is not a method, a target and a version",
            Self::Version => "this version of HTTP is not spoken here",
            Self::Target => "the target is none that this method can have",
            Self::LineEnd => "a line of the head does not end in CR LF",
            Self::FirstLineTooLong => "the path and the query are too long",
            Self::LineTooLong => "a line of the head is too long",
            Self::HeadTooLong => "the head is too long",
            Self::TooManyFields => "there are too many headers",
            Self::FieldName => "a header has no good name, or one that this version of HTTP does not have",
            Self::FieldValue => "a header has a value that it cannot have",
            Self::Folded => "a header goes over two lines",
            Self::Host => "there is no host, more than one, or one that is no name",
            Self::Length => "Content-Length is not one plain number",
            Self::Coding => "Transfer-Encoding is not one chunked",
            Self::TwoLengths => "there are both Content-Length and Transfer-Encoding",
            Self::UpgradeWithBody => "a request that wants another protocol has a body",
            Self::Chunk => "a chunk is not as long as it says",
            Self::Trailer => "a trailer belongs into the head",
        }
    }
}

impl fmt::Display for RequestFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for RequestFault {}
