//! Networks as operators write them: `"10.0.0.0/8"`, `"2001:db8::/32"`, `"192.0.2.1"`.

use super::field::Field;
use super::fields::Fields;
use super::values::{Wrong, text_of};
use crate::config::plan::{Network, NetworkFault};
use crate::config::problem::short;
use crate::config::site::Located;

impl Fields<'_> {
    /// A list of networks; a wrong one is a mistake and left out.
    pub(super) fn networks(&mut self, key: &'static str) -> Field<Vec<Located<Network>>> {
        self.list(key, "[\"10.0.0.0/8\"]", |node| {
            let text = text_of(node, "\"10.0.0.0/8\"")?;
            Network::parse(text).map_err(|fault| match fault {
                NetworkFault::NoNetwork => {
                    let title = format!("\"{}\" is no network", short(text));
                    let write = "write an address and the bits that count: \"10.0.0.0/8\", \"2001:db8::/32\"";
                    Wrong::value(title, write.to_owned())
                }
                NetworkFault::InsideOf(network) => {
                    let title = format!("\"{}\" is an address inside of {network}", short(text));
                    Wrong::value(title, format!("write \"{network}\", or the address without its slash"))
                        .because("it would not have been clear which of the two was meant")
                }
            })
        })
    }
}
