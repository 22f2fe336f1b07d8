use serde::{Deserialize, Serialize};
use vaegis_data::Dataset;
use vaegis_robustness::attack::goal::{Pathway, Reference};
use vaegis_robustness::attack::{Attack, Effort, least_draws};
use vaegis_robustness::{Aim, Certification, Domain, Model, Settings};
use vaegis_vae::Vae;

use crate::Error;
use crate::store::AuditFolder;

/// Everything that decides the results of an audit. Two audits with the same
/// configuration have the same rows (but for `seconds`), up to floating-point noise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditConfig {
    /// Name of the model in the results.
    pub model: String,
    /// One line on what the model is.
    pub description: String,
    /// [`fingerprint`] of the model.
    pub model_hash: String,
    /// Name of the data set.
    pub dataset: String,
    /// Fingerprint of the data set.
    pub data_hash: String,
    /// Which points, as asked for.
    pub points: String,
    /// Seed of all noise.
    pub seed: u64,
    /// Where perturbations come from that were found on another model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<Transfer>,
    /// Radii, draws, limits, box and attacks.
    #[serde(flatten)]
    pub settings: Settings,
}

/// The audit that perturbations are taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Its model.
    pub model: String,
    /// blake3 of its configuration, in hex: everything that decides its perturbations.
    pub config_hash: String,
}

impl Transfer {
    /// What decides the perturbations in a folder.
    ///
    /// # Errors
    /// If the folder is not a finished audit of the same data and domain that has the radii of
    /// `config`: all reasons are given.
    pub fn of(folder: &AuditFolder, config: &AuditConfig) -> Result<Self, Error> {
        let name = folder.path().display();
        let other: AuditConfig = folder
            .config()
            .clone()
            .try_into()
            .map_err(|error| Error::Config(vec![format!("{name}: {error}")]))?;
        let mut problems = vec![];
        if !folder.is_finished() {
            problems.push(format!("{name} is not finished: run its audit again"));
        }
        if other.data_hash != config.data_hash {
            problems.push(format!(
                "{name} is an audit of other data ({}, here {})",
                other.dataset, config.dataset
            ));
        }
        let (theirs, ours) = (&other.settings.domain, &config.settings.domain);
        if theirs.norm != ours.norm {
            let (theirs, ours) = (theirs.norm, ours.norm);
            problems
                .push(format!("{name} has perturbations in {theirs}, here {ours} is asked for"));
        }
        if theirs.bounds != ours.bounds {
            let (theirs, ours) = (theirs.bounds, ours.bounds);
            problems.push(format!(
                "{name} has perturbations in the box {theirs}, here {ours} is asked for"
            ));
        }
        if theirs.units != ours.units {
            problems.push(format!("{name} has perturbations in other units, or of other features"));
        }
        for radius in &config.settings.radii {
            if !other.settings.radii.contains(radius) {
                problems.push(format!("{name} has no radius {radius}"));
            }
        }
        if problems.is_empty() {
            let config_hash = blake3::hash(folder.config().to_string().as_bytes());
            Ok(Self { model: other.model, config_hash: config_hash.to_hex().to_string() })
        } else {
            Err(Error::Config(problems))
        }
    }
}

/// How to run: nothing here changes a result, because batches depend on the model alone
/// and noise on the point alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execution {
    /// Most points assessed at once, one thread each.
    pub threads: usize,
    /// Bytes that the values of all batches together may take: it limits the points
    /// assessed at once.
    pub memory: usize,
    /// Assess points again that failed in an earlier run.
    pub retry_failed: bool,
}

/// What is audited.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The model.
    pub vae: &'a Vae,
    /// The data.
    pub dataset: &'a Dataset,
    /// Rows of the data set.
    pub points: &'a [usize],
    /// A finished audit whose perturbations are judged too.
    pub transfer_from: Option<&'a AuditFolder>,
}

