//! Event files, as TensorBoard reads them: records of TFRecord's framing, each an `Event` of the
//! protocol-buffer schema `tensorflow/core/util/event.proto`.
//!
//! A record is the length of its data (u64), a checksum of that, the data, and a checksum of the data,
//! all little-endian. A checksum is CRC-32C, rotated and shifted ("masked").

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use crate::{EpochReport, Error, Losses};

/// The terms of a training by epoch, in a file for TensorBoard.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// The one file of a training in its `folder`, which TensorBoard shows as a run.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join("events.out.tfevents.vaegis")
    }

    /// An empty file in `folder`, in place of the one that may be there.
    ///
    /// # Errors
    /// Names the file that could not be written.
    pub fn create(folder: &Path) -> Result<Self, Error> {
        let path = Self::path(folder);
        let file = File::create(&path).map_err(Error::io(&path))?;
        let mut events = Self { path, file };
        let version = What::FileVersion("brain.Event:2".to_string());
        events.append(&[Event { wall_time: now(), step: 0, what: Some(version) }])?;
        Ok(events)
    }

    /// Appends an epoch: `training/total`, `validation/rate` and so on, at the epoch as step.
    ///
    /// # Errors
    /// Names the file that could not be written.
    pub fn write(&mut self, report: &EpochReport) -> Result<(), Error> {
        let events = [("training", &report.training), ("validation", &report.validation)]
            .map(|(rows, losses)| event(report.epoch, rows, losses));
        self.append(&events)
    }

    fn append(&mut self, events: &[Event]) -> Result<(), Error> {
        let bytes: Vec<u8> =
            events.iter().flat_map(|event| record(&event.encode_to_vec())).collect();
        self.file.write_all(&bytes).map_err(Error::io(&self.path))
    }
}

fn event(epoch: usize, rows: &str, losses: &Losses) -> Event {
    let value = losses
        .all()
        .map(|(name, value)| Value {
            tag: format!("{rows}/{name}"),
            simple_value: Some(value as f32),
        })
        .collect();
    let step = i64::try_from(epoch).unwrap_or(i64::MAX);
    Event { wall_time: now(), step, what: Some(What::Summary(Summary { value })) }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let (of_length, of_data) = (checksum(&length).to_le_bytes(), checksum(data).to_le_bytes());
    [length.as_slice(), &of_length, data, &of_data].concat()
}

fn checksum(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: an epoch is a few hundred bytes.
fn crc32c(data: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let remainder = data.iter().fold(u32::MAX, |mut remainder, byte| {
        remainder ^= u32::from(*byte);
        for _ in 0..8 {
            let low = remainder & 1;
            remainder = (remainder >> 1) ^ (POLYNOMIAL * low);
        }
        remainder
    });
    !remainder
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, appendix B.4.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        let ascending: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(&ascending), 0x46dd_794e);
    }

    /// Length and data of each record, its checksums looked at.
    fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut found = vec![];
        while !bytes.is_empty() {
            let (length, rest) = bytes.split_at(8);
            let (of_length, rest) = rest.split_at(4);
            assert_eq!(of_length, checksum(length).to_le_bytes());
            let (data, rest) =
                rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
            let (of_data, rest) = rest.split_at(4);
            assert_eq!(of_data, checksum(data).to_le_bytes());
            found.push(data.to_vec());
            bytes = rest;
        }
        found
    }

    #[test]
    fn what_is_written_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let losses = |total| Losses {
            total,
            distortion: 3.5,
            rate: 1.25,
            terms: BTreeMap::from([("total_correlation".to_string(), 0.5)]),
        };
        let report = |epoch: usize| EpochReport {
            epoch,
            training: losses(epoch as f64),
            validation: losses(-1.0),
        };
        for _ in 0..2 {
            let mut events = EventFile::create(folder.path()).unwrap();
            events.write(&report(1)).unwrap();
            events.write(&report(300)).unwrap();
        }
        let bytes = std::fs::read(EventFile::path(folder.path())).unwrap();
        let read: Vec<Event> =
            records(&bytes).iter().map(|data| Event::decode(data.as_slice()).unwrap()).collect();
        assert_eq!(read.len(), 5);
        assert_eq!(read[0].what, Some(What::FileVersion("brain.Event:2".to_string())));
        assert!(read[0].wall_time > 1.7e9);
        let steps: Vec<i64> = read[1..].iter().map(|event| event.step).collect();
        assert_eq!(steps, [1, 1, 300, 300]);
        let Some(What::Summary(summary)) = &read[3].what else { panic!("{:?}", read[3]) };
        let values: Vec<(&str, Option<f32>)> =
            summary.value.iter().map(|value| (value.tag.as_str(), value.simple_value)).collect();
        assert_eq!(
            values,
            [
                ("training/total", Some(300.0)),
                ("training/distortion", Some(3.5)),
                ("training/rate", Some(1.25)),
                ("training/total_correlation", Some(0.5)),
            ]
        );
    }
}
