//! The files of the nonces over lives that follow each other, and over two at one time.

use super::*;
use crate::partners::Spent;

const NOW_SECONDS: u64 = 1_790_000_000;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("realmgate-seen-{}-{name}", std::process::id()));
    drop(fs::remove_dir_all(&folder));
    folder
}

fn spend(log: &mut Log, book: &Book, nonce: &str, now: u64) -> Result<(), Spent> {
    let nonce = Nonce { partner: "adnet".to_owned(), text: nonce.to_owned(), last: now + 300 };
    let spent = log.spend(book, &[nonce], now, true);
    *spent.first().expect("one for each")
}

fn next_life(folder: &Path, now: u64) -> (Log, Book) {
    let book = Book::default();
    (Log::open(folder, &book, now).expect("its own files"), book)
}

#[test]
fn what_was_spent_in_one_life_is_spent_in_the_next() {
    let folder = folder("lives");
    let (mut seen, book) = next_life(&folder, NOW_SECONDS);
    assert_eq!(spend(&mut seen, &book, "the first nonce", NOW_SECONDS), Ok(()));
    let (mut seen, book) = next_life(&folder, NOW_SECONDS + 1);
    let again = spend(&mut seen, &book, "the first nonce", NOW_SECONDS + 1);
    assert_eq!(again, Err(Spent::Already));
    assert_eq!(spend(&mut seen, &book, "the second nonce", NOW_SECONDS + 1), Ok(()));
    let (_, book) = next_life(&folder, NOW_SECONDS + 300);
    assert_eq!(book.partner("adnet").nonces().held().count(), 2, "both, to the last second");
    let (_, book) = next_life(&folder, NOW_SECONDS + 301);
    assert_eq!(book.partner("adnet").nonces().held().count(), 1);
    drop(fs::remove_dir_all(&folder));
}

#[test]
fn the_files_hold_no_more_than_two_lives_of_nonces() {
    let folder = folder("turns");
    let (mut seen, book) = next_life(&folder, NOW_SECONDS);
    for second in (0..6000).step_by(10) {
        let now = NOW_SECONDS + second;
        spend(&mut seen, &book, &format!("nonce of {second}"), now).expect("new");
        let lines = |name| fs::read_to_string(folder.join(name)).map_or(0, |text| text.lines().count());
        assert!(lines(NOW) + lines(BEFORE) <= 124, "at {second}");
    }
    let last = NOW_SECONDS + 5990;
    let (_, after) = next_life(&folder, last);
    let held = |book: &Book| book.partner("adnet").nonces().held().count();
    assert_eq!(held(&after), held(&book), "and miss none that counts");
    drop(fs::remove_dir_all(&folder));
}

#[test]
fn two_lives_at_one_time_know_of_each_other() {
    let folder = folder("both");
    let (mut elder, before) = next_life(&folder, NOW_SECONDS);
    spend(&mut elder, &before, "of the elder", NOW_SECONDS).expect("new");
    let (mut heir, after) = next_life(&folder, NOW_SECONDS);
    spend(&mut elder, &before, "of the elder, later", NOW_SECONDS).expect("new");
    spend(&mut heir, &after, "of the heir", NOW_SECONDS).expect("new");
    assert_eq!(spend(&mut heir, &after, "of the elder, later", NOW_SECONDS), Err(Spent::Already));
    assert_eq!(spend(&mut elder, &before, "of the heir", NOW_SECONDS), Err(Spent::Already));
    drop(fs::remove_dir_all(&folder));
}

