//! The kinds over many members on real closes, against facts computed apart from this project.

#![allow(unreachable_pub, reason = "modules share their helpers")]
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[path = "facts/common.rs"]
mod common;

#[path = "facts_cross/breadth.rs"]
mod breadth;
#[path = "facts_cross/concentration.rs"]
mod concentration;
#[path = "facts_cross/joint.rs"]
mod joint;
#[path = "facts_cross/leadership.rs"]
mod leadership;
#[path = "facts_cross/panel.rs"]
mod panel;