/// blake3 of a model's structure and weights, in hex.
pub fn fingerprint(vae: &Vae) -> String {
    let mut hasher = blake3::Hasher::new();
    let structure = (vae.encoder().config(), vae.decoder().config(), vae.likelihood());
    hasher.update(serde_json::to_string(&structure).unwrap_or_default().as_bytes());
    for (name, shape, values) in vae.weights().iter() {
        hasher.update(format!("{name}{shape:?}").as_bytes());
        for value in values {
            hasher.update(&value.to_le_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// Rounded up.
fn mebibytes(bytes: usize) -> usize {
    bytes.div_ceil(1 << 20)
}

impl AuditConfig {
    /// Refuses what cannot work, all problems at once, before any work starts.
    ///
    /// # Errors
    /// Lists every problem.
    pub fn check(&self, subject: Subject<'_>, execution: Execution) -> Result<(), Error> {
        let Settings { radii, draws, alpha, domain, attacks, aim, certify } = &self.settings;
        let mut problems = subject.problems(&self.dataset, domain, execution);
        let mut require = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        require(!radii.is_empty(), "no radius is given".into());
        let labels: Vec<String> = radii.iter().map(ToString::to_string).collect();
        let repeated = labels.iter().enumerate().find(|(at, label)| labels[..*at].contains(label));
        if let Some((_, label)) = repeated {
            require(false, format!("radius {label} is given twice"));
        }
        require(*draws >= 2, format!("draws must be at least 2, found {draws}"));
        require(
            *alpha > 0.0 && *alpha < 0.5,
            format!("alpha must lie between 0 and 1/2, found {alpha}"),
        );
        require(
            i64::try_from(self.seed).is_ok(),
            format!("seed must be below 2^63, found {}", self.seed),
        );
        if let Some(Certification { tightness, .. }) = certify {
            require(
                (0.0..1.0).contains(tightness),
                format!("tightness must be at least 0 and below 1, found {tightness}"),
            );
        }
        problems.extend(problems_of(attacks, aim.as_ref()));
        problems.extend(unfit_for_margins(attacks));
        let tries = attacks.len() + usize::from(self.transfer.is_some());
        let least = if tries > 0 { least_draws(*alpha / tries as f64) } else { 0 };
        if *draws < least {
            problems.push(format!(
                "the verdict on an attack needs at least {least} draws at alpha {alpha}, found {draws}"
            ));
        }
        if problems.is_empty() { Ok(()) } else { Err(Error::Config(problems)) }
    }
}

/// What attacks of given sizes have and audits cannot use.
fn unfit_for_margins(attacks: &[Attack]) -> Vec<String> {
    let mut problems = vec![];
    for attack in attacks {
        if attack.penalty != 0.0 {
            problems.push(format!(
                "the penalty of {attack} is for perturbations of given sizes: a margin is a least \
                 length already"
            ));
        }
        if attack.through != Pathway::Both {
            problems.push(format!(
                "margins are about the posterior as it is, and {attack} acts through its {} alone",
                attack.through
            ));
        }
        if attack.reference != Reference::Mean {
            problems.push(format!(
                "margins are about the mean reconstruction, and {attack} has another reference"
            ));
        }
    }
    problems
}

/// What is wrong with attacks.
pub(crate) fn problems_of(attacks: &[Attack], aim: Option<&Aim>) -> Vec<String> {
    let mut problems = vec![];
    let mut require = |holds: bool, problem: String| {
        if !holds {
            problems.push(problem);
        }
    };
    for attack in attacks {
        let Effort { draws, random, growth, .. } = attack.effort;
        require(draws > 0, format!("{attack} needs at least 1 draw per gradient"));
        require(random > 0, format!("{attack} needs at least 1 random start"));
        require(
            growth >= 1.1 && growth.is_finite(),
            format!("the growth of the norms of {attack} must be at least 1.1, found {growth}"),
        );
        let penalty = attack.penalty;
        require(
            penalty >= 0.0 && penalty.is_finite(),
            format!("the penalty of {attack} must be a number from 0 on, found {penalty}"),
        );
        require(
            attack.reference == Reference::Mean || attack.goal.is_damage(),
            vaegis_robustness::Error::Reference(attack.goal).to_string(),
        );
        require(
            aim.is_some() || !attack.goal.is_targeted(),
            format!("{attack} aims at another input: say which with --target"),
        );
    }
    if let Some((at, attack)) =
        attacks.iter().enumerate().find(|(at, attack)| attacks[..*at].contains(attack))
    {
        require(false, format!("attack {} ({attack}) is given twice", at + 1));
    }
    // Of attacks with the same goal the best counts, which must be the same question to all.
    let question = |attack: &Attack| (attack.penalty, attack.reference);
    for (at, attack) in attacks.iter().enumerate() {
        let differs =
            |other: &Attack| other.is_rival(attack) && question(other) != question(attack);
        require(
            !attacks[..at].iter().any(differs),
            format!(
                "attack {} ({attack}) has another penalty or reference than one of the same goal",
                at + 1
            ),
        );
    }
    problems
}

impl Subject<'_> {
    /// What keeps these points from being perturbed within a domain.
    pub(crate) fn problems(
        &self,
        dataset: &str,
        domain: &Domain,
        execution: Execution,
    ) -> Vec<String> {
        let mut problems = vec![];
        let (takes, rows) = (self.vae.input_shape(), self.dataset.shape());
        if !self.vae.takes(rows) {
            problems.push(format!(
                "the model takes samples of shape {takes:?}, data set {dataset} has {rows:?}"
            ));
        }
        if self.points.is_empty() {
            problems.push("no points are selected".into());
        }
        if execution.threads == 0 {
            problems.push("threads must be at least 1".into());
        }
        let least = Model::new(self.vae).point_bytes();
        if execution.memory < least {
            problems.push(format!(
                "this model needs at least {} MiB, --memory allows {}",
                mebibytes(least),
                execution.memory >> 20
            ));
        }
        if takes == rows && !self.points.is_empty() {
            let features = self.dataset.row(self.points[0]).len();
            problems.extend(domain.check(features).err().map(|error| error.to_string()));
            let outside = self.points.iter().find_map(|&point| {
                let error = domain.bounds.check(&self.dataset.row(point)).err()?;
                Some(format!("row {point} of {dataset}: {error}; choose another --box"))
            });
            problems.extend(outside);
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaegis_robustness::attack::goal::Kind;
    use vaegis_robustness::attack::optimiser::Optimiser;

    #[test]
    fn penalties_and_references_are_for_one_question_at_given_sizes() {
        let plain = Attack::default();
        let adam = Attack::new(Kind::MaximumDamage, Optimiser::Adam);
        assert!(problems_of(&[plain, adam], None).is_empty());
        assert!(unfit_for_margins(&[plain, adam]).is_empty());

        let charged = Attack { penalty: 0.5, ..adam };
        let sampled = Attack { reference: Reference::Sampled, ..adam };
        for (attack, why) in [(charged, "a least length already"), (sampled, "mean reconstruction")]
        {
            assert!(problems_of(&[attack], None).is_empty());
            let problems = problems_of(&[plain, attack], None);
            assert_eq!(problems.len(), 1);
            assert!(problems[0].contains("attack 2 (maximum-damage:adam)"), "{problems:?}");
            let problems = unfit_for_margins(&[plain, attack]);
            assert_eq!(problems.len(), 1);
            assert!(problems[0].contains(why), "{problems:?}");
        }
        let through = Attack { through: Pathway::Mean, ..adam };
        assert!(problems_of(&[plain, through], None).is_empty());
        let problems = unfit_for_margins(&[plain, through]);
        assert!(problems[0].contains("acts through its mean alone"), "{problems:?}");
        let other = Attack { penalty: 0.5, ..Attack::new(Kind::SymmetricKl, Optimiser::Adam) };
        assert!(problems_of(&[plain, other], None).is_empty());
    }
}
