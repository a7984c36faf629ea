//! Who may speak to the API: whoever shows the token, or, where none is set, whoever is on this machine; and never a
//! page of another origin in somebody's browser.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use hyper::Request;
use hyper::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use hyper::http::uri::Authority;
use hyper::{Method, StatusCode};
use subtle::ConstantTimeEq;

use super::answer::{self, Answer};
use crate::config::{Admin, Problem};
use crate::telemetry::AdminRefusal;

/// What the door goes by. Clones are of the same door.
#[derive(Clone)]
pub struct Access {
    token: Arc<ArcSwapOption<Vec<u8>>>,
}

/// A shorter token could be guessed.
const SHORTEST_TOKEN: usize = 16;
/// Whoever names a device instead of a file is told so.
const LONGEST_FILE: u64 = 4096;
/// The permissions of those who are neither the owner nor of the group.
const OF_OTHERS: u32 = 0o007;
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl Access {
    /// Reads the token, if one is set.
    ///
    /// # Errors
    /// When its file cannot be read or holds no good token.
    pub fn read(admin: &Admin) -> Result<Self, Problem> {
        let Some(file) = admin.token_file() else { return Ok(Self::with(None)) };
        let path = file.get();
        warn_of_readers(path);
        match token(path) {
            Ok(token) => Ok(Self::with(Some(token.into_bytes()))),
            Err(why) => Err(Problem::at(file.site(), format!("{}: {why}", path.display()))
                .because("nobody could have spoken to the API, or everybody")
                .write(format!(
                    "one line of {SHORTEST_TOKEN} characters or more: openssl rand -hex 32 > {}",
                    path.display()
                ))),
        }
    }

    fn with(token: Option<Vec<u8>>) -> Self {
        Self { token: Arc::new(ArcSwapOption::from_pointee(token)) }
    }

    /// From now on this door goes by what another one does.
    pub fn renew(&self, other: &Self) {
        self.token.store(other.token.load_full());
    }

    /// Whether anybody at this address may speak at all.
    pub(super) fn takes(&self, peer: SocketAddr) -> bool {
        self.token.load().is_some() || peer.ip().to_canonical().is_loopback()
    }

    /// Lets a request pass, or says why not.
    pub(super) fn admit<B>(&self, request: &Request<B>) -> Result<(), AdminRefusal> {
        let token = self.token.load();
        // With a token it does no harm: who has tricked a browser does not know it.
        if token.is_none() && !is_of_this_host(request) {
            return Err(AdminRefusal::Host);
        }
        if is_of_a_page(request) {
            return Err(AdminRefusal::Origin);
        }
        if is_open(request) || token.as_ref().is_none_or(|token| shows(request, token)) {
            Ok(())
        } else {
            Err(AdminRefusal::Token)
        }
    }
}

/// What somebody reads who is not let in.
pub(super) fn refused(why: AdminRefusal) -> Answer {
    match why {
        AdminRefusal::Token => answer::unauthorized(),
        AdminRefusal::Address => {
            let hint = "set token_file in the [admin] table and show the token";
            answer::error(StatusCode::FORBIDDEN, "without a token only this machine is served", hint)
        }
        AdminRefusal::Origin => {
            let hint = "speak to the API from a program: realmgate ctl, curl";
            answer::error(StatusCode::FORBIDDEN, "pages of other origins may not ask", hint)
        }
        AdminRefusal::Host => {
            let hint = "name the gateway by its address, or as localhost";
            answer::error(StatusCode::MISDIRECTED_REQUEST, "this host is not the gateway", hint)
        }
    }
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("token", &self.token.load().is_some()).finish()
    }
}

fn warn_of_readers(path: &Path) {
    let mode = std::fs::metadata(path).map_or(0, |file| file.permissions().mode());
    if mode & OF_OTHERS != 0 {
        crate::telemetry::token_readable(&path.display().to_string(), mode & 0o777);
    }
}

/// The token of a file: one word, so that it passes through headers, shells and editors as it is.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn token(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(LONGEST_FILE).read_to_string(&mut text).map_err(|error| error.to_string())?;
    let token = text.trim();
    if token.len() < SHORTEST_TOKEN {
        return Err(format!("the token is shorter than {SHORTEST_TOKEN} characters"));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the token is not one word of visible ASCII characters on one line".to_owned());
    }
    Ok(token.to_owned())
}

/// Health checks come from machines that have no token.
fn is_open<B>(request: &Request<B>) -> bool {
    request.method() == Method::GET && matches!(request.uri().path(), "/healthz" | "/readyz")
}

fn shows<B>(request: &Request<B>, token: &[u8]) -> bool {
    let shown = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes());
    let shown = shown.and_then(|value| value.strip_prefix(b"Bearer "));
    shown.is_some_and(|shown| shown.ct_eq(token).into())
}

/// A name that an attacker points at this machine is not ours: only addresses and `localhost` are.
fn is_of_this_host<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    host.is_some_and(|host| {
        let name = host.host().trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
    })
}

