//! The `vaegis` program: arguments, progress, tables, exit codes.
//!
//! Data goes to stdout; progress and messages go to stderr. Exit codes: 0 clean, 1
//! finished with failed points or interrupted, 2 could not run.

mod arguments;
mod commands;
mod domain;
mod failure;
mod interrupt;
mod model;
mod objective;
mod output;
mod progress;
mod verdicts;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command, DataCommand};

/// The system allocator gives tensors back to the kernel and fetches them again, page
/// by page, a thousand times a second.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.command {
        Command::Demo(options) => commands::demo::run(options),
        Command::Train(options) => commands::train::run(options),
        Command::Design(options) => commands::design::run(options),
        Command::Audit(options) => commands::audit::run(options),
        Command::Certify(options) => commands::certify::run(options),
        Command::Attack(options) => commands::attack::run(options),
        Command::Score(options) => commands::score::run(options),
        Command::Inspect(options) => commands::inspect::run(options),
        Command::Export(options) => commands::export::run(options),
        Command::Study(options) => commands::study::run(options),
        Command::Report(options) => commands::report::run(options),
        Command::Data(DataCommand::Describe(options)) => commands::describe::run(options),
        Command::Completions { shell } => commands::completions(*shell),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => failure::report(&error),
    }
}
