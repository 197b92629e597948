//! Secrets that begin with something that nothing else begins with.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};

use super::super::names::{Folded, NameRules};
use super::{Content, Secret, encodings, is_url_safe, named, run};

/// The longest header of a token that is looked into.
const TOKEN_HEADER_BYTES: usize = 4_096;
/// The shortest token behind `Bearer`: shorter ones are words.
const BEARER_BYTES: usize = 8;
/// Behind `Bearer`, what is as long as this is no word.
const NO_WORD_BYTES: usize = 24;
/// The shortest credentials behind `Basic`: `a:b` in base64.
const BASIC_BYTES: usize = 4;
/// The shortest rest of a password hash.
const PASSWORD_HASH_BYTES: usize = 20;
/// The shortest token that stands in a URL in the place of a user.
const TOKEN_BYTES: usize = 20;
/// How much of what looks like credentials is looked into.
const CREDENTIALS_BYTES: usize = 512;
/// How much may stand between the name of a scheme and its credentials.
const SPACE_BYTES: usize = 16;
/// The longest prefix of a service's own.
const PREFIX_BYTES: usize = 64;

/// What may begin where a marker stands.
#[derive(Clone, Copy, Debug)]
enum Rule {
    Token,
    Pem,
    /// A key file of PuTTY, which hides to its end.
    Putty,
    Bearer,
    Basic,
    Url,
    /// An option of a command line, whose value may be a secret.
    Option,
    /// A password of SQL or PowerShell, in quotes or as a word.
    Literal,
    PasswordHash,
    /// What follows is of this alphabet and at least as long.
    Key(Alphabet, usize),
}

/// What keys are made of.
#[derive(Clone, Copy, Debug)]
enum Alphabet {
    Alphanumeric,
    UpperCase,
    Hexadecimal,
    /// Letters, digits, `_` and `-`.
    UrlSafe,
    /// The same and dots.
    Dotted,
    /// The same and slashes, as in the address of a webhook.
    Path,
}

use Alphabet::{Alphanumeric, Dotted, Hexadecimal, Path, UpperCase, UrlSafe};

