//! A medium whose changes stay in memory: what is below it is only read.

use super::Medium;
use parking_lot::Mutex;
use redb::StorageBackend;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

const PAGE: u64 = 4096;

/// A medium on top of another. A clone is the same.
#[derive(Clone, Debug)]
pub(super) struct Overlay<M> {
    base: M,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    length: u64,
    /// What of the base is still visible.
    base_length: u64,
    pages: HashMap<u64, Box<[u8]>>,
}

impl<M: Medium> Overlay<M> {
    pub(super) fn new(base: M) -> io::Result<Self> {
        let length = base.len()?;
        let state = State { length, base_length: length, pages: HashMap::new() };
        Ok(Self { base, state: Arc::new(Mutex::new(state)) })
    }

    /// A page as the base has it, with zeros behind its end.
    fn base_page(&self, number: u64, base_length: u64) -> io::Result<Box<[u8]>> {
        let mut page = vec![0; PAGE as usize].into_boxed_slice();
        let start = number * PAGE;
        let available = base_length.saturating_sub(start).min(PAGE) as usize;
        if available > 0 {
            self.base.read(start, &mut page[..available])?;
        }
        Ok(page)
    }
}

/// The pages of `offset..offset + length`: number, range in the page, range in the whole.
fn pages(
    offset: u64,
    length: usize,
) -> impl Iterator<Item = (u64, std::ops::Range<usize>, std::ops::Range<usize>)> {
    let end = offset + length as u64;
    (offset / PAGE..end.div_ceil(PAGE)).map(move |number| {
        let (from, to) = (offset.max(number * PAGE), end.min((number + 1) * PAGE));
        let in_page = (from - number * PAGE) as usize..(to - number * PAGE) as usize;
        (number, in_page, (from - offset) as usize..(to - offset) as usize)
    })
}

impl<M: Medium> StorageBackend for Overlay<M> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state.lock().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state.lock();
        if offset + out.len() as u64 > state.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if state.pages.is_empty() && state.base_length == state.length {
            return self.base.read(offset, out);
        }
        for (number, in_page, in_whole) in pages(offset, out.len()) {
            match state.pages.get(&number) {
                Some(page) => out[in_whole].copy_from_slice(&page[in_page]),
                None => out[in_whole].copy_from_slice(&self.base_page(number, state.base_length)?[in_page]),
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        if len < state.length {
            state.base_length = state.base_length.min(len);
            state.pages.retain(|number, _| number * PAGE < len);
            if let Some(page) = state.pages.get_mut(&(len / PAGE)) {
                page[(len % PAGE) as usize..].fill(0);
            }
        }
        state.length = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock();
        if offset + data.len() as u64 > state.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (number, in_page, in_whole) in pages(offset, data.len()) {
            if !state.pages.contains_key(&number) {
                let page = self.base_page(number, state.base_length)?;
                state.pages.insert(number, page);
            }
            if let Some(page) = state.pages.get_mut(&number) {
                page[in_page].copy_from_slice(&data[in_whole]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use redb::backends::InMemoryBackend;

    /// The in-memory medium of the engine, made cloneable.
    #[derive(Clone, Debug)]
    struct Base(Arc<InMemoryBackend>);

    impl StorageBackend for Base {
        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.0.read(offset, out)
        }
        fn set_len(&self, len: u64) -> io::Result<()> {
            self.0.set_len(len)
        }
        fn sync_data(&self) -> io::Result<()> {
            self.0.sync_data()
        }
        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.0.write(offset, data)
        }
    }

    proptest! {
        #[test]
        fn behaves_as_what_it_covers_and_leaves_it_alone(
            base in proptest::collection::vec(any::<u8>(), 0..20_000),
            steps in proptest::collection::vec((0..24_000_usize, 0..9_000_usize, any::<u8>(), 0..4), 1..30),
        ) {
            let below = Base(Arc::new(InMemoryBackend::new()));
            below.set_len(base.len() as u64).unwrap();
            below.write(0, &base).unwrap();
            let overlay = Overlay::new(below.clone()).unwrap();
            let mut expected = base.clone();
            for (offset, length, byte, action) in steps {
                if action == 0 {
                    overlay.set_len(offset as u64).unwrap();
                    expected.resize(offset, 0);
                } else if offset + length <= expected.len() {
                    overlay.write(offset as u64, &vec![byte; length]).unwrap();
                    expected[offset..offset + length].fill(byte);
                }
                let mut found = vec![0; expected.len()];
                overlay.read(0, &mut found).unwrap();
                prop_assert!(found == expected);
            }
            let mut kept = vec![0; base.len()];
            below.read(0, &mut kept).unwrap();
            prop_assert!(kept == base);
        }
    }
}
