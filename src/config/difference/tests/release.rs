//! Who is moved by a release, and who is not.

use super::*;

#[test]
fn whose_bytes_are_not_read_stays_where_it_is_unless_its_cluster_closes() {
    let text = |more: &str, backends: &str| {
        format!(
            "[frame.raw]\nlength = {{ kind = \"opaque\" }}\n[listener.raw]\nlisten = \"127.0.0.1:7001\"\nframe = \"raw\"\n\
             [cluster.raw]\nlink = \"dedicated\"\nframe = \"raw\"\n{more}backends = [{backends}]\n\
             [route.raw]\nids = [\"*\"]\ncluster = \"raw\"\n"
        )
    };
    let (one, two) = (r#"{ address = "10.0.1.1:1" }"#, r#"{ address = "10.0.1.2:1" }"#);
    let both = format!("{one}, {two}");
    let gone = Touched::BackendSessions { cluster: "raw".to_owned(), address: "10.0.1.2:1".to_owned() };
    for (more, effect) in [("", "its sessions stay until they end"), ("on_loss = \"close\"\n", "are closed")]
    {
        check(&only(&text(more, &both), &text(more, one)), "backend raw 10.0.1.2:1: removed", effect, &gone);
    }
}

#[test]
fn releases() {
    let other = Touched::OtherGroup;
    let stay = "stay in it until they end";
    check(&replaced("active = \"a\"", "active = \"b\""), "release: active a -> b", stay, &other);
    let none =
        OLD.replace("active = \"a\"", "").replace(", group = \"a\"", "").replace(", group = \"b\"", "");
    let first = told(&plan(&none), &plan(OLD)).pop().expect("the release is the last of them");
    check(&first, "release: active none -> a", "enter their group", &Touched::Everybody);
    let last = told(&plan(OLD), &plan(&none)).pop().expect("the release is the last of them");
    check(&last, "release: active a -> none", "leave their groups", &Touched::Everybody);
    let with = |keys: &str| replaced("active = \"a\"", &format!("active = \"a\"\n{keys}"));
    check(&with("canary = [{ group = 'b', percent = 5 }]"), "release: other canary rules", stay, &other);
    check(&with("move = 'forced'"), "release: move natural -> forced", "over 1m, the next frame", &other);
    check(&with("spread = '5s'"), "release: spread 1m -> 5s", "nothing", &Touched::Nobody);
    check(
        &replaced("[cluster.battle]", "[cluster.battle]\nactive = 'b'"),
        "cluster battle: active none -> b",
        stay,
        &other,
    );
    let forced = OLD.replace("active = \"a\"", "active = \"a\"\nmove = 'forced'\nspread = '5s'");
    let found = only(&forced, &forced.replace("active = \"a\"", "active = \"b\""));
    let sooner = only(&forced, &forced.replace("spread = '5s'", "spread = '1s'"));
    check(
        &sooner,
        "release: spread 5s -> 1s",
        "who of another group has not moved yet does so over 1s",
        &other,
    );
    check(
        &found,
        "release: active a -> b",
        "over 5s, the next frame of each session of another group is answered by moved",
        &other,
    );
}

#[test]
fn a_rule_for_a_zone_fits_others_where_the_gateway_is_in_another_zone() {
    let rule = "active = \"a\"\nmove = 'forced'\ncanary = [{ group = 'b', zone = 'sh-b' }]";
    let with = OLD.replace("active = \"a\"", rule);
    let zones = |zone: &str| with.replace("zone = \"sh-a\"\n", &format!("zone = \"{zone}\"\n"));
    let what = |zone: &str| -> Vec<String> {
        let told = told(&plan(&with), &plan(&zones(zone)));
        told.into_iter().filter(|told| told.2 == Touched::OtherGroup).map(|told| told.0).collect()
    };
    assert_eq!(what("sh-b"), ["release: other canary rules"]);
    assert!(what("sh-c").is_empty());
}

#[test]
fn a_group_is_the_same_by_its_name_whatever_its_place() {
    let earlier = OLD.replace(
        "{ address = \"10.0.1.3:7100\" }",
        "{ address = \"10.0.1.3:7100\" }, { address = \"10.0.1.4:7100\", group = \"0\" }",
    );
    check(&only(OLD, &earlier), "backend battle 10.0.1.4:7100: added", "it gets new ones", &Touched::Nobody);
}
