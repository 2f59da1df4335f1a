//! `docs/drop-reasons.md` is made from the enum: a page that has fallen behind fails here. `HADRON_UPDATE=1` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use hadron_pipeline::stage::Stage;

const HEAD: &str = "# Stages and drop reasons

Made from `crates/pipeline/src/drop.rs`; change it there, then run `HADRON_UPDATE=1 cargo test -p hadron-pipeline --test page`.

A packet meets the stages in the order of their numbers. Each stage counts the packets that enter it. A packet that is
dropped is counted once, under one reason; a copy of a broadcast that can't be sent is counted alike.
";

fn page() -> String {
    let mut page = String::from(HEAD);
    for stage in Stage::ALL {
        let _ = write!(page, "\n## {} `{}`\n", *stage as u8, stage.name());
        let reasons: Vec<_> = stage.drops().collect();
        if reasons.is_empty() {
            page.push_str("\nNot in any packet's way yet.\n");
            continue;
        }
        page.push_str("\n| number | label | meaning |\n|---|---|---|\n");
        for reason in reasons {
            let _ = writeln!(page, "| {} | `{}` | {} |", reason as u8, reason.label(), reason.text());
        }
    }
    page
}

#[test]
fn the_page_of_drop_reasons_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/drop-reasons.md");
    if std::env::var_os("HADRON_UPDATE").is_some() {
        std::fs::write(&path, page()).expect("docs/ is writable");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page(),
        "docs/drop-reasons.md is behind crates/pipeline/src/drop.rs; HADRON_UPDATE=1 rewrites it"
    );
}
