//! Which names are names of secrets.
//!
//! A name is first *folded*: to lower case, full-width letters to ASCII, without
//! invisible characters, and split into words wherever its author meant words to
//! begin, be it by `_`, `-`, a dot, a space or a capital letter. Then it is that
//! of a secret if
//!
//! - one of its words is a short one that always means a secret (`user_pin`,
//!   `cardNumber`, `PINs`), or
//! - a long one that hardly ever means something else occurs anywhere, even
//!   across or within words (`userpassword`, `pass_word`, `xApiKeys`), or
//! - its last word ends in `pass`, or the whole of it is a name such as `auth`
//!   that is a secret alone and not in company.
//!
//! Short words count only whole, so that `shipping`, `discard` and `postcard`
//! pass. What is left of ambiguity is decided for hiding: `max_tokens`, `map_pin`
//! and `boarding_pass` are hidden although they are harmless, because a secret
//! that was stored cannot be taken back, while a count that was hidden can be had
//! with [`NameRules::show`].

use std::collections::HashMap;

use super::shape::Treatment;
use super::without_mark;

/// Which names are names of secrets: a list that fits most services, and what a
/// service adds to it or takes from it.
///
/// ```
/// use audit::redact::NameRules;
///
/// let names = NameRules::default().hide("loyalty_number").show("max_tokens");
///
/// assert!(names.hides("newPassword2"));
/// assert!(names.hides("X-API-Key"));
/// assert!(names.hides("loyaltyNumber"));
/// assert!(!names.hides("maxTokens"));
/// assert!(!names.hides("shipping_address"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct NameRules {
    /// What a service has said of names, folded; nothing is done to those it shows.
    own: HashMap<String, Option<Treatment>>,
}

impl NameRules {
    /// Hides values of this name too, in any case and with any separators. Unlike
    /// the built-in names it counts only as the whole name.
    #[must_use]
    pub fn hide(self, name: &str) -> Self {
        self.with(name, Some(Treatment::Secret))
    }

    /// Shows a keyed hash of the values of exactly this name, in any case and with any
    /// separators, so that records with a known value can be found by those who may
    /// hash it ([`Redactor::hash`](super::Redactor::hash)). Without a key they are
    /// hidden.
    #[must_use]
    pub fn hash(self, name: &str) -> Self {
        self.with(name, Some(Treatment::Hash))
    }

    /// Shows values of exactly this name, in any case and with any separators,
    /// although they would be hidden. Secrets within the value are still hidden.
    #[must_use]
    pub fn show(self, name: &str) -> Self {
        self.with(name, None)
    }

    fn with(mut self, name: &str, treatment: Option<Treatment>) -> Self {
        self.own.insert(Folded::of(name).letters, treatment);
        self
    }

    /// Whether values of this name are hidden, or hashed.
    #[must_use]
    pub fn hides(&self, name: &str) -> bool {
        self.hides_folded(name, &mut Folded::default())
    }

