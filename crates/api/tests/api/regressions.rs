//! What a fuzzer once found (`fuzz/regressions/api`) stays found.

mod script;

use crate::support::consistency;

#[tokio::test]
async fn what_once_broke_something_does_not() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/regressions/api");
    let mut count = 0;
    for file in std::fs::read_dir(directory).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let view = script::run(&text).await;
        consistency::check(&view);
        count += 1;
    }
    assert!(count > 0, "{directory} is empty");
}
