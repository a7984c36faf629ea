//! The registry's snapshot as JSON. Times are whole milliseconds.

use std::time::Duration;

use serde_json::{Value, json};

use super::line::LineError;
use super::read::{Table, missing};
use crate::base::millis;
use crate::cluster::{BackendMemory, RouteMemory, ServingState, Snapshot};
use crate::policy::{BreakerMemory, Ejection, OutlierMemory};

pub(super) fn write(snapshot: &Snapshot) -> Value {
    json!({
        "backends": snapshot.backends.iter().map(write_backend).collect::<Vec<_>>(),
        "breakers": snapshot.breakers.iter().map(write_route).collect::<Vec<_>>(),
    })
}

pub(super) fn read(table: Table<'_>) -> Result<Snapshot, LineError> {
    Ok(Snapshot {
        backends: table.list("backends", read_backend)?,
        breakers: table.list("breakers", read_route)?,
    })
}

fn write_backend(memory: &BackendMemory) -> Value {
    json!({
        "cluster": memory.cluster,
        "address": memory.address,
        "up": memory.up,
        "fallen": memory.fallen,
        "cold_for": memory.cold_for.map(millis),
        "boot": memory.boot,
        "state": memory.state.as_str(),
        "outlier": write_outlier(&memory.outlier),
    })
}

fn read_backend(table: Table<'_>) -> Result<BackendMemory, LineError> {
    let up = table.truth("up")?;
    Ok(BackendMemory {
        cluster: table.text("cluster")?.to_owned(),
        address: table.text("address")?.to_owned(),
        up,
        // A gateway that does not say it yet has called down whoever is down, as far as can be known.
        fallen: table.maybe("fallen", Table::truth)?.unwrap_or(!up),
        cold_for: table.maybe("cold_for", Table::time)?,
        boot: table.maybe("boot", Table::number)?,
        state: read_state(table.text("state")?)?,
        outlier: read_outlier(table.table("outlier")?)?,
    })
}

fn read_state(word: &str) -> Result<ServingState, LineError> {
    let states = [ServingState::Ok, ServingState::Degraded, ServingState::Refusing, ServingState::Leaving];
    states.into_iter().find(|state| state.as_str() == word).ok_or_else(|| missing("state", "serving state"))
}

fn write_outlier(memory: &OutlierMemory) -> Value {
    let (last, time) = match memory.last {
        Ejection::Never => ("never", Duration::ZERO),
        Ejection::Lasts(left) => ("lasts", left),
        Ejection::Over(since) => ("over", since),
    };
    json!({ "row": memory.row, "ejections": memory.ejections, "last": last, "time": millis(time) })
}

fn read_outlier(table: Table<'_>) -> Result<OutlierMemory, LineError> {
    let time = table.time("time")?;
    let last = match table.text("last")? {
        "never" => Ejection::Never,
        "lasts" => Ejection::Lasts(time),
        "over" => Ejection::Over(time),
        _ => return Err(missing("last", "kind of an ejection")),
    };
    Ok(OutlierMemory { row: table.small("row")?, ejections: table.small("ejections")?, last })
}

fn write_route(memory: &RouteMemory) -> Value {
    json!({
        "route": memory.route,
        "cluster": memory.cluster,
        "address": memory.address,
        "breaker": write_breaker(&memory.breaker),
    })
}

fn read_route(table: Table<'_>) -> Result<RouteMemory, LineError> {
    Ok(RouteMemory {
        route: table.text("route")?.to_owned(),
        cluster: table.text("cluster")?.to_owned(),
        address: table.text("address")?.to_owned(),
        breaker: read_breaker(table.table("breaker")?)?,
    })
}

fn write_breaker(memory: &BreakerMemory) -> Value {
    match *memory {
        BreakerMemory::Closed { row, ramp, failed_trials } => {
            json!({ "state": "closed", "row": row, "left": millis(ramp), "failed_trials": failed_trials })
        }
        BreakerMemory::Open { left, failed_trials } => {
            json!({ "state": "open", "left": millis(left), "failed_trials": failed_trials })
        }
    }
}

fn read_breaker(table: Table<'_>) -> Result<BreakerMemory, LineError> {
    let (left, failed_trials) = (table.time("left")?, table.small("failed_trials")?);
    match table.text("state")? {
        "closed" => Ok(BreakerMemory::Closed { row: table.small("row")?, ramp: left, failed_trials }),
        "open" => Ok(BreakerMemory::Open { left, failed_trials }),
        _ => Err(missing("state", "state of a breaker")),
    }
}