    /// The names that a service has treated in this way, or shown, folded, in order.
    pub(super) fn own(&self, treatment: Option<Treatment>) -> Vec<&str> {
        let own = self.own.iter().filter(|(_, own)| **own == treatment);
        let mut names: Vec<&str> = own.map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// The same, with the memory for the folded name lent by the caller.
    pub(super) fn hides_folded(&self, name: &str, folded: &mut Folded) -> bool {
        self.treatment(name, folded).is_some()
    }

    /// How values of this name are treated.
    pub(super) fn treatment(&self, name: &str, folded: &mut Folded) -> Option<Treatment> {
        // The letters of the mark are not the name's.
        folded.read(without_mark(name));
        match self.own.get(&folded.letters) {
            Some(treatment) => *treatment,
            None => folded.is_secret().then_some(Treatment::Secret),
        }
    }
}

/// Whether a name that counts as a secret's may hold the secret itself, because
/// it is not a name but something that was taken for one: a piece of JSON, or a
/// pair with its separator.
pub(super) fn may_carry_a_value(name: &str) -> bool {
    name.contains(['"', '\'', '=', '{', '\n'])
}

/// Words that mean a secret wherever they are a word of their own.
fn is_secret_word(word: &str) -> bool {
    matches!(
        word,
        "card" | "cred" | "csrf" | "cvn" | "otp" | "pin" | "psk" | "psw" | "senha" | "sid" | "sig" | "ssn" | "xsrf"
            // Compounds that lost their boundary, too short to look for within words.
            | "atmpin" | "cardno" | "cardpin" | "loginpin" | "newpin" | "oldpin" | "userpin"
    )
}

/// Names that are a secret's as a whole, while longer names that hold them as a
/// word (`auth_method`, `pan_id`) mostly are not.
fn is_secret_alone(name: &str) -> bool {
    matches!(
        name,
        "assertion"
            | "auth"
            | "authentication"
            | "ccno"
            | "mfa"
            | "oauth"
            | "pan"
            | "proxyauth"
            | "track1"
            | "track1data"
            | "track2"
            | "track2data"
            | "xauth"
    )
}

/// Words that mean something else although they end in `pass`.
const NO_PASSWORDS: [&str; 10] = [
    "bandpass",
    "bypass",
    "compass",
    "highpass",
    "impass",
    "lowpass",
    "overpass",
    "surpass",
    "trespass",
    "underpass",
];

/// Words that begin like a secret's and mean something else.
const INNOCENT: [&str; 9] = [
    "secretaria",
    "secretarie",
    "secretary",
    "secretion",
    "secretive",
    "tokenisa",
    "tokenise",
    "tokenisi",
    "tokeniz",
];

/// What means a secret wherever it occurs, keyed by its first two bytes: at
/// nearly every position of nearly every name there is nothing to compare.
fn stems(first_two: [u8; 2]) -> &'static [&'static str] {
    match &first_two {
        b"ac" => &[
            "accesscode",
            "accesskey",
            "accountkey",
            "activationcode",
            "activationkey",
        ],
        b"ad" => &["adminkey"],
        b"ae" => &["aeskey"],
        b"ap" => &["apikey", "appkey"],
        b"au" => &[
            "authcode",
            "authheader",
            "authkey",
            "authorisation",
            "authorization",
        ],
        b"ba" => &["backupcode", "bankcard", "basicauth"],
        b"be" => &["bearer"],
        b"ca" => &["cardcode", "cardexp", "cardholder", "cardnum", "cardverif"],
        b"cc" => &["ccnum"],
        b"ci" => &["cipherkey"],
        b"cl" => &["clientassertion", "clientkey"],
        b"co" => &[
            "codeverifier",
            "connectionstring",
            "consumerkey",
            "contrasena",
            "contraseña",
            "cookie",
        ],
        b"cr" => &[
            "credential",
            "creditcard",
            "cryptionkey",
            "cryptkey",
            "cryptogram",
            "cryptokey",
        ],
        b"cv" => &["cvc", "cvv"],
        b"de" => &["debitcard", "deploykey"],
        b"fa" => &["facode"],
        b"fu" => &["functionkey", "functionskey"],
        b"gi" => &["giftcard"],
        b"gp" => &["gpgkey"],
        b"hm" => &["hmackey"],
        b"jw" => &["jwt"],
        b"ke" => &["kennwort"],
        b"li" => &["licencekey", "licensekey"],
        b"lo" => &["logincode"],
        b"ma" => &["magiclink", "magstripe", "masterkey"],
        b"mn" => &["mnemonic"],
        b"mo" => &["motdepasse"],
        b"on" => &["onetimecode"],
        b"pa" => &[
            "passcode",
            "passhash",
            "passkey",
            "passphrase",
            "passwd",
            "password",
            "passwort",
            "passwrd",
            "paymentcard",
        ],
        b"pg" => &["pgpkey"],
        b"pi" => &["pinblock", "pincode", "pinhash", "pinnumber"],
        b"pr" => &["presharedkey", "privatekey", "privkey"],
        b"ps" => &["pswd"],
        b"pw" => &["pwd"],
        b"re" => &["recoverycode", "recoverykey", "recoveryphrase", "resetcode"],
        b"ro" => &["rootkey"],
        b"rs" => &["rsakey"],
        b"sa" => &["samlassertion", "samlresponse"],
        b"se" => &[
            "secret",
            "securityanswer",
            "securitycode",
            "securitykey",
            "seedphrase",
            "serverkey",
            "servicekey",
            "sessid",
            "sessionid",
            "sessionkey",
        ],
        b"sh" => &["sharedkey"],
        b"si" => &["signature", "signingkey", "signkey"],
        b"sm" => &["smscode"],
        b"so" => &["socialsecurity"],
        b"ss" => &["sshkey"],
        b"st" => &["storagekey"],
        b"su" => &["subscriptionkey"],
        b"to" => &["token"],
        b"tr" => &["trackdata"],
        b"tw" => &["twofactorcode"],
        b"un" => &["unlockcode"],
        b"ve" => &["verificationcode"],
        b"wa" => &["wachtwoord", "walletkey"],
        b"we" => &["webhookkey"],
        b"wr" => &["wrappingkey"],
        [0xd0, 0xbf] => &["пароль"],
        [0xe3, 0x83] => &["パスワード"],
        [0xe5, 0xaf] => &["密码", "密碼"],
        [0xeb, 0xb9] => &["비밀번호"],
        _ => &[],
    }
}

