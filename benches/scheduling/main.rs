//! The evenings of `tests/simulation` with a million players, for every policy: writes the tables of
//! `docs/scheduling.md` and the plots beside it. A seed decides everything, so a second run writes the same bytes.
//!
//! `cargo bench --bench scheduling`; `-- --quick` takes a tenth of the players and writes to `target/scheduling`.
#![expect(clippy::print_stdout, reason = "a person waits for some minutes")]
#![expect(clippy::indexing_slicing, reason = "the model names what it means")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and times of one evening"
)]

#[path = "../../tests/simulation/model/mod.rs"]
#[allow(dead_code, reason = "the test looks at what no table shows")]
mod model;
mod page;
mod plot;
mod plots;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use model::{Case, Outcome, Policy, Scale, run};

const FULL: Scale = Scale { gateways: 100, backends: 50, players: 1_000_000, seed: 11 };
const QUICK: Scale = Scale { players: 100_000, ..FULL };

/// One evening.
pub(crate) struct Evening {
    pub(crate) policy: Policy,
    pub(crate) outcome: Outcome,
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let scale = if quick { QUICK } else { FULL };
    let folder = if quick { PathBuf::from("target/scheduling") } else { docs.join("scheduling") };
    fs::create_dir_all(&folder)?;
    let mut tables = String::new();
    for case in Case::ALL {
        let evenings = Policy::ALL.map(|policy| evening(case, policy, scale));
        tables.push_str(&page::section(case, &evenings));
        for (name, plot) in plots::of(case, &evenings) {
            fs::write(folder.join(format!("{name}.svg")), plot.to_svg())?;
        }
    }
    if quick {
        fs::write(folder.join("tables.md"), tables)?;
        return Ok(());
    }
    let path = docs.join("scheduling.md");
    let text =
        page::put(&fs::read_to_string(&path)?, &tables).ok_or("docs/scheduling.md has lost its markers")?;
    fs::write(path, text)?;
    Ok(())
}

fn evening(case: Case, policy: Policy, scale: Scale) -> Evening {
    let outcome = run(case, policy, scale);
    println!("seed {}, {case:?}, {}: {}", scale.seed, policy.name(), outcome.figures());
    Evening { policy, outcome }
}
