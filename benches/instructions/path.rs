//! The whole path: the gateway's own program with one worker, between players and a backend that sends every frame
//! back.
//!
//! Players and backend take turns, so that it does not depend on the machine what lies in one read. Where there are many
//! of them, the gateway stands still while they speak.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use crate::Outcome;
use crate::callgrind::Counted;
use crate::ends::{self, Behind, Link, Player};
use crate::folder::Folder;
use crate::frame::{BURST, ID, TOML};
use crate::machine;

/// Who plays, and over what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Over a shared link, or over a connection for each player.
    shared: bool,
    players: usize,
    /// The frames that a player says before it hears the first one again.
    burst: usize,
}

impl Shape {
    pub(crate) const SHARED_ONE: Self = Self { shared: true, players: 1, burst: 1 };
    pub(crate) const SHARED_CROWD: Self = Self { shared: true, players: 200, burst: 1 };
    pub(crate) const SHARED_MANY: Self = Self { shared: true, players: 50, burst: BURST };
    pub(crate) const DEDICATED_ONE: Self = Self { shared: false, ..Self::SHARED_ONE };
    pub(crate) const DEDICATED_CROWD: Self = Self { shared: false, ..Self::SHARED_CROWD };
    pub(crate) const DEDICATED_MANY: Self = Self { shared: false, ..Self::SHARED_MANY };

    /// The frames that go there and back in a round.
    pub(crate) fn frames(self) -> u64 {
        (self.players * self.burst) as u64
    }
}

/// The gateway with everything around it.
struct Stage {
    gateway: Counted,
    listener: TcpListener,
    behind: Behind,
    players: Vec<Player>,
    shape: Shape,
}

/// So many rounds: the instructions of the gateway from its start to its end.
pub(crate) fn play(shape: Shape, rounds: u64, (folder, name): (&Folder, &str), keep: &Path) -> Outcome<u64> {
    let (listener, backend) = ends::listen()?;
    let door = machine::free_addresses(1)?.pop().ok_or("no free port")?;
    folder.put("gate.toml", &file(shape, door, backend))?;
    let (program, file) = (Path::new(env!("CARGO_BIN_EXE_realmgate")), folder.path().join("gate.toml"));
    let words = ["run", "--log-level", "warn", "-c"].map(Path::new);
    let words: Vec<&Path> = words.into_iter().chain([&*file]).collect();
    let gateway = Counted::start(program, &words, (keep, name))?;
    let mut stage = Stage { gateway, listener, behind: Behind::Own(Vec::new()), players: Vec::new(), shape };
    stage.gather(door)?;
    for _ in 0..rounds {
        stage.round()?;
    }
    stage.end()
}

impl Stage {
    /// Everybody comes, and has been answered once.
    fn gather(&mut self, door: SocketAddr) -> Outcome<()> {
        let Self { gateway, listener, behind, players, shape } = self;
        let mut look = || gateway.must_run();
        if shape.shared {
            *behind = Behind::Link(Box::new(Link::greet(listener, &mut look)?));
        }
        for _ in 0..shape.players {
            let mut player = Player::connect(door, &mut look)?;
            player.say(1)?;
            behind.takes(listener, &mut look)?;
            if shape.shared {
                behind.hear(1, 1)?;
                behind.answer()?;
            }
            player.hear()?;
            players.push(player);
        }
        Ok(())
    }

    /// Everybody says its frames and hears them again.
    fn round(&mut self) -> Outcome<()> {
        let Self { gateway, behind, players, shape, .. } = self;
        while_it_stands(gateway, *shape, || {
            players.iter_mut().try_for_each(|player| player.say(shape.burst))
        })?;
        behind.hear(shape.players, shape.burst)?;
        while_it_stands(gateway, *shape, || behind.answer())?;
        players.iter_mut().try_for_each(Player::hear)
    }

    fn end(self) -> Outcome<u64> {
        drop(self.players);
        self.gateway.ask_to_end()?;
        self.gateway.finish()
    }
}

/// Something is said by many: the gateway stands still meanwhile and finds all of it.
fn while_it_stands(gateway: &mut Counted, shape: Shape, said: impl FnOnce() -> Outcome<()>) -> Outcome<()> {
    if shape.players == 1 {
        return said();
    }
    gateway.stand_still()?;
    said()?;
    gateway.go_on()
}

/// What the gateway reads. Nothing of it makes work beside the frames.
fn file(shape: Shape, door: SocketAddr, backend: SocketAddr) -> String {
    let link = if shape.shared { "link = \"shared\"" } else { "link = \"dedicated\"\nframe = \"game\"" };
    format!(
        "[gateway]
id = 1
workers = 1
[drain]
lame_duck = \"0s\"
spread = \"0s\"
deadline = \"2s\"
{TOML}[listener.players]
listen = \"{door}\"
frame = \"game\"
limits = {{ idle_timeout = \"10m\", connections_per_ip = 0, new_per_ip = \"off\", frames_per_session = \"off\" }}
[cluster.game]
{link}
connect_timeout = \"20s\"
backends = [{{ address = \"{backend}\" }}]
[cluster.game.health]
probe = \"tcp\"
interval = \"1h\"
[route.game]
ids = [\"{ID}-{}\"]
cluster = \"game\"
",
        ID + 99
    )
}
