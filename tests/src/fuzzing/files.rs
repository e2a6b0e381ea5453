//! Market data files.

use flate2::Compression;
use flate2::read::GzEncoder;
use rotation_service::files::{self, Content, FileRecord, OpenOptions};
use rotation_wire::input;
use std::io::Read;
use std::path::Path;

/// Four ticks a row is the most that a row becomes; a row is at least a byte and the end of its line.
const RECORDS_A_BYTE: usize = 4;

/// A table: the first byte says whether the file's symbol is read whole.
pub(super) fn csv(bytes: &[u8]) {
    let (whole, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let mut options = OpenOptions::default();
    if whole % 2 == 1 {
        options.ohlc.insert("F".to_owned());
    }
    for record in records(rest, &options) {
        match record.content {
            Content::Tick { price, size, .. } => {
                assert!(
                    price.is_finite() && size.is_none_or(f64::is_finite),
                    "{record:?}"
                );
                assert!(record.symbol.is_some());
            }
            Content::Raw(_) => assert!(rest.contains(&b'{')),
        }
    }
}

/// A record a line: what is passed on is a line of the file, and its time and symbol are those that it says.
pub(super) fn ndjson(bytes: &[u8]) {
    let bytes = [b"{}\n".as_slice(), bytes].concat();
    for record in records(&bytes, &OpenOptions::default()) {
        let Content::Raw(raw) = &record.content else {
            panic!("{record:?} from a file of records");
        };
        assert!(bytes.windows(raw.len()).any(|line| line == &**raw));
        let Ok(decoded) = input::decode(raw) else {
            continue;
        };
        let (symbol, time) = match &decoded {
            input::Input::Tick { symbol, tick } => (Some(symbol), Some(tick.time)),
            input::Input::Heartbeat { time } => (None, Some(*time)),
            input::Input::Split { symbol, time, .. } => (Some(symbol), Some(*time)),
            input::Input::Void { symbol, time, .. } => (Some(symbol), *time),
        };
        assert!(time.is_none_or(|time| time == record.time), "{record:?}");
        let named = record.symbol.as_deref();
        assert!(
            symbol.is_none_or(|symbol| named == Some(symbol)),
            "{record:?}"
        );
    }
}

/// Bytes as gzip, broken or not; and the same bytes compressed read as they do plain.
pub(super) fn gzip(bytes: &[u8]) {
    let options = OpenOptions::default();
    let broken = [&[0x1f, 0x8b][..], bytes].concat();
    records(&broken, &options);
    let mut compressed = Vec::new();
    GzEncoder::new(bytes, Compression::fast())
        .read_to_end(&mut compressed)
        .expect("memory can be read");
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        assert_eq!(records(&compressed, &options), records(bytes, &options));
    }
}

/// Every record of a file; each fault on the way names the file.
fn records(bytes: &[u8], options: &OpenOptions) -> Vec<FileRecord> {
    let path = Path::new("F.2026-01-05.csv");
    let named = |error: files::FilesError| {
        let text = error.to_string();
        assert!(text.starts_with("F.2026-01-05.csv:"), "{text}");
        assert!(text.len() < 1_000, "{text}");
    };
    let source = match files::read(path, bytes.to_vec(), options) {
        Ok(source) => source,
        Err(error) => {
            named(error);
            return Vec::new();
        }
    };
    // Gzip may hold more than its size; its own bound is tested apart.
    let is_gzip = bytes.starts_with(&[0x1f, 0x8b]);
    let most = if is_gzip {
        1 << 22
    } else {
        RECORDS_A_BYTE * bytes.len() + 1
    };
    let mut found = Vec::new();
    for (count, record) in source.enumerate() {
        assert!(count < most, "reading does not end");
        match record {
            Ok(record) => found.push(record),
            Err(error) => named(error),
        }
    }
    found
}