/// A name as its spelling varies least: its words, in lower case.
#[derive(Default)]
pub(super) struct Folded {
    /// All letters and digits.
    letters: String,
    /// Where in `letters` each word ends.
    ends: Vec<usize>,
}

impl Folded {
    fn of(name: &str) -> Self {
        let mut folded = Self::default();
        folded.read(name);
        folded
    }

    /// Folds another name into the same memory.
    fn read(&mut self, name: &str) {
        self.letters.clear();
        self.ends.clear();
        let mut before = Kind::Separator;
        let mut rest = name.chars();
        while let Some(character) = rest.next() {
            let (character, kind) = simplify(character);
            match kind {
                Kind::Invisible => continue,
                Kind::Separator => self.end_word(),
                Kind::Upper => {
                    if before != Kind::Upper || begins_capitalised_word(rest.clone()) {
                        self.end_word();
                    }
                    self.letters.extend(
                        character
                            .to_lowercase()
                            .filter(|lower| lower.is_alphanumeric()),
                    );
                }
                Kind::Lower | Kind::Digit => {
                    if (kind == Kind::Digit) != (before == Kind::Digit) {
                        self.end_word();
                    }
                    self.letters.push(character);
                }
            }
            before = kind;
        }
        self.end_word();
    }

    fn end_word(&mut self) {
        let end = self.letters.len();
        if end > self.ends.last().copied().unwrap_or_default() {
            self.ends.push(end);
        }
    }

    fn words(&self) -> impl DoubleEndedIterator<Item = &str> {
        (0..self.ends.len()).filter_map(|index| {
            let start = index
                .checked_sub(1)
                .and_then(|before| self.ends.get(before))
                .copied();
            self.letters
                .get(start.unwrap_or_default()..*self.ends.get(index)?)
        })
    }

    fn is_secret(&self) -> bool {
        self.words().any(has_secret_word)
            || self.has_stem()
            || self.ends_in_pass()
            || begins_like_secret(&self.letters)
            || is_secret_alone(&self.letters)
    }

    fn has_stem(&self) -> bool {
        let mut pairs = self.letters.as_bytes().windows(2).enumerate();
        pairs.any(|(at, pair)| {
            let &[first, second] = pair else { return false };
            let stems = stems([first, second]);
            !stems.is_empty()
                && self
                    .letters
                    .get(at..)
                    .is_some_and(|rest| begins_with_stem(rest, stems))
        })
    }

