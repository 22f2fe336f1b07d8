//! Perturbations and gallery pictures as safetensors.
//!
//! A perturbation is the tensor `"{index}/{radius}"`. A file is never read whole to find one:
//! the header says where it lies, and only its bytes are read.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, View};

use super::{Error, Perturbation, disk};

/// A shape and the values that fill it, row-major.
pub type Tensor = (Vec<usize>, Vec<f32>);

/// A tensor to be written: its name, its shape and the values that fill it.
pub(super) type Named<'a> = (String, Floats<'a>);

/// Borrowed values; bytes are made when they are written, one tensor at a time.
pub(super) struct Floats<'a> {
    pub(super) shape: &'a [usize],
    pub(super) values: &'a [f32],
}

impl View for Floats<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }
    fn shape(&self) -> &[usize] {
        self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        self.values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }
    fn data_len(&self) -> usize {
        4 * self.values.len()
    }
}

/// Writes tensors at `path`. Shapes that do not fit are an error.
pub(super) fn write<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = Named<'a>>,
) -> Result<(), Error> {
    let bytes = safetensors::serialize(tensors, None)
        .map_err(|e| disk::failed("write", path, io::Error::other(e)))?;
    disk::replace_bytes(path, &bytes)
}

/// Writes perturbations at `path`.
pub(super) fn write_perturbations(path: &Path, all: &[Perturbation]) -> Result<(), Error> {
    write(
        path,
        all.iter()
            .map(|d| (name(d.index, &d.radius), Floats { shape: &d.shape, values: &d.values })),
    )
}

/// The name of a perturbation.
pub(super) fn name(index: i64, radius: &str) -> String {
    format!("{index}/{radius}")
}

/// An open file, of which only the header has been read.
pub(super) struct Tensors<'a> {
    path: &'a Path,
    file: File,
    start: u64,
    header: Metadata,
}

impl<'a> Tensors<'a> {
    /// Reads and checks the header of the file at `path`.
    pub(super) fn open(path: &'a Path) -> Result<Self, Error> {
        let damaged = |reason: &str| disk::damaged(path, reason);
        let read = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => damaged("it is missing"),
            io::ErrorKind::UnexpectedEof => damaged("it is truncated"),
            _ => disk::failed("read", path, source),
        };
        let mut file = File::open(path).map_err(read)?;
        let size = file.metadata().map_err(read)?.len();
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(read)?;
        let length = u64::from_le_bytes(length);
        if length > size.saturating_sub(8) {
            return Err(damaged("it is truncated"));
        }
        let mut header = Vec::new();
        file.by_ref().take(length).read_to_end(&mut header).map_err(read)?;
        let header: Metadata =
            serde_json::from_slice(&header).map_err(|e| damaged(&e.to_string()))?;
        if 8 + length + header.data_len() as u64 != size {
            return Err(damaged("its size is not what its header says"));
        }
        Ok(Self { path, file, start: 8 + length, header })
    }

    /// The names, in the order of the file.
    pub(super) fn names(&self) -> Vec<String> {
        self.header.offset_keys()
    }

    /// Shape and values of one tensor.
    pub(super) fn get(&mut self, name: &str) -> Result<Option<Tensor>, Error> {
        let Some(info) = self.header.info(name) else {
            return Ok(None);
        };
        if info.dtype != Dtype::F32 {
            let reason = format!("tensor `{name}` is {} and not F32", info.dtype);
            return Err(disk::damaged(self.path, reason));
        }
        let (from, to) = info.data_offsets;
        let mut bytes = vec![0; to - from];
        self.file
            .seek(SeekFrom::Start(self.start + from as u64))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|source| disk::failed("read", self.path, source))?;
        let (values, _) = bytes.as_chunks();
        let values = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        Ok(Some((info.shape.clone(), values)))
    }

    /// The perturbations of the points that `keep` names.
    pub(super) fn perturbations(
        &mut self,
        keep: impl Fn(i64) -> bool,
    ) -> Result<Vec<Perturbation>, Error> {
        let mut found = Vec::new();
        for name in self.names() {
            let parsed = name.split_once('/').and_then(|(i, r)| Some((i.parse().ok()?, r)));
            let Some((index, radius)) = parsed else {
                let reason = format!("tensor `{name}` is not named `index/radius`");
                return Err(disk::damaged(self.path, reason));
            };
            if keep(index)
                && let Some((shape, values)) = self.get(&name)?
            {
                found.push(Perturbation { index, radius: radius.to_owned(), values, shape });
            }
        }
        Ok(found)
    }
}
