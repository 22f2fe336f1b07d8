//! Folders as data sets: images, shards of a Parquet table, or the batches of CIFAR.
//!
//! Images are files in one folder, or in one subfolder for each class; both may lie in folders
//! called `train`, `validation` and `test`. Files come in natural order (`img2` before `img10`),
//! classes in the order of [`labels`](crate::labels). Hidden files are not seen; any other file
//! has to be an image.

use std::cmp::Ordering;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::cifar::{self, Version};
use crate::dataset::{About, Dataset, Parts, Values};
use crate::error::{Error, Result, listed};
use crate::labels::Words;
use crate::options::{Applicable, Labels, OpenOptions};
use crate::parquet::{self, Shard};
use crate::picture;
use crate::source::{self, name};
use crate::split::{self, Split};

/// What folders of images are called.
pub(crate) const FORMAT: &str = "folder of images";

/// Largest file of an image in bytes.
const MAX_IMAGE: u64 = 256 << 20;

/// What lies in a folder, in natural order.
struct Entries {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Entries {
    fn of(folder: &Path) -> Result<Self> {
        let fail = |reason| Error::Read { file: folder.display().to_string(), reason };
        let mut entries = Self { files: vec![], folders: vec![] };
        for entry in fs::read_dir(folder).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            if name(&path).starts_with('.') {
                continue;
            }
            if path.is_dir() { entries.folders.push(path) } else { entries.files.push(path) }
        }
        entries.files.sort_by(|a, b| natural(&name(a), &name(b)));
        entries.folders.sort_by(|a, b| natural(&name(a), &name(b)));
        Ok(entries)
    }

    fn file(&self, wanted: &str) -> Option<&PathBuf> {
        self.files.iter().find(|path| name(path) == wanted)
    }

    fn parquet(&self) -> Vec<&PathBuf> {
        self.files.iter().filter(|path| name(path).ends_with(".parquet")).collect()
    }
}

/// Text in which runs of digits compare as numbers.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let ordering = match (digits(left), digits(right)) {
            (0, _) | (_, 0) => {
                let (mut first, mut second) = (left.chars(), right.chars());
                let (c, d) = (first.next(), second.next());
                (left, right) = (first.as_str(), second.as_str());
                if c.is_none() && d.is_none() {
                    // `01` and `1`, say.
                    return a.cmp(b);
                }
                c.cmp(&d)
            }
            (m, n) => {
                let (first, second) = (&left[..m], &right[..n]);
                (left, right) = (&left[m..], &right[n..]);
                let [first, second] = [first, second].map(|digits| digits.trim_start_matches('0'));
                first.len().cmp(&second.len()).then_with(|| first.cmp(second))
            }
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
}

/// Opens a folder.
pub(crate) fn open(folder: &Path, options: &OpenOptions) -> Result<Dataset> {
    let entries = Entries::of(folder)?;
    let origin = folder.display().to_string();
    if let Some(batches) = batches(&origin, &entries)? {
        return cifar_batches(folder, batches, options);
    }
    let mut shards = entries.parquet().into_iter().cloned().collect::<Vec<_>>();
    // Data sets on the Hugging Face hub have their files in `data`.
    if let ([data], true) = (&entries.folders[..], shards.is_empty())
        && name(data) == "data"
    {
        shards = Entries::of(data)?.parquet().into_iter().cloned().collect();
    }
    if !shards.is_empty() {
        return parquet_shards(folder, &shards, options);
    }
    images(folder, entries, options)
}

/// What the folder is called, whatever the path to it looks like.
fn folder_name(folder: &Path) -> String {
    folder.canonicalize().map_or_else(|_| name(folder), |path| name(&path))
}

/// Files of records, and the split of each.
type Batches = (Version, Vec<(PathBuf, Split)>);

