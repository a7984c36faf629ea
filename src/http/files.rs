//! Files that the gateway answers with itself.

use std::path::Path;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue};

use super::answer::{self, Answer};
use super::kept::Kept;
use super::visit::Visit;
use super::words;
use crate::config::HttpRoute;
use crate::net::StaticFile;

/// Answers with the file of a route.
pub(in crate::http) fn file(visit: &Visit) -> Answer {
    let Some(file) = visit.lane.file() else {
        return answer::error(StatusCode::NOT_FOUND, words::NOTHING_HERE, &visit.caller.id);
    };
    let kept = Kept::new(head(file, visit.lane.route()), file.bytes().clone());
    kept.answer(visit.request.method(), visit.request.headers())
}

fn head(file: &StaticFile, route: &HttpRoute) -> HeaderMap {
    let mut head = HeaderMap::new();
    head.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(file.path())));
    head.extend(HeaderValue::from_str(file.tag()).ok().map(|tag| (ETAG, tag)));
    let fresh = route.cache().map(|fresh| fresh_for(fresh, !route.partners().is_empty()));
    head.extend(fresh.map(|fresh| (CACHE_CONTROL, fresh)));
    head
}

/// How long a client may go by what it has; what only partners are given is kept by nobody between.
pub(in crate::http) fn fresh_for(time: Duration, is_private: bool) -> HeaderValue {
    let text = format!("{}max-age={}", if is_private { "private, " } else { "" }, time.as_secs());
    HeaderValue::from_str(&text).expect("words and digits")
}

/// What a file is, by the end of its name.
fn content_type(path: &Path) -> &'static str {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    let known = |(endings, _): &&(&[&str], &str)| endings.contains(&ending.as_deref().unwrap_or_default());
    TYPES.iter().find(known).map_or("application/octet-stream", |(_, name)| name)
}

const TYPES: &[(&[&str], &str)] = &[
    (&["json", "map"], "application/json"),
    (&["html", "htm"], "text/html; charset=utf-8"),
    (&["txt", "log", "md"], "text/plain; charset=utf-8"),
    (&["css"], "text/css; charset=utf-8"),
    (&["csv"], "text/csv; charset=utf-8"),
    (&["js", "mjs"], "text/javascript; charset=utf-8"),
    (&["xml"], "application/xml"),
    (&["toml"], "application/toml"),
    (&["yaml", "yml"], "application/yaml"),
    (&["wasm"], "application/wasm"),
    (&["pdf"], "application/pdf"),
    (&["zip"], "application/zip"),
    (&["gz"], "application/gzip"),
    (&["svg"], "image/svg+xml"),
    (&["png"], "image/png"),
    (&["jpg", "jpeg"], "image/jpeg"),
    (&["gif"], "image/gif"),
    (&["webp"], "image/webp"),
    (&["avif"], "image/avif"),
    (&["ico"], "image/x-icon"),
    (&["woff2"], "font/woff2"),
    (&["ogg"], "audio/ogg"),
    (&["mp3"], "audio/mpeg"),
    (&["mp4"], "video/mp4"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_the_end_of_its_name_says() {
        assert_eq!(content_type(Path::new("static/season.JSON")), "application/json");
        assert_eq!(content_type(Path::new("a.tar.gz")), "application/gzip");
        for name in ["season", "a.pak", ".json"] {
            assert_eq!(content_type(Path::new(name)), "application/octet-stream", "{name}");
        }
    }

    #[test]
    fn what_only_partners_get_is_kept_by_nobody_between() {
        let hour = Duration::from_hours(1);
        assert_eq!(fresh_for(hour, false), "max-age=3600");
        assert_eq!(fresh_for(hour, true), "private, max-age=3600");
    }
}
