//! What the files that a plan names contain: certificates, keys, lists of accounts. Everything that can be wrong
//! with a reload beyond the file itself is found here.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::statics::{self, StaticFile};
use super::tls::{BackendConnector, ServerTls, Tickets};
use crate::config::{Located, Login, LoginWay, Partner, PartnerAuth, Parts, Plan, Problem, TokenTrust};
use crate::partners::{Keys, SecretFault};
use crate::players::Verifier;

/// The contents, in the order of the plan they were read for.
#[derive(Clone, Debug)]
pub struct Opened {
    /// By listener; `None`: it is plain.
    pub(super) doors: Vec<Option<ServerTls>>,
    /// By cluster; `None`: its links are plain.
    pub(super) connectors: Vec<Option<BackendConnector>>,
    /// By canary rule that names a file.
    pub(super) accounts: Vec<Vec<String>>,
    /// The keys of tokens, where they log players in.
    pub(super) verifier: Option<Arc<Verifier>>,
    /// By partner: what proves it.
    pub(super) partners: Vec<Arc<Keys>>,
    /// By HTTP route; `None`: the gateway has no answer of its own.
    pub(super) files: Vec<Option<Arc<StaticFile>>>,
}

/// A longer file holds no keys.
const LONGEST_KEYS: u64 = 1 << 20;

impl Opened {
    /// Reads them; `now` is what certificates are judged by.
    ///
    /// # Errors
    /// Everything that cannot be used, all at once.
    pub fn read(plan: &Plan, tickets: &Tickets, now: SystemTime) -> Result<Self, Vec<Problem>> {
        Self::of(plan.parts(), tickets, now)
    }

    /// What is wrong with the files of a configuration that has other mistakes, too.
    #[must_use]
    pub fn faults(parts: Parts<'_>, tickets: &Tickets, now: SystemTime) -> Vec<Problem> {
        Self::of(parts, tickets, now).err().unwrap_or_default()
    }

    fn of(parts: Parts<'_>, tickets: &Tickets, now: SystemTime) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let doors = parts.listeners.iter().map(|listener| match listener.tls() {
            [] => Ok(None),
            [..] => ServerTls::new(listener, tickets, now).map(Some),
        });
        let doors = collect(doors, &mut problems);
        let connector = |cluster: &crate::config::Cluster| {
            cluster.tls().map(|tls| BackendConnector::new(tls, now)).transpose()
        };
        let connectors = collect(parts.clusters.iter().map(connector), &mut problems);
        let accounts = parts.account_lists().unwrap_or_else(|found| {
            problems.extend(found);
            Vec::new()
        });
        let verifier = match parts.login.map(Login::way) {
            Some(LoginWay::Token(rules)) => {
                let nobody = "nobody could ever have logged in";
                verifier(rules.trust(), nobody).map(Arc::new).map_err(|problem| problems.push(problem)).ok()
            }
            Some(LoginWay::Route(_)) | None => None,
        };
        let partners = parts.partners.iter().map(|one| partner(one).map_err(|problem| vec![problem]));
        let partners = collect(partners, &mut problems);
        let files = statics::read(parts.http).unwrap_or_else(|found| {
            problems.extend(found);
            Vec::new()
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self { doors, connectors, accounts, verifier, partners, files })
    }

    /// Whether the rules of a release that name files are for other accounts than before.
    #[must_use]
    pub fn lists_others(&self, before: &Self) -> bool {
        self.accounts != before.accounts
    }

    /// In words, which files that requests are answered with have other bytes than before.
    #[must_use]
    pub fn changes(&self, before: &Self) -> Vec<String> {
        statics::changed(&before.files, &self.files)
    }
}

fn verifier(rules: &TokenTrust, nobody: &'static str) -> Result<Verifier, Problem> {
    let bytes = secret(rules.key(), nobody)?;
    let (path, site) = (rules.key().get(), rules.key().site());
    Verifier::open(rules, &bytes).map_err(|fault| {
        Problem::at(site, format!("{}: {fault}", path.display())).because(nobody).write(fault.hint())
    })
}

fn partner(partner: &Partner) -> Result<Arc<Keys>, Problem> {
    let never = "the partner could never have proved who it is";
    let open = |file: &Located<PathBuf>, read: fn(&[u8]) -> Result<Keys, SecretFault>| {
        let fault = |fault: SecretFault| {
            let title = format!("{}: {fault}", file.get().display());
            Problem::at(file.site(), title).because(never).write(fault.hint())
        };
        read(&secret(file, never)?).map_err(fault)
    };
    let keys = match partner.auth() {
        PartnerAuth::ApiKey { keys } => open(keys, Keys::api_key)?,
        PartnerAuth::Hmac { secret } => open(secret, Keys::hmac)?,
        PartnerAuth::Jwt(trust) => Keys::Token(Box::new(verifier(trust, never)?)),
        PartnerAuth::Mtls { names } => Keys::Certificate(names.clone()),
    };
    Ok(Arc::new(keys))
}

fn secret(file: &Located<PathBuf>, because: &'static str) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let path = file.get();
    keys(path).map_err(|error| {
        Problem::at(file.site(), format!("cannot read {}: {error}", path.display()))
            .because(because)
            .write("the path of a file that the gateway's user may read, relative to this file")
    })
}

fn keys(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let length = File::open(path)?.take(LONGEST_KEYS + 1).read_to_end(&mut bytes)?;
    if length as u64 > LONGEST_KEYS {
        return Err(io::Error::other("it is longer than 1MiB"));
    }
    Ok(bytes)
}

fn collect<T>(results: impl Iterator<Item = Result<T, Vec<Problem>>>, problems: &mut Vec<Problem>) -> Vec<T> {
    results.filter_map(|result| result.map_err(|fault| problems.extend(fault)).ok()).collect()
}
