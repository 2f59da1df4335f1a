//! The file, which an operator may take away at any moment to have a new one begun.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// As much of the end as is looked at for the last commit.
const TAIL: u64 = 1 << 20;

/// An open audit file.
pub(super) struct AuditFile {
    path: PathBuf,
    file: File,
    /// Whether the end is a part of a line, whose writer was killed.
    is_torn: bool,
}

impl AuditFile {
    /// Opens the file or makes it, for its owner alone.
    pub(super) fn open(path: &Path) -> std::io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(std::io::Error::other("it is not a regular file"));
        }
        let is_torn = is_torn(&file)?;
        Ok(Self { path: path.to_owned(), file, is_torn })
    }

    /// The end of what is there, from the beginning of a line on.
    pub(super) fn tail(&self) -> std::io::Result<String> {
        let mut file = &self.file;
        let start = file.metadata()?.len().saturating_sub(TAIL);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let whole = if start == 0 { Some(&*text) } else { text.split_once('\n').map(|(_, rest)| rest) };
        Ok(whole.unwrap_or_default().to_owned())
    }

    /// Appends whole lines, to a new file if the one that was open has been moved or removed. After an error nothing of them is there.
    pub(super) fn append(&mut self, lines: &[u8]) -> std::io::Result<()> {
        if !self.is_in_place() {
            *self = Self::open(&self.path)?;
        }
        let length = self.file.metadata()?.len();
        let end: &[u8] = if self.is_torn { b"\n" } else { b"" };
        let written = self.file.write_all(end).and_then(|()| self.file.write_all(lines));
        // What is left of a line that did not fit would make the next one unreadable.
        let mended = if written.is_err() { self.file.set_len(length) } else { Ok(()) };
        self.is_torn = written.is_err() && (self.is_torn || mended.is_err());
        written
    }

    fn is_in_place(&self) -> bool {
        let (Ok(open), Ok(there)) = (self.file.metadata(), std::fs::metadata(&self.path)) else {
            return false;
        };
        (open.dev(), open.ino()) == (there.dev(), there.ino())
    }
}

fn is_torn(mut file: &File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}