/// Prefixes of keys as their issuers document them, and how long what follows is at
/// least. The automaton ignores case; rules for keys do not.
const MARKERS: &[(&str, Rule)] = &[
    ("eyJ", Rule::Token),
    ("-----BEGIN ", Rule::Pem),
    ("PuTTY-User-Key-File-", Rule::Putty),
    ("bearer", Rule::Bearer),
    ("basic", Rule::Basic),
    ("://", Rule::Url),
    ("--", Rule::Option),
    (" -", Rule::Option),
    ("password '", Rule::Literal),
    ("identified by ", Rule::Literal),
    ("ConvertTo-SecureString ", Rule::Literal),
    ("$2a$", Rule::PasswordHash),
    ("$2b$", Rule::PasswordHash),
    ("$2y$", Rule::PasswordHash),
    ("$argon2", Rule::PasswordHash),
    ("$scrypt$", Rule::PasswordHash),
    ("$pbkdf2", Rule::PasswordHash),
    ("pbkdf2_sha256$", Rule::PasswordHash),
    ("{SSHA}", Rule::PasswordHash),
    ("$1$", Rule::PasswordHash),
    ("$5$", Rule::PasswordHash),
    ("$6$", Rule::PasswordHash),
    ("$7$", Rule::PasswordHash),
    ("$y$", Rule::PasswordHash),
    // Amazon Web Services.
    ("AKIA", Rule::Key(UpperCase, 16)),
    ("ASIA", Rule::Key(UpperCase, 16)),
    ("ABIA", Rule::Key(UpperCase, 16)),
    ("ACCA", Rule::Key(UpperCase, 16)),
    // Google.
    ("AIza", Rule::Key(UrlSafe, 35)),
    ("ya29.", Rule::Key(UrlSafe, 20)),
    ("GOCSPX-", Rule::Key(UrlSafe, 20)),
    ("1//0", Rule::Key(UrlSafe, 40)),
    // GitHub, GitLab, Bitbucket, Atlassian.
    ("ghp_", Rule::Key(Alphanumeric, 30)),
    ("gho_", Rule::Key(Alphanumeric, 30)),
    ("ghu_", Rule::Key(Alphanumeric, 30)),
    ("ghs_", Rule::Key(Alphanumeric, 30)),
    ("ghr_", Rule::Key(Alphanumeric, 30)),
    ("github_pat_", Rule::Key(UrlSafe, 22)),
    ("glpat-", Rule::Key(UrlSafe, 20)),
    ("glcbt-", Rule::Key(UrlSafe, 20)),
    ("gldt-", Rule::Key(UrlSafe, 20)),
    ("glft-", Rule::Key(UrlSafe, 20)),
    ("gloas-", Rule::Key(UrlSafe, 20)),
    ("glptt-", Rule::Key(UrlSafe, 20)),
    ("glrt-", Rule::Key(UrlSafe, 20)),
    ("glsoat-", Rule::Key(UrlSafe, 20)),
    ("ATATT3", Rule::Key(UrlSafe, 40)),
    ("ATBB", Rule::Key(Alphanumeric, 32)),
    // Slack, Discord, Telegram's addresses, Twilio, SendGrid, Mailgun, Brevo.
    ("xoxa-", Rule::Key(UrlSafe, 10)),
    ("xoxb-", Rule::Key(UrlSafe, 10)),
    ("xoxc-", Rule::Key(UrlSafe, 10)),
    ("xoxd-", Rule::Key(UrlSafe, 10)),
    ("xoxe-", Rule::Key(UrlSafe, 10)),
    ("xoxe.", Rule::Key(Dotted, 10)),
    ("xoxp-", Rule::Key(UrlSafe, 10)),
    ("xoxr-", Rule::Key(UrlSafe, 10)),
    ("xoxs-", Rule::Key(UrlSafe, 10)),
    ("xapp-", Rule::Key(UrlSafe, 10)),
    ("hooks.slack.com/services/", Rule::Key(Path, 20)),
    ("discord.com/api/webhooks/", Rule::Key(Path, 30)),
    ("discordapp.com/api/webhooks/", Rule::Key(Path, 30)),
    ("SK", Rule::Key(Hexadecimal, 32)),
    ("SG.", Rule::Key(Dotted, 40)),
    ("key-", Rule::Key(Hexadecimal, 32)),
    ("xkeysib-", Rule::Key(UrlSafe, 32)),
    // Stripe, Square, Shopify, Razorpay, Plaid.
    ("sk_live_", Rule::Key(Alphanumeric, 10)),
    ("sk_test_", Rule::Key(Alphanumeric, 10)),
    ("rk_live_", Rule::Key(Alphanumeric, 10)),
    ("rk_test_", Rule::Key(Alphanumeric, 10)),
    ("whsec_", Rule::Key(Alphanumeric, 16)),
    ("EAAA", Rule::Key(UrlSafe, 60)),
    ("sq0atp-", Rule::Key(UrlSafe, 20)),
    ("sq0csp-", Rule::Key(UrlSafe, 20)),
    ("shpat_", Rule::Key(Hexadecimal, 32)),
    ("shpca_", Rule::Key(Hexadecimal, 32)),
    ("shppa_", Rule::Key(Hexadecimal, 32)),
    ("shpss_", Rule::Key(Hexadecimal, 32)),
    ("rzp_live_", Rule::Key(Alphanumeric, 14)),
    ("access-production-", Rule::Key(UrlSafe, 32)),
    ("access-sandbox-", Rule::Key(UrlSafe, 32)),
    // Providers of models.
    ("sk-proj-", Rule::Key(UrlSafe, 20)),
    ("sk-svcacct-", Rule::Key(UrlSafe, 20)),
    ("sk-ant-", Rule::Key(UrlSafe, 20)),
    ("sk-or-", Rule::Key(UrlSafe, 20)),
    ("sk-", Rule::Key(Alphanumeric, 32)),
    ("gsk_", Rule::Key(Alphanumeric, 40)),
    ("hf_", Rule::Key(Alphanumeric, 30)),
    ("pplx-", Rule::Key(Alphanumeric, 40)),
    ("r8_", Rule::Key(Alphanumeric, 36)),
    ("xai-", Rule::Key(Alphanumeric, 60)),
    // Package registries.
    ("npm_", Rule::Key(Alphanumeric, 30)),
    ("pypi-AgE", Rule::Key(UrlSafe, 20)),
    ("rubygems_", Rule::Key(Hexadecimal, 48)),
    ("cio", Rule::Key(Alphanumeric, 32)),
    ("dckr_pat_", Rule::Key(UrlSafe, 20)),
    ("oy2", Rule::Key(Alphanumeric, 43)),
    // Clouds, databases and tools.
    ("dop_v1_", Rule::Key(Hexadecimal, 64)),
    ("doo_v1_", Rule::Key(Hexadecimal, 64)),
    ("dor_v1_", Rule::Key(Hexadecimal, 64)),
    ("dp.pt.", Rule::Key(Alphanumeric, 40)),
    ("hvs.", Rule::Key(UrlSafe, 24)),
    ("hvb.", Rule::Key(UrlSafe, 24)),
    ("AGE-SECRET-KEY-1", Rule::Key(Alphanumeric, 50)),
    ("glsa_", Rule::Key(Alphanumeric, 32)),
    ("glc_", Rule::Key(Alphanumeric, 32)),
    ("dapi", Rule::Key(Hexadecimal, 32)),
    ("lin_api_", Rule::Key(Alphanumeric, 32)),
    ("PMAK-", Rule::Key(UrlSafe, 32)),
    ("NRAK-", Rule::Key(UpperCase, 20)),
    ("figd_", Rule::Key(UrlSafe, 40)),
    ("fm2_", Rule::Key(UrlSafe, 40)),
    ("ntn_", Rule::Key(Alphanumeric, 40)),
    ("pscale_tkn_", Rule::Key(UrlSafe, 32)),
    ("pul-", Rule::Key(Hexadecimal, 40)),
    ("sbp_", Rule::Key(Hexadecimal, 40)),
    ("sntrys_", Rule::Key(UrlSafe, 40)),
    ("tfp_", Rule::Key(UrlSafe, 40)),
    ("CFPAT-", Rule::Key(UrlSafe, 40)),
    ("CCIPAT_", Rule::Key(UrlSafe, 40)),
];

