//! What the machine may be used for.

use clap::Args;

/// What the machine may be used for. Changes no result.
#[derive(Debug, Clone, Args)]
pub(crate) struct Machine {
    /// Threads to use [default: all]
    #[arg(long, value_parser = parse_threads)]
    pub(crate) threads: Option<usize>,
    /// Memory for batches of draws, for example 512MiB or 2GiB
    #[arg(long, default_value = "512MiB", value_parser = parse_memory)]
    pub(crate) memory: usize,
}

impl Machine {
    /// Threads to use.
    pub(crate) fn threads(&self) -> usize {
        threads_or_all(self.threads)
    }
}

/// So many threads, or as many as the machine runs at once.
pub(crate) fn threads_or_all(threads: Option<usize>) -> usize {
    let all = || std::thread::available_parallelism().map_or(1, usize::from);
    threads.unwrap_or_else(all)
}

/// More threads than any machine has cores only cost memory.
pub(crate) fn parse_threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads @ 1..=1024) => Ok(threads),
        _ => Err("expected a number from 1 to 1024".to_string()),
    }
}

/// `512MiB`, `2GiB`, `1000000`.
fn parse_memory(text: &str) -> Result<usize, String> {
    let fail = || format!("{text:?}: expected a number of bytes with KiB, MiB or GiB");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: usize = number.parse().map_err(|_| fail())?;
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return Err(fail()),
    };
    let bytes = number.checked_mul(unit).ok_or_else(fail)?;
    if bytes >= 1 << 20 { Ok(bytes) } else { Err(format!("{text:?}: at least 1MiB is needed")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_sizes_parse() {
        assert_eq!(parse_memory("512MiB"), Ok(512 << 20));
        assert_eq!(parse_memory("2g"), Ok(2 << 30));
        assert_eq!(parse_memory("4194304"), Ok(4 << 20));
        for text in ["", "MiB", "12parsecs", "0", "99999999999999999999", "99999999999G"] {
            assert!(parse_memory(text).is_err(), "{text}");
        }
    }
}
