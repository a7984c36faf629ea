//! What `benches/web` judges proxies by, itself on trial: a loader's words that are misread would call wrong answers
//! right; and a run must not write over what the other comparison has found.
#![allow(dead_code, reason = "the bench uses all of it")]
#![expect(clippy::print_stdout, reason = "the bench talks to a person")]

#[path = "../benches/web/got.rs"]
mod got;
#[path = "../benches/lab/report.rs"]
mod report;

use got::{Got, Wanted};
use report::{Part, joined};

const H2LOAD: &str = "\
finished in 1.00s, 7517.00 req/s, 9.06MB/s
requests: 7517 total, 7521 started, 7517 done, 7517 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 7519 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 9.06MB (9501488) total, 1.36MB (1421469) headers (space savings 0.00%), 7.34MB (7698432) data
                     min         max         mean         sd        +/- sd
time for request:       69us     10.11ms       531us       961us    91.18%
";
const WRK: &str = "\
Running 1s test @ http://127.0.0.1:7001/files/1024.bin
  16655 requests in 1.10s, 19.92MB read
Requests/sec:  15140.91
counts 1000 1254000 0
";

#[test]
fn words_of_h2load_are_read() {
    let got = Got { answers: 7517, wrong: 0, bytes: 7_698_432 };
    assert_eq!(got::h2load(H2LOAD), Some(got));
    let wanted = Wanted { body: 1024, head: None, under_way: 4 };
    assert_eq!(got.fault(wanted), None);
    assert!(
        Got { bytes: got.bytes + 1024 * 3 + 1, ..got }.fault(wanted).is_some(),
        "more than was under way"
    );
    assert!(Got { bytes: 7517 * 1024 - 1, ..got }.fault(wanted).is_some(), "a byte of a body is missing");
}

#[test]
fn whatever_h2load_did_not_get_is_wrong() {
    for (right, false_words, wrong) in [
        ("0 failed", "3 failed", 3),
        ("0 timeout", "2 timeout", 2),
        ("0 3xx", "1 3xx", 1),
        ("0 4xx", "7 4xx", 7),
        ("0 5xx", "5 5xx", 5),
        ("7519 2xx", "7510 2xx", 7),
    ] {
        let got = got::h2load(&H2LOAD.replace(right, false_words)).expect("words of h2load");
        assert_eq!(got.wrong, wrong, "{false_words}");
        assert!(got.fault(Wanted { body: 1024, head: None, under_way: 4 }).is_some(), "{false_words}");
    }
    assert_eq!(got::h2load("finished in 1.00s"), None);
}

#[test]
fn words_of_wrk_are_read() {
    let got = got::wrk(WRK).expect("words of our script");
    let wanted = Wanted { body: 1024, head: Some(230), under_way: 64 };
    assert_eq!(got, Got { answers: 1000, wrong: 0, bytes: 1_254_000 });
    assert_eq!(got.fault(wanted), None);
    assert!(Got { bytes: 1000 * 1024, ..got }.fault(wanted).is_some(), "answers without heads");
    assert!(Got { bytes: 2_508_000, ..got }.fault(wanted).is_some(), "bodies of twice the length");
    assert!(Got { wrong: 1, ..got }.fault(wanted).is_some());
    assert!(Got { answers: 0, bytes: 0, wrong: 0 }.fault(wanted).is_some(), "nothing was answered");
    assert_eq!(got::wrk("Requests/sec: 1"), None);
}

#[test]
fn each_comparison_replaces_its_own_part_of_the_file() {
    let frames = joined("", Part::Frames, "# frames\none\n");
    assert_eq!(frames, "# frames\none\n");
    let both = joined(&frames, Part::Requests, "# requests\ntwo\n");
    assert!(
        both.starts_with("# frames\none\n\n<!--") && both.ends_with("-->\n\n# requests\ntwo\n"),
        "{both}"
    );
    assert_eq!(joined(&both, Part::Requests, "# requests\ntwo\n"), both, "the same again changes nothing");
    let later = joined(&both, Part::Frames, "# frames\nthree\n");
    assert_eq!(later, both.replace("one", "three"));
    let alone = joined("", Part::Requests, "# requests\ntwo\n");
    assert_eq!(joined(&alone, Part::Frames, "# frames\none\n"), both);
}
