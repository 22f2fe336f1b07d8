//! The page on attacks: it is well formed and says what was asked, found and left out.

#[path = "support/mod.rs"]
mod support;
#[path = "support/wellformed.rs"]
mod wellformed;

use support::noise;
use vaegis_audit::TrialConfig;
use vaegis_audit::schema::{AttackRow, Status};
use vaegis_report::{AttackData, AttackPicture, render_attack, write_attack};
use vaegis_robustness::attack::Attack;
use vaegis_robustness::attack::goal::{Kind, Reference};
use vaegis_robustness::trial::TrialSettings;
use vaegis_robustness::{Aim, Domain, InputBox, Radius};
use wellformed::check;

const SIZES: [f64; 2] = [0.5, 2.0];

fn config(goals: &[Kind]) -> TrialConfig {
    let attack = |&goal: &Kind| Attack::new(goal, goal.optimiser());
    TrialConfig {
        model: "<beta> & 4".to_owned(),
        dataset: "mnist".to_owned(),
        seed: 7,
        alpha: 0.001,
        model_hash: String::new(),
        data_hash: String::new(),
        universal: None,
        settings: TrialSettings {
            sizes: SIZES.to_vec(),
            radius: None,
            draws: 4_000,
            picture: Some([1, 4, 4]),
            range: Some((0.0, 1.0)),
            domain: Domain::l2(InputBox::Interval { low: 0.0, high: 1.0 }),
            attacks: goals.iter().map(attack).collect(),
            aim: goals
                .iter()
                .any(|goal| goal.is_targeted())
                .then(|| Aim { row: 17, values: vec![] }),
        },
    }
}

/// Two points under every goal at every size.
fn data(goals: &[Kind]) -> AttackData {
    let (mut rows, mut pictures) = (vec![], vec![]);
    for index in [8000, 8003] {
        for goal in goals {
            for size in SIZES {
                let salt = (index as f64 + 10.0 * size) as u64;
                let targeted = goal.is_targeted();
                rows.push(AttackRow {
                    model: "model".to_owned(),
                    index,
                    attack: Some(goal.to_string()),
                    optimiser: Some(goal.optimiser().to_string()),
                    norm: "l2".to_owned(),
                    r#box: "0,1".to_owned(),
                    size: Some(size),
                    length: Some(0.9 * size),
                    value: Some(3.0 * size),
                    value_at_rest: Some(1.0),
                    damage: Some(2.0 * size + noise(1, salt)),
                    damage_at_rest: Some(0.8),
                    kl: Some(noise(2, salt)),
                    aim_size: targeted.then_some(4.0),
                    aim_distance: targeted.then_some(9.0 - size),
                    aim_distance_at_rest: targeted.then_some(9.0),
                    aim_distance_of_target: targeted.then_some(5.0),
                    auddc: targeted.then_some(0.75),
                    ..AttackRow::default()
                });
                let picture =
                    |part: u64| (0..16).map(|k| noise(part, salt + k) as f32).collect::<Vec<f32>>();
                pictures.push(AttackPicture {
                    index,
                    label: Some(3),
                    attack: goal.to_string(),
                    size,
                    length: 0.9 * size,
                    shape: vec![1, 4, 4],
                    original: picture(3),
                    perturbed: picture(4),
                    reconstruction: picture(5),
                    perturbed_reconstruction: picture(6),
                });
            }
        }
    }
    AttackData { config: config(goals), record: "seed = 7\n".to_owned(), rows, pictures }
}

fn text(data: &AttackData) -> String {
    check(&render_attack(data).expect("the page renders"))
}

