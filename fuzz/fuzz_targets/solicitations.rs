//! Router solicitations: a frame as it comes, and whatever answer there is.
#![no_main]

use hadron_responders::router::asker;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(asker) = asker(data) {
        assert!(!asker.address.is_unspecified());
    }
});