    fn ends_in_pass(&self) -> bool {
        let is_number = |word: &&str| word.bytes().all(|byte| byte.is_ascii_digit());
        self.words()
            .rev()
            .find(|word| !is_number(word))
            .is_some_and(|word| {
                word.ends_with("pass")
                    && !NO_PASSWORDS.iter().any(|innocent| word.ends_with(innocent))
            })
    }
}

fn begins_with_stem(letters: &str, stems: &[&str]) -> bool {
    let begins = |stem: &&str| letters.starts_with(*stem);
    stems.iter().any(begins) && !INNOCENT.iter().any(begins)
}

/// `otp` and `ssn` begin and end no English word, so a boundary on one of their
/// sides will do: `ssnlast4`, `OTPcode`, `smsotp`. None ends in `pw` either.
fn has_secret_word(word: &str) -> bool {
    let singular = word.strip_suffix('s').unwrap_or(word);
    is_secret_word(word)
        || is_secret_word(singular)
        || begins_like_secret(word)
        || ["otp", "pw", "ssn"]
            .iter()
            .any(|short| singular.ends_with(short))
}

fn begins_like_secret(word: &str) -> bool {
    ["otp", "ssn"].iter().any(|short| word.starts_with(short))
}

/// What a character does in a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Upper,
    /// A small letter, or one of a script that has no case.
    Lower,
    Digit,
    Separator,
    /// Nothing that could be seen: `pass\u{200b}word` reads as `password`.
    Invisible,
}

fn simplify(character: char) -> (char, Kind) {
    let character = match character {
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character)
        }
        'ſ' => 's',
        other => other,
    };
    let kind = match character {
        'a'..='z' => Kind::Lower,
        'A'..='Z' => Kind::Upper,
        '0'..='9' => Kind::Digit,
        '\0'..='\x7f' => Kind::Separator,
        '\u{ad}'
        | '\u{300}'..='\u{36f}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' => Kind::Invisible,
        '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{e0000}'..='\u{e007f}' => Kind::Invisible,
        other if other.is_uppercase() => Kind::Upper,
        other if other.is_alphanumeric() => Kind::Lower,
        _ => Kind::Separator,
    };
    (character, kind)
}

