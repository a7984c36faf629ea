//! Changes of `[login]`.

use super::*;

const LOGIN: &str = "[login]\nroute = \"battle\"\nresume = \"60s\"\n";

/// What is told behind the routes, which nobody has to log in for.
fn removed(old: &str) -> (String, String, Touched) {
    told(&plan(old), &plan(OLD)).pop().expect("a change")
}

#[test]
fn sessions_that_wait_for_their_player_end_where_nobody_can_come_back() {
    let (old, away) = (format!("{OLD}{LOGIN}"), Touched::AwaySessions);
    let without = LOGIN.replace("resume = \"60s\"\n", "");
    let end = "sessions that wait for their player end; the others stay";
    check(&only(&old, &format!("{OLD}{without}")), "login: resume 1m -> none", end, &away);
    check(&removed(&old), "login: removed", end, &away);
    let nobody = Touched::Nobody;
    check(&removed(&format!("{OLD}{without}")), "login: removed", "nobody has to log in any more", &nobody);
    let shorter = LOGIN.replace("60s", "30s");
    let broken = "until a connection breaks";
    check(&only(&old, &format!("{OLD}{shorter}")), "login: resume 1m -> 30s", broken, &nobody);
}
