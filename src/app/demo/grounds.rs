//! The folder that the game is played in: certificates made for it and its configuration. It goes when the game
//! is over.

use std::fs;
use std::io;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};

use super::DemoError;
use super::backend::Backend;

/// The folder; dropped, it is removed with all that is in it.
#[derive(Debug)]
pub(super) struct Grounds {
    folder: PathBuf,
    authority: CertificateDer<'static>,
}

/// The name that the gateway's certificate is made for.
pub(super) const SERVER_NAME: &str = "game.example.com";

const CONFIGURATION: &str = include_str!("game.toml");

impl Grounds {
    /// Makes the folder, a certificate authority and the gateway's certificate.
    ///
    /// # Errors
    /// The folder cannot be written or the machine gives no randomness.
    pub(super) fn prepare() -> Result<Self, DemoError> {
        let folder = make_folder().map_err(|error| DemoError::Io("make a folder for certificates", error))?;
        let mut grounds = Self { folder, authority: CertificateDer::from(Vec::new()) };
        grounds.certify()?;
        Ok(grounds)
    }

    fn certify(&mut self) -> Result<(), DemoError> {
        let mut params = CertificateParams::new(Vec::new()).map_err(DemoError::Certificate)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(DemoError::Certificate)?;
        let authority = CertifiedIssuer::self_signed(params, key).map_err(DemoError::Certificate)?;
        let key = KeyPair::generate().map_err(DemoError::Certificate)?;
        let certificate = CertificateParams::new(vec![SERVER_NAME.to_owned()])
            .and_then(|params| params.signed_by(&key, &authority))
            .map_err(DemoError::Certificate)?;
        self.authority = authority.der().clone();
        self.write("game.pem", &certificate.pem())?;
        self.write("game.key", &key.serialize_pem())
    }

    /// Writes the configuration with the ports of these backends, and tells where.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn configure(&self, backends: &[Backend]) -> Result<PathBuf, DemoError> {
        let text = backends.iter().fold(CONFIGURATION.to_owned(), |text, backend| {
            text.replace(&format!("{{{}}}", backend.name()), &backend.address().port().to_string())
        });
        self.write("game.toml", &text)?;
        Ok(self.folder.join("game.toml"))
    }

    /// TLS 1.3 for players that trust only this game's authority.
    ///
    /// # Errors
    /// TLS refuses the authority.
    pub(super) fn client(&self) -> Result<Arc<ClientConfig>, DemoError> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).map_err(DemoError::Tls)?;
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13])
            .map_err(DemoError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), DemoError> {
        write_private(&self.folder.join(name), text)
            .map_err(|error| DemoError::Io("write a file for the demo", error))
    }
}

impl Drop for Grounds {
    fn drop(&mut self) {
        // What cannot be removed stays in the system's folder for such files; nobody is left to tell.
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// A new folder that only this user can open. One that is there already is never used.
fn make_folder() -> io::Result<PathBuf> {
    let mut taken = io::Error::from(io::ErrorKind::AlreadyExists);
    for number in 0..FOLDERS {
        let name = format!("realmgate-demo-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken = error,
            Err(error) => return Err(error),
        }
    }
    Err(taken)
}

/// How many names are tried: demos that were killed leave theirs behind.
const FOLDERS: u32 = 1000;

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::demo::rules::SERVERS;

    #[test]
    fn the_configuration_has_a_place_for_the_port_of_every_server() {
        for server in &SERVERS {
            assert_eq!(CONFIGURATION.matches(&format!("{{{}}}", server.name)).count(), 1, "{}", server.name);
        }
    }

    #[test]
    fn the_folder_goes_with_the_game() {
        let grounds = Grounds::prepare().expect("the machine's folder for such files can be written");
        let folder = grounds.folder.clone();
        assert!(folder.join("game.key").exists());
        drop(grounds);
        assert!(!folder.exists());
    }
}
