//! A player's place, and what is right to hear there.

use std::time::Instant;

use super::Manner;
use super::ledger::Ledger;
use super::tally::Tally;
use crate::connection::{Connection, Heard};

/// A player's place; it outlives its connections.
pub(super) struct Seat {
    pub(super) number: usize,
    pub(super) player: Player,
    pub(super) tls: bool,
    pub(super) pays: bool,
    pub(super) ledger: Ledger,
    pub(super) connection: Option<Connection>,
    /// It was open when last looked at.
    pub(super) was_open: bool,
    pub(super) told: Option<String>,
    /// The connection before, until this one has an answer.
    pub(super) before: Option<u32>,
    /// When to connect again after a refusal.
    pub(super) retry: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Player {
    Sits(Manner),
    Visits,
    /// A place that is free.
    Nobody,
}

impl Seat {
    /// A free place is taken.
    pub(super) fn new(number: usize, player: Player, tls: bool) -> Self {
        Self {
            number,
            player,
            tls,
            pays: number.is_multiple_of(10) && player != Player::Visits,
            ledger: Ledger::new(0),
            connection: None,
            was_open: false,
            told: None,
            before: None,
            retry: None,
        }
    }

    /// Takes what the gateway said.
    pub(super) fn hear(&mut self, heard: Heard<'_>, tally: &Tally) {
        match heard {
            Heard::Game(frame) => match self.ledger.settle(frame) {
                Ok(answer) => {
                    tally.answered.add();
                    tally.took(answer.asked.elapsed());
                    if answer.was_overtaken {
                        tally.overtaken.add();
                    }
                    if let Some(before) = self.before.take() {
                        tally.is_back(before, Instant::now(), self.ledger.group());
                    }
                }
                Err(fault) => tally.fault(fault.as_str(), self.ledger.serial(), ""),
            },
            Heard::Notice(body) => {
                let code = code(body);
                let may_tell = matches!(code.as_str(), "moved" | "shutting_down")
                    && self.player != Player::Sits(Manner::Stays);
                if may_tell {
                    self.told = Some(code);
                } else {
                    tally.fault(&format!("notice {code}"), self.ledger.serial(), "");
                }
            }
        }
    }
}

/// The code of a notice.
fn code(body: &[u8]) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let code = json.as_ref().and_then(|json| json.get("code")?.as_str());
    code.map_or_else(|| "that is no JSON".to_owned(), str::to_owned)
}