/// Whether the capital letter before `rest` begins a word although it follows
/// another one: the `K` of `APIKey` does, the `N` of the plural `PINs` does not.
fn begins_capitalised_word(rest: std::str::Chars<'_>) -> bool {
    let mut visible = rest
        .map(simplify)
        .filter(|(_, kind)| *kind != Kind::Invisible);
    match visible.next() {
        Some(('s', _)) => visible.next().is_some_and(|(_, kind)| kind == Kind::Lower),
        Some((_, kind)) => kind == Kind::Lower,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(name: &str) -> bool {
        NameRules::default().hides(name)
    }

    #[test]
    fn secrets_are_found_under_every_spelling() {
        let names = "
            password Password PASSWORD pass_word pass-word pass.word passWord PassWord password2
            passwords new_password newPassword NEW_PASSWORD userpassword passwordHash
            password_confirmation passwd pwd dbpwd user_pwd passphrase pass_phrase passcode pswd pass
            PASS db_pass userPass smtppass boarding_pass pass2 pass_hash secret Secrets client_secret
            clientSecret HTTPSecret secretKey appsecret secret_id token tokens access_token accessToken
            accesstoken X-CSRF-Token OAuthToken refreshtoken max_tokens token_count tokens_used
            csrfmiddlewaretoken _csrf xsrf jwt idJwt bearer api_key apiKey apikey APIKey APIkey api-keys
            x-api-key X_API_KEY myapikeys access_key AWSAccessKeyId private_key privateKeyPem ssh_key
            encryption_key signingKey authorization Authorization Proxy-Authorization auth basic_auth
            authCode authentication cookie Set-Cookie cookies_accepted session_id sessionId JSESSIONID
            PHPSESSID connect.sid card cards card_number cardNumber creditcard creditCardNo CCNumber
            cardholder cardno pan cvv CVV2 cvc cvcCode card_cvc cvn pin PIN PINs userPINs pin_code
            pincode PINCode pin1 user_pin userpin map_pin ssn SSN ssn_last4 ssnlast4 userssn SSNlast4
            social_security_number credential credentials userCredentials creds otp OTPcode smsotp totp
            pw user_pw bindpw dbPw Passwort kennwort contraseña contrasena mot_de_passe senha wachtwoord
            пароль Пароль 密码 密碼 パスワード 비밀번호 assertion track1 track2_data
            otp_codes mfa mfa_code 2fa_code twoFactorCode verificationCode recovery_codes sig signature
            X-Amz-Signature seed_phrase mnemonic user[password] user.password a[][pin] passwordless
        ";
        for name in names.split_whitespace().chain(["pass word", " password "]) {
            assert!(hidden(name), "{name} must be hidden");
        }
    }

    #[test]
    fn names_that_only_look_like_secrets_are_shown() {
        let names = "
            name id tokenizer tokenized tokenization tokenise Tokeniser pinned pinging spin spins
            shipping opinion hairpin author authors authored_by authority authorized_by auth_method
            secretary secretaries secretariat secretion discard discards cardinality cardigan postcard
            wildcard scorecard cardiology passenger passengers compass bypass encompass trespass passed
            passing pass_count keyboard monkey turkey key keys primary_key foreignKey idempotency_key
            Idempotency-Key sort_key cache_key public_key classname className business_name laptop
            footprint rootPath company pancake japan description price attributes email phone
            status_code zip_code code design signed_at sigma side inside session accreditation credit
            Kennzahl contrast senhora assertions tracks track_number pwned
            sacred hotpink process_key surface_code
        ";
        for name in names.split_whitespace().chain([""]) {
            assert!(!hidden(name), "{name} must be shown");
        }
    }

    #[test]
    fn disguises_that_a_reader_would_not_notice_do_not_help() {
        for name in [
            "pass\u{200b}word",
            "\u{feff}password",
            "pass\u{ad}word",
            "\u{ff50}\u{ff41}\u{ff53}\u{ff53}\u{ff57}\u{ff4f}\u{ff52}\u{ff44}",
            "to\u{212a}en",
            "P\u{130}N",
            "pa\u{17f}\u{17f}word",
            "p\u{301}in",
            "\u{2066}pin\u{2069}",
            "\u{a0}pin\u{3000}",
        ] {
            assert!(hidden(name), "{name:?} must be hidden");
        }
    }

    #[test]
    fn a_service_adds_names_and_takes_names_back() {
        let names = NameRules::default()
            .hide("loyalty_number")
            .show("max_tokens");
        assert!(
            names.hides("LoyaltyNumber")
                && names.hides("loyalty-number")
                && names.hides("LOYALTYNUMBER")
        );
        assert!(!names.hides("old_loyalty_number"));
        assert!(!names.hides("maxTokens") && !names.hides("MAX-TOKENS"));
        assert!(names.hides("max_token") && names.hides("max_tokens_secret"));
    }

    #[test]
    fn of_two_rules_for_one_name_the_later_one_holds() {
        assert!(NameRules::default().show("pin").hide("PIN").hides("pin"));
        assert!(
            !NameRules::default()
                .hide("salary")
                .show("Salary")
                .hides("salary")
        );
    }

    #[test]
    fn stems_stand_under_their_first_two_letters() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                for stem in stems([first, second]) {
                    assert!(
                        stem.as_bytes().starts_with(&[first, second]),
                        "{stem} stands in the wrong place"
                    );
                    assert!(hidden(stem), "{stem}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_name_may_carry_a_value() {
        assert!(may_carry_a_value(r#"{"password":"x"}"#) && may_carry_a_value("password=x"));
        assert!(!may_carry_a_value("user[pass word]") && !may_carry_a_value("ns:password"));
    }
}
