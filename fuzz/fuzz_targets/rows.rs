//! What a node reads from its server: the input as a message of the stream, and its bytes as rows.
#![no_main]

use bytes::Bytes;
use hadron_wire::proto::server_message::Message as Kind;
use hadron_wire::proto::welcome::Mode;
use hadron_wire::proto::{Batch, ServerMessage};
use hadron_wire::row::Decoded;
use hadron_wire::{Held, RowChange};
use libfuzzer_sys::fuzz_target;
use prost::Message;

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    let batch = match ServerMessage::decode(bytes.clone()) {
        Ok(ServerMessage { message: Some(Kind::Batch(batch)) }) => batch,
        _ => Batch { changes: vec![bytes], ..Batch::default() },
    };
    let mut held = Held::default();
    for mode in [Mode::Snapshot, Mode::Difference] {
        held.begin(mode);
        held.apply(batch.clone());
    }
    for (key, row) in held.iter() {
        assert_eq!(row.key(), *key);
        // What was read is written the same way, and read again.
        let again = RowChange::decode(RowChange::encode_set(row));
        assert_eq!(again, Ok(Decoded::Change(RowChange { key: *key, row: Some(row.clone()) })));
    }
});
