/// Why a point or a setting cannot be judged.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A quantity that the verdict rests on is NaN or infinite.
    #[error("{0} is not finite")]
    NotFinite(&'static str),
    /// A quantile radius of a decoder that ignores z.
    #[error("reconstructions do not vary with z, so a quantile of their change is no radius")]
    NoSpread,
    /// A radius that is not a positive number or a quantile.
    #[error("radius {0:?}: expected a positive number, or q and a probability such as q0.9")]
    Radius(String),
    /// A box that is not `none` or an interval.
    #[error("box {0:?}: expected none, or two numbers such as 0,1")]
    Box(String),
    /// Work that was asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// A targeted attack without a target.
    #[error("{0} aims at another input, and none is given")]
    Aim(crate::attack::goal::Kind),
    /// A sampled reference of a goal that compares with no reconstruction of x.
    #[error("{0} is no damage, so there is no reference to sample")]
    Reference(crate::attack::goal::Kind),
    /// A norm that is not known.
    #[error("{0:?}: expected l1, l2 or linf")]
    Norm(String),
    /// A goal of attacks that is not known.
    #[error("attack {0:?}: expected {names}", names = crate::attack::goal::Kind::ALL.map(crate::attack::goal::Kind::name).join(", "))]
    Goal(String),
    /// A pathway that does not exist.
    #[error("unknown pathway {0:?}; there are both, mean and variance")]
    Pathway(String),
    /// An optimiser that is not known.
    #[error("optimiser {0:?}: expected conditional-gradient, projected-gradient, l-bfgs-b or adam")]
    Optimiser(String),
    /// Not one unit for each feature.
    #[error("{found} units for {features} features")]
    Units {
        /// Units given.
        found: usize,
        /// Features of an input.
        features: usize,
    },
    /// A unit that is negative or not finite.
    #[error("the unit of feature {feature} is {value}; units are finite and not negative")]
    Unit {
        /// Which feature.
        feature: usize,
        /// Its unit.
        value: f32,
    },
    /// Units that forbid every change.
    #[error("no feature may change: all units are 0")]
    NothingMayChange,
    /// An attack inside a certified margin. Either happens with probability alpha by chance; what is
    /// likelier is a mistake in this program, which should be reported.
    #[error(
        "an attack at {attacked} breaks the certificate of {certified} at r = {r}: one of them is wrong"
    )]
    Contradiction {
        /// The radius in reconstruction space.
        r: f64,
        /// The certified margin.
        certified: f64,
        /// The norm of the perturbation.
        attacked: f64,
    },
    /// The point lies outside the box its perturbations must stay in.
    #[error("feature {feature} is {value}, outside the box {low},{high}")]
    OutsideBox {
        /// Which feature.
        feature: usize,
        /// Its value.
        value: f32,
        /// Lower end of the box.
        low: f32,
        /// Upper end of the box.
        high: f32,
    },
}
