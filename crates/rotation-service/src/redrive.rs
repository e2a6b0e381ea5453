//! `rotation redrive`: puts dead letters back on the topic that they came from, after the fault is mended.
//!
//! A letter goes to the partition that it came from, not to the one that its key would have: a series belongs to the
//! partition where it was first seen, a heartbeat speaks for its own partition, and lateness is judged by partition.
//! What was put back is remembered beside the letter, in the same transaction, so that it is put back once, whatever
//! happens to this process.

use crate::kafka::log::TopicLog;
use crate::kafka::preflight;
use crate::proof::{Bound, Range, Source};
use crate::table::{self, Align, Row};
use anyhow::bail;
use std::io::Write;
use std::process::ExitCode;

mod letters;
mod send;

use letters::{Letter, Letters, Verdict};
use rotation_wire::invariants::Place;
use send::Sender;

/// Put dead letters back on the topic that they came from. Shows what would go; does it with --apply.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rotation redrive --config rules.toml --code future                    what would go
  rotation redrive --config rules.toml --code future --apply
  rotation redrive --config rules.toml --from 2026-01-15T14:00:00Z --to 2026-01-15T15:00:00Z
  rotation redrive --config rules.toml --offset 0/1234 --apply

Letters go back as they are: mend what made them dead first. A tick that is older than the horizon of its
partition by now is late: it is counted, and changes nothing that was decided.

A letter goes back once. One whose record came back dead is refused without --again. Letters of which only
the beginning was kept are refused, and so are those of other topics than the ticks' unless --topic names it.

Exit codes: 0 fine, 1 some letters were refused, 2 wrong usage or configuration, 3 Kafka failed.")]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Only letters with this code, such as `future`; may be given more than once.
    #[arg(long, value_name = "CODE")]
    code: Vec<String>,
    /// Only letters written from this time on, or with this offset and later ones.
    #[arg(long, value_name = "TIME|OFFSET")]
    from: Option<Bound>,
    /// Only letters written before this time, or with lower offsets.
    #[arg(long, value_name = "TIME|OFFSET")]
    to: Option<Bound>,
    /// Only letters that came from this topic. Default: the ticks topic.
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Only this letter: its own partition and offset among the dead letters; may be given more than once.
    #[arg(long, value_name = "PARTITION/OFFSET", value_parser = letters::place)]
    offset: Vec<Place>,
    /// Also letters whose record was put back before and came back dead.
    #[arg(long)]
    again: bool,
    /// Do it.
    #[arg(long)]
    apply: bool,
}

/// Which letters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) codes: Vec<String>,
    pub(crate) range: Range,
    pub(crate) topic: String,
    pub(crate) places: Vec<Place>,
    pub(crate) again: bool,
}

/// Runs the command.
///
/// # Errors
/// A wrong configuration, topics that cannot be read or written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let opened = args.source.open("redrive")?;
    let topics = &opened.settings.topics;
    let known = rotation_engine::output::RejectCode::ALL;
    if let Some(code) = args
        .code
        .iter()
        .find(|code| known.iter().all(|known| known.name() != *code))
    {
        let known: Vec<&str> = known.iter().map(|code| code.name()).collect();
        bail!(
            "--code: expected one of {}, found \"{code}\"",
            known.join(", ")
        );
    }
    preflight::connect(&opened.settings)?;
    let filter = Filter {
        codes: args.code.clone(),
        range: Range {
            from: args.from,
            to: args.to,
        },
        topic: args.topic.clone().unwrap_or(topics.ticks.clone()),
        places: args.offset.clone(),
        again: args.again,
    };
    // Made before the letters are read: another redrive at the same time is fenced, or seen by what it remembered.
    let sender = match args.apply {
        true => Some(Sender::open(&opened.settings)?),
        false => None,
    };
    let mut letters = Letters::default();
    TopicLog::open(&opened.settings, &topics.dead_letters, "redrive")?
        .read_all(|message| letters.take(message))?;
    let judged = letters.judge(&filter);
    show(out, &judged, &letters)?;
    let go: Vec<&Letter> = judged
        .iter()
        .filter(|(_, verdict)| *verdict == Verdict::Go)
        .map(|(letter, _)| *letter)
        .collect();
    match sender {
        None if go.is_empty() => writeln!(out, "nothing to put back")?,
        None => writeln!(
            out,
            "{} would go back to {}; nothing was sent: add --apply",
            count(go.len()),
            filter.topic
        )?,
        Some(sender) => {
            let sent = sender.send(&go, &topics.dead_letters)?;
            writeln!(out, "{} went back to {}", count(sent), filter.topic)?;
        }
    }
    if !go.is_empty() {
        writeln!(
            out,
            "a tick older than its partition's horizon by then is late: counted in rotation_ticks_dropped_total, and not \
             decided on"
        )?;
    }
    let is_refused = |(_, verdict): &(&Letter, Verdict)| matches!(verdict, Verdict::Refused(_));
    Ok(if judged.iter().any(is_refused) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn count(letters: usize) -> String {
    match letters {
        1 => "1 letter".to_owned(),
        _ => format!("{letters} letters"),
    }
}

/// The most characters of a value that are shown.
const VALUE_SHOWN: usize = 48;

fn show(
    out: &mut dyn Write,
    judged: &[(&Letter, Verdict)],
    letters: &Letters,
) -> std::io::Result<()> {
    let columns = [
        ("letter", Align::Left),
        ("code", Align::Left),
        ("from", Align::Left),
        ("key", Align::Left),
        ("value", Align::Left),
        ("", Align::Left),
    ];
    let rows: Vec<Row> = judged
        .iter()
        .map(|(letter, verdict)| {
            let text = |bytes: &Option<Vec<u8>>| {
                let text = String::from_utf8_lossy(bytes.as_deref().unwrap_or_default());
                let plain = text.chars().take(VALUE_SHOWN);
                plain
                    .map(|c| if c.is_control() { ' ' } else { c })
                    .collect::<String>()
            };
            let cells = vec![
                format!("{}/{}", letter.place.partition, letter.place.offset),
                letter.code.clone(),
                format!("{}/{}", letter.origin.partition, letter.origin.offset),
                text(&letter.key),
                text(&letter.payload),
                verdict.word().to_owned(),
            ];
            let below = match verdict {
                Verdict::Refused(why) => vec![(*why).to_owned()],
                Verdict::Go | Verdict::Done => vec![letter.message.clone()],
            };
            Row { cells, below }
        })
        .collect();
    if !rows.is_empty() {
        for line in table::lines(&columns, &rows) {
            writeln!(out, "{line}")?;
        }
    }
    if letters.strangers > 0 {
        writeln!(
            out,
            "{} records there are no dead letters of this program",
            letters.strangers
        )?;
    }
    Ok(())
}
