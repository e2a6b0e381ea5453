//! An input record a line, passed on byte for byte; only its time and symbol are looked at.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use rotation_engine::time::EventTime;
use serde::Deserialize;

use super::error::{Fault, FilesError};
use super::fields::Row;
use super::options::{Named, OpenOptions, Window, forget_beyond_bound};
use super::{Content, FileRecord, Flow, Sink};

/// Input records in the order of the file.
#[derive(Debug)]
pub(super) struct NdjsonRows {
    options: OpenOptions,
    symbols: HashMap<Box<str>, Named>,
    /// Moments of records without a symbol.
    window: Window,
    /// The latest time so far.
    newest: EventTime,
}

#[derive(Deserialize)]
struct Head<'a> {
    /// Only a void may lack it.
    time: Option<EventTime>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    symbol: Option<Cow<'a, str>>,
}

impl NdjsonRows {
    pub(super) fn new(options: &OpenOptions) -> Self {
        let window = options.window(options.calendar);
        Self {
            options: options.clone(),
            symbols: HashMap::new(),
            window,
            newest: EventTime::MIN,
        }
    }

    pub(super) fn read(&mut self, row: Row<'_>, out: &mut Sink) -> Result<Flow, FilesError> {
        let head: Head<'_> = serde_json::from_slice(row.line)
            .map_err(|error| row.error(Fault::Json(said(&error))))?;
        let time = match head.time {
            Some(time) => time,
            // A print is voided after it came, so after the line before.
            None if head.kind.as_deref() == Some("void") => self.newest,
            None => {
                let text = format!("missing field `time` at column {}", row.line.len());
                return Err(row.error(Fault::Json(text.into())));
            }
        };
        self.newest = self.newest.max(time);
        let (symbol, window) = match head.symbol {
            None => (None, &self.window),
            Some(symbol) => {
                let named = self.named(&symbol);
                (Some(Arc::clone(&named.symbol)), &named.window)
            }
        };
        if window.contains(time) {
            let content = Content::Raw(row.line.into());
            out.records.push_back(FileRecord {
                symbol,
                time,
                content,
            });
        }
        Ok(Flow::On)
    }

    fn named(&mut self, symbol: &str) -> &Named {
        if !self.symbols.contains_key(symbol) {
            forget_beyond_bound(&mut self.symbols);
            self.symbols
                .insert(symbol.into(), self.options.symbol(symbol));
        }
        &self.symbols[symbol]
    }
}

/// What the parser says, with the column but without its line, which is always the first.
fn said(error: &serde_json::Error) -> Box<str> {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    format!("{what} at column {}", error.column()).into()
}
