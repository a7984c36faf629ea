//! What is known of one connection: the names in its certificate, and the places that partners take with it.

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use crate::net::certificate_names;
use crate::partners::{Place, Refusal, Standing};

/// What is known of one connection.
#[derive(Debug, Default)]
pub(in crate::http) struct Guests {
    names: OnceCell<Vec<String>>,
    places: RefCell<Vec<Place>>,
}

impl Guests {
    /// The names in the client's certificate, which the handshake has verified; read once.
    pub(super) fn names(&self, certificate: Option<&CertificateDer<'_>>) -> &[String] {
        self.names.get_or_init(|| certificate.map(certificate_names).unwrap_or_default())
    }

    /// A partner asks on this connection: it takes one of its places, until the connection ends.
    ///
    /// # Errors
    /// When it has no more.
    pub(super) fn seat(&self, standing: &Arc<Standing>, most: u32) -> Result<(), Refusal> {
        let mut places = self.places.borrow_mut();
        if !places.iter().any(|place| place.is_of(standing)) {
            places.push(standing.connect(Some(most)).ok_or(Refusal::Connections)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partners::Book;

    #[test]
    fn a_partner_takes_one_place_with_a_connection_however_often_it_asks() {
        let book = Book::default();
        let (adnet, paynet) = (book.partner("adnet"), book.partner("paynet"));
        let (first, second) = (Guests::default(), Guests::default());
        for _ in 0..3 {
            assert_eq!(first.seat(&adnet, 1), Ok(()));
        }
        assert_eq!(second.seat(&adnet, 1), Err(Refusal::Connections));
        assert_eq!(second.seat(&paynet, 1), Ok(()), "the other one has its own");
        drop(first);
        assert_eq!(second.seat(&adnet, 1), Ok(()));
        assert_eq!((adnet.connections(), paynet.connections()), (1, 1));
    }
}
