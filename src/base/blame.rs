//! Who has to act when something went wrong.

/// Whose fault an error is; decides what is logged, counted and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The player's client sent what it must not, or is too slow.
    Player,
    /// A game server broke the link protocol, refused or is not there.
    Backend,
    /// The configuration, the certificates or the machine's limits are wrong.
    Operator,
    /// The gateway itself is wrong.
    Bug,
}
