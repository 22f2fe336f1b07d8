//! Grids that are read, and grids that are refused.

use super::*;

const GRID: &str = r#"
    name = "small"
    seeds = [0, 7]
    [[data]]
    name = "mnist"
    radii = ["4", "q0.9"]
    sizes = [0.5, 1]
    [[architecture]]
    kind = "mlp"
    hidden = [16]
    [[objective]]
    kind = "beta-vae"
    beta = [1, 2.5]
    [[objective]]
    kind = "dip-vae-i"
    lambda_od = [4]
    [[objective]]
    name = "strong"
    kind = "factor-vae"
    gamma = 30
"#;

#[test]
fn every_combination_is_a_model() {
    let cells = Grid::parse(GRID).unwrap().cells();
    let names: Vec<String> = cells.iter().map(PlannedCell::name).collect();
    let of_seed = |seed: u64| {
        ["beta-vae-beta-1", "beta-vae-beta-2.5", "dip-vae-i-lambda_od-4", "strong"]
            .map(|name| format!("mnist-mlp-{name}-seed-{seed}"))
    };
    assert_eq!(names, [of_seed(0), of_seed(7)].concat());
    let plain: Vec<bool> = cells[..4].iter().map(|cell| is_plain(cell.objective)).collect();
    assert_eq!(plain, [true, false, false, false]);
    let Objective::DipVaeI(dip) = cells[2].objective else { panic!("{:?}", cells[2]) };
    assert_eq!((dip.lambda_od, dip.lambda_d), (4.0, 40.0));
    let Objective::FactorVae(factor) = cells[3].objective else { panic!("{:?}", cells[3]) };
    assert_eq!((factor.gamma, factor.discriminator_layers), (30.0, 6));
    assert_eq!(cells[3].cell.strength, None);
}

#[test]
fn a_grid_is_read_back() {
    let grid = Grid::parse(GRID).unwrap();
    assert_eq!(Grid::parse(&grid.text().unwrap()).unwrap(), grid);
}

#[test]
fn the_built_in_study_is_in_order_at_every_scale() {
    let counts = [Scale::Small, Scale::Default, Scale::Full].map(|scale| {
        let grid = Grid::parse(Grid::paper(scale)).unwrap();
        let has = |name: &str| grid.data.iter().any(|data| data.name == name);
        assert!(has("mnist") && has("fashion-mnist") && has("sprites"));
        assert!(grid.seeds.len() >= 3);
        let cells = grid.cells();
        assert!(cells.iter().any(|cell| is_plain(cell.objective)));
        cells.len()
    });
    assert!(counts.is_sorted_by(|a, b| a < b), "{counts:?}");
}

#[test]
fn everything_that_is_wrong_is_told() {
    let wrong = GRID
        .replace("seeds = [0, 7]", "seeds = [3, 3]\nconfidence = 95")
        .replace("\"q0.9\"", "\"q9\"")
        .replace("[0.5, 1]", "[1, 0.5]")
        .replace("hidden = [16]", "hidden = [16]\nactivation = \"swish\"")
        .replace("beta = [1, 2.5]", "beta = [1, \"two\"]")
        .replace("gamma = 30", "gamma = -1")
        .replace("name = \"strong\"", "name = \"so/strong\"");
    let message = Grid::parse(&wrong).unwrap_err().to_string();
    for part in [
        "seeds: 3 is there twice",
        "confidence must lie between 0 and 1, found 95",
        "q9",
        "sizes must be positive and rise",
        "activation \"swish\": expected relu, leaky-relu",
        "beta has \"two\", not a number",
        "gamma must be finite and not negative",
        "\"so/strong\": a name is made of letters",
    ] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    for (from, to, part) in [
        ("gamma = 30", "gama = 30", "unknown field `gama`"),
        ("gamma = 30", "gamma = [1, 2]\nwarm_up = [0, 1]", "gamma and warm_up are lists"),
        ("kind = \"factor-vae\"", "kind = \"factor\"", "unknown variant `factor`"),
        ("seeds = [0, 7]", "sedes = [0, 7]", "unknown field `sedes`"),
        ("beta = [1, 2.5]", "beta = []", "beta is an empty list"),
        ("hidden = [16]", "hiden = [16]", "hiden"),
        ("[[data]]\n    name = \"mnist\"", "[[data]]", "missing field `name`"),
    ] {
        let message = Grid::parse(&GRID.replace(from, to)).unwrap_err().to_string();
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}
