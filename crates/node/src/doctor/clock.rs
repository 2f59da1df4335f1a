//! Whether the server can be reached with this node's identity, and how its clock stands to this host's.

use super::Finding;
use crate::Identity;
use crate::error::chain;
use crate::sync::channel::connect_any;
use std::time::{Duration, SystemTime};
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::transport::Channel;

const CHECK: &str = "server";
/// The server tells whole seconds, and some pass on the way.
const UNNOTICED: Duration = Duration::from_secs(3);
/// As much is more than certificates' and tokens' beginnings forgive.
const TOO_FAR: Duration = Duration::from_secs(60);
/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn examine(identity: &Identity) -> Finding {
    let reached = connect_any(&identity.server, 0, &identity.ca_pem, Some(identity)).await;
    let asked = match reached {
        Ok((_, channel)) => tokio::time::timeout(PATIENCE, date(channel)).await,
        Err(error) => {
            let text = format!("no server of {} can be reached: {}", identity.server, chain(&error));
            return Finding::error(
                CHECK,
                text,
                "see that the server runs, that its port is let through, and that the clocks agree",
            );
        }
    };
    match asked {
        Ok(Some((server, here))) => judge(server, here),
        Ok(None) | Err(_) => Finding::warning(
            CHECK,
            format!("a server of {} can be reached, and does not tell its time", identity.server),
            "compare the clocks by hand",
        ),
    }
}

/// What the server's clock says, and this host's at the same time: the middle of the question's way.
async fn date(mut channel: Channel) -> Option<(SystemTime, SystemTime)> {
    let before = SystemTime::now();
    std::future::poll_fn(|context| channel.poll_ready(context)).await.ok()?;
    // No such call: what matters is the answer's head.
    let request = http::Request::post("/hadron.node.v1.Nodes/Date").body(Body::empty()).ok()?;
    let answer = channel.call(request).await.ok()?;
    let after = SystemTime::now();
    let date = answer.headers().get(http::header::DATE)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::parse(date).ok()?;
    Some((date.timestamp().into(), before + after.duration_since(before).unwrap_or_default() / 2))
}

fn judge(server: SystemTime, here: SystemTime) -> Finding {
    let (apart, word) = match here.duration_since(server) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    let text = format!("this host's clock is {} s {word} the server's", apart.as_secs());
    let advice = "let both hosts follow the same time servers (chronyd, systemd-timesyncd)";
    if apart >= TOO_FAR {
        Finding::error(CHECK, text, advice)
    } else if apart > UNNOTICED {
        Finding::warning(CHECK, text, advice)
    } else {
        Finding::fine(CHECK, "a server can be reached, and the clocks agree")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn clocks_that_differ_are_told_with_their_direction() {
        let now = SystemTime::now();
        let ahead = |seconds| judge(now, now + Duration::from_secs(seconds));
        assert_eq!(ahead(1).level, Level::Fine);
        assert_eq!(ahead(10).level, Level::Warning);
        let far = ahead(600);
        assert!(far.level == Level::Error && far.text.contains("600 s ahead of"), "{far:?}");
        let behind = judge(now + Duration::from_secs(30), now);
        assert!(behind.text.contains("30 s behind the"), "{behind:?}");
    }
}
