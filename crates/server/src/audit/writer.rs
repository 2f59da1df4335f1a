//! The thread that writes: a disk that is full or slow stops nothing but it.

use super::State;
use super::file::AuditFile;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::mpsc;

/// Lines that are written at once.
const AT_ONCE: usize = 256;
/// How long to wait before what could not be written is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Begins to write; the thread ends when nobody can send any more.
pub(super) fn start(
    file: AuditFile,
    lines: mpsc::Receiver<String>,
    state: Arc<State>,
) -> std::io::Result<()> {
    std::thread::Builder::new().name("audit".into()).spawn(move || run(file, lines, &state)).map(drop)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the thread is its own, and there is no event of room on a disk"
)]
fn run(mut file: AuditFile, mut lines: mpsc::Receiver<String>, state: &State) {
    while let Some(first) = lines.blocking_recv() {
        let mut batch = first + "\n";
        let mut count = 1;
        while count < AT_ONCE
            && let Ok(line) = lines.try_recv()
        {
            batch += &line;
            batch.push('\n');
            count += 1;
        }
        while let Err(error) = file.append(batch.as_bytes()) {
            if state.trouble.lock().replace(error.to_string()).is_none() {
                let path = state.path.display();
                tracing::error!(%path, %error, "the audit log can't be written; lines wait, and it is tried again every second");
            }
            if lines.is_closed() {
                return;
            }
            std::thread::sleep(RETRY);
        }
        if state.trouble.lock().take().is_some() {
            let lost = state.lost.load(Relaxed);
            tracing::info!(lost, "the audit log is written again");
        }
        state.written.fetch_add(count as u64, Relaxed);
    }
}
