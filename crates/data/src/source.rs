//! Bytes of files that may lie.
//!
//! A header of sixteen bytes can declare petabytes, and a small compressed file can expand to
//! them. So memory grows with the bytes that arrive, never with the size that is declared: the
//! declared size only says when to stop, one byte beyond it (to notice a file that goes on), and
//! is refused outright above [`MAX_BYTES`]. A file that declares a size, and has it, is read.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::error::{Error, Result};

/// The most that is read into memory, in bytes after decompression: 16 GiB, a million
/// images of 64 x 64 x 3 with room to spare.
pub(crate) const MAX_BYTES: u64 = 16 << 30;

/// Opens a file; a missing one is an error of its own.
pub(crate) fn open(path: &Path) -> Result<File> {
    let file = path.display().to_string();
    if path.is_dir() {
        return Err(Error::Directory { file });
    }
    match File::open(path) {
        Ok(reader) => Ok(reader),
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => Err(Error::NotFound { file }),
        Err(reason) => Err(Error::Read { file, reason }),
    }
}

/// The content of plain or gzip-compressed bytes, and whether they were compressed.
pub(crate) fn unpacked<'a>(
    file: &str,
    mut reader: impl Read + 'a,
) -> Result<(Box<dyn Read + 'a>, bool)> {
    let magic = read(file, &mut reader, 2)?;
    let gzip = magic == [0x1f, 0x8b];
    let whole = io::Cursor::new(magic).chain(reader);
    Ok(if gzip {
        (Box::new(MultiGzDecoder::new(io::BufReader::new(whole))), true)
    } else {
        (Box::new(whole), false)
    })
}

/// Up to `limit` bytes; fewer only where the input ends.
pub(crate) fn read(file: &str, reader: impl Read, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match reader.take(limit).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(reason) => Err(Error::Read { file: file.to_owned(), reason }),
    }
}

/// Exactly the elements that a header of `header` bytes declares: `shape`, of `size` bytes each.
pub(crate) fn read_elements(
    file: &str,
    reader: impl Read,
    header: u64,
    shape: &[usize],
    size: u64,
) -> Result<Vec<u8>> {
    let file = file.to_owned();
    if shape.contains(&0) {
        return Err(Error::Empty { origin: file, shape: shape.to_vec() });
    }
    let size = shape.iter().try_fold(size, |size, &n| size.checked_mul(n as u64));
    let Some(size) = size.filter(|&size| size <= MAX_BYTES) else {
        return Err(Error::TooLarge { file, shape: shape.to_vec(), limit: MAX_BYTES });
    };
    let mut bytes = Vec::new();
    let outcome = reader.take(size + 1).read_to_end(&mut bytes);
    let (expected, found) = (header + size, header + bytes.len() as u64);
    match outcome {
        // A compressed stream cut short ends in an error, a plain one just ends.
        Err(reason) if found >= expected || reason.kind() != io::ErrorKind::UnexpectedEof => {
            Err(Error::Read { file, reason })
        }
        _ if found < expected => Err(Error::Truncated { file, expected, found }),
        _ if found > expected => Err(Error::Oversized { file, expected }),
        _ => {
            bytes.shrink_to_fit();
            Ok(bytes)
        }
    }
}

/// The first bytes in hexadecimal, or `nothing`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    if digits.is_empty() { "nothing".to_owned() } else { digits.join(" ") }
}

/// The last part of a path, for people.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
