//! `vaegis study`: a grid from training to verdicts.

mod common;

use common::Sandbox;

/// Two models of a second each.
const GRID: &str = r#"
name = "two"
seeds = [0]
[training]
epochs = 1
latent = 2
[audit]
points = 2
draws = 400
rows = 50
[[data]]
name = "digits"
source = "mnist"
radii = ["6", "q0.9"]
sizes = [1.0]
[[architecture]]
kind = "mlp"
hidden = [16]
[[objective]]
kind = "beta-vae"
beta = [1, 4]
"#;

const MODELS: [&str; 2] =
    ["digits-mlp-beta-vae-beta-1-seed-0", "digits-mlp-beta-vae-beta-4-seed-0"];

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("grid.toml", GRID);
    sandbox
}

#[test]
fn a_study_trains_judges_and_tells() {
    let sandbox = sandbox();
    let run = sandbox.run("study grid.toml --out study").expect_code(0);
    for part in ["claim", "verdict", "inconclusive", "one seed has no interval", "nats"] {
        assert!(run.stdout.contains(part), "no {part:?} in {run:?}");
    }
    for model in MODELS {
        assert!(run.stderr.contains(&format!("{model}: done in")), "{run:?}");
        for file in ["model/model.json", "audit/points.parquet", "attacks/attacks.parquet"] {
            assert!(sandbox.exists(&format!("study/cells/{model}/{file}")), "no {file}");
        }
    }
    let text = |file: &str| String::from_utf8(sandbox.read(&format!("study/{file}"))).unwrap();
    assert_eq!(text("study.toml"), GRID);
    let models = text("models.csv");
    assert!(models.starts_with("model,data,architecture,objective,parameter,strength,plain,seed,"));
    assert_eq!(models.lines().count(), 1 + 2 * MODELS.len());
    assert!(text("claims.csv").lines().count() > 15);
    let page = text("claims.md");
    assert!(
        page.starts_with("# Study two\n\n## All models together\n\n| claim | effect"),
        "{page}"
    );
    assert!(page.contains("\\|J\\|_F of the encoder mean"), "{page}");
    assert!(page.contains("## Claim 3, by data and objective"), "{page}");
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    assert!(
        page.lines().filter(|line| line.starts_with('|')).all(|line| cells(line) == 7),
        "{page}"
    );
    let effects: serde_json::Value = serde_json::from_str(&text("claims.json")).unwrap();
    assert_eq!(effects[0]["verdict"], "inconclusive");
    for figure in ["verdicts", "bound-and-attack", "margin-and-degradation", "strength", "pathways"]
    {
        assert!(text(&format!("figures/{figure}.svg")).starts_with("<svg"));
        assert!(text(&format!("figures/{figure}.csv")).lines().count() > 1, "{figure}");
        assert!(sandbox.read(&format!("study/figures/{figure}.pdf")).starts_with(b"%PDF"));
    }
    assert!(text("report.html").contains("digits"));

    // What is done is not done again; what is missing is.
    std::fs::remove_file(sandbox.path(&format!("study/cells/{}/cell.json", MODELS[1]))).unwrap();
    let again = sandbox.run("study grid.toml --out study").expect_code(0);
    assert!(!again.stderr.contains(MODELS[0]) && again.stderr.contains(MODELS[1]), "{again:?}");
    assert_eq!(again.stdout, run.stdout);

    // Another grid in the same folder: models that it shares are used, others refused.
    sandbox.write("more.toml", GRID.replace("[1, 4]", "[1, 4, 9]"));
    let more = sandbox.run("study more.toml --out study").expect_code(0);
    assert!(!more.stderr.contains(MODELS[0]) && more.stderr.contains("beta-9"), "{more:?}");
    sandbox.write("other.toml", GRID.replace("points = 2", "points = 3"));
    sandbox
        .run("study other.toml --out study")
        .expect_refusal(&["`points` is 2 there and 3 now", "1 other models likewise"]);
}

#[test]
fn shards_make_the_whole() {
    let sandbox = sandbox();
    let first = sandbox.run("study grid.toml --out one --shard 1/2").expect_code(1);
    assert!(first.stderr.contains("1 of 2 models are not done"), "{first:?}");
    assert!(first.stderr.contains(MODELS[1]), "{first:?}");
    sandbox.run("study grid.toml --out two --shard 2/2").expect_code(1);
    for (from, model) in ["one", "two"].into_iter().zip(MODELS) {
        let cell = format!("cells/{model}");
        let (from, to) = (sandbox.path(from).join(&cell), sandbox.path("whole").join(&cell));
        common::copy_folder(&from, &to);
    }
    let whole = sandbox.run("study grid.toml --out whole").expect_code(0);
    assert!(!whole.stderr.contains("done in"), "{whole:?}");
    let alone = sandbox.run("study grid.toml --out alone --threads 1").expect_code(0);
    assert_eq!(whole.stdout, alone.stdout);
    let refused = sandbox.run("study grid.toml --out whole --shard 3/2").expect_code(2);
    assert!(refused.stderr.contains("expected a part such as 2/4"), "{refused:?}");
}

#[test]
fn a_study_that_was_killed_resumes() {
    let sandbox = sandbox();
    let line = "study grid.toml --out study --threads 1";
    sandbox.kill_when(&format!("study/cells/{}/audit/audit.toml", MODELS[0]), line);
    assert!(!sandbox.exists("study/models.csv"));
    let run = sandbox.run(line).expect_code(0);
    let whole = sandbox.run("study grid.toml --out whole --threads 1").expect_code(0);
    assert_eq!(run.stdout, whole.stdout);
    assert_eq!(sandbox.read("study/models.csv"), sandbox.read("whole/models.csv"));
}

#[test]
fn the_built_in_study_can_be_looked_at() {
    let sandbox = Sandbox::new();
    let small = sandbox.run("study paper --scale small --print").expect_code(0);
    sandbox.write("mine.toml", &small.stdout);
    let mine = sandbox.run("study mine.toml --print --only sprites").expect_code(0);
    assert!(mine.stdout.contains("sprites") && !mine.stdout.contains("fashion"), "{mine:?}");
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
    let grid = format!("study {docs}/disentanglement/study.toml --print");
    assert!(sandbox.run(&grid).expect_code(0).stdout.contains("sprites:50000"));
    let cifar = sandbox.run("study paper --print --cifar cifar-10-batches-bin").expect_code(0);
    assert!(cifar.stdout.contains("source = \"cifar-10-batches-bin\""), "{cifar:?}");
    sandbox
        .run("study paper --print --only mnsit")
        .expect_refusal(&["--only mnsit", "fashion-mnist"]);
    sandbox.run("study nowhere.toml --out study").expect_refusal(&["cannot read nowhere.toml"]);
    sandbox.run("study paper").expect_code(2);
}

#[test]
fn what_cannot_run_is_told_before_any_work() {
    let sandbox = Sandbox::new();
    let wrong = GRID
        .replace("source = \"mnist\"", "source = \"missing.npy\"")
        .replace("points = 2", "points = 0");
    sandbox.write("grid.toml", &wrong);
    sandbox.run("study grid.toml --out study").expect_refusal(&["digits", "points"]);
    sandbox.write("grid.toml", GRID.replace("source = \"mnist\"", "source = \"missing.npy\""));
    sandbox.run("study grid.toml --out study").expect_refusal(&["data digits", "missing.npy"]);
    sandbox.write("grid.toml", GRID.replace("rows = 50", "rows = 5000"));
    sandbox.run("study grid.toml --out study").expect_refusal(&["5000 rows", "2000 test rows"]);
    assert!(!sandbox.exists("study"));
}
