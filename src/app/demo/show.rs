//! What a reader sees of the game: the opening, a few frames with their way, the table, the summary.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::time::Instant;

use super::ledger::Answered;
use super::player::News;
use super::rules::STRANGE;
use super::score::Score;
use super::screen::Screen;
use super::stage::Stage;
use super::table::{self, Missing};
use crate::telemetry::Meters;

/// Everything that is shown.
#[derive(Debug)]
pub(super) struct Show {
    pub(super) stage: Stage,
    pub(super) score: Arc<Score>,
    pub(super) meters: Arc<Meters>,
    pub(super) began: Instant,
    /// The lines of frames and their way that were printed, and whether a notice was among them.
    pub(super) samples: usize,
    pub(super) noticed: bool,
}

/// How many frames are shown with their way.
const SAMPLES: usize = 8;

impl Show {
    /// Who is there.
    pub(super) fn open(&self, gateway: SocketAddr, file: &Path, players: usize, screen: &mut Screen) {
        screen.print(&format!(
            "realmgate demo: a whole game in this process, on loopback addresses only\n\n  \
             gateway  {gateway}, TLS with a certificate made just now\n  \
             file     {} (removed at the end)\n\n  \
             cluster  IDs        link       game servers\n{}\n\
             {players} players join over TLS 1.3; each mixes battle, pay and chat frames in one connection\n",
            file.display(),
            self.stage.introduce(),
        ));
    }

    /// The table; one line where it cannot be drawn over the last one and the summary comes soon.
    pub(super) fn progress(&self, once: bool, screen: &mut Screen) {
        let (seconds, players) = (self.began.elapsed().as_secs(), self.score.joined.get());
        if once && !screen.is_terminal() {
            screen.print(&format!(
                "{seconds:>4} s {players:>4} players {:>8} sent {:>8} answered {:>6} waiting\n",
                table::grouped(self.score.total_sent()),
                table::grouped(self.score.total_answers()),
                table::grouped(self.score.unanswered()),
            ));
            return;
        }
        let how = if once { "" } else { "; Ctrl-C ends the game" };
        let head = format!("\nafter {seconds} s, {players} players{how}\n");
        screen.draw(&(head + &self.tables(Missing::Waiting)));
    }

    /// A line for the first frames that came back, and for every player that is gone.
    pub(super) fn tell(&mut self, news: &News, screen: &mut Screen) {
        match news {
            News::Dropped { player, why } => screen.print(&format!("  player {player} is gone: {why}\n")),
            News::Answer { player, answered } if self.samples < SAMPLES => {
                self.samples += 1;
                screen.print(&self.way(*player, *answered));
            }
            News::Notice { player, text } if !self.noticed => {
                self.noticed = true;
                screen.print(&format!(
                    "  player {player:<2} frame {STRANGE} {:<6} -> no route: the gateway's notice {}\n",
                    "",
                    text.chars().take(SHOWN_OF_NOTICE).collect::<String>(),
                ));
            }
            News::Answer { .. } | News::Notice { .. } => {}
        }
    }

    fn way(&self, player: usize, answered: Answered) -> String {
        let Answered { kind, server } = answered;
        self.stage.spot(server).map_or_else(String::new, |spot| {
            format!(
                "  player {player:<2} frame {} {:<6} -> {:<6} {} ({}) -> answer {}\n",
                kind.id,
                kind.word,
                spot.cluster,
                spot.address,
                spot.name(),
                kind.answer,
            )
        })
    }

    /// The last words.
    pub(super) fn close(&self, seconds: u64, good: bool, screen: &mut Screen) {
        let verdict = screen.coloured(&table::verdict(&self.score), good);
        screen.print(&format!(
            "\n{seconds} seconds of play, {} players\n{}\n{verdict}\n\
             How to go on: a gateway for your own game is a few lines of TOML.\n\n{FIRST_FILE}{COMMANDS}",
            self.score.joined.get(),
            self.tables(Missing::Lost),
        ));
    }

    fn tables(&self, missing: Missing) -> String {
        let clusters = table::clusters(&self.stage, &self.score, missing);
        let answers = table::gateway_answers(&self.score);
        clusters + &answers + "\n" + &table::gateway_counters(&self.stage, &self.meters)
    }
}

/// A notice can be longer than a line.
const SHOWN_OF_NOTICE: usize = 48;

/// The least that a gateway needs; a test holds it against the real checks.
const FIRST_FILE: &str = r#"  [frame.game]
  length = { offset = 0, width = 4 }
  id     = { offset = 4, width = 2 }
  [listener.players]
  listen = "0.0.0.0:7000"
  [cluster.battle]
  link     = "dedicated"     # servers that know nothing of a gateway
  backends = [{ address = "10.0.1.1:7100" }]
  [route.battle]
  ids     = ["1000-1999"]
  cluster = "battle"
"#;

const COMMANDS: &str = "
  realmgate check -c conf/realmgate.toml   every mistake at once, with what to write instead
  realmgate run   -c conf/realmgate.toml   serve
  docs/config.md                           every key
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, parse};

    #[test]
    fn the_first_file_that_a_newcomer_is_shown_is_right() {
        let source = Source { path: "realmgate.toml".into(), text: FIRST_FILE.to_owned() };
        if let Err(report) = parse(vec![source]) {
            panic!("{report}");
        }
    }
}
