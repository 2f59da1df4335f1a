//! Random instances.

use super::text;
use hadron_model::instance::{Instance, InstanceKey};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

prop_compose! {
    pub(super) fn instance()(
        texts in vec(text(), 8), user_data in vec(any::<u8>(), 0..20), meta in btree_map(text(), text(), 0..3),
        keys in vec([text(), text(), text()], 0..3), launch_index: u32, security_groups in vec(text(), 0..3),
    ) -> Instance {
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap_or_default();
        Instance {
            id: next(), name: next(), hostname: next(), user_data, meta,
            keys: keys.into_iter().map(|[name, kind, data]| InstanceKey { name, kind, data }).collect(),
            availability_zone: next(), launch_index, instance_type: next(), image_id: next(), security_groups,
            vendor_data: next(), vendor_data2: next(),
        }
    }
}