/// The batches of CIFAR-10 or CIFAR-100, if the folder has them.
fn batches(origin: &str, entries: &Entries) -> Result<Option<Batches>> {
    let ten: Vec<(String, Split)> = (1..=5)
        .map(|k| (format!("data_batch_{k}.bin"), Split::Train))
        .chain([("test_batch.bin".to_owned(), Split::Test)])
        .collect();
    let hundred =
        vec![("train.bin".to_owned(), Split::Train), ("test.bin".to_owned(), Split::Test)];
    for (version, expected) in [(Version::Cifar10, ten), (Version::Cifar100, hundred)] {
        let found: Vec<(PathBuf, Split)> = expected
            .iter()
            .filter_map(|(name, split)| Some((entries.file(name)?.clone(), *split)))
            .collect();
        if found.len() == expected.len() {
            return Ok(Some((version, found)));
        }
        if !found.is_empty() {
            let missing: Vec<&str> = expected
                .iter()
                .filter(|(name, _)| entries.file(name).is_none())
                .map(|(name, _)| name.as_str())
                .collect();
            let problem = format!("has batches of CIFAR, but not {}", listed(&missing, 6));
            return Err(Error::malformed(origin, problem));
        }
    }
    Ok(None)
}

fn cifar_batches(
    folder: &Path,
    (version, batches): Batches,
    options: &OpenOptions,
) -> Result<Dataset> {
    let applicable = Applicable { labels: version == Version::Cifar100, ..Applicable::default() };
    options.check(&folder.display().to_string(), version.format(), applicable)?;
    let mut files: Vec<(String, Split, Box<dyn Read>)> = vec![];
    for (path, split) in batches {
        files.push((path.display().to_string(), split, Box::new(source::open(&path)?)));
    }
    cifar::parse(folder_name(folder), version, files, options)
}

fn parquet_shards(folder: &Path, paths: &[PathBuf], options: &OpenOptions) -> Result<Dataset> {
    let origin = folder.display().to_string();
    let applicable = Applicable { array: true, labels: true, images: true };
    options.check(&origin, parquet::FORMAT, applicable)?;
    let mut shards: Vec<(Split, &PathBuf)> =
        paths.iter().map(|path| (parquet::shard_name(&name(path)).0, path)).collect();
    shards.sort_by_key(|&(split, _)| split);
    if shards[0].0 == Split::Unnamed && shards[shards.len() - 1].0 != Split::Unnamed {
        let names: Vec<String> = paths.iter().map(|path| name(path)).collect();
        let problem = format!(
            "some of its files are called after a split and some are not ({})",
            listed(&names, 8)
        );
        return Err(Error::malformed(origin, problem));
    }
    missing_shards(&origin, &shards)?;
    let open = |(split, path): (Split, &PathBuf)| -> Result<Shard<File>> {
        Ok(Shard { file: path.display().to_string(), split, reader: source::open(path)? })
    };
    let shards = shards.into_iter().map(open).collect::<Result<_>>()?;
    parquet::parse(&origin, folder_name(folder), shards, options)
}

/// `train-00000-of-00002.parquet` says that there is another one.
fn missing_shards(origin: &str, shards: &[(Split, &PathBuf)]) -> Result<()> {
    let mut found = std::collections::BTreeMap::<(Split, usize), Vec<usize>>::new();
    for (split, path) in shards {
        if let (_, Some((shard, count))) = parquet::shard_name(&name(path)) {
            found.entry((*split, count)).or_default().push(shard);
        }
    }
    let problems: Vec<String> = found
        .iter()
        .filter(|((_, count), shards)| shards.len() != *count)
        .map(|((_, count), shards)| {
            let numbers: Vec<String> = shards.iter().map(usize::to_string).collect();
            format!("has the shards {} of {count}, expected all of them", listed(&numbers, 8))
        })
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::Malformed { file: origin.to_owned(), problems })
    }
}

/// One image, where it belongs.
struct Image {
    path: PathBuf,
    split: Split,
    class: Option<String>,
}

/// Every image below a folder, in order.
fn collect(origin: &str, entries: Entries) -> Result<Vec<Image>> {
    let splits: Option<Vec<Split>> =
        entries.folders.iter().map(|folder| Split::of(&name(folder))).collect();
    let mut images = vec![];
    match splits {
        Some(splits) if !splits.is_empty() && entries.files.is_empty() => {
            let mut folders: Vec<_> = splits.into_iter().zip(entries.folders).collect();
            folders.sort_by_key(|&(split, _)| split);
            for (split, folder) in folders {
                let origin = folder.display().to_string();
                collect_classes(&origin, Entries::of(&folder)?, split, &mut images)?;
            }
        }
        _ => collect_classes(origin, entries, Split::Unnamed, &mut images)?,
    }
    let classes = images.iter().filter(|image| image.class.is_some()).count();
    if classes > 0 && classes < images.len() {
        let problem = "some of its splits have folders of classes and some have not";
        return Err(Error::malformed(origin, problem));
    }
    Ok(images)
}

