//! Paths of requests, read as the most generous backend could read them: what can be written in two ways is one path
//! here, so that nobody comes around a rule by writing it differently. What could be read in two ways is refused.

use std::borrow::Cow;

/// Why a path is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathFault {
    /// It does not begin with a slash.
    NotAbsolute,
    /// It begins with two slashes: who reads it as a reference to a URL takes what follows for a host.
    HostLike,
    /// A `%` without two hexadecimal digits behind it.
    Percent,
    /// A segment that means this folder or the one above, plain or in disguise.
    Dots,
    /// A backslash, or a slash or backslash in disguise.
    HiddenSlash,
    /// A control character, plain or in disguise.
    Control,
}

/// A path with its disguises taken off: each `%XX` is its byte, and slashes in a row are one.
///
/// # Errors
/// What two readers could take for two paths.
pub fn plain_path(path: &str) -> Result<Cow<'_, [u8]>, PathFault> {
    if !path.starts_with('/') {
        return Err(PathFault::NotAbsolute);
    }
    if is_like_a_host(path) {
        return Err(PathFault::HostLike);
    }
    let is_plain = |byte: u8| !matches!(byte, b'%' | b'\\') && !byte.is_ascii_control();
    let plain = if path.bytes().all(is_plain) && !path.contains("//") {
        Cow::Borrowed(path.as_bytes())
    } else {
        Cow::Owned(Steps::of(path).collect::<Result<Vec<_>, _>>()?)
    };
    if plain.split(|byte| *byte == b'/').any(is_dots) { Err(PathFault::Dots) } else { Ok(plain) }
}

/// Whether some readers would take the beginning of a path for a host, and the rest for the path.
#[must_use]
pub fn is_like_a_host(path: &str) -> bool {
    path.starts_with("//")
}

/// What of a path is left behind a prefix that it begins with, byte by byte as it was written, with a slash at its
/// front. A path that does not begin so stays as it is.
#[must_use]
pub fn without_prefix<'p>(path: &'p str, prefix: &str) -> Cow<'p, str> {
    let mut steps = Steps::of(path);
    let begins = prefix.trim_end_matches('/').bytes().all(|wanted| steps.next() == Some(Ok(wanted)));
    match begins.then(|| path.get(steps.at..)).flatten() {
        None => Cow::Borrowed(path),
        Some(rest) if rest.starts_with('/') => Cow::Borrowed(rest),
        Some(rest) => Cow::Owned(format!("/{rest}")),
    }
}

/// A plain path without what follows a semicolon in each segment, as some servers read it; `None` where it is the same.
#[must_use]
pub fn without_parameters(path: &[u8]) -> Option<Vec<u8>> {
    let mut inside = false;
    let mut plain = Vec::with_capacity(path.len());
    for byte in path {
        inside = *byte == b';' || inside && *byte != b'/';
        let repeats = *byte == b'/' && plain.last() == Some(&b'/');
        if !inside && !repeats {
            plain.push(*byte);
        }
    }
    path.contains(&b';').then_some(plain)
}

/// This folder or the one above; some servers take off what follows a semicolon before they look.
fn is_dots(segment: &[u8]) -> bool {
    let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
    name == b"." || name == b".."
}

/// A path, byte by byte, without its disguises.
#[derive(Debug)]
struct Steps<'p> {
    bytes: &'p [u8],
    /// Where the next one begins.
    at: usize,
    after_slash: bool,
}

impl<'p> Steps<'p> {
    fn of(path: &'p str) -> Self {
        Self { bytes: path.as_bytes(), at: 0, after_slash: false }
    }

    fn disguised(&mut self) -> Result<u8, PathFault> {
        let digit = |place: usize| {
            let digit = self.bytes.get(place).and_then(|byte| char::from(*byte).to_digit(16))?;
            u8::try_from(digit).ok()
        };
        let digits = digit(self.at + 1).zip(digit(self.at + 2));
        let byte = digits.map(|(high, low)| high << 4 | low).ok_or(PathFault::Percent)?;
        self.at += 3;
        if byte == b'/' { Err(PathFault::HiddenSlash) } else { Ok(byte) }
    }
}

