//! Prints the tables of `mean_shift`'s thresholds: for each way to look for changes, the threshold at which independent
//! normal noise alarms once in so many observations.
//!
//! `calibrate_mean_shift WAY [ENOUGH [MOST]]`, where WAY is `linear`, `constant` or a reference of `cusum` such as 0.5:
//! at each threshold of a ladder series of 5,000 values are simulated until there are ENOUGH (2,500) alarms or MOST
//! (80,000,000) values. Between the rungs ln N is taken for a straight line.

use std::error::Error;
use std::io::{Write, stdout};

use rotation_engine::detector::mean_shift::{Method, Params, Segments};
use rotation_sim::shifts::{Noise, false_alarms};

/// The rates of the tables; beyond the last one ln N goes on as a straight line.
const ONE_IN: [f64; 6] = [250.0, 500.0, 1_000.0, 3_000.0, 10_000.0, 30_000.0];
const LENGTH: usize = 5_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let way = arguments
        .first()
        .ok_or("expected linear, constant or a reference")?;
    let enough = arguments.get(1).map_or(Ok(2_500), |text| text.parse())?;
    let most = arguments
        .get(2)
        .map_or(Ok(80_000_000), |text| text.parse())?;
    let mut params = Params::new("noise");
    let (mut threshold, rung) = match way.as_str() {
        "linear" | "constant" => (-6.0, 0.5),
        reference => {
            params.method = Method::Cusum;
            params.reference = reference.parse()?;
            (1.0, 0.5 / (2.0 * params.reference))
        }
    };
    if way == "constant" {
        params.segments = Some(Segments::Constant);
    }
    let mut out = stdout().lock();
    let mut ladder: Vec<(f64, f64)> = Vec::new();
    while ladder
        .last()
        .is_none_or(|(_, ln_n)| *ln_n < ONE_IN[ONE_IN.len() - 1].ln())
    {
        params.threshold = Some(threshold);
        let counted = false_alarms(&params, Noise::Normal, LENGTH, enough, most);
        let one_in = counted.one_in().ok_or("no alarm")?;
        writeln!(
            out,
            "{way} {threshold:.3}: {} alarms, one in {one_in:.1}",
            counted.alarms
        )?;
        out.flush()?;
        ladder.push((threshold, one_in.ln()));
        threshold += rung;
    }
    for one_in in ONE_IN {
        let at = ladder.windows(2).find(|pair| pair[1].1 >= one_in.ln());
        let pair = at.ok_or("the ladder is too short")?;
        let share = (one_in.ln() - pair[0].1) / (pair[1].1 - pair[0].1);
        let threshold = pair[0].0 + share * (pair[1].0 - pair[0].0);
        writeln!(out, "    ({one_in:?}, {threshold:.3}),")?;
    }
    Ok(())
}
