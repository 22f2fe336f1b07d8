use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

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
