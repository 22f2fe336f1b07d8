//! The claims in plain words, and how to read what stands for or against each.

/// A claim of the paper, or the question beyond it.
pub(super) struct Claim {
    pub(super) number: usize,
    /// A heading.
    pub(super) title: &'static str,
    /// What is claimed.
    pub(super) words: &'static str,
    /// How to read its figure and its effects.
    pub(super) reading: &'static str,
}

pub(super) const CLAIMS: [Claim; 5] = [
    Claim {
        number: 1,
        title: "The bound holds, and is fairly tight",
        words: "The first-order bound is a valid lower bound of the attacked margin, and not far \
                below it.",
        reading: "A point below the line y = x was broken closer than its estimate said: the bound \
                  did not hold there. How far points lie above the line says how loose it is. An \
                  attack that is too weak can only make a bound look better than it is, so broken \
                  estimates are facts, and unbroken ones are not proofs.",
    },
    Claim {
        number: 2,
        title: "Larger margins lose less likelihood",
        words: "Points and models with larger margins lose less likelihood under attacks of maximum \
                damage.",
        reading: "All points of a panel are attacked at the same length. The claim is a negative \
                  rank correlation: dots that fall to the right, within models, and markers that \
                  do, between them.",
    },
    Claim {
        number: 3,
        title: "Disentangling objectives raise the margin",
        words: "Stronger disentangling objectives raise the posterior's σ, lower the encoder's |J|, \
                and so raise the margin.",
        reading: "Follow a colour from left to right: σ should rise, |J| fall, and both margins \
                  rise. The last row is the price, in nats of the ELBO. Marks at one strength are \
                  seeds: a trend smaller than their spread is none.",
    },
    Claim {
        number: 4,
        title: "Attacks act through the mean",
        words: "Attacks act through the encoder's mean more than through its variance.",
        reading: "Each attack was optimised for what it may move, so that the line of the variance \
                  is the most that was found through the variance alone. Damage at rest is what the \
                  posterior's noise does without any attack.",
    },
    Claim {
        number: 5,
        title: "Beyond the paper: does the score itself predict the margin?",
        words: "Not in the paper: a disentanglement score predicts the margin, once σ and |J| are accounted for.",
        reading: "A question more than a claim. Left of each pair: the score as it \
                  is. Right: what is left of score and margin once σ and |J| are regressed out of \
                  both. If scores matter only through σ and |J|, nothing is left but scatter.",
    },
];
