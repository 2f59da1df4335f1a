//! The name server: what a guest sends as a question, and what a server elsewhere sends as an answer.
#![no_main]

use hadron_responders::dns::{Answered, Names, PortNames, Transport, Zone, answer};
use std::sync::Arc;
use libfuzzer_sys::fuzz_target;

const ID: u16 = 4711;

fuzz_target!(|data: &[u8]| {
    let mut names = Names::new(Arc::new(Zone::new("openstacklocal", vec!["203.0.113.0/24=ip-{address}.example.org".parse().unwrap()])));
    let addresses = vec!["10.0.0.5".parse().unwrap(), "2001:db8::5".parse().unwrap()];
    names.set(1, Some(PortNames { name: "web".into(), domain: "example.org".into(), addresses }));
    for (transport, most) in [(Transport::Udp, 1232), (Transport::Tcp, 65_535)] {
        match answer(data, &names, transport) {
            Answered::Reply(reply, _) => {
                assert!(reply.len() >= 12 && reply.len() <= most, "{} octets", reply.len());
                assert!(reply[..2] == data[..2] && reply[2] & 0x80 != 0);
            }
            Answered::Forward(question) => {
                let query = question.query(ID).expect("a query");
                assert!(query[..2] == ID.to_be_bytes() && query[2] & 0x80 == 0);
                // The same octets as an answer from elsewhere.
                let mut reply = data.to_vec();
                reply[..2].copy_from_slice(&ID.to_be_bytes());
                reply[2] |= 0x80;
                let _ = question.relayed(ID, &reply);
                let _ = question.is_truncated(ID, &reply);
                assert!(question.failed().len() >= 12);
            }
            Answered::Silence(_) => {}
        }
    }
});
