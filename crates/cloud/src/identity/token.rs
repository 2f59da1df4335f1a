//! Tokens: what they state, and how that is signed.
//!
//! ```text
//! base64url( version 1 ‖ key id, 4 bytes ‖ protobuf(claims) ‖ HMAC-SHA-256 )
//! ```
//!
//! The HMAC also covers the id of the store's history: a restored backup has forgotten later revocations and password
//! changes, so tokens from before it are not accepted.

use super::keys::KeyRing;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hadron_model::Timestamp;
use hadron_store::HistoryId;
use prost::Message as _;
use ring::hmac;

/// The form described above.
const VERSION: u8 = 1;

/// Longest token looked at, in bytes of text.
pub(crate) const MAX_TOKEN: usize = 1024;

/// Bytes before the claims.
const HEADER: usize = 5;

/// Bytes of the HMAC.
const MAC: usize = 32;

/// What a token states.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claims {
    /// Whose it is.
    pub user_id: String,
    /// The user's `tokens_valid_from` when it was issued. A change of password or a disabling moves that on.
    pub user_epoch: i64,
    /// How the user was authenticated, in the order of the fields.
    pub methods: Methods,
    /// What it is for.
    pub scope: TokenScope,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Its id in audit trails, 22 characters.
    pub audit_id: String,
    /// The audit id of the token at the beginning of its chain, if it was made from another token.
    pub audit_chain_id: Option<String>,
    /// The application credential that it was made with, by id.
    pub credential_id: Option<String>,
}

/// What a token is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TokenScope {
    /// Nothing but asking for a scoped one.
    Unscoped,
    /// A project, by id.
    Project(String),
    /// A domain, by id.
    Domain(String),
    /// The whole deployment.
    System,
}

/// Authentication methods, a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Methods {
    /// With a password.
    pub password: bool,
    /// With another token.
    pub token: bool,
    /// With an application credential.
    pub application_credential: bool,
}

impl Methods {
    /// The names, as the API lists them.
    pub fn names(self) -> Vec<&'static str> {
        let all = [
            (self.password, "password"),
            (self.token, "token"),
            (self.application_credential, "application_credential"),
        ];
        all.into_iter().filter(|(has, _)| *has).map(|(_, name)| name).collect()
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct ClaimsMessage {
    #[prost(string, tag = "1")]
    user_id: String,
    #[prost(int64, tag = "2")]
    user_epoch: i64,
    #[prost(bool, tag = "3")]
    by_password: bool,
    #[prost(bool, tag = "4")]
    by_token: bool,
    #[prost(oneof = "ScopeMessage", tags = "5, 6, 7")]
    scope: Option<ScopeMessage>,
    #[prost(int64, tag = "8")]
    issued_at: i64,
    #[prost(int64, tag = "9")]
    expires_at: i64,
    #[prost(string, tag = "10")]
    audit_id: String,
    #[prost(string, optional, tag = "11")]
    audit_chain_id: Option<String>,
    #[prost(string, optional, tag = "12")]
    credential_id: Option<String>,
    #[prost(bool, tag = "13")]
    by_credential: bool,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum ScopeMessage {
    #[prost(string, tag = "5")]
    Project(String),
    #[prost(string, tag = "6")]
    Domain(String),
    #[prost(bool, tag = "7")]
    System(bool),
}

/// The token of `claims`; `None` if the ring has no primary key.
pub(crate) fn seal(claims: &Claims, ring: &KeyRing, history: HistoryId) -> Option<String> {
    let (id, key) = ring.primary()?;
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&id.to_be_bytes());
    ClaimsMessage::from(claims).encode_raw(&mut bytes);
    bytes.extend_from_slice(hmac::sign(key, &signed(history, &bytes)).as_ref());
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// The claims of `token` if one of the ring's keys signed it in this history. Expiry is not looked at.
pub(crate) fn open(token: &str, ring: &KeyRing, history: HistoryId) -> Option<Claims> {
    if token.len() > MAX_TOKEN {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (body, mac) = bytes.split_last_chunk::<MAC>()?;
    let (header, claims) = body.split_first_chunk::<HEADER>()?;
    let [VERSION, a, b, c, d] = *header else { return None };
    let key = ring.get(u32::from_be_bytes([a, b, c, d]))?;
    hmac::verify(key, &signed(history, body), mac).ok()?;
    ClaimsMessage::decode(claims).ok()?.try_into().ok()
}

/// What the HMAC covers.
fn signed(history: HistoryId, body: &[u8]) -> Vec<u8> {
    [b"hadron token".as_slice(), history.0.as_bytes(), body].concat()
}

/// A new audit id: 16 random bytes, as Keystone writes them.
pub(crate) fn audit_id() -> Result<String, getrandom::Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}

impl From<&Claims> for ClaimsMessage {
    fn from(claims: &Claims) -> Self {
        Self {
            user_id: claims.user_id.clone(),
            user_epoch: claims.user_epoch,
            by_password: claims.methods.password,
            by_token: claims.methods.token,
            scope: match &claims.scope {
                TokenScope::Unscoped => None,
                TokenScope::Project(id) => Some(ScopeMessage::Project(id.clone())),
                TokenScope::Domain(id) => Some(ScopeMessage::Domain(id.clone())),
                TokenScope::System => Some(ScopeMessage::System(true)),
            },
            issued_at: claims.issued_at.0,
            expires_at: claims.expires_at.0,
            audit_id: claims.audit_id.clone(),
            audit_chain_id: claims.audit_chain_id.clone(),
            credential_id: claims.credential_id.clone(),
            by_credential: claims.methods.application_credential,
        }
    }
}

impl TryFrom<ClaimsMessage> for Claims {
    type Error = ();

    fn try_from(message: ClaimsMessage) -> Result<Self, ()> {
        Ok(Self {
            user_id: message.user_id,
            user_epoch: message.user_epoch,
            methods: Methods {
                password: message.by_password,
                token: message.by_token,
                application_credential: message.by_credential,
            },
            scope: match message.scope {
                None => TokenScope::Unscoped,
                Some(ScopeMessage::Project(id)) => TokenScope::Project(id),
                Some(ScopeMessage::Domain(id)) => TokenScope::Domain(id),
                Some(ScopeMessage::System(true)) => TokenScope::System,
                Some(ScopeMessage::System(false)) => return Err(()),
            },
            issued_at: Timestamp(message.issued_at),
            expires_at: Timestamp(message.expires_at),
            audit_id: message.audit_id,
            audit_chain_id: message.audit_chain_id,
            credential_id: message.credential_id,
        })
    }
}
