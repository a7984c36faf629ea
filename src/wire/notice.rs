//! Frames that tell a player what the gateway decided. The body is JSON; every notice is a valid frame of the
//! game, so texts that are too long are cut.

use super::json;
use super::layout::FrameLayout;
use crate::base::ProtocolId;

/// What a notice says. Part of the contract with game clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoticeCode {
    /// No route has this protocol ID.
    UnknownId,
    /// The route wants a login first.
    LoginRequired,
    /// The login was not accepted.
    Unauthorized,
    /// Nobody can serve the route now.
    Unavailable,
    /// The route is closed on purpose.
    Maintenance,
    /// A route that was refused before works again.
    Recovered,
    /// The session or the route is over its rate.
    RateLimited,
    /// The gateway or the backend has no room.
    Overloaded,
    /// The player stands in the waiting line.
    Queued,
    /// The player left the waiting line and may play.
    Admitted,
    /// Another gateway takes the player.
    Redirect,
    /// The session belongs to another place now.
    Moved,
    /// A newer login of the same account took over.
    Replaced,
    /// Thrown out by the game or an operator.
    Kicked,
    /// No frame for too long.
    Idle,
    /// The player did not take what was sent to it.
    TooSlow,
    /// A frame longer than the layout allows.
    FrameTooLong,
    /// Bytes that are no frame of the game.
    Malformed,
    /// The gateway stops.
    ShuttingDown,
    /// The client is too old.
    UpdateRequired,
}

impl NoticeCode {
    /// Every code, for tables and tests.
    pub const ALL: [Self; 20] = [
        Self::UnknownId,
        Self::LoginRequired,
        Self::Unauthorized,
        Self::Unavailable,
        Self::Maintenance,
        Self::Recovered,
        Self::RateLimited,
        Self::Overloaded,
        Self::Queued,
        Self::Admitted,
        Self::Redirect,
        Self::Moved,
        Self::Replaced,
        Self::Kicked,
        Self::Idle,
        Self::TooSlow,
        Self::FrameTooLong,
        Self::Malformed,
        Self::ShuttingDown,
        Self::UpdateRequired,
    ];

    /// The word on the wire, in logs and in metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownId => "unknown_id",
            Self::LoginRequired => "login_required",
            Self::Unauthorized => "unauthorized",
            Self::Unavailable => "unavailable",
            Self::Maintenance => "maintenance",
            Self::Recovered => "recovered",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::Queued => "queued",
            Self::Admitted => "admitted",
            Self::Redirect => "redirect",
            Self::Moved => "moved",
            Self::Replaced => "replaced",
            Self::Kicked => "kicked",
            Self::Idle => "idle",
            Self::TooSlow => "too_slow",
            Self::FrameTooLong => "frame_too_long",
            Self::Malformed => "malformed",
            Self::ShuttingDown => "shutting_down",
            Self::UpdateRequired => "update_required",
        }
    }

    /// Whether a client may reconnect by itself after this.
    #[must_use]
    pub const fn may_reconnect(self) -> bool {
        !matches!(
            self,
            Self::Replaced
                | Self::Kicked
                | Self::Unauthorized
                | Self::Malformed
                | Self::FrameTooLong
                | Self::UpdateRequired
        )
    }
}

/// One notice. Fields that are not set are absent from the JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice<'a> {
    /// What it says.
    pub code: NoticeCode,
    /// The name of the route it is about.
    pub route: Option<&'a str>,
    /// A text for people; cut where the frame has no room for all of it.
    pub message: Option<&'a str>,
    /// When to try again, in milliseconds from now.
    pub retry_after_ms: Option<u32>,
    /// The protocol ID of the frame that it answers.
    pub id: Option<ProtocolId>,
    /// Where else to connect, each `host:port`.
    pub redirect: &'a [&'a str],
    /// Numbers that only some codes have, by name.
    pub numbers: &'a [(&'static str, u64)],
    /// What the player shows to come back to its session.
    pub resume: Option<&'a str>,
}

