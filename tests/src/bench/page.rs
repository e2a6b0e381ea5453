//! The page of results, `BENCHMARKS.md`.

use std::fmt::Write as _;
use std::fs;
use std::thread::available_parallelism;

use super::{Row, Scale};

/// The machine, as it was while measuring.
#[derive(Clone, Debug)]
pub struct Machine {
    cores: usize,
    model: String,
    load: String,
}

impl Machine {
    /// Looks at it now: the load is that of the minutes before.
    #[must_use]
    pub fn look() -> Self {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            cores: available_parallelism().map_or(0, usize::from),
            model: model
                .map_or("an unknown processor", |(_, model)| model)
                .to_owned(),
            load: load(),
        }
    }

    /// In a line.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{} cores of {}; load (1, 5, 15 minutes) {}",
            self.cores, self.model, self.load
        )
    }
}

fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').take(3).collect::<Vec<_>>().join(", ")
}

/// The lines of one part, as text.
#[must_use]
pub fn text(rows: &[Row]) -> String {
    let mut text = String::new();
    for Row {
        what,
        measured,
        floor,
        ratio,
        aim,
    } in rows
    {
        let aim = if aim.is_empty() {
            String::new()
        } else {
            format!("; aim {aim}")
        };
        let _ = writeln!(
            text,
            "{what}: {measured}; floor {floor}; ratio {ratio:.2}{aim}"
        );
    }
    text
}

/// The page.
#[must_use]
pub fn page(before: &Machine, scale: &Scale, rows: &[Row]) -> String {
    let after = load();
    let busy = after
        .split('.')
        .next()
        .and_then(|load| load.parse::<usize>().ok());
    let remark = match busy {
        Some(busy) if busy >= before.cores => {
            " Other programs kept the cores busy meanwhile: trust the ratios, and take the rates for less than they can be."
        }
        _ => "",
    };
    let mut page = format!(
        "# Benchmarks\n\n\
         Made by `make bench`, which writes this page anew; a few minutes after the build.\n\n\
         On {}; afterwards {after}.{remark}\n\n\
         | what | measured | floor | ratio | aim |\n| --- | --- | --- | --- | --- |\n",
        before.line()
    );
    for Row {
        what,
        measured,
        floor,
        ratio,
        aim,
    } in rows
    {
        let _ = writeln!(
            page,
            "| {what} | {measured} | {floor} | {ratio:.2} | {aim} |"
        );
    }
    let Scale {
        rounds,
        ticks,
        records,
        kafka_rounds,
        kafka_records,
        ..
    } = scale;
    let values = ticks / 10;
    let _ = write!(
        page,
        "\n\
         Each figure is the median of its rounds, each ratio the median of the rounds' ratios; a round measures the floor and\n\
         then the program, so that both meet the same machine. Rates of the engine and of decoding are by a core's time, what\n\
         other programs took left out; those from Kafka are by the clock.\n\n\
         - **Engine alone**: {ticks} ticks in memory through the sampler (bars by session, sequence numbers checked, event\n  \
           times bounded), a flush each 8192, bars into the universe with three session rules on, which read every series.\n  \
           Floor: the same ticks, of which only the last, highest and lowest price of each series is kept in a flat array.\n  \
           {rounds} rounds.\n\
         - **Decode and engine**: {records} JSON records of 120 bytes, decoded, the symbol looked up, the engine as above. Floor:\n  \
           `serde_json` into a derived struct that borrows its texts, and the RFC 3339 time parsed, nothing else. {rounds} rounds.\n\
         - **`mean_shift`**: {values} values of noise through a rule that holds each against 250 run lengths, all in use.\n  \
           Floor: a logarithm for each of them. {rounds} rounds.\n\
         - **From Kafka**: {kafka_records} such records on a local broker, which shares the cores. The stage runs as in\n  \
           `rotation run`: transactions, snapshots, metrics. Floor: a consumer with the same settings and the same calls that\n  \
           drops every record. From the first record to the last; {kafka_rounds} rounds, each reader a process of its own.\n  \
           The stage decodes on a second thread, so it needs cores that the floor leaves to the broker: where they are scarce\n  \
           the ratio falls to that of the cores' time. With a core for each thread the thread that consumes sets the pace,\n  \
           in both; its line says what that would be.\n\
         - **Memory**: resident memory of a process with both stages and metrics, from one run.\n"
    );
    page
}
