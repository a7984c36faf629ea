//! Decisions as plain values and functions: who is next, when to try again, what is shed, who leaves when. No
//! I/O, no clock and no dice of its own: `now` and the random generator are arguments.

mod backoff;
mod balance;
mod breaker;
mod budget;
mod drain;
mod forecast;
mod gather;
mod health;
mod key;
mod ledger;
mod line;
mod maglev;
mod outlier;
mod picker;
mod pressure;
mod rate;
mod ring;
mod shed;
mod slow_start;
mod version;
mod zones;

pub use backoff::Backoff;
pub use balance::{Balance, OnLoss};
pub use breaker::{Breaker, BreakerMemory, BreakerRules, BreakerState, Life, Pass, Shut};
pub use budget::RetryBudget;
pub use drain::leave_at;
pub use forecast::{REPORT_LIFE, allowance, share, step};
pub use gather::Gathering;
pub use health::{Change, HealthCount, HealthRules};
pub use key::{stable_hash, stable_hash_u64};
pub use ledger::{AddressLedger, AddressRefusal, AddressRules};
pub use line::{Entered, Line, LineRules, Newcomer, Outlook};
pub use outlier::{Ejection, Outlier, OutlierMemory, OutlierRules, may_eject};
pub use picker::{Candidate, Picker};
pub use pressure::{Level, Pressure, Resource, of_descriptors, of_lag, of_memory};
pub use rate::{Pace, RateLimit, SharedPace};
pub use ring::Ring;
pub use shed::{Marks, RouteClass, STUCK};
pub use slow_start::slow_start_factor;
pub use version::VersionRule;
pub use zones::stays_local;