impl<'a> Notice<'a> {
    /// A notice that says only this.
    #[must_use]
    pub const fn new(code: NoticeCode) -> Self {
        Self {
            code,
            route: None,
            message: None,
            retry_after_ms: None,
            id: None,
            redirect: &[],
            numbers: &[],
            resume: None,
        }
    }

    /// All of it where it fits `room` bytes, else with the message cut, else the code alone.
    fn body(&self, room: usize) -> Option<Vec<u8>> {
        let rest = self.json(None);
        if rest.len() > room {
            let bare = Notice::new(self.code).json(None);
            return (bare.len() <= room).then_some(bare);
        }
        let Some(message) = self.message else { return Some(rest) };
        let empty = self.json(Some("")).len();
        match room.checked_sub(empty) {
            Some(left) => Some(self.json(Some(json::fitting(message, left)))),
            None => Some(rest),
        }
    }

    fn json(&self, message: Option<&'a str>) -> Vec<u8> {
        let mut object = json::Object::new();
        object.text("code", self.code.as_str());
        if let Some(route) = self.route {
            object.text("route", route);
        }
        if let Some(message) = message {
            object.text("message", message);
        }
        if let Some(retry_after_ms) = self.retry_after_ms {
            object.number("retry_after_ms", u64::from(retry_after_ms));
        }
        if let Some(id) = self.id {
            object.number("id", id.0);
        }
        for (name, number) in self.numbers {
            object.number(name, *number);
        }
        if let Some(resume) = self.resume {
            object.text("resume", resume);
        }
        if !self.redirect.is_empty() {
            object.texts("redirect", self.redirect);
        }
        object.finish()
    }
}

impl FrameLayout {
    /// Appends a notice as a frame of the game. `false`, and `out` unchanged, where the layout writes no notices
    /// or has no room for even the code.
    pub fn append_notice(&self, notice: &Notice<'_>, out: &mut Vec<u8>) -> bool {
        let Some(id) = self.notice else { return false };
        let Ok(room) = self.room_for_body(id) else { return false };
        notice.body(room).is_some_and(|body| self.append_frame(id, &body, out).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_has_the_fields_that_are_set_and_no_others() {
        let bare = Notice::new(NoticeCode::Queued);
        assert_eq!(bare.body(100).as_deref(), Some(&br#"{"code":"queued"}"#[..]));
        let full = Notice {
            route: Some("rank"),
            message: Some("closed \"until\" 10:00\n"),
            retry_after_ms: Some(u32::MAX),
            id: Some(ProtocolId(7)),
            redirect: &["gw2:7000", "gw3:7000"],
            ..Notice::new(NoticeCode::Maintenance)
        };
        let expected = concat!(
            r#"{"code":"maintenance","route":"rank","message":"closed \"until\" 10:00\n","#,
            r#""retry_after_ms":4294967295,"id":7,"redirect":["gw2:7000","gw3:7000"]}"#
        );
        assert_eq!(full.body(1000).as_deref(), Some(expected.as_bytes()));
    }

    #[test]
    fn a_text_is_cut_between_characters_and_never_inside_an_escape() {
        let notice = Notice { message: Some("ä\u{1}b"), ..Notice::new(NoticeCode::Idle) };
        let empty = r#"{"code":"idle","message":""}"#.len();
        for (left, message) in [(0, ""), (1, ""), (2, "ä"), (7, "ä"), (8, "ä\\u0001"), (9, "ä\\u0001b")] {
            let expected = format!(r#"{{"code":"idle","message":"{message}"}}"#);
            assert_eq!(notice.body(empty + left).as_deref(), Some(expected.as_bytes()), "{left}");
        }
        assert_eq!(notice.body(empty - 1).as_deref(), Some(&br#"{"code":"idle"}"#[..]));
        assert_eq!(notice.body(14), None);
    }

    #[test]
    fn after_six_codes_a_client_stays_away() {
        let away: Vec<_> = NoticeCode::ALL.into_iter().filter(|code| !code.may_reconnect()).collect();
        assert_eq!(away.len(), 6);
        let mut words: Vec<_> = NoticeCode::ALL.into_iter().map(NoticeCode::as_str).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), NoticeCode::ALL.len());
    }
}
