//! How near a gateway is to its end: each resource as a number from 0, plenty, to 1, gone; and what is given up at
//! which pressure. The worst resource decides. Nothing here reads a clock or the machine.

use std::time::Duration;

/// What a gateway can run out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Memory of the process, against what it may have.
    Memory,
    /// Time of the workers: how late the latest of them is.
    Lag,
    /// Open files and sockets, against what the process may have.
    Descriptors,
}

/// What is given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    #[default]
    Calm,
    /// Frames of optional routes.
    Shedding,
    /// Those, and new sessions.
    Refusing,
}

/// What was sampled so far, smoothed: a rise counts sooner than a fall.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pressure {
    smooth: [f64; Resource::ALL.len()],
    level: Level,
}

/// From this pressure on optional routes are shed, and from this one on new sessions are refused.
const SHED: f64 = 0.7;
const REFUSE: f64 = 0.9;
/// A level is left when the pressure is so much below where it began.
const HYSTERESIS: f64 = 0.1;
/// The part of a rise, and of a fall, that one sample brings. At four samples a second one stall of a worker that
/// is over within a second sheds nothing, and two seconds of it refuse.
const RISE: f64 = 0.25;
const FALL: f64 = 0.125;

impl Resource {
    /// Every resource, for tables.
    pub const ALL: [Self; 3] = [Self::Memory, Self::Lag, Self::Descriptors];

    /// The word of metric labels and of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Lag => "lag",
            Self::Descriptors => "descriptors",
        }
    }
}

impl Level {
    /// Every level, from the least.
    pub const ALL: [Self; 3] = [Self::Calm, Self::Shedding, Self::Refusing];

    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Shedding => "shedding",
            Self::Refusing => "refusing",
        }
    }
}

impl Pressure {
    /// Notes one more sample of a resource; what is above 1 or no number counts as 1 or as nothing.
    pub fn note(&mut self, resource: Resource, sample: f64) {
        let sample = if sample.is_nan() { 0.0 } else { sample.clamp(0.0, 1.0) };
        if let Some(smooth) = self.smooth.get_mut(resource as usize) {
            let part = if sample > *smooth { RISE } else { FALL };
            *smooth += (sample - *smooth) * part;
        }
        self.level = self.level_after(self.worst().1);
    }

    /// The pressure of one resource.
    #[must_use]
    pub fn of(&self, resource: Resource) -> f64 {
        self.smooth.get(resource as usize).copied().unwrap_or(0.0)
    }

    /// The worst resource and its pressure.
    #[must_use]
    pub fn worst(&self) -> (Resource, f64) {
        let each = Resource::ALL.map(|resource| (resource, self.of(resource)));
        each.into_iter().fold((Resource::Memory, 0.0), |worst, one| if one.1 > worst.1 { one } else { worst })
    }

    /// What is given up now.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    fn level_after(&self, worst: f64) -> Level {
        let stays = |level: Level| if self.level >= level { HYSTERESIS } else { 0.0 };
        if worst >= REFUSE - stays(Level::Refusing) {
            Level::Refusing
        } else if worst >= SHED - stays(Level::Shedding) {
            Level::Shedding
        } else {
            Level::Calm
        }
    }
}

/// Half of the memory is no pressure, nine tenths are all of it.
#[must_use]
pub fn of_memory(used: u64, most: u64) -> f64 {
    between(used as f64 / most.max(1) as f64, 0.5, 0.9)
}

/// A worker that is 20 ms late is busy, one that is half a second late has failed.
#[must_use]
pub fn of_lag(lag: Duration) -> f64 {
    between(lag.as_secs_f64(), 0.02, 0.5)
}

/// Seven tenths of the descriptors are no pressure, 95 in 100 are all of it.
#[must_use]
pub fn of_descriptors(used: u64, most: u64) -> f64 {
    between(used as f64 / most.max(1) as f64, 0.7, 0.95)
}

fn between(value: f64, none: f64, all: f64) -> f64 {
    ((value - none) / (all - none)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pressure: &mut Pressure, sample: f64, times: usize) -> Level {
        (0..times).for_each(|_| pressure.note(Resource::Lag, sample));
        pressure.level()
    }

    #[test]
    fn each_resource_has_its_scale() {
        let near =
            |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-9, "{found} is not {wanted}");
        for (used, wanted) in [(0, 0.0), (50, 0.0), (70, 0.5), (90, 1.0), (200, 1.0)] {
            near(of_memory(used, 100), wanted);
        }
        for (millis, wanted) in [(0, 0.0), (20, 0.0), (260, 0.5), (500, 1.0), (9000, 1.0)] {
            near(of_lag(Duration::from_millis(millis)), wanted);
        }
        for (used, wanted) in [(70, 0.0), (95, 1.0), (100, 1.0)] {
            near(of_descriptors(used, 100), wanted);
        }
        near(of_memory(1, 0), 1.0);
    }

    #[test]
    fn one_stall_that_is_over_within_a_second_sheds_nothing() {
        let mut pressure = Pressure::default();
        assert_eq!(after(&mut pressure, 1.0, 4), Level::Calm);
        assert_eq!(after(&mut pressure, 0.0, 100), Level::Calm);
    }

    #[test]
    fn what_lasts_sheds_and_then_refuses() {
        let mut pressure = Pressure::default();
        assert_eq!(after(&mut pressure, 1.0, 5), Level::Shedding);
        assert_eq!(after(&mut pressure, 1.0, 4), Level::Refusing);
        let mut lasting = Pressure::default();
        assert_eq!(after(&mut lasting, 0.8, 1000), Level::Shedding, "it never comes above what was sampled");
        assert!((lasting.worst().1 - 0.8).abs() < 1e-9);
    }

    #[test]
    fn a_level_is_left_well_below_where_it_began() {
        let mut pressure = Pressure::default();
        assert_eq!(after(&mut pressure, 1.0, 100), Level::Refusing);
        assert_eq!(after(&mut pressure, 0.81, 1000), Level::Refusing);
        assert_eq!(after(&mut pressure, 0.79, 1000), Level::Shedding);
        assert_eq!(after(&mut pressure, 0.89, 1000), Level::Shedding, "the way up is another one");
        assert_eq!(after(&mut pressure, 0.61, 1000), Level::Shedding);
        assert_eq!(after(&mut pressure, 0.59, 1000), Level::Calm);
        assert_eq!(after(&mut pressure, 0.69, 1000), Level::Calm);
    }

    #[test]
    fn it_recovers_from_the_worst_within_two_seconds() {
        let mut pressure = Pressure::default();
        after(&mut pressure, 1.0, 1000);
        assert_eq!(after(&mut pressure, 0.0, 8), Level::Calm);
    }

    #[test]
    fn the_worst_resource_decides_and_no_sample_is_out_of_range() {
        let mut pressure = Pressure::default();
        for _ in 0..100 {
            pressure.note(Resource::Memory, 7.0);
            pressure.note(Resource::Lag, -1.0);
            pressure.note(Resource::Descriptors, f64::NAN);
        }
        assert_eq!((pressure.level(), pressure.of(Resource::Lag)), (Level::Refusing, 0.0));
        assert!(pressure.of(Resource::Memory) <= 1.0 && pressure.of(Resource::Descriptors) == 0.0);
    }
}
