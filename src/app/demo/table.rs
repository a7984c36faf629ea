//! The score as a table of at most 100 columns.

use super::rules::STRANGE;
use super::score::Score;
use super::stage::Stage;
use crate::telemetry::{Meters, Refusal};
use crate::wire::NoticeCode;

/// What a missing answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// The game runs: it is under way.
    Waiting,
    /// The game is over: it is lost.
    Lost,
}

impl Missing {
    const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Lost => "lost",
        }
    }
}

/// What the players and servers counted, a row for each server and one for all.
pub(super) fn clusters(stage: &Stage, score: &Score, missing: Missing) -> String {
    let mut text = row(
        ["protocol IDs", "route", "cluster", "link", "backend"],
        ["to backend", "answers", missing.word()],
    );
    text += &rule();
    for spot in &stage.spots {
        let Some(server) = score.servers.get(spot.server) else { continue };
        let (frames, answers) = (server.total_received(), server.answers.get());
        let backend = format!("{} {}", spot.address, spot.name());
        text += &numbers([&spot.ids, &spot.route, &spot.cluster, spot.link, &backend], frames, answers);
    }
    text += &rule();
    let total = format!("total, sent by players: {}", grouped(score.total_sent()));
    let sums = [score.total_received(), score.total_answers(), score.unanswered()].map(grouped);
    text += &line(&total, sums.each_ref().map(String::as_str));
    text
}

/// What the gateway answered by itself.
pub(super) fn gateway_answers(score: &Score) -> String {
    let strange = STRANGE.0.to_string();
    let notice = [strange.as_str(), "no route", "-", "gateway", "notice unknown_id"];
    let heartbeat = ["1", "heartbeat", "-", "gateway", "reply 2"];
    numbers(notice, score.strange.get(), score.notices.get())
        + &numbers(heartbeat, score.heartbeats.get(), score.replies.get())
}

/// The gateway's own counters, to compare.
pub(super) fn gateway_counters(stage: &Stage, meters: &Meters) -> String {
    let mut text = String::from("the gateway's own counters\n");
    for route in &stage.routes {
        let meter = meters.route(route);
        let refused: u64 =
            Refusal::ALL.iter().map(|refusal| meter.total(|counts| counts.refused(*refusal))).sum();
        text += &format!(
            "  {:<14} {:>10} frames in {:>10} frames out {:>8} refused\n",
            format!("route {route}"),
            grouped(meter.total(|counts| &counts.frames_in)),
            grouped(meter.total(|counts| &counts.frames_out)),
            grouped(refused),
        );
    }
    text += &format!(
        "  {} sessions, {} notices unknown_id, {} heartbeats, {} undelivered\n",
        grouped(meters.total(|worker| Some(&worker.sessions))),
        grouped(meters.total(|worker| worker.notice(NoticeCode::UnknownId))),
        grouped(meters.total(|worker| Some(&worker.heartbeats))),
        grouped(meters.total(|worker| Some(&worker.undelivered))),
    );
    text
}

/// The last line: whether the game went as it must.
pub(super) fn verdict(score: &Score) -> String {
    let sums = format!(
        "{} sent, {} answered, {} lost, {} misrouted",
        grouped(score.total_sent()),
        grouped(score.total_answers()),
        grouped(score.unanswered()),
        grouped(score.total_misrouted()),
    );
    if score.is_perfect() {
        return format!("every frame reached its own cluster and came back: {sums}\n");
    }
    format!(
        "NOT every frame reached its own cluster and came back:\n{sums}, {} wrong answers, {} players dropped\n",
        grouped(score.wrong.get()),
        grouped(score.dropped.get()),
    )
}

/// A number with a comma between thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn numbers(texts: [&str; 5], frames: u64, answers: u64) -> String {
    let missing = grouped(frames.saturating_sub(answers));
    row(texts, [&grouped(frames), &grouped(answers), &missing])
}

fn row([ids, route, cluster, link, backend]: [&str; 5], counts: [&str; 3]) -> String {
    line(&format!("{ids:<12}  {route:<9}  {cluster:<7}  {link:<9}  {backend}"), counts)
}

fn line(text: &str, [frames, answers, missing]: [&str; 3]) -> String {
    format!("{text:<TEXT$} {frames:>10} {answers:>10} {missing:>7}\n")
}

fn rule() -> String {
    "-".repeat(WIDTH) + "\n"
}

/// The columns of a row's texts, and of all of it.
const TEXT: usize = 12 + 9 + 7 + 9 + 25 + 8;
const WIDTH: usize = TEXT + 11 + 11 + 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let texts: Vec<String> = [0, 999, 1000, 12_345, 1_000_000].into_iter().map(grouped).collect();
        assert_eq!(texts, ["0", "999", "1,000", "12,345", "1,000,000"]);
    }

    #[test]
    fn a_table_of_large_numbers_fits_100_columns() {
        let address = "127.0.0.1:65535 battle-2";
        let text = numbers(["1000-1999", "battle", "battle", "dedicated", address], 99_999_999, 99_999_999);
        assert!(text.trim_end().len() <= 100, "{}", text.len());
        assert_eq!(WIDTH, text.trim_end().len());
        assert!(text.ends_with(" 0\n"));
    }

    #[test]
    fn the_verdict_of_a_game_with_a_loss_says_so() {
        let score = Score::default();
        score.sent[0].add(2);
        score.servers[0].received[0].add(2);
        score.servers[0].answers.add(1);
        assert!(verdict(&score).starts_with("NOT every frame"));
        assert!(verdict(&score).contains("2 sent, 1 answered, 1 lost, 0 misrouted"));
    }
}
