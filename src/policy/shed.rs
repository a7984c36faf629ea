//! What is given up first when there is too much.

/// How dear a route is to the game.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteClass {
    /// Shed first.
    Optional,
    /// Shed after the optional ones.
    Normal,
    /// Kept as long as anything is.
    Critical,
}
