//! Where the password of an encrypted key comes from, in the SDK's order: `BT_WALLET_PASSWORD`, the key's own `BT_PW_*`
//! variable, the file that a flag or `BT_WALLET_PASSWORD_FILE` names, and last the terminal.

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use super::WalletError;

const VARIABLE: &str = "BT_WALLET_PASSWORD";
const FILE_VARIABLE: &str = "BT_WALLET_PASSWORD_FILE";
const FILE_BYTES_MAX: u64 = 4096;

/// A password. Wiped when dropped, and never shown.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

/// Environment variables by name.
type Variables = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The ways to a password. Nothing is asked for before a file turns out to be encrypted.
pub struct Passwords {
    variables: Variables,
    file: Option<PathBuf>,
    terminal: bool,
}

impl Password {
    /// A password, which must not be empty.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = Zeroizing::new(text.into());
        (!text.is_empty()).then_some(Self(text))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl Passwords {
    /// The process's environment, then `file`, then the terminal if there is one.
    pub fn of_process(file: Option<PathBuf>) -> Self {
        Self { variables: Box::new(|name| std::env::var(name).ok()), file, terminal: true }
    }

    /// These variables and nothing else.
    pub fn of_variables(variables: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { variables: Box::new(variables), file: None, terminal: false }
    }

    /// The password of the encrypted key in `path`.
    pub fn find(&self, path: &Path) -> Result<Password, WalletError> {
        if let Some(password) = self.stored(path)? {
            return Ok(password);
        }
        let typed = match self.terminal {
            true => ask(path, &format!("Password of {}: ", path.display()))?,
            false => None,
        };
        typed.ok_or_else(|| WalletError::NoPassword { path: path.to_owned() })
    }

    /// A password for a key that is about to be written to `path`; asked for twice. `None` if there is no stored one and no
    /// terminal to ask on.
    pub fn choose(&self, path: &Path) -> Result<Option<Password>, WalletError> {
        if let Some(password) = self.stored(path)? {
            return Ok(Some(password));
        }
        if !self.terminal {
            return Ok(None);
        }
        let Some(first) = ask(path, &format!("New password for {}: ", path.display()))? else {
            return Ok(None);
        };
        match ask(path, "The same again: ")? {
            Some(second) if second.0 == first.0 => Ok(Some(first)),
            _ => Err(WalletError::PasswordsDiffer),
        }
    }

    fn stored(&self, path: &Path) -> Result<Option<Password>, WalletError> {
        let variable = |name: &str| (self.variables)(name).filter(|value| !value.is_empty());
        if let Some(text) = variable(VARIABLE) {
            return Ok(Password::new(text));
        }
        let own = own_variable(path);
        if let Some(scrambled) = variable(&own) {
            let text = unscramble(&scrambled, &own);
            return text.map(Some).ok_or(WalletError::BadPasswordVariable { name: own });
        }
        match self.file.clone().or_else(|| variable(FILE_VARIABLE).map(PathBuf::from)) {
            Some(file) => read(&file).map(Some),
            None => Ok(None),
        }
    }
}

/// The variable that the SDK keeps this key's password in.
fn own_variable(path: &Path) -> String {
    let path = path.to_string_lossy().replace(['/', '.'], "_");
    format!("BT_PW_{}", path.to_uppercase())
}

/// Such a variable holds base64 of the password, each byte XORed with the variable's own name.
fn unscramble(text: &str, name: &str) -> Option<Password> {
    let scrambled = Zeroizing::new(base64(text.trim())?);
    let bytes = scrambled.iter().zip(name.bytes().cycle()).map(|(byte, mask)| byte ^ mask);
    let bytes = Zeroizing::new(bytes.collect::<Vec<_>>());
    Password::new(std::str::from_utf8(&bytes).ok()?)
}

/// Standard base64 with padding.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    let (mut bits, mut count) = (0u32, 0);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    (text.len().is_multiple_of(4) && bits == 0).then_some(bytes)
}

/// The first line of a password file.
fn read(file: &Path) -> Result<Password, WalletError> {
    let failed = |source| WalletError::PasswordFile { path: file.to_owned(), source };
    let length = fs::metadata(file).map_err(failed)?.len();
    if length > FILE_BYTES_MAX {
        return Err(failed(std::io::Error::other("it is too large for a password")));
    }
    let text = Zeroizing::new(fs::read_to_string(file).map_err(failed)?);
    Password::new(text.trim()).ok_or_else(|| failed(std::io::Error::other("it is empty")))
}

