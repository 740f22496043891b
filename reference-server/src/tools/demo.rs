//! Plain tools for a first look, with schemas that are written by hand; see [`super::typed`] for those made from types.
//!
//! To add one: a file with its `entry`, its argument type and its function, and a line in [`entries`].

mod add;
mod echo;

use super::Entry;

/// Both.
pub(super) fn entries() -> Vec<Entry> {
    vec![echo::entry(), add::entry()]
}
