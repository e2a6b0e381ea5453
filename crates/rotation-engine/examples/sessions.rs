//! Prints the sessions of a calendar as CSV: `sessions CALENDAR FROM TO`, both dates included.

use std::error::Error;
use std::io::{BufWriter, Write, stdout};

use jiff::civil::Date;
use rotation_engine::calendar::Calendar;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [calendar, from, to] = arguments.as_slice() else {
        return Err("expected CALENDAR FROM TO, such as XNYS 1987-01-01 2030-12-31".into());
    };
    let calendar: Calendar = calendar.parse()?;
    let (from, to): (Date, Date) = (from.parse()?, to.parse()?);
    let mut out = BufWriter::new(stdout().lock());
    writeln!(out, "date,open,close")?;
    for session in calendar.sessions(from, to) {
        writeln!(out, "{},{},{}", session.date, session.open, session.close)?;
    }
    out.flush()?;
    Ok(())
}
