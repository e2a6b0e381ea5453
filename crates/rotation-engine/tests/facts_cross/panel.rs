//! The panel of S&P 500 stocks.

use crate::common::{Said, session, skip};
use flate2::read::GzDecoder;
use jiff::civil::Date;
use rotation_engine::detector::{Kind, Names, Unit};
use rotation_engine::section::{Point, Section};
use serde_json::Value;
use std::fs::File;
use std::path::PathBuf;

/// Adjusted closes, a row a session.
pub struct Panel {
    pub symbols: Vec<String>,
    pub rows: Vec<(Date, Vec<Option<f64>>)>,
}

impl Panel {
    /// The panel; none where the data are missing and may be.
    pub fn read() -> Option<Panel> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/market/panel");
        let path = folder.join("sp500_close.csv.gz");
        let Ok(file) = File::open(&path) else {
            skip(&format!("{} is missing", path.display()));
            return None;
        };
        let mut table = csv::Reader::from_reader(GzDecoder::new(file));
        let symbols = table
            .headers()
            .unwrap()
            .iter()
            .skip(1)
            .map(str::to_owned)
            .collect();
        let rows = table.records().map(|row| {
            let row = row.unwrap();
            let closes = row.iter().skip(1).map(|close| close.parse().ok()).collect();
            (row[0].parse().unwrap(), closes)
        });
        Some(Panel {
            symbols,
            rows: rows.collect(),
        })
    }

    /// Steps a rule over all of the panel's stocks through the sessions from a date on.
    pub fn run(&self, kind: &str, mut params: Value, from: &str) -> Vec<Said> {
        let from: Date = from.parse().unwrap();
        params["members"] = self.symbols.clone().into();
        let kind = Kind::deserialize(kind, params).unwrap().unwrap();
        kind.check().unwrap();
        let units = vec![Unit::Price; self.symbols.len()];
        let names = Names {
            symbols: &self.symbols,
            units: &units,
        };
        let mut state = kind.detector();
        let sessions = self.rows.iter().filter(|(date, _)| *date >= from);
        let said = sessions.map(|(date, closes)| {
            let point = |close: &Option<f64>| close.map(|close| Point::flat(close, true));
            let values: Vec<_> = closes.iter().map(point).collect();
            let section = Section {
                bucket: session(*date),
                values: &values,
                said: &[],
            };
            let step = state.step(&kind, &section);
            let account = state.account(&kind, names, &step.change);
            Said {
                date: *date,
                step,
                account,
            }
        });
        said.collect()
    }
}