static BUILT_IN: LazyLock<Markers> = LazyLock::new(|| {
    Markers::of(
        MARKERS
            .iter()
            .map(|(marker, rule)| ((*marker).to_owned(), *rule))
            .collect(),
    )
});

/// All markers, and the automaton that finds them.
#[derive(Clone)]
pub(super) struct Markers {
    rules: Arc<[(String, Rule)]>,
    automaton: AhoCorasick,
}

impl Default for Markers {
    fn default() -> Self {
        BUILT_IN.clone()
    }
}

impl fmt::Debug for Markers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Markers({})", self.rules.len())
    }
}

impl Markers {
    fn of(rules: Vec<(String, Rule)>) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "building fails only beyond billions of states, and prefixes are few and short"
        )]
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::DFA))
            .build(rules.iter().map(|(marker, _)| marker))
            .expect("an automaton of a hundred short words");
        Self {
            rules: rules.into(),
            automaton,
        }
    }

    pub(super) fn add(&mut self, prefix: &str, bytes_behind: usize) {
        if prefix.is_empty() || prefix.len() > PREFIX_BYTES {
            return;
        }
        let mut rules = self.rules.to_vec();
        // Of two rules for one prefix in any case, the automaton reports the first.
        rules.retain(|(known, _)| !known.eq_ignore_ascii_case(prefix));
        rules.push((prefix.to_owned(), Rule::Key(UrlSafe, bytes_behind)));
        *self = Self::of(rules);
    }

    /// The prefixes that were added.
    pub(super) fn own(&self) -> impl Iterator<Item = &str> {
        let is_own = |marker: &&str| !MARKERS.iter().any(|(known, _)| known == marker);
        let markers = self.rules.iter().map(|(marker, _)| marker.as_str());
        markers.filter(is_own)
    }

    /// What begins with a marker.
    pub(super) fn find(&self, string: &str, names: &NameRules, secrets: &mut Vec<Secret>) {
        let mut at = 0;
        // Runs of what tokens are made of are looked into once, whole.
        let mut tokens_read_to = 0;
        while let Some(found) = self.automaton.find(Input::new(string).range(at..)) {
            let Some((marker, rule)) = self.rules.get(found.pattern().as_usize()) else {
                return;
            };
            let candidate = Candidate {
                string,
                marker,
                start: found.start(),
                end: found.end(),
            };
            at = match rule {
                // Hyphens begin other things too.
                Rule::Option => found.start() + 1,
                _ => found.end(),
            };
            if matches!(rule, Rule::Token) {
                if found.start() < tokens_read_to {
                    continue;
                }
                tokens_read_to = run(string, found.start(), is_in_token);
            }
            if let Some(secret) = candidate.judge(*rule, names) {
                // Before a password stands a user, who may be a secret as well.
                if !matches!(rule, Rule::Url | Rule::Option) {
                    at = at.max(secret.range.end);
                }
                secrets.push(secret);
            }
        }
    }
}

