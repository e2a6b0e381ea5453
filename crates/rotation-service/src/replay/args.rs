//! The flags of `rotation replay`.

use super::pace::Speed;
use jiff::civil::Date;
use rotation_engine::calendar::Calendar;
use rotation_engine::clock::parse_span;
use std::path::PathBuf;

/// Send market data files to the ticks topic, in order of time, as a feed would.
///
/// Reads daily rows (`date,open,high,low,close` or `date,close`; FRED's too), panels (`date,AAA,BBB,…`), intraday bars
/// (`ts,open,high,low,close`), trade prints and input records as NDJSON, any of them gzipped. What a file is, its first
/// line tells; its symbol is its name up to the first dot. A daily row is an official close at the close of its
/// calendar's session; a bar is its open, high, low and close in order; input records pass through as they are.
///
/// Every partition gets a heartbeat when the files have passed the end of a session by the lateness of the
/// configuration (30 s without one), and one after the last record that lies past the last session's correction window
/// (12 h), so that all sessions close; a replay that is interrupted ends without it. Records keep the wall clock's time
/// as their timestamp on the topic.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rotation replay daily/RUT.csv daily/GSPC.csv daily/DGS10.csv --config config/great-rotation.toml
  rotation replay daily/ --topic market.ticks --brokers localhost:9092 --from 2026-01-01 --calendar DGS10=US-BOND
  rotation replay RUT_5m.csv.gz SPX_5m.csv.gz --as RUT_5m=RUT --as SPX_5m=GSPC --speed 3600
  rotation replay ticks_2013-10-07.csv.gz --speed 60 -X compression.type=zstd
  rotation replay daily/RUT.csv --from 2026-01-01 --output -

Exit codes: 0 all sent, 1 all sent but rows that could not be read, 2 wrong usage or configuration,
3 Kafka or the output file failed, 130 interrupted.")]
pub struct ReplayArgs {
    /// Files to read; of a directory those directly inside it that are of a known format.
    #[arg(required = true, value_name = "FILE|DIR")]
    pub paths: Vec<PathBuf>,
    /// Seconds of event time a second, such as 60, or `max`. A wait longer than 5 s (a night, a weekend) takes 1 s.
    #[arg(long, value_name = "N|max", default_value = "max")]
    pub speed: Speed,
    /// The topic. Default: that of the configuration, else market.ticks. It has to exist.
    #[arg(long, value_name = "TOPIC")]
    pub topic: Option<String>,
    /// A configuration, for its brokers, properties, topic, calendars, lateness and windows.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Brokers to ask first, separated by commas. Default: those of the configuration, else localhost:9092.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    pub brokers: Vec<String>,
    /// The symbol of a file, of a panel's column or of a print's symbol that is named otherwise; split at the last `=`.
    #[arg(long = "as", value_name = "STEM=SYMBOL", value_parser = parse_alias)]
    pub aliases: Vec<(String, String)>,
    /// The calendar (XNYS, US-BOND, 24x7) of a symbol, or, named alone, of all that are not listed. Default XNYS.
    #[arg(long = "calendar", value_name = "[SYMBOL=]CALENDAR", value_parser = parse_calendar)]
    pub calendars: Vec<(Option<String>, Calendar)>,
    /// First date read, such as 2025-09-01.
    #[arg(long, value_name = "DATE")]
    pub from: Option<Date>,
    /// Last date read.
    #[arg(long, value_name = "DATE")]
    pub to: Option<Date>,
    /// Length of intraday bars, such as 5m. Default: the smallest step between a file's first rows.
    #[arg(long, value_name = "SPAN", value_parser = parse_length)]
    pub bar_length: Option<i64>,
    /// A librdkafka property of the producer, such as linger.ms=20. Overrides the configuration.
    #[arg(short = 'X', value_name = "PROPERTY=VALUE", value_parser = parse_property)]
    pub properties: Vec<(String, String)>,
    /// Write the input records to a file (`-`: standard output), a line each, instead of to Kafka. Heartbeats are
    /// written once.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["topic", "brokers", "properties"])]
    pub output: Option<PathBuf>,
    /// Send no heartbeats: other producers write to the topic too, and may be behind.
    #[arg(long)]
    pub no_heartbeats: bool,
    /// Number the ticks of each symbol (`seq`), so that a repeated replay of the same files and dates is dropped as
    /// duplicates. Input records keep what they have.
    #[arg(long)]
    pub seq: bool,
    /// Stop at the first row that cannot be read.
    #[arg(long)]
    pub strict: bool,
    /// No progress bar and no summary; errors are said.
    #[arg(long)]
    pub quiet: bool,
}

