//! The whole contract as one file: what is not built is refused by name and never called unknown.

use std::path::Path;

use realmgate::config::load;

#[test]
fn every_key_of_the_contract_is_known() {
    let report = load(Path::new("tests/config/contract.toml")).map(|_| ()).expect_err("much is not built");
    for problem in report.problems() {
        let title = problem.title();
        assert!(
            !title.contains("is no key")
                && !title.contains("is no table")
                && !title.contains("there is no \""),
            "{title}"
        );
        assert!(!title.contains("not TOML") && !title.contains("written twice"), "{title}");
    }
    insta::with_settings!({ snapshot_path => "config/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("contract", report.problems().iter().map(|p| p.title()).collect::<Vec<_>>().join("\n"));
    });
}

#[test]
fn what_is_not_built_is_refused() {
    let text = load(Path::new("tests/config/contract.toml"))
        .map(|_| ())
        .expect_err("much is not built")
        .render(false);
    assert!(text.contains("[login] has a `route` and a `token`"), "in\n{text}");
}
