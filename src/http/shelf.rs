//! What a thread keeps of backends' answers, and for how long. Bounded in bytes: what came first goes first.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::kept::Kept;

/// Answers by what was asked.
#[derive(Debug, Default)]
pub(in crate::http) struct Shelf {
    /// The world under which they were asked for.
    generation: u64,
    entries: HashMap<Rc<str>, Entry>,
    /// In the order in which they came; some are no longer there, or are there anew.
    order: VecDeque<(Rc<str>, u64)>,
    bytes: usize,
    numbers: u64,
}

/// What is known of an answer.
#[derive(Clone, Debug)]
pub(in crate::http) enum Found {
    /// It is here, and so old.
    Kept(Rc<Kept>, Duration),
    /// It is not to be kept: everybody asks a backend.
    Passing,
    /// Nothing.
    Nothing,
}

#[derive(Debug)]
struct Entry {
    /// `None`: it is not to be kept.
    kept: Option<Rc<Kept>>,
    since: Instant,
    until: Instant,
    number: u64,
    weight: usize,
}

/// The most that one thread keeps.
const MOST: usize = 16 << 20;
/// So many places of answers that are no longer there are no reason yet to look for them.
const SPARE: usize = 256;
/// What an answer takes besides its key, its headers and its bytes.
const EACH: usize = 256;

impl Shelf {
    /// What is known now, under this world. Another world may answer otherwise: all is forgotten with it. For who still
    /// asks under an earlier one nothing is kept.
    pub(in crate::http) fn look(&mut self, key: &str, generation: u64, now: Instant) -> Found {
        if self.generation > generation {
            return Found::Passing;
        }
        if self.generation < generation {
            *self = Self { generation, ..Self::default() };
        }
        match self.entries.get(key).filter(|entry| now < entry.until) {
            None => Found::Nothing,
            Some(Entry { kept: None, .. }) => Found::Passing,
            Some(Entry { kept: Some(kept), since, .. }) => {
                Found::Kept(Rc::clone(kept), now.saturating_duration_since(*since))
            }
        }
    }

    /// Puts an answer there for a time, or the word that it is not to be kept. One that was asked for under another
    /// world is not put there.
    pub(in crate::http) fn put(
        &mut self,
        key: &Rc<str>,
        generation: u64,
        kept: Option<Rc<Kept>>,
        fresh: Duration,
        now: Instant,
    ) {
        if self.generation != generation {
            return;
        }
        self.remove(key);
        self.numbers += 1;
        let weight = EACH + 2 * key.len() + kept.as_ref().map_or(0, |kept| kept.weight());
        let (number, until) = (self.numbers, now + fresh);
        self.bytes += weight;
        self.order.push_back((Rc::clone(key), number));
        self.entries.insert(Rc::clone(key), Entry { kept, since: now, until, number, weight });
        while self.bytes > MOST {
            let Some((first, number)) = self.order.pop_front() else { return };
            if self.entries.get(&first).is_some_and(|entry| entry.number == number) {
                self.remove(&first);
            }
        }
        if self.order.len() > 2 * self.entries.len() + SPARE {
            let is_there = |(key, number): &(Rc<str>, u64)| {
                self.entries.get(key).is_some_and(|entry| entry.number == *number)
            };
            self.order.retain(is_there);
        }
    }

    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::body::Bytes;
    use hyper::header::HeaderMap;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn kept(length: usize) -> Option<Rc<Kept>> {
        Some(Rc::new(Kept::new(HeaderMap::new(), Bytes::from(vec![7; length]))))
    }

    fn has(shelf: &mut Shelf, key: &str, now: Instant) -> bool {
        matches!(shelf.look(key, 1, now), Found::Kept(..))
    }

    #[test]
    fn an_answer_is_there_for_its_time_and_under_its_world() {
        let (mut shelf, start) = (Shelf::default(), crate::net::now());
        let (a, b): (Rc<str>, Rc<str>) = ("a".into(), "b".into());
        assert!(matches!(shelf.look("a", 1, start), Found::Nothing));
        shelf.put(&a, 1, kept(3), 10 * SECOND, start);
        shelf.put(&b, 1, None, SECOND, start);
        let Found::Kept(_, age) = shelf.look("a", 1, start + 9 * SECOND) else { panic!("it is there") };
        assert_eq!(age, 9 * SECOND);
        assert!(matches!(shelf.look("b", 1, start), Found::Passing));
        assert!(matches!(shelf.look("b", 1, start + SECOND), Found::Nothing));
        assert!(matches!(shelf.look("a", 1, start + 10 * SECOND), Found::Nothing));
        assert!(matches!(shelf.look("a", 2, start), Found::Nothing));
        shelf.put(&a, 1, kept(3), 10 * SECOND, start);
        assert!(matches!(shelf.look("a", 2, start), Found::Nothing), "it was asked for under another world");
        assert_eq!((shelf.bytes, shelf.entries.len()), (0, 0));
        shelf.put(&a, 2, kept(3), 10 * SECOND, start);
        assert!(matches!(shelf.look("a", 1, start), Found::Passing), "a request that came before the reload");
        assert!(matches!(shelf.look("a", 2, start), Found::Kept(..)), "and it takes nothing away");
    }

    #[test]
    fn what_came_first_goes_first_and_the_shelf_never_grows_beyond_its_bound() {
        let (mut shelf, now) = (Shelf::default(), crate::net::now());
        shelf.look("", 1, now);
        let name = |number: usize| -> Rc<str> { format!("/{number}").into() };
        for number in 0..40 {
            shelf.put(&name(number), 1, kept(1 << 20), SECOND, now);
            assert!(shelf.bytes <= MOST, "{}", shelf.bytes);
        }
        assert!(!has(&mut shelf, "/0", now) && !has(&mut shelf, "/24", now));
        assert!(has(&mut shelf, "/25", now) && has(&mut shelf, "/39", now));
        // What is put there again and again leaves nothing behind.
        for _ in 0..10_000 {
            shelf.put(&name(39), 1, kept(10), SECOND, now);
        }
        assert!(shelf.order.len() < 1000, "{}", shelf.order.len());
        assert!(has(&mut shelf, "/39", now) && has(&mut shelf, "/38", now));
        for number in 0..15 {
            shelf.put(&name(100 + number), 1, kept(1 << 20), SECOND, now);
        }
        assert!(has(&mut shelf, "/39", now) && !has(&mut shelf, "/38", now), "the oldest went");
    }
}
