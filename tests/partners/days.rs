//! The quota of a day: it survives a restart, and a life that is cut off gives nobody more.

use serde_json::json;

use crate::fakes::{Backend, Program, fresh, in_one_day};

fn tables(daily: u32) -> String {
    format!(
        "[http.pay]\nlistener = \"open\"\npath = \"/pay/*\"\ncluster = \"pay\"\npartners = [\"adnet\"]\n[partner.adnet]\n\
         auth = {{ kind = \"hmac\", secret_file = \"secret\" }}\ndaily = {daily}\n"
    )
}

/// How many of these requests are let through.
fn pass(program: &Program, count: usize) -> usize {
    (0..count).filter(|_| program.ask(&fresh("adnet")).status == 200).count()
}

#[test]
fn a_day_is_used_up_once_over_restarts() {
    in_one_day(|| {
        let backend = Backend::start();
        let mut program = Program::start(backend.address, &tables(5));
        assert_eq!(pass(&program, 3), 3);
        program.restart();
        assert_eq!(program.partner("adnet")["used_today"], 3);
        assert_eq!(pass(&program, 4), 2);
        let refused = program.ask(&fresh("adnet"));
        assert_eq!((refused.status, refused.number("x-ratelimit-limit")), (429, 5));
        assert_eq!(refused.json()["error"], "too many requests: the day's quota is used up");
        assert!((1..=86_400).contains(&refused.number("retry-after")), "until midnight: {refused:?}");
        assert_eq!(program.refusals(), [("adnet".to_owned(), "quota".to_owned(), 3)]);
        program.restart();
        assert_eq!(pass(&program, 2), 0);
        assert_eq!(backend.seen().len(), 5);
        assert_eq!(program.partner("adnet")["used_today"], 5);
    });
}

#[test]
fn a_life_that_is_cut_off_gives_no_more_than_the_day_and_costs_a_thousandth() {
    in_one_day(|| {
        let backend = Backend::start();
        let mut program = Program::start(backend.address, &tables(5000));
        for lives in 1..=3_u64 {
            assert_eq!(pass(&program, 7), 7, "of {lives} lives");
            program.cut_off();
            let used = program.partner("adnet")["used_today"].as_u64().expect("a number");
            assert!(used >= 7 * lives && used <= 12 * lives, "{used} after {lives} lives");
        }
        assert_eq!(backend.seen().len(), 21);
    });
}

#[test]
fn a_small_day_is_exact_however_often_it_is_cut_off() {
    in_one_day(|| {
        let backend = Backend::start();
        let mut program = Program::start(backend.address, &tables(4));
        for left in [3, 2, 1, 0, 0] {
            pass(&program, 1);
            program.cut_off();
            assert_eq!(program.partner("adnet")["used_today"], 4 - left);
        }
        assert_eq!(backend.seen().len(), 4);
    });
}

#[test]
fn a_reload_counts_on_and_a_lower_quota_is_over_at_once() {
    in_one_day(|| {
        let backend = Backend::start();
        let mut program = Program::start(backend.address, &tables(10));
        assert_eq!(pass(&program, 3), 3);
        program.reload(|text| text.replace("daily = 10", "daily = 4"));
        assert_eq!(pass(&program, 2), 1);
        program.reload(|text| text.replace("daily = 4", "daily = 2"));
        assert_eq!(pass(&program, 1), 0);
        program.reload(|text| text.replace("daily = 2", "daily = 6"));
        assert_eq!(pass(&program, 3), 2);
        program.reload(|text| text.replace("daily = 6", ""));
        assert_eq!(pass(&program, 3), 3);
        assert_eq!(program.partner("adnet")["used_today"], 9);
    });
}

#[test]
fn a_file_that_is_damaged_keeps_the_gateway_from_starting() {
    let backend = Backend::start();
    let mut program = Program::start(backend.address, &tables(10));
    assert_eq!(pass(&program, 1), 1);
    program.stop();
    program.folder.write("state/quotas.json", "{}");
    let said = program.try_start();
    assert_eq!(said.0, Some(71), "{}", said.1);
    assert!(said.1.contains("quotas.json is damaged: it has no version"), "{}", said.1);
    program.folder.write("state/quotas.json", &json!({ "version": 1, "partners": {} }).to_string());
    program.restart();
    assert_eq!(program.partner("adnet")["used_today"], 0);
}
