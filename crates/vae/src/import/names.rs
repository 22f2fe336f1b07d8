//! What the names of a model's outputs tell, where they tell it beyond doubt.

use super::Spread;

/// What an output holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Role {
    Mean,
    Spread(Spread),
}

/// Words that turn a known quantity into another one, so that it must be asked for:
/// `half_logvar`, `raw_sigma`, `inv_std`.
const CHANGES: [&str; 13] = [
    "half",
    "neg",
    "negative",
    "inv",
    "inverse",
    "raw",
    "pre",
    "free",
    "unconstrained",
    "tril",
    "softplus",
    "exp",
    "logits",
];

/// What the words of a name say together.
#[derive(Debug, Default, PartialEq)]
struct Words {
    mean: bool,
    deviation: bool,
    variance: bool,
    logarithm: bool,
    squared: bool,
    /// A lone 2 may be an exponent or a counter.
    two: bool,
    changed: bool,
}

impl Words {
    fn add(&mut self, word: &str) {
        let plain =
            self.add_known(word) || word.strip_prefix('z').is_some_and(|w| self.add_known(w));
        self.changed |= !plain && CHANGES.contains(&word);
    }

    /// Whether the word says something.
    fn add_known(&mut self, word: &str) -> bool {
        let rest = ["log", "ln"].into_iter().find_map(|prefix| word.strip_prefix(prefix));
        let quantity = rest.unwrap_or(word);
        let stem = quantity.trim_end_matches(|c: char| c.is_ascii_digit());
        let without_square = ["squared", "sq"].into_iter().find_map(|s| stem.strip_suffix(s));
        let digits = &quantity[stem.len()..];
        let squared = without_square.is_some() || (stem, digits) == ("sigma", "2");
        match without_square.unwrap_or(stem) {
            "sigma" | "std" | "stddev" | "stdev" | "deviation" | "scale" => self.deviation = true,
            "var" | "variance" => self.variance = true,
            "mu" | "mean" | "means" | "loc" => self.mean = true,
            // The logarithm, the square or the digit is a word of its own.
            "" if rest.is_some() || without_square.is_some() || digits == "2" => {}
            _ => return false,
        }
        self.two |= digits == "2" && !squared;
        self.logarithm |= rest.is_some();
        self.squared |= squared;
        true
    }
}

/// The role of an output by its name, if the name says it.
pub(super) fn role(name: &str) -> Option<Role> {
    let lower = name.to_lowercase();
    let mut words = Words::default();
    for word in lower.split(|c: char| !c.is_ascii_alphanumeric()) {
        words.add(word);
    }
    let Words { mean, deviation, variance, logarithm, squared, two, changed } = words;
    if changed {
        return None;
    }
    match (mean, deviation, variance, logarithm, squared) {
        (true, false, false, false, false) => Some(Role::Mean),
        (false, true, false, false, false) if !two => Some(Role::Spread(Spread::Sigma)),
        (false, true, false, true, false) if !two => Some(Role::Spread(Spread::LogSigma)),
        (false, true, false, false, true) | (false, false, true, false, false) => {
            Some(Role::Spread(Spread::Variance))
        }
        (false, true, false, true, true) | (false, false, true, true, false) => {
            Some(Role::Spread(Spread::LogVariance))
        }
        _ => None,
    }
}

/// Whether a decoder's output is called a mean. Exporters call averages `mean`, too.
pub(super) fn says_means(name: &str) -> bool {
    role(name) == Some(Role::Mean) && !name.to_lowercase().starts_with("mean")
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
            ("sigma2", Spread::Variance),
            ("sigma_sq", Spread::Variance),
            ("z_std_squared", Spread::Variance),
            ("ln_sigma2", Spread::LogVariance),
            ("log_sigma_squared", Spread::LogVariance),
            ("log_z_var", Spread::LogVariance),
            ("log_q_std", Spread::LogSigma),
            ("standard_deviation", Spread::Sigma),
        ] {
            assert_eq!(role(name), Some(Role::Spread(spread)), "{name}");
        }
        // Something of a known quantity, several at once, or a 2 that may be a counter.
        for name in [
            "half_logvar",
            "neg_log_var",
            "raw_sigma",
            "inv_std",
            "scale_tril",
            "mu_logvar",
            "mean_and_std",
            "log_mean",
            "variance_squared",
            "sigma_2",
            "std2",
            "log_sigma_2",
        ] {
            assert_eq!(role(name), None, "{name}");
        }
        for name in
            ["linear_3", "output", "41", "StatefulPartitionedCall:0", "z", "moments", "x_hat"]
        {
            assert_eq!(role(name), None, "{name}");
        }
    }
}