#[test]
fn two_lives_at_one_time_know_of_each_other_when_one_has_begun_another_file() {
    let folder = folder("both-turn");
    let (mut elder, before) = next_life(&folder, NOW_SECONDS);
    spend(&mut elder, &before, "an old one", NOW_SECONDS).expect("new");
    let (mut heir, after) = next_life(&folder, NOW_SECONDS);
    let later = NOW_SECONDS + LIFE + 1;
    spend(&mut heir, &after, "of the heir", later).expect("new");
    assert!(folder.join(BEFORE).exists(), "it has begun another file");
    let mut retired = |text: &str| {
        let nonce = Nonce { partner: "adnet".into(), text: text.into(), last: later + 300 };
        elder.spend(&before, &[nonce], later, false)
    };
    assert_eq!(retired("of the heir"), [Err(Spent::Already)]);
    assert_eq!(retired("of the elder"), [Ok(())]);
    assert_eq!(spend(&mut heir, &after, "of the elder", later), Err(Spent::Already));
    drop(fs::remove_dir_all(&folder));
}

#[test]
fn a_line_that_was_cut_short_says_nothing_and_hides_nothing() {
    let folder = folder("short");
    fs::create_dir_all(&folder).expect("a folder");
    let good = format!("adnet 00000000000000aa {}\n", NOW_SECONDS + 9);
    let text = format!("{good}adnet 00000000000000bb\nadnet 0b 9\n\n{good}adnet 00000000000000cc 17900");
    fs::write(folder.join(NOW), text).expect("a file");
    let (_, book) = next_life(&folder, NOW_SECONDS);
    let held: Vec<_> = book.partner("adnet").nonces().held().collect();
    assert_eq!(held, [(0xAA, NOW_SECONDS + 9)]);
    drop(fs::remove_dir_all(&folder));
}
#[test]
fn what_follows_a_line_that_was_cut_short_is_a_line_of_its_own() {
    let folder = folder("torn");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(NOW), "adnet 00000000000000cc 17900").expect("a file");
    let (mut seen, book) = next_life(&folder, NOW_SECONDS);
    assert_eq!(spend(&mut seen, &book, "the first nonce", NOW_SECONDS), Ok(()));
    let mut full = OpenOptions::new().append(true).open(folder.join(NOW)).expect("the file");
    full.write_all(b"adnet 00000000000000dd").expect("a part of a line");
    assert_eq!(spend(&mut seen, &book, "the second nonce", NOW_SECONDS), Ok(()));
    let (_, book) = next_life(&folder, NOW_SECONDS);
    assert_eq!(book.partner("adnet").nonces().held().count(), 2);
    drop(fs::remove_dir_all(&folder));
}

#[test]
fn of_one_batch_each_nonce_is_spent_once_and_all_that_are_spent_are_kept() {
    let folder = folder("batch");
    let (mut seen, book) = next_life(&folder, NOW_SECONDS);
    let nonce = |text: &str| Nonce { partner: "adnet".into(), text: text.into(), last: NOW_SECONDS + 9 };
    let batch = ["a nonce", "another nonce", "a nonce"].map(nonce);
    let spent = seen.spend(&book, &batch, NOW_SECONDS, true);
    assert_eq!(spent, [Ok(()), Ok(()), Err(Spent::Already)]);
    assert_eq!(seen.read, fs::metadata(folder.join(NOW)).expect("the file").len(), "its own are known");
    let (_, book) = next_life(&folder, NOW_SECONDS);
    assert_eq!(book.partner("adnet").nonces().held().count(), 2);
    drop(fs::remove_dir_all(&folder));
}

#[test]
fn a_disk_that_takes_nothing_is_complained_of_once_a_second_and_costs_no_request() {
    let folder = folder("full");
    let (mut seen, book) = next_life(&folder, NOW_SECONDS);
    fs::write(&folder, "no folder").expect("a file");
    for number in 0..5 {
        assert_eq!(spend(&mut seen, &book, &format!("nonce number {number}"), NOW_SECONDS), Ok(()));
    }
    assert_eq!(spend(&mut seen, &book, "nonce number 4", NOW_SECONDS), Err(Spent::Already));
    assert!(!seen.complaints.are_due(NOW_SECONDS), "it was");
    assert!(seen.complaints.are_due(NOW_SECONDS + 1));
    fs::remove_file(&folder).expect("the file");
}
