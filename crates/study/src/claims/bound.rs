//! Claim 1: the bound is a valid lower bound of the attacked margin, and fairly tight.

use vaegis_robustness::statistics::Proportion;

use super::{Question, first_radius, per_seed, setting, verdict};
use crate::schema::{Claimed, Effect, Measure, PointFacts, Scope, StudyData};
use crate::statistics::median;

/// A valid bound is broken by chance only: at most in this share of points.
const BROKEN: f64 = 0.05;

/// Fairly tight, as we read it: half of the attacked margin or more.
const TIGHT: f64 = 0.5;

/// Points that are r-robust at rest; elsewhere both margins are 0.
fn of<'a>(data: &'a StudyData, model: &str, radius: &str) -> Vec<&'a PointFacts> {
    let here = |point: &&PointFacts| {
        point.model == model
            && point.radius == radius
            && point.bound_paper > 0.0
            && point.attacked > 0.0
    };
    data.points.iter().filter(here).collect()
}

pub(super) fn effects(data: &StudyData) -> Vec<Effect> {
    let mut effects = vec![];
    type Bound = fn(&PointFacts) -> f64;
    let bounds: [(&str, &str, Bound); 2] = [
        ("paper", "the paper's bound", |point| point.bound_paper),
        ("sharp", "the sharp first-order estimate", |point| point.bound_sharp),
    ];
    let rows = first_radius(data);
    for (name, words, bound) in bounds {
        let broken = |point: &&&PointFacts| point.attacked < bound(point);
        let validity = Question::new(
            1,
            &format!("validity-{name}"),
            &format!("share of points with an attacked margin below {words}"),
            Measure::Share,
            Claimed::Below(BROKEN),
        );
        let shares = per_seed(rows.iter().map(|row| {
            let points = of(data, &row.model, &row.radius);
            let share = points.iter().filter(broken).count() as f64 / points.len() as f64;
            (*row, (!points.is_empty()).then_some(share))
        }));
        for effect in validity.over_seeds(&shares, data.confidence) {
            let (mut count, mut all) = (0, 0);
            for row in &rows {
                if effect.scope == Scope::default() || effect.scope == setting(row) {
                    let points = of(data, &row.model, &row.radius);
                    count += points.iter().filter(broken).count() as u64;
                    all += points.len() as u64;
                }
            }
            effects.push(at_least_binomial(effect, count, all, data.confidence));
        }

        let tightness = Question::new(
            1,
            &format!("tightness-{name}"),
            &format!("{words} over the attacked margin, median over points"),
            Measure::Ratio,
            Claimed::Above(TIGHT),
        );
        let ratios = per_seed(rows.iter().map(|row| {
            let points = of(data, &row.model, &row.radius);
            let broken = points.iter().filter(|point| point.attacked.is_finite());
            let ratio = median(broken.map(|point| bound(point) / point.attacked));
            (*row, ratio.is_finite().then_some(ratio.ln()))
        }));
        effects.extend(tightness.over_seeds(&ratios, data.confidence));
    }
    effects
}

/// Seeds that agree on 0 of few points do not prove 0: the interval is at least that of `count`
/// points among all.
fn at_least_binomial(effect: Effect, count: u64, all: u64, confidence: f64) -> Effect {
    let (Some(low), Some(high), true) = (effect.low, effect.high, all > 0) else { return effect };
    let (least, most) = Proportion::new(count, all).interval(1.0 - confidence);
    let (low, high) = (low.min(least), high.max(most));
    Effect {
        low: Some(low),
        high: Some(high),
        verdict: verdict(effect.claimed, Some((low, high))),
        ..effect
    }
}
