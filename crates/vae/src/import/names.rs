//! What the names of a model's outputs tell, where they tell it beyond doubt.

use super::Spread;

/// What an output holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Role {
    Mean,
    Spread(Spread),
}

/// The role of an output by its name, if the name says it.
pub(super) fn role(name: &str) -> Option<Role> {
    let lower = name.to_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let joined: String = words.concat();
    let says = |parts: &[&str]| parts.iter().any(|part| joined.contains(part));
    // The logarithms first: "logvar" also ends in "var".
    if says(&["logvar", "logsigma2", "logsigmasq", "lnvar"]) {
        return Some(Role::Spread(Spread::LogVariance));
    }
    if says(&["logsigma", "logstd", "logscale", "lnsigma"]) {
        return Some(Role::Spread(Spread::LogSigma));
    }
    let word = |known: &[&str]| {
        words.iter().any(|word| {
            let stem = word.trim_end_matches(|c: char| c.is_ascii_digit());
            known.contains(&stem) || known.contains(&stem.strip_prefix('z').unwrap_or(stem))
        })
    };
    if word(&["sigma", "std", "stddev", "stdev", "scale"]) {
        Some(Role::Spread(Spread::Sigma))
    } else if word(&["var", "variance"]) {
        Some(Role::Spread(Spread::Variance))
    } else if word(&["mu", "mean", "means", "loc"]) {
        Some(Role::Mean)
    } else {
        None
    }
}

/// Whether a decoder's output is called logits.
pub(super) fn says_logits(name: &str) -> bool {
    name.to_lowercase().contains("logit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_names_are_understood() {
        for name in ["mu", "z_mean", "mean", "loc", "z_mean/BiasAdd:0", "fc_mu", "mu_z", "zmean"] {
            assert_eq!(role(name), Some(Role::Mean), "{name}");
        }
        for (name, spread) in [
            ("logvar", Spread::LogVariance),
            ("z_log_var", Spread::LogVariance),
            ("log_sigma2", Spread::LogVariance),
            ("logstd", Spread::LogSigma),
            ("z_log_sigma", Spread::LogSigma),
            ("sigma", Spread::Sigma),
            ("std_1", Spread::Sigma),
            ("scale", Spread::Sigma),
            ("variance", Spread::Variance),
        ] {
            assert_eq!(role(name), Some(Role::Spread(spread)), "{name}");
        }
        for name in
            ["linear_3", "output", "41", "StatefulPartitionedCall:0", "z", "moments", "x_hat"]
        {
            assert_eq!(role(name), None, "{name}");
        }
    }
}