/// A place where a secret may begin.
struct Candidate<'s> {
    string: &'s str,
    marker: &'s str,
    start: usize,
    end: usize,
}

impl Candidate<'_> {
    /// What is to be hidden, if it is what it may be.
    fn judge(&self, rule: Rule, names: &NameRules) -> Option<Secret> {
        let (range, content) = match rule {
            Rule::Token => (self.token(), Content::JsonWebToken),
            Rule::Pem => (Some(self.pem()), Content::PemBlock),
            Rule::Putty => (Some(self.start..self.string.len()), Content::PemBlock),
            Rule::Bearer => (
                self.scheme(BEARER_BYTES, is_no_word),
                Content::HttpCredentials,
            ),
            Rule::Basic => (
                self.scheme(BASIC_BYTES, |credentials| {
                    encodings::base64(credentials).is_some_and(|text| text.contains(':'))
                }),
                Content::HttpCredentials,
            ),
            Rule::Url => (self.url(), Content::UrlPassword),
            Rule::Option => (self.option(names), Content::NamedValue),
            Rule::Literal => (self.literal(), Content::NamedValue),
            Rule::PasswordHash => (self.password_hash(), Content::PasswordHash),
            Rule::Key(alphabet, bytes) => (self.key(alphabet, bytes), Content::ApiKey),
        };
        Some(Secret::new(range?, content))
    }

    /// Whether the marker is only the end of a word.
    fn is_within_a_word(&self) -> bool {
        let before = self.string.as_bytes().get(..self.start);
        before
            .and_then(|before| before.last())
            .is_some_and(u8::is_ascii_alphanumeric)
    }

    /// A token after RFC 7519, signed (three parts) or encrypted (five).
    fn token(&self) -> Option<Range<usize>> {
        let end = run(self.string, self.start, is_in_token);
        let run = self.string.get(self.start..end)?;
        let parts = run.split('.').count();
        let mut at = self.start;
        for (number, part) in run.split('.').enumerate() {
            if parts - number >= 3 && is_token_header(part) {
                return Some(at..end);
            }
            at += part.len() + 1;
        }
        None
    }

    /// A block after RFC 7468.
    fn pem(&self) -> Range<usize> {
        const END: &str = "-----END ";
        let rest = self.string.get(self.end..).unwrap_or_default();
        let end = rest.find(END).and_then(|end| {
            let dashes = rest.get(end + END.len()..)?.find("-----")?;
            Some(self.end + end + END.len() + dashes + "-----".len())
        });
        self.start..end.unwrap_or(self.string.len())
    }

    /// The credentials behind the name of an authentication scheme.
    fn scheme(&self, bytes: usize, is_secret: impl Fn(&str) -> bool) -> Option<Range<usize>> {
        // In URLs and in dumps of headers a space is written in other ways.
        const SPACES: [&str; 8] = [" ", "%20", "+", ":", "=", "\t", "\"", "'"];
        if self.is_within_a_word() {
            return None;
        }
        let mut start = self.end;
        while let Some(space) = SPACES.iter().find(|space| {
            let rest = self.string.get(start..).unwrap_or_default();
            rest.starts_with(**space) && start - self.end < SPACE_BYTES
        }) {
            start += space.len();
        }
        // Enough to tell, so that a string of nothing but markers is not read again
        // and again to its end.
        let longest = self.string.len().min(start + CREDENTIALS_BYTES);
        let beginning = self.string.as_bytes().get(start..longest)?;
        let length = beginning.iter().position(|byte| !is_in_credentials(*byte));
        let beginning = self
            .string
            .get(start..start + length.unwrap_or(beginning.len()))?;
        let is_secret = start > self.end && beginning.len() >= bytes && is_secret(beginning);
        is_secret.then(|| start..run(self.string, start, is_in_credentials))
    }

    /// The password in the authority of a URL (RFC 3986, section 3.2.1), or a token that
    /// stands there alone.
    fn url(&self) -> Option<Range<usize>> {
        let end = run(self.string, self.end, |byte| {
            is_in_url(byte) && !b"/?#".contains(&byte)
        });
        let authority = self.string.get(self.end..end)?;
        let Some(at) = authority.rfind('@') else {
            return self.unescaped_password(authority, end);
        };
        let user = authority.get(..at)?;
        let start = match user.find(':') {
            Some(colon) => colon + 1,
            None if user.len() >= TOKEN_BYTES && is_no_word(user) => 0,
            None => return None,
        };
        let is_shown = at > start && !named::is_hidden_already(authority.get(start..at)?);
        is_shown.then_some(self.end + start..self.end + at)
    }

    /// A password with a character in it that would have to be escaped, and ends the
    /// authority: what stands behind its colon is no port.
    fn unescaped_password(&self, authority: &str, end: usize) -> Option<Range<usize>> {
        let colon = authority
            .find(':')
            .filter(|_| !authority.starts_with('['))?;
        let port = authority.get(colon + 1..)?;
        if port.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let longest = self.string.len().min(end + CREDENTIALS_BYTES);
        let rest = self.string.as_bytes().get(end..longest)?;
        let at = rest
            .iter()
            .position(|byte| *byte == b'@' || !is_in_url(*byte))?;
        let is_password = rest.get(at) == Some(&b'@');
        is_password.then_some(self.end + colon + 1..end + at)
    }

    /// The value of an option that has a secret's name, as in `--password hunter2`, or
    /// holds one, as in `-u alice:hunter2`.
    fn option(&self, names: &NameRules) -> Option<Range<usize>> {
        let longest = self.string.len().min(self.end + named::NAME_BYTES);
        let rest = self.string.as_bytes().get(self.end..longest)?;
        let length = rest.iter().position(|byte| !is_url_safe(*byte))?;
        let name = self.string.get(self.end..self.end + length)?;
        let behind = self.string.get(self.end + length..)?;
        let value = behind.strip_prefix(' ')?.trim_start_matches(' ');
        let start = self.string.len() - value.len();
        if value.starts_with('-') {
            return None;
        }
        let is_user = matches!(name, "u" | "user" | "-user" | "proxy-user" | "-proxy-user");
        if !is_user && !names.hides_folded(name, &mut Folded::default()) {
            return None;
        }
        let mut value = named::word(self.string, start)?;
        let mut shown = self.string.get(value.clone())?;
        if is_user {
            let colon = shown.find(':')?;
            value.start += colon + 1;
            shown = shown.get(colon + 1..)?;
            // Those of a user and a group.
            if shown.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
        }
        (!named::is_hidden_already(shown)).then_some(value)
    }

    fn literal(&self) -> Option<Range<usize>> {
        let start = self.start + self.marker.trim_end_matches('\'').len();
        let value = named::word(self.string, start)?;
        let shown = self.string.get(value.clone())?;
        (!shown.is_empty() && !named::is_hidden_already(shown)).then_some(value)
    }

    fn password_hash(&self) -> Option<Range<usize>> {
        let end = run(self.string, self.end, |byte| {
            byte.is_ascii_alphanumeric() || b"./$,=+-".contains(&byte)
        });
        (end - self.end >= PASSWORD_HASH_BYTES).then_some(self.start..end)
    }

    fn key(&self, alphabet: Alphabet, bytes: usize) -> Option<Range<usize>> {
        if self.string.get(self.start..self.end) != Some(self.marker) || self.is_within_a_word() {
            return None;
        }
        let end = run(self.string, self.end, |byte| match alphabet {
            Alphanumeric => byte.is_ascii_alphanumeric(),
            UpperCase => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Hexadecimal => byte.is_ascii_hexdigit(),
            UrlSafe => is_url_safe(byte),
            Dotted => is_in_token(byte),
            Path => is_in_token(byte) || byte == b'/',
        });
        (end - self.end >= bytes).then_some(self.start..end)
    }
}

/// Whether what stands behind `Bearer` can be a token: prose goes on with a word.
fn is_no_word(token: &str) -> bool {
    token.len() >= NO_WORD_BYTES
        || token.bytes().any(|byte| byte.is_ascii_digit())
        || token.bytes().skip(1).any(|byte| byte.is_ascii_uppercase())
}

fn is_in_token(byte: u8) -> bool {
    is_url_safe(byte) || byte == b'.'
}

fn is_in_url(byte: u8) -> bool {
    !byte.is_ascii_whitespace() && !b"\"'<>\\".contains(&byte)
}

fn is_in_credentials(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

/// Whether this is the first part of a token after RFC 7515 or RFC 7516.
fn is_token_header(part: &str) -> bool {
    part.len() <= TOKEN_HEADER_BYTES
        && part.starts_with("eyJ")
        && encodings::base64(part).is_some_and(|header| header.contains("\"alg\""))
}
