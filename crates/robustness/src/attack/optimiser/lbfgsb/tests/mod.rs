mod model;
mod search;

use proptest::prelude::*;

/// A variable: where it starts, its lower and its upper bound.
type Variable = (f64, f64, f64);

/// Variables of every kind: free, bounded on one side or both, held, started at a bound or
/// outside.
fn variables(count: impl Into<prop::collection::SizeRange>) -> BoxedStrategy<Vec<Variable>> {
    const FREE: f64 = f64::INFINITY;
    let inside = (-2.0f64..2.0, 0.01f64..2.0, 0.01f64..2.0);
    let variable = inside.prop_flat_map(|(start, below, above)| {
        prop_oneof![
            Just((start, -FREE, FREE)),
            Just((start, start - below, FREE)),
            Just((start, -FREE, start + above)),
            Just((start, start - below, start + above)),
            Just((start, start, start + above)),
            Just((start, start - below, start)),
            Just((start, start, start)),
            Just((start, start + below, start + below + above)),
        ]
    });
    prop::collection::vec(variable, count).boxed()
}
