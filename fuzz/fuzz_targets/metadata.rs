//! The metadata trees: a method and a path as a guest can send them.
#![no_main]

use hadron_responders::metadata::{SEED, Subject, answer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|request: (&str, &str)| {
    let (method, path) = request;
    let answer = answer(method, path, &Subject::default(), &[0; SEED]);
    assert!([200, 403, 404, 405].contains(&answer.status));
    assert!(answer.status == 200 || answer.body.starts_with(answer.status.to_string().as_bytes()));
});