fn is_of_a_page<B>(request: &Request<B>) -> bool {
    let own = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_foreign = |origin: &str| {
        let authority = origin.strip_prefix("http://").or(origin.strip_prefix("https://"));
        authority != Some(own)
    };
    let origin = request.headers().get(ORIGIN);
    let site = request.headers().get(FETCH_SITE).map(|site| site.as_bytes());
    origin.is_some_and(|origin| origin.to_str().map_or(true, is_foreign))
        || site.is_some_and(|site| !matches!(site, b"same-origin" | b"none"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Source};

    fn status(access: &Access, headers: &[(&str, &str)], path: &str) -> Option<u16> {
        let builder = Request::get(path);
        let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
        let request = builder.body(()).expect("a request");
        access.admit(&request).err().map(|why| refused(why).status().as_u16())
    }

    const OWN: (&str, &str) = ("host", "127.0.0.1:9600");

    #[test]
    fn a_token_is_asked_for_everywhere_but_at_the_health_checks() {
        let access = Access::with(Some(b"0123456789abcdef".to_vec()));
        let status = |value: Option<&str>, path: &str| {
            let headers: Vec<_> =
                [OWN].into_iter().chain(value.map(|value| ("authorization", value))).collect();
            status(&access, &headers, path)
        };
        assert_eq!(status(Some("Bearer 0123456789abcdef"), "/v1/status"), None);
        for wrong in [
            None,
            Some("Bearer 0123456789abcdeg"),
            Some("Bearer 0123456789abcde"),
            Some("Bearer 0123456789abcdef0"),
            Some("Bearer "),
            Some("Basic 0123456789abcdef"),
            Some("0123456789abcdef"),
        ] {
            assert_eq!(status(wrong, "/v1/status"), Some(401), "{wrong:?}");
            assert_eq!(status(wrong, "/metrics"), Some(401), "{wrong:?}");
        }
        assert_eq!((status(None, "/healthz"), status(None, "/readyz")), (None, None));
    }

    #[test]
    fn a_token_that_is_none_is_a_mistake_of_the_file() {
        let folder = std::env::temp_dir().join(format!("realmgate-access-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let text = "[admin]\nlisten = \"127.0.0.1:0\"\ntoken_file = \"token\"\n";
        let rest = "[frame.game]\nlength = { offset = 0, width = 4 }\nid = { offset = 4, width = 2 }\n\
                    [listener.players]\nlisten = \"127.0.0.1:0\"\n[cluster.a]\nbackends = [{ address = \"a:1\" }]\n\
                    [route.a]\nids = [\"*\"]\ncluster = \"a\"\n";
        let source = Source { path: folder.join("gate.toml"), text: format!("{text}{rest}") };
        let plan = config::parse(vec![source]).unwrap_or_else(|report| panic!("{}", report.render(false)));
        let read = || Access::read(plan.admin().expect("[admin]"));
        let mistake = |problem: Problem| plan.report(vec![problem]).render(false);
        let missing = mistake(read().expect_err("no file"));
        assert!(missing.contains("gate.toml:3:") && missing.contains("openssl rand"), "{missing}");
        for (token, why) in [
            ("", "shorter than 16"),
            ("  \n", "shorter than 16"),
            ("0123456789abcde\n", "shorter than 16"),
            ("0123456789abcdef\nsecond line\n", "on one line"),
            ("0123456789abcdef\u{7f}", "visible ASCII"),
        ] {
            std::fs::write(folder.join("token"), token).expect("a file");
            let told = mistake(read().expect_err("no token"));
            assert!(told.contains(why), "{token:?}: {told}");
        }
        std::fs::write(folder.join("token"), "\n 0123456789abcdef \n").expect("a file");
        assert_eq!(
            read().expect("a token").token.load().as_deref().map(Vec::as_slice),
            Some(&b"0123456789abcdef"[..])
        );
        std::fs::remove_dir_all(&folder).expect("its own folder");
    }

    #[test]
    fn without_a_token_only_this_machine_is_served() {
        let open = Access::with(None);
        let peer = |text: &str| text.parse::<SocketAddr>().expect("an address");
        assert!(open.takes(peer("127.0.0.1:1")) && open.takes(peer("[::1]:1")));
        assert!(open.takes(peer("[::ffff:127.0.0.1]:1")));
        assert!(!open.takes(peer("192.0.2.1:1")) && !open.takes(peer("[2001:db8::1]:1")));
        assert!(Access::with(Some(vec![0])).takes(peer("192.0.2.1:1")));
    }

    #[test]
    fn pages_of_other_origins_and_other_names_for_this_host_are_refused() {
        let open = Access::with(None);
        let with = |headers: &[(&str, &str)]| status(&open, headers, "/v1/status");
        assert_eq!(with(&[OWN]), None);
        assert_eq!(with(&[("host", "localhost:9600")]), None);
        assert_eq!(with(&[("host", "[::1]:9600")]), None);
        assert_eq!(with(&[OWN, ("origin", "http://127.0.0.1:9600")]), None);
        assert_eq!(with(&[OWN, ("sec-fetch-site", "same-origin")]), None);
        assert_eq!(with(&[]), Some(421), "no host at all");
        assert_eq!(with(&[("host", "rebound.example:9600")]), Some(421));
        assert_eq!(with(&[OWN, OWN]), Some(421), "two hosts");
        for origin in ["http://evil.example", "null", "http://127.0.0.1:1", "file://127.0.0.1:9600", ""] {
            assert_eq!(with(&[OWN, ("origin", origin)]), Some(403), "{origin}");
        }
        for site in ["cross-site", "same-site", ""] {
            assert_eq!(with(&[OWN, ("sec-fetch-site", site)]), Some(403), "{site}");
        }
    }
}