impl Iterator for Steps<'_> {
    type Item = Result<u8, PathFault>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.after_slash && self.bytes.get(self.at) == Some(&b'/') {
            self.at += 1;
        }
        let byte = match *self.bytes.get(self.at)? {
            b'%' => match self.disguised() {
                Ok(byte) => byte,
                Err(fault) => return Some(Err(fault)),
            },
            byte => {
                self.at += 1;
                byte
            }
        };
        self.after_slash = byte == b'/';
        Some(match byte {
            b'\\' => Err(PathFault::HiddenSlash),
            byte if byte.is_ascii_control() => Err(PathFault::Control),
            byte => Ok(byte),
        })
    }
}

impl PathFault {
    /// What is wrong, for whoever wrote it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAbsolute => "the path does not begin with a slash",
            Self::HostLike => "the path begins with two slashes",
            Self::Percent => "a % in the path has no two hexadecimal digits behind it",
            Self::Dots => "the path has a segment of dots",
            Self::HiddenSlash => "the path has a backslash or an encoded slash",
            Self::Control => "the path has a control character",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_path_has_one_form_however_it_is_written() {
        for (written, plain) in [
            ("/", "/"),
            ("/pay/callback", "/pay/callback"),
            ("/p%61y/%63allback", "/pay/callback"),
            ("/pay///callback", "/pay/callback"),
            ("/pay/%E4%BA%94", "/pay/五"),
            ("/pay/五", "/pay/五"),
            ("/a/%2561", "/a/%61"),
            ("/a/..b/.c/d..", "/a/..b/.c/d.."),
            ("/a;v=1/b", "/a;v=1/b"),
            ("/a/", "/a/"),
        ] {
            assert_eq!(plain_path(written).as_deref(), Ok(plain.as_bytes()), "{written}");
        }
    }

    #[test]
    fn what_two_readers_could_take_for_two_paths_is_refused() {
        for (path, fault) in [
            ("", PathFault::NotAbsolute),
            ("*", PathFault::NotAbsolute),
            ("pay", PathFault::NotAbsolute),
            ("//", PathFault::HostLike),
            ("//a/pay/callback", PathFault::HostLike),
            ("///pay/callback", PathFault::HostLike),
            ("/a/..", PathFault::Dots),
            ("/a/../b", PathFault::Dots),
            ("/./a", PathFault::Dots),
            ("/a/%2e%2E/b", PathFault::Dots),
            ("/a/.%2e/b", PathFault::Dots),
            ("/a/..;x=1/b", PathFault::Dots),
            ("/a/%2e%2e%3Bx/b", PathFault::Dots),
            ("/a%2fb", PathFault::HiddenSlash),
            ("/a%2Fb", PathFault::HiddenSlash),
            ("/a%5cb", PathFault::HiddenSlash),
            ("/a\\b", PathFault::HiddenSlash),
            ("/a%00", PathFault::Control),
            ("/a%0d%0a", PathFault::Control),
            ("/a\u{7f}", PathFault::Control),
            ("/a%", PathFault::Percent),
            ("/a%4", PathFault::Percent),
            ("/a%4g", PathFault::Percent),
            ("/a%+1", PathFault::Percent),
        ] {
            assert_eq!(plain_path(path), Err(fault), "{path}");
        }
    }

    #[test]
    fn what_follows_a_semicolon_can_be_taken_off() {
        for (path, without) in [
            ("/pay;a/x", Some("/pay/x")),
            ("/a;v=1;w/b;", Some("/a/b")),
            ("/;/pay/", Some("/pay/")),
            ("/pay/x", None),
        ] {
            assert_eq!(without_parameters(path.as_bytes()).as_deref(), without.map(str::as_bytes), "{path}");
        }
    }

    #[test]
    fn a_prefix_is_taken_off_however_it_was_written_and_the_rest_stays_as_it_came() {
        for (path, prefix, rest) in [
            ("/pay/callback", "/pay", "/callback"),
            ("/pay/callback", "/pay/", "/callback"),
            ("/pay", "/pay", "/"),
            ("/pay/", "/pay", "/"),
            ("/p%61y/c%61ll", "/pay", "/c%61ll"),
            ("//pay//call//back", "/pay", "//call//back"),
            ("/pay//x", "/pay/", "//x"),
            ("/pay%2f", "/other", "/pay%2f"),
            ("/payment", "/pay", "/ment"),
            ("/p%61yment", "/pay", "/ment"),
            ("/other", "/pay", "/other"),
            ("/pa", "/pay", "/pa"),
        ] {
            assert_eq!(without_prefix(path, prefix), rest, "{path} without {prefix}");
        }
    }
}
