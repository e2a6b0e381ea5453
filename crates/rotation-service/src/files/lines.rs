//! Bytes of a file as bounded lines, decompressed when they are gzip.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use super::error::{Fault, FilesError};

/// The longest line that is read, in bytes.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// How many times its own size a gzip file may expand to, once it has expanded to [`EXPANDED_FREE`]: rows of market
/// data take a fifth to a twentieth of their size.
pub const EXPANSION_MAX: u64 = 200;

/// Bytes that any gzip file may expand to.
const EXPANDED_FREE: u64 = 64 << 20;

const BUFFER_BYTES: usize = 1 << 16;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// How far a file has been read, in bytes as they lie on disk; cheap to clone and to ask from another thread.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    read: Arc<AtomicU64>,
    total: u64,
}

impl Progress {
    /// Bytes taken from the file so far.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Size of the file when it was opened.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.total
    }

    /// Counts what is left as read: the reader needs no more of the file.
    pub(super) fn finish(&self) {
        self.read.fetch_max(self.total, Ordering::Relaxed);
    }
}

/// Lines of one file, without their ends; one is held at a time.
pub(super) struct Lines {
    reader: Box<dyn BufRead + Send>,
    line: Vec<u8>,
    number: u64,
    kept: bool,
    progress: Progress,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self, FilesError> {
        let whole = |error| FilesError::whole(path, Fault::Open(error));
        let file = File::open(path).map_err(whole)?;
        let metadata = file.metadata().map_err(whole)?;
        if metadata.is_dir() {
            return Err(FilesError::whole(path, Fault::Directory));
        }
        let progress = Progress {
            total: metadata.len(),
            ..Progress::default()
        };
        Self::from_reader(path, file, progress)
    }

    /// Lines of bytes that stand for the file of that name.
    pub(super) fn of(path: &Path, bytes: Vec<u8>) -> Result<Self, FilesError> {
        let progress = Progress {
            total: bytes.len() as u64,
            ..Progress::default()
        };
        Self::from_reader(path, io::Cursor::new(bytes), progress)
    }

    fn from_reader(
        path: &Path,
        from: impl Read + Send + 'static,
        progress: Progress,
    ) -> Result<Self, FilesError> {
        let counted = Counted {
            from,
            read: Arc::clone(&progress.read),
        };
        let reader =
            decompressed(counted).map_err(|error| FilesError::whole(path, Fault::Read(error)))?;
        Ok(Self {
            reader,
            line: Vec::new(),
            number: 0,
            kept: false,
            progress,
        })
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Number of the line read last, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The line read last.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Lets the next [`Lines::advance`] stay at this line.
    pub(super) fn keep(&mut self) {
        self.kept = true;
    }

    /// Reads the next line that is not blank; `false` at the end.
    pub(super) fn advance(&mut self) -> Result<bool, Fault> {
        if std::mem::take(&mut self.kept) {
            return Ok(true);
        }
        loop {
            self.line.clear();
            let mut bounded = self.reader.by_ref().take(LINE_BYTES_MAX as u64 + 1);
            let count = bounded
                .read_until(b'\n', &mut self.line)
                .map_err(Fault::Read)?;
            if count == 0 {
                return Ok(false);
            }
            self.number += 1;
            if self.line.last() == Some(&b'\n') {
                self.line.pop();
            } else if count > LINE_BYTES_MAX {
                self.line.clear();
                self.reader.skip_until(b'\n').map_err(Fault::Read)?;
                return Err(Fault::TooLong(LINE_BYTES_MAX));
            }
            self.line.truncate(self.line.trim_ascii_end().len());
            if self.number == 1 && self.line.starts_with(BYTE_ORDER_MARK) {
                self.line.drain(..BYTE_ORDER_MARK.len());
            }
            if !self.line.is_empty() {
                return Ok(true);
            }
        }
    }
}

fn decompressed(
    counted: Counted<impl Read + Send + 'static>,
) -> io::Result<Box<dyn BufRead + Send>> {
    let read = Arc::clone(&counted.read);
    let mut plain = BufReader::with_capacity(BUFFER_BYTES, counted);
    if plain.fill_buf()?.starts_with(&GZIP_MAGIC) {
        let decoder = Expanding {
            decoder: MultiGzDecoder::new(plain),
            read,
            expanded: 0,
        };
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder)));
    }
    Ok(Box::new(plain))
}

/// Ends where a file expands to more than market data does.
struct Expanding<D> {
    decoder: D,
    /// Bytes taken from the file.
    read: Arc<AtomicU64>,
    expanded: u64,
}

impl<D: Read> Read for Expanding<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(buffer)?;
        self.expanded += count as u64;
        let most = self.read.load(Ordering::Relaxed) * EXPANSION_MAX;
        if self.expanded > most.max(EXPANDED_FREE) {
            return Err(io::Error::other(format!(
                "expected gzip of market data, found one that expands more than {EXPANSION_MAX} times"
            )));
        }
        Ok(count)
    }
}

struct Counted<R> {
    from: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
