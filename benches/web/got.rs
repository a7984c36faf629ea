//! What wrk and h2load say they got, and whether that is what was asked for.

/// What a loader got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Got {
    /// Whole answers with status 200.
    pub(crate) answers: u64,
    /// Everything else that came or did not come: other statuses, broken connections, timeouts.
    pub(crate) wrong: u64,
    /// Bytes: of the bodies, and of the heads if the loader does not tell them apart.
    pub(crate) bytes: u64,
}

/// What it should be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Bytes of every body.
    pub(crate) body: u64,
    /// Bytes of the first answer's head, if heads are counted.
    pub(crate) head: Option<u64>,
    /// Requests that may be under way when it ends.
    pub(crate) under_way: u64,
}

/// How much heads may differ in length: that of a date is the same, that of a request's number may not be.
const DIFFER: u64 = 16;

/// The line `counts REQUESTS BYTES WRONG` of our script.
pub(crate) fn wrk(output: &str) -> Option<Got> {
    let line = output.lines().find_map(|line| line.strip_prefix("counts "))?;
    let numbers: Vec<u64> = line.split(' ').map_while(|word| word.parse().ok()).collect();
    let [answers, bytes, wrong] = numbers.try_into().ok()?;
    Some(Got { answers, wrong, bytes })
}

/// `requests: 9 total, 9 started, 9 done, 9 succeeded, 0 failed, 0 errored, 0 timeout`,
/// `status codes: 9 2xx, 0 3xx, 0 4xx, 0 5xx`, `traffic: 1.0MB (9) total, 1KB (9) headers (...), 1MB (9) data`.
pub(crate) fn h2load(output: &str) -> Option<Got> {
    let line = |name: &str| output.lines().find_map(|line| line.strip_prefix(name));
    let (requests, statuses) = (line("requests: ")?, line("status codes: ")?);
    let answers = before(requests, " succeeded")?;
    // A status counts when a head has come, a success when the body has: there are never fewer heads.
    let bare = answers.saturating_sub(before(statuses, " 2xx")?);
    let failed = before(requests, " failed")? + before(requests, " timeout")? + bare;
    let others = before(statuses, " 3xx")? + before(statuses, " 4xx")? + before(statuses, " 5xx")?;
    let bytes = before(&line("traffic: ")?.replace(['(', ')'], ""), " data")?;
    Some(Got { answers, wrong: failed + others, bytes })
}

/// The number before a word.
fn before(line: &str, word: &str) -> Option<u64> {
    let (front, _) = line.split_once(word)?;
    front.rsplit([' ', ',']).next()?.parse().ok()
}

impl Got {
    /// What is wrong with it.
    pub(crate) fn fault(&self, wanted: Wanted) -> Option<String> {
        let Self { answers, wrong, bytes } = *self;
        if wrong > 0 || answers == 0 {
            return Some(format!("{answers} answers, {wrong} wrong or missing"));
        }
        let Wanted { body, head, under_way } = wanted;
        let (head, differ) = head.map_or((0, 0), |head| (head, DIFFER));
        let least = answers.saturating_mul(body + head.saturating_sub(differ));
        // What is under way at the end has brought some bytes, too.
        let most = (answers + under_way).saturating_mul(body + head + differ);
        (!(least..=most).contains(&bytes))
            .then(|| format!("{bytes} bytes for {answers} answers of {head} and {body}"))
    }
}