fn split<'a>(text: &'a str, expected: &str) -> Result<(&'a str, &'a str), String> {
    let parts = text.rsplit_once('=');
    let parts = parts.filter(|(left, right)| !left.is_empty() && !right.is_empty());
    parts.ok_or_else(|| format!("expected {expected}, found {text:?}"))
}

fn parse_alias(text: &str) -> Result<(String, String), String> {
    let (stem, symbol) = split(text, "STEM=SYMBOL such as RUT_5m=RUT")?;
    Ok((stem.to_owned(), symbol.to_owned()))
}

fn parse_calendar(text: &str) -> Result<(Option<String>, Calendar), String> {
    let (symbol, calendar) = match text.rsplit_once('=') {
        Some(_) => {
            let (symbol, calendar) = split(text, "SYMBOL=CALENDAR such as DGS10=US-BOND")?;
            (Some(symbol.to_owned()), calendar)
        }
        None => (None, text),
    };
    let calendar = calendar.parse().map_err(|error| format!("{error}"))?;
    Ok((symbol, calendar))
}

fn parse_length(text: &str) -> Result<i64, String> {
    let nanos = parse_span(text).map_err(|error| error.to_string())?;
    if nanos > 0 {
        Ok(nanos)
    } else {
        Err("expected a length above zero".to_owned())
    }
}

fn parse_property(text: &str) -> Result<(String, String), String> {
    // Values may hold the sign, names do not.
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) =
        parts.ok_or_else(|| "expected PROPERTY=VALUE such as linger.ms=20".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_split_at_the_last_sign() {
        let pair = |stem: &str, symbol: &str| Some((stem.to_owned(), symbol.to_owned()));
        for (text, expected) in [
            ("RUT_5m=RUT", pair("RUT_5m", "RUT")),
            ("GC=F=GOLD", pair("GC=F", "GOLD")),
            ("RUT", None),
            ("=RUT", None),
            ("RUT=", None),
        ] {
            assert_eq!(parse_alias(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn calendars_stand_alone_or_for_a_symbol() {
        let bond = Calendar::UsBond;
        for (text, expected) in [
            ("DGS10=US-BOND", Some((Some("DGS10".to_owned()), bond))),
            ("US-BOND", Some((None, bond))),
            (
                "GC=F=24x7",
                Some((Some("GC=F".to_owned()), Calendar::AlwaysOpen)),
            ),
            ("DGS10=BOND", None),
            ("=US-BOND", None),
            ("DGS10=", None),
        ] {
            assert_eq!(parse_calendar(text).ok(), expected, "{text}");
        }
        let error = parse_calendar("DGS10=BOND").unwrap_err();
        assert!(
            error.contains("XNYS") && error.contains("\"BOND\""),
            "{error}"
        );
    }

    #[test]
    fn values_of_properties_may_hold_the_sign() {
        let expected = ("sasl.password".to_owned(), "a=b".to_owned());
        assert_eq!(parse_property("sasl.password=a=b"), Ok(expected));
        let secret = parse_property("=hunter2").unwrap_err();
        assert!(!secret.contains("hunter2"), "{secret}");
    }
}
