//! From what a user names to the files that are read.

use std::path::{Path, PathBuf};

use super::error::{Fault, FilesError};
use super::format::Format;
use super::lines::Lines;

/// The files behind the names a user gave.
#[derive(Debug, Default)]
pub struct Expansion {
    /// Files to read: in the order given, those of a directory by name, each once.
    pub files: Vec<PathBuf>,
    /// What lies in the directories and is not read, and why.
    pub passed_over: Vec<FilesError>,
}

/// Finds the files behind files and directories. A file that is named must be readable and of a known format; one
/// that merely lies in a named directory is passed over when it is not. Hidden files are left out.
///
/// # Errors
///
/// When a named path cannot be opened, or a named file is of no known format.
pub fn expand<P: AsRef<Path>>(paths: &[P]) -> Result<Expansion, FilesError> {
    let mut expansion = Expansion::default();
    for path in paths.iter().map(AsRef::as_ref) {
        let whole = |error| FilesError::whole(path, Fault::Open(error));
        if !path.metadata().map_err(whole)?.is_dir() {
            recognise(path)?;
            expansion.add(path.to_owned());
            continue;
        }
        let mut entries = Vec::new();
        for entry in path.read_dir().map_err(whole)? {
            let entry = entry.map_err(whole)?;
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                entries.push(entry.path());
            }
        }
        entries.sort();
        for file in entries {
            match recognise(&file) {
                Ok(()) => expansion.add(file),
                Err(error) => expansion.passed_over.push(error),
            }
        }
    }
    Ok(expansion)
}

impl Expansion {
    fn add(&mut self, file: PathBuf) {
        if !self.files.contains(&file) {
            self.files.push(file);
        }
    }
}

/// Looks at the first line; what is read from a pipe would be lost, so a pipe is believed.
fn recognise(path: &Path) -> Result<(), FilesError> {
    let metadata = path
        .metadata()
        .map_err(|error| FilesError::whole(path, Fault::Open(error)))?;
    if !metadata.is_file() && !metadata.is_dir() {
        return Ok(());
    }
    let mut lines = Lines::open(path)?;
    let whole = |fault| FilesError::whole(path, fault);
    if !lines.advance().map_err(whole)? {
        return Err(whole(Fault::Empty));
    }
    Format::of(lines.line()).map(drop).map_err(whole)
}
