//! `[admin]`: where operators arrive, and who may.

use std::net::{Ipv4Addr, SocketAddr};

use super::Context;
use super::listeners::{collide, parsed};
use crate::config::plan::Admin;
use crate::config::problem::Problem;
use crate::config::raw::{self, Field};
use crate::config::site::Located;

/// The table, if there is one; the outer `None` after a mistake.
pub(super) fn check(context: &Context<'_>) -> Option<Option<Admin>> {
    let table = match &context.raw.admin {
        Field::Absent => return Some(None),
        Field::Bad => return None,
        Field::Given(table) => table,
    };
    let listen = listen(context, table)?;
    token(context, &listen, table.get());
    taken(context, &listen);
    let token_file = table.get().token_file.given().map(|path| context.resolve(path));
    Some(Some(Admin { listen, token_file }))
}

fn listen(context: &Context<'_>, table: &Located<raw::Admin>) -> Option<Located<SocketAddr>> {
    match &table.get().listen {
        Field::Bad => None,
        Field::Given(text) => parsed(context, text, "127.0.0.1:9600"),
        Field::Absent => Some(Located::new(DEFAULT, table.site().clone())),
    }
}

/// Whoever reaches the API can disable every backend, so only this machine may without a token.
fn token(context: &Context<'_>, listen: &Located<SocketAddr>, raw: &raw::Admin) {
    if raw.token_file.is_absent() && !listen.get().ip().is_loopback() {
        context.add(
            Problem::at(listen.site(), format!("the admin address {} has no token", listen.get()))
                .because("whoever reaches it could have read every session and changed every backend")
                .write(format!(
                    "add token_file = \"admin.token\", or listen on 127.0.0.1:{}",
                    listen.get().port()
                )),
        );
    }
}

fn taken(context: &Context<'_>, listen: &Located<SocketAddr>) {
    let address = |text: &Located<String>| text.get().parse::<SocketAddr>().ok();
    for listener in &context.raw.listeners {
        let Some(text) = listener.body.listen.given() else { continue };
        if address(text).is_some_and(|other| collide(&other, listen.get())) {
            let title = format!("{} is taken: [listener.{}] has it", listen.get(), listener.name.get());
            context.add(
                Problem::at(listen.site(), title)
                    .see(text.site(), "the listener")
                    .because("players and operators would have knocked at one door")
                    .write("write another port"),
            );
        }
    }
}

const DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9600);