#[test]
fn goals_and_sizes_are_rows_of_one_table() {
    let data = data(&[Kind::MaximumDamage, Kind::Output]);
    let text = text(&data);
    let words = text.split("What each quantity means").next().expect("a table");
    insta::assert_snapshot!(
        words.replace(" | 0.5 |", "\n0.5 |").replace(" | 2 |", "\n2 |").replace(". ", ".\n")
    );
    // Columns without a value are left out, and a plot is drawn of what was targeted.
    assert!(!text.contains("PSNR |") && !text.contains("P(‖Δ‖ ≤ r) |"), "{text}");
    assert!(text.contains("output: area 0.750"), "{text}");
    let page = render_attack(&data).expect("the page renders");
    assert_eq!(page.matches("<article").count(), 8);
    assert_eq!(page.matches("data:image/png").count(), 5 * 8);
}

#[test]
fn without_a_target_there_is_no_plot_and_one_point_has_no_range() {
    let mut data = data(&[Kind::MaximumDamage]);
    data.rows.retain(|row| row.index == 8000);
    data.pictures.truncate(1);
    let page = render_attack(&data).expect("the page renders");
    assert!(!page.contains("Towards the target") && !page.contains("class=\"spread\""));
    assert!(check(&page).contains("1 more not shown."));
    data.rows.clear();
    data.pictures.clear();
    let text = text(&data);
    assert!(text.contains("No point was attacked.") && !text.contains("not shown"), "{text}");
}

#[test]
fn what_was_asked_for_is_told() {
    let mut data = data(&[Kind::MaximumDamage]);
    let text = text(&data);
    assert!(text.contains("<beta> & 4") || text.contains("&lt;beta&gt; &amp; 4"), "{text}");
    for absent in ["Penalty", "Reference of damages", "Radius", "one for"] {
        assert!(!text.contains(absent), "{absent}: {text}");
    }
    let settings = &mut data.config.settings;
    for attack in &mut settings.attacks {
        (attack.penalty, attack.reference) = (0.25, Reference::Sampled);
    }
    settings.radius = Some(Radius::Quantile(0.9));
    data.config.universal = Some((0..100).collect());
    let text = self::text(&data);
    for told in
        ["Penalty λ 0.25", "Reference of damages sampled", "Radius q0.9", "one for 100 rows"]
    {
        assert!(text.contains(told), "{told}: {text}");
    }
}

#[test]
fn curves_that_cannot_be_drawn_are_told() {
    let mut data = data(&[Kind::Output, Kind::SymmetricKl]);
    let spoil = |data: &mut AttackData, of: &[i64]| {
        for row in data.rows.iter_mut().filter(|row| of.contains(&row.index)) {
            row.auddc = None;
            row.aim_distance_of_target = Some(9.5);
        }
    };
    assert!(!text(&data).contains("No distortion-distortion curve"));
    spoil(&mut data, &[8003]);
    let some = text(&data);
    let why = "the target is reconstructed no better from itself than from the input.";
    assert!(some.contains(&format!("No distortion-distortion curve of row 8003: {why}")), "{some}");
    assert!(some.contains("output: area 0.750"), "{some}");
    spoil(&mut data, &[8000]);
    let none = text(&data);
    let all = format!("No distortion-distortion curve of rows 8000 and 8003: {why}");
    assert!(none.contains(&all) && !none.contains("output: area"), "{none}");
    for row in data.rows.iter_mut().filter(|row| row.index == 8000) {
        row.aim_size = Some(0.0);
    }
    let itself = text(&data);
    let why = "nothing that may change tells the target from the input.";
    assert!(itself.contains(&format!("of row 8000: {why}")), "{itself}");
}

#[test]
fn failed_points_are_listed() {
    let mut data = data(&[Kind::MaximumDamage]);
    data.rows.push(AttackRow {
        index: 9,
        status: Status::Failed,
        message: Some("the input is not finite".to_owned()),
        ..AttackRow::default()
    });
    let text = text(&data);
    assert!(text.contains("| 9 | the input is not finite"), "{text}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("attack.html");
    write_attack(&path, &data).expect("the page is written");
    let page = std::fs::read_to_string(&path).expect("the page");
    assert_eq!(page, render_attack(&data).expect("the page renders"));
}
