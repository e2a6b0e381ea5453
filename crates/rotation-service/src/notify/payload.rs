//! What is sent to each kind of target: functions of an event and of how the episode looks, without I/O.

pub(crate) mod alertmanager;
pub(crate) mod pagerduty;
pub(crate) mod slack;
pub(crate) mod webhook;

#[cfg(test)]
mod tests;
