//! The help texts, word for word: they are the manual most people read.

mod common;

use common::Sandbox;

fn help(subcommand: &str) -> String {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&format!("{subcommand} --help"));
    let output = command.env("COLUMNS", "100").output().expect("the program starts");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
    // The program's file has an ending on some systems.
    String::from_utf8(output.stdout).expect("UTF-8").replace("vaegis.exe", "vaegis")
}

#[test]
fn help_of_the_program() {
    insta::assert_snapshot!(help(""));
}

#[test]
fn help_of_demo() {
    insta::assert_snapshot!(help("demo"));
}

#[test]
fn help_of_train() {
    insta::assert_snapshot!(help("train"));
}

#[test]
fn help_of_design() {
    insta::assert_snapshot!(help("design"));
}

#[test]
fn help_of_audit() {
    insta::assert_snapshot!(help("audit"));
}

#[test]
fn help_of_certify() {
    insta::assert_snapshot!(help("certify"));
}

#[test]
fn help_of_attack() {
    insta::assert_snapshot!(help("attack"));
}

#[test]
fn help_of_study() {
    insta::assert_snapshot!(help("study"));
}

#[test]
fn help_of_score() {
    insta::assert_snapshot!(help("score"));
}

#[test]
fn help_of_export() {
    insta::assert_snapshot!(help("export"));
}

#[test]
fn help_of_data_describe() {
    insta::assert_snapshot!(help("data describe"));
}

#[test]
fn help_of_report() {
    insta::assert_snapshot!(help("report"));
}

#[test]
fn help_of_completions() {
    insta::assert_snapshot!(help("completions"));
}

#[test]
fn without_a_command_the_program_explains_itself_and_fails() {
    let run = Sandbox::new().run("").expect_code(2);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("Usage: vaegis"), "{run:?}");
}

#[test]
fn the_version_is_that_of_the_package() {
    let run = Sandbox::new().run("--version").expect_code(0);
    assert_eq!(run.stdout, format!("vaegis {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_shell_has_a_completion_script() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let run = Sandbox::new().run(&format!("completions {shell}")).expect_code(0);
        for word in ["audit", "train", "report", "draws"] {
            assert!(run.stdout.contains(word), "{shell} does not know {word}");
        }
    }
}
