use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A share of a model, in steps of its bar.
pub(crate) const MODEL: u64 = 1_000;

/// A bar for models, each of which takes [`MODEL`] steps.
pub(crate) fn models(total: usize) -> ProgressBar {
    let template = format!("{{msg}} [{{bar:28}}] {{models}}/{total} models  {{eta}} left");
    let style = ProgressStyle::with_template(&template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
        .with_key("models", |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{:.1}", state.pos() as f64 / MODEL as f64);
        });
    let bar = ProgressBar::new(MODEL * total as u64).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// A bar on stderr with a rate and the time left; nothing where stderr is no terminal.
pub(crate) fn bar(total: usize, unit: &str) -> ProgressBar {
    let template =
        format!("{{msg:24}} [{{bar:28}}] {{pos}}/{{len}} {unit}  {{per_sec}}  {{eta}} left");
    let style = ProgressStyle::with_template(&template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
        .with_key(
            "per_sec",
            move |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = write!(out, "{:.1}/s", state.per_sec());
            },
        );
    let bar = ProgressBar::new(total as u64).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
