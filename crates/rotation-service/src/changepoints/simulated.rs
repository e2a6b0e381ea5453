//! The tables of simulated series: false alarms where nothing changes, delays where something does.

use rotation_engine::detector::mean_shift::{Method, Params, Segments};
use rotation_sim::shifts::{Noise, delays, false_alarms, median};
use std::io::{self, Write};

/// Ways to look for changes, by what they are called.
pub(super) fn ways() -> [(&'static str, Params); 3] {
    let shipped = Params::new("series");
    let constant = Params {
        segments: Some(Segments::Constant),
        ..shipped.clone()
    };
    let cusum = Params {
        method: Method::Cusum,
        ..shipped.clone()
    };
    [
        ("linear", shipped),
        ("constant", constant),
        ("cusum", cusum),
    ]
}

const ONE_IN: [f64; 2] = [1_000.0, 10_000.0];
const NOISES: [(&str, Noise); 5] = [
    ("independent, normal", Noise::Normal),
    ("Student's t, 4 degrees", Noise::Student(4.0)),
    ("correlation 0.3", Noise::Autoregressive(0.3)),
    ("correlation 0.6", Noise::Autoregressive(0.6)),
    ("correlation 0.9", Noise::Autoregressive(0.9)),
];
/// Series of false alarms are as long as some twenty years of sessions.
const LENGTH: usize = 5_000;
/// Values of noise before a shift, and values in which it has to be found.
const BEFORE: usize = 250;
const WITHIN: usize = 250;

/// Prints the false alarms of each way on each noise; `effort` 1 is some half a minute.
pub(super) fn print_false_alarms(out: &mut dyn Write, effort: u64) -> io::Result<()> {
    writeln!(
        out,
        "False alarms, one in so many observations, over simulated series of {LENGTH}:\n"
    )?;
    write!(out, "{:<24}{:>8}", "noise", "asked")?;
    for (way, _) in ways() {
        write!(out, "{way:>10}")?;
    }
    writeln!(out)?;
    for (name, noise) in NOISES {
        for one_in in ONE_IN {
            write!(out, "{name:<24}{one_in:>8}")?;
            for (_, params) in ways() {
                let params = Params {
                    false_alarm_one_in: one_in,
                    ..params
                };
                let most = if noise == Noise::Normal {
                    2_000_000
                } else {
                    400_000
                };
                let counted = false_alarms(&params, noise, LENGTH, 400 * effort, most * effort);
                match counted.one_in() {
                    Some(one_in) => write!(out, "{one_in:>10.0}")?,
                    None => write!(out, "{:>10}", "none")?,
                }
            }
            writeln!(out)?;
            out.flush()?;
        }
    }
    Ok(())
}

/// Prints the delays of each way on shifts of known size.
pub(super) fn print_delays(out: &mut dyn Write, effort: u64) -> io::Result<()> {
    let runs = usize::try_from(200 * effort).unwrap_or(usize::MAX);
    writeln!(
        out,
        "\nObservations from a shift, put behind {BEFORE} of independent normal noise, to its alarm: the median, the\n\
         ninth in ten, the share that is found within {WITHIN}, and how far off the place is in the median ({runs} runs \
         each):\n"
    )?;
    writeln!(
        out,
        "{:<10}{:>8}{:>12}{:>8}{:>8}{:>8}{:>8}",
        "", "asked", "shift", "median", "9 in 10", "found", "off by"
    )?;
    for (way, params) in ways() {
        for one_in in ONE_IN {
            for shift in [0.5, 1.0, 2.0] {
                let params = Params {
                    false_alarm_one_in: one_in,
                    ..params.clone()
                };
                let found = delays(&params, shift, BEFORE, WITHIN, runs);
                // What was not found in time counts as later than all that was.
                let rank = |rank: usize| {
                    let delay = found.delays.get(rank);
                    delay.map_or(format!("> {WITHIN}"), usize::to_string)
                };
                let share = 100 * found.delays.len() / runs;
                let off = median(&found.misses).map_or("-".to_owned(), |off| off.to_string());
                writeln!(
                    out,
                    "{way:<10}{one_in:>8}{shift:>9} sd{:>8}{:>8}{share:>6} %{off:>8}",
                    rank((runs - 1) / 2),
                    rank((runs * 9 - 1) / 10)
                )?;
                out.flush()?;
            }
        }
    }
    Ok(())
}