/// The images of one split.
fn collect_classes(
    origin: &str,
    entries: Entries,
    split: Split,
    images: &mut Vec<Image>,
) -> Result<()> {
    let names = |paths: &[PathBuf]| paths.iter().map(|path| name(path)).collect::<Vec<_>>();
    if !entries.files.is_empty() && !entries.folders.is_empty() {
        let problem = format!(
            "has files ({}) beside folders ({}), expected images or one folder for each class",
            listed(&names(&entries.files), 4),
            listed(&names(&entries.folders), 4)
        );
        return Err(Error::malformed(origin, problem));
    }
    images.extend(entries.files.into_iter().map(|path| Image { path, split, class: None }));
    let mut problems = vec![];
    for folder in entries.folders {
        let class = name(&folder);
        let inner = Entries::of(&folder)?;
        if !inner.folders.is_empty() {
            problems.push(format!(
                "class `{class}` has folders inside ({})",
                listed(&names(&inner.folders), 4)
            ));
        } else if inner.files.is_empty() {
            problems.push(format!("class `{class}` has no images"));
        }
        let class = Some(class);
        images.extend(inner.files.into_iter().map(|path| Image {
            path,
            split,
            class: class.clone(),
        }));
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::Malformed { file: origin.to_owned(), problems })
}

fn images(folder: &Path, entries: Entries, options: &OpenOptions) -> Result<Dataset> {
    let origin = folder.display().to_string();
    let stranger = stranger(&entries);
    let images = match collect(&origin, entries) {
        Ok(images) if images.iter().any(|image| is_image(&image.path)) => images,
        // A folder of something else altogether has nothing to be told of classes.
        Ok(_) => return Err(Error::Unrecognised { file: origin, found: stranger }),
        Err(error) => return Err(error),
    };
    options.check(&origin, FORMAT, Applicable { images: true, ..Applicable::default() })?;
    let (plan, pixels) = picture::decode_all(
        &origin,
        &images,
        |image| {
            let below = image.path.strip_prefix(folder).unwrap_or(&image.path);
            below.display().to_string().into()
        },
        |image| {
            let file =
                File::open(&image.path).map_err(|error| format!("cannot be read: {error}"))?;
            let mut bytes = vec![];
            let read = file.take(MAX_IMAGE + 1).read_to_end(&mut bytes);
            read.map_err(|error| format!("cannot be read: {error}"))?;
            if bytes.len() as u64 > MAX_IMAGE {
                return Err(format!("is larger than {MAX_IMAGE} bytes"));
            }
            Ok(bytes.into())
        },
        options,
    )?;
    let mut about = About::new(FORMAT, "8-bit images, pixels k/255");
    about.remarks = plan.remarks();
    let labelled = images[0].class.is_some() && options.labels != Labels::None;
    let labels = labelled.then(|| {
        let mut words = Words::default();
        images.iter().for_each(|image| words.push(image.class.as_deref().unwrap_or_default()));
        let classes = words.classes();
        about.label_names = classes.names;
        classes.labels
    });
    let counts: Vec<(Split, usize)> = images.iter().map(|image| (image.split, 1)).collect();
    let (test_from, remark) = split::border(&counts);
    about.remarks.extend(remark);
    let (name, shape, values) = (folder_name(folder), plan.shape(), Values::Pixels(pixels));
    Ok(Dataset::from_parts(Parts { name, shape, values, labels, test_from, about }))
}

/// What a folder is that has no data in it.
fn stranger(entries: &Entries) -> String {
    let names: Vec<String> =
        entries.files.iter().chain(&entries.folders).map(|path| name(path)).collect();
    let has = if names.is_empty() { "nothing".to_owned() } else { listed(&names, 4) };
    format!("is a directory without images, Parquet files or CIFAR batches (it has {has})")
}

fn is_image(path: &Path) -> bool {
    let mut head = vec![];
    File::open(path).is_ok_and(|file| file.take(8).read_to_end(&mut head).is_ok())
        && picture::format(&head).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_numbers() {
        let mut names = ["img10", "img2", "img1", "b", "img01", "img", "a9", "a10b", "a10"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["a9", "a10", "a10b", "b", "img", "img01", "img1", "img2", "img10"]);
    }
}
