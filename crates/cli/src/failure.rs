use std::process::ExitCode;

use vaegis_vae::Error as VaeError;

/// Prints an error once, with its cause and a hint, and says "could not run".
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    // Library errors carry their cause in their own message.
    let mut message = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    crate::output::note(&format!("error: {message}"));
    if let Some(hint) = hint(error) {
        crate::output::note(&format!("hint: {hint}"));
    }
    ExitCode::from(2)
}

fn hint(error: &anyhow::Error) -> Option<String> {
    match error.downcast_ref::<VaeError>()? {
        VaeError::Io { path, .. } if path.ends_with("model.json") => {
            Some("a model is a folder that `vaegis train --out FOLDER` wrote".to_string())
        }
        VaeError::Diverged { .. } => Some("try --learning-rate 0.0003".to_string()),
        _ => None,
    }
}
