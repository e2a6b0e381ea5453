//! Which format a file is in, told from its first line.

use super::error::{Fault, excerpt};
use super::fields::{FIELDS_MAX, Fields};

/// A format with the places of its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Format {
    /// A row a day of one series.
    Daily { close: Column, quotes: Quotes },
    /// A row a day, a column a series.
    Panel { names: Vec<Box<str>> },
    /// A row a bar of one series: open, high, low, close.
    Bars { prices: [Column; 4] },
    /// A row a trade.
    Prints {
        symbol: Column,
        price: Column,
        size: Option<Column>,
    },
    /// An input record a line; there is no header.
    Ndjson,
}

/// Columns of one series beside its close, as far as the file has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Quotes {
    pub(super) open: Option<Column>,
    pub(super) high: Option<Column>,
    pub(super) low: Option<Column>,
    pub(super) volume: Option<Column>,
}

/// A column's place, with its name as the file writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) at: usize,
    pub(super) name: Box<str>,
}

/// Names of one series' columns beside the close. One of them alone may be a panel's column: LOW and OPEN are symbols.
const QUOTE_NAMES: [&str; 8] = [
    "open",
    "high",
    "low",
    "volume",
    "vol",
    "adj close",
    "adj_close",
    "openint",
];

impl Format {
    /// Tells the format from the first line of a file.
    pub(super) fn of(first: &[u8]) -> Result<Self, Fault> {
        if first.first() == Some(&b'{') {
            return Ok(Self::Ndjson);
        }
        let header = Header::new(first)?;
        let unknown = || Fault::Unknown(excerpt(first));
        match header.lower(0) {
            "date" | "observation_date" => header.daily(unknown),
            "ts" => header.bars(),
            "ms_since_midnight_et" => header.prints(),
            _ => Err(unknown()),
        }
    }
}

struct Header {
    names: Vec<Box<str>>,
    lower: Vec<String>,
}

impl Header {
    fn new(line: &[u8]) -> Result<Self, Fault> {
        let mut fields = Fields::default();
        fields.split(line);
        if fields.len() > FIELDS_MAX {
            return Err(Fault::TooWide(FIELDS_MAX));
        }
        let names: Vec<Box<str>> = (0..fields.len())
            .map(|column| String::from_utf8_lossy(fields.get(line, column)).into())
            .collect();
        let lower = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Ok(Self { names, lower })
    }

    fn lower(&self, at: usize) -> &str {
        self.lower.get(at).map_or("", String::as_str)
    }

    fn find(&self, name: &str) -> Option<Column> {
        let at = self.lower.iter().position(|lower| lower == name)?;
        Some(Column {
            at,
            name: self.names[at].clone(),
        })
    }

    fn need(&self, name: &'static str, what: &'static str) -> Result<Column, Fault> {
        self.find(name).ok_or(Fault::Header(name, what))
    }

    fn daily(mut self, unknown: impl Fn() -> Fault) -> Result<Format, Fault> {
        if let Some(close) = self.find("close") {
            let quotes = Quotes {
                open: self.find("open"),
                high: self.find("high"),
                low: self.find("low"),
                volume: self.find("volume").or_else(|| self.find("vol")),
            };
            return Ok(Format::Daily { close, quotes });
        }
        let quotes = self
            .lower
            .iter()
            .filter(|name| QUOTE_NAMES.contains(&name.as_str()))
            .count()
            > 1;
        match self.names.len() {
            _ if quotes => Err(Fault::Header("close", "daily quotes")),
            2 if !self.names[1].is_empty() => Ok(Format::Daily {
                close: Column {
                    at: 1,
                    name: self.names.swap_remove(1),
                },
                quotes: Quotes::default(),
            }),
            3.. => {
                self.names.remove(0);
                Ok(Format::Panel { names: self.names })
            }
            _ => Err(unknown()),
        }
    }

    fn bars(&self) -> Result<Format, Fault> {
        let need = |name| self.need(name, "bars");
        Ok(Format::Bars {
            prices: [need("open")?, need("high")?, need("low")?, need("close")?],
        })
    }

    fn prints(&self) -> Result<Format, Fault> {
        let need = |name| self.need(name, "trade prints");
        Ok(Format::Prints {
            symbol: need("symbol")?,
            price: need("price")?,
            size: self.find("size"),
        })
    }
}