/// Asks on the controlling terminal without showing what is typed. `None` without a terminal.
fn ask(path: &Path, question: &str) -> Result<Option<Password>, WalletError> {
    let Ok(mut terminal) = fs::File::options().read(true).write(true).open("/dev/tty") else {
        return Ok(None);
    };
    let failed = |source| WalletError::Terminal { source };
    let line = {
        // Before the question: who answers fast would see the answer.
        let _hidden = Hidden::new(&terminal).map_err(failed)?;
        write!(&terminal, "{question}").and_then(|()| (&terminal).flush()).map_err(failed)?;
        let mut line = Zeroizing::new(String::new());
        BufReader::new(&terminal).read_line(&mut line).map_err(failed)?;
        line
    };
    writeln!(terminal).map_err(failed)?;
    Password::new(line.trim_end_matches(['\r', '\n']))
        .map(Some)
        .ok_or_else(|| WalletError::NoPassword { path: path.to_owned() })
}

/// While this exists the terminal does not echo.
struct Hidden<'a>(&'a fs::File);

impl<'a> Hidden<'a> {
    fn new(terminal: &'a fs::File) -> std::io::Result<Self> {
        echo(terminal, "-echo")?;
        Ok(Self(terminal))
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // Nobody can be told: the terminal is what fails.
        let _ = echo(self.0, "echo");
    }
}

fn echo(terminal: &fs::File, mode: &str) -> std::io::Result<()> {
    let terminal = Stdio::from(terminal.try_clone()?);
    let status = Command::new("stty").arg(mode).stdin(terminal).stderr(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(std::io::Error::other("stty cannot hide what is typed")) }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("file", &self.file).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &'static [(&'static str, &'static str)], path: &str) -> Result<String, WalletError> {
        let passwords = Passwords::of_variables(|wanted| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned())
        });
        passwords.find(Path::new(path)).map(|password| password.expose().to_owned())
    }

    #[test]
    fn a_keys_own_variable_is_read_as_the_sdk_writes_it() {
        // Written by bittensor 11.3.0's save_password_to_environment for this path and the password "secret pässword".
        const OWN: &[(&str, &str)] = &[("BT_PW__TMP_W_0_ENC_COLDKEY", "MTE8IjIrfySO9CwkKF8tIQ==")];
        assert_eq!(found(OWN, "/tmp/w.0/enc/coldkey").unwrap(), "secret pässword");
    }

    #[test]
    fn the_wallets_variable_wins_over_the_keys_own() {
        const BOTH: &[(&str, &str)] = &[("BT_WALLET_PASSWORD", "one"), ("BT_PW__COLDKEY", "two")];
        assert_eq!(found(BOTH, "/coldkey").unwrap(), "one");
    }

    #[test]
    fn a_damaged_variable_is_named_and_its_value_is_not() {
        let error = found(&[("BT_PW__COLDKEY", "hunter2!")], "/coldkey").unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("BT_PW__COLDKEY") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn without_any_source_the_key_stays_closed() {
        assert!(matches!(found(&[], "/coldkey"), Err(WalletError::NoPassword { .. })));
        assert!(matches!(
            found(&[("BT_WALLET_PASSWORD", "")], "/coldkey"),
            Err(WalletError::NoPassword { .. })
        ));
    }

    #[test]
    fn a_password_file_is_read_to_the_end_of_its_line() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("password");
        fs::write(&file, "correct horse\n").unwrap();
        let passwords = Passwords { file: Some(file.clone()), ..Passwords::of_variables(|_| None) };
        assert_eq!(passwords.find(Path::new("/coldkey")).unwrap().expose(), "correct horse");
        assert_eq!(passwords.choose(Path::new("/coldkey")).unwrap().unwrap().expose(), "correct horse");
        fs::write(&file, "\n").unwrap();
        assert!(matches!(passwords.find(Path::new("/coldkey")), Err(WalletError::PasswordFile { .. })));
    }

    #[test]
    fn base64_is_the_standard_alphabet() {
        assert_eq!(base64("AAECAwT+/w==").unwrap(), [0, 1, 2, 3, 4, 0xfe, 0xff]);
        assert_eq!(base64("").unwrap(), [0; 0]);
        for wrong in ["A", "AAE", "A-==", "AAEC\n"] {
            assert!(base64(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn passwords_do_not_show_themselves() {
        assert_eq!(format!("{:?}", Password::new("hunter2")), "Some(Password(..))");
    }
}
