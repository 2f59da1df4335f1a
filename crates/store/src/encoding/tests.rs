//! What is encoded is read back, and what is not known is kept.

use super::decode;
use crate::arbitrary::record;
use crate::record::AnyRecord;
use crate::{Revision, Stored};
use hadron_model::{Network, PortLease};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use prost::encoding::{WireType, encode_key, encode_varint};
use std::sync::Arc;

fn read(record: &AnyRecord, bytes: &[u8]) -> Result<AnyRecord, crate::DecodeError> {
    let (created, modified) = record.revisions();
    AnyRecord::decode(record.key().kind(), bytes, created, modified)
}

/// A field that no release knows yet.
fn newer_field(bytes: &mut Vec<u8>, tag: u32, value: &[u8]) {
    encode_key(tag, WireType::LengthDelimited, bytes);
    encode_varint(value.len() as u64, bytes);
    bytes.extend_from_slice(value);
}

proptest! {
    #[test]
    fn records_are_read_back(record in record()) {
        prop_assert_eq!(read(&record, &record.encode()), Ok(record));
    }

    #[test]
    fn fields_of_a_newer_release_are_skipped_and_kept(record in record(), value: Vec<u8>, tag in 100..2000_u32) {
        let mut bytes = record.encode();
        newer_field(&mut bytes, tag, &value);
        newer_field(&mut bytes, tag + 1, b"more");
        let found = read(&record, &bytes).unwrap();
        prop_assert_eq!(found.key(), record.key());
        prop_assert_eq!(found.encode(), bytes);
    }

    #[test]
    fn no_bytes_make_reading_panic(record in record(), noise: Vec<u8>, at: prop::sample::Index) {
        let mut bytes = record.encode();
        bytes.splice(at.index(bytes.len() + 1).., noise);
        let _ = read(&record, &bytes);
    }
}

#[test]
fn every_field_number_that_is_used_counts_as_known() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..500 {
        let record = record().new_tree(&mut runner).unwrap().current();
        let bytes = record.encode();
        assert_eq!(read(&record, &bytes).unwrap().encode().len(), bytes.len(), "{record:?}");
    }
}

#[test]
fn an_enumerator_of_a_newer_release_is_an_error() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let network = loop {
        if let AnyRecord::Network(network) = record().new_tree(&mut runner).unwrap().current() {
            break network;
        }
    };
    let stored =
        Stored { value: network.value.clone(), created: Revision(1), modified: Revision(1), unknown: None };
    let mut bytes = AnyRecord::Network(Arc::new(stored)).encode();
    encode_key(9, WireType::Varint, &mut bytes);
    encode_varint(77, &mut bytes);
    assert_eq!(decode::<Network>(&bytes).unwrap_err().to_string(), "no segment type that this release knows");
}

#[test]
fn a_lease_of_the_release_before_has_nothing_that_ends() {
    let mut bytes = Vec::new();
    newer_field(&mut bytes, 1, &[7; 16]);
    encode_key(2, WireType::Varint, &mut bytes);
    encode_varint(3, &mut bytes);
    newer_field(&mut bytes, 3, &[16, 17]);
    newer_field(&mut bytes, 4, &[0x80, 8]);
    let (lease, _) = decode::<PortLease>(&bytes).unwrap();
    assert_eq!((lease.blocks_in_force(), lease.slots_in_force()), (vec![16, 17], vec![1024]));
    assert!(lease.ending.is_empty());
}
