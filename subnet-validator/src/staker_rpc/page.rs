//! The page: files without a build step, in the program itself, so that it works without any other host.
//!
//! Plain modules instead of a bundle: what is served is what stands in `page/`, readable in the browser, with nothing to install
//! and nothing that could differ from its source. (Types would need a compiler; the shapes are checked where they are made, by
//! the schema of each answer.)

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use protocol::digest::Digest;

/// One file.
#[derive(Debug, Clone, Copy)]
struct Asset {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! assets {
    ($($path:literal, $kind:expr, $file:literal;)*) => {
        const ASSETS: &[Asset] = &[
            $(Asset { path: $path, kind: $kind, text: include_str!(concat!("../../page/", $file)) }),*
        ];
    };
}

assets! {
    "/", "text/html; charset=utf-8", "index.html";
    "/page/style.css", "text/css; charset=utf-8", "style.css";
    "/page/icon.svg", "image/svg+xml", "icon.svg";
    "/page/app.js", SCRIPT, "app.js";
    "/page/chart.js", SCRIPT, "chart.js";
    "/page/dom.js", SCRIPT, "dom.js";
    "/page/format.js", SCRIPT, "format.js";
    "/page/merkle.js", SCRIPT, "merkle.js";
    "/page/receipts.js", SCRIPT, "receipts.js";
    "/page/rpc.js", SCRIPT, "rpc.js";
    "/page/sections.js", SCRIPT, "sections.js";
}

/// Nothing but this server: no other host, no inline script or style, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The file at this path, if it is one of the page's.
pub(super) fn file(path: &str, headers: &HeaderMap) -> Option<Response<Bytes>> {
    let path = if path == "/index.html" { "/" } else { path };
    let asset = ASSETS.iter().find(|asset| asset.path == path)?;
    let tag = format!("\"{}\"", Digest::of(asset.text.as_bytes()));
    let known = headers.get(IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == tag.as_bytes());
    let body = if known { Bytes::new() } else { Bytes::from_static(asset.text.as_bytes()) };
    let mut response = Response::new(body);
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(ETAG, tag);
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::{ASSETS, file};
    use http::HeaderMap;
    use http::header::{ETAG, IF_NONE_MATCH};

    #[test]
    fn every_file_that_a_file_asks_for_is_served_and_none_asks_another_host() {
        for asset in ASSETS {
            for part in asset.text.split('"') {
                let local = part.strip_prefix("./").map(|name| format!("/page/{name}"));
                let path = local.or_else(|| part.starts_with("/page/").then(|| part.to_owned()));
                if let Some(path) = path {
                    assert!(file(&path, &HeaderMap::new()).is_some(), "{} asks for {path}", asset.path);
                }
            }
            // The namespace of SVG is a name, not an address.
            let text = asset.text.replace("http://www.w3.org/2000/svg", "");
            for scheme in ["http://", "https://", "//cdn", "style=\"", "onclick", "innerHTML"] {
                assert!(!text.contains(scheme), "{} contains {scheme}", asset.path);
            }
        }
    }

    #[test]
    fn a_browser_that_has_the_file_gets_none() {
        let first = file("/page/app.js", &HeaderMap::new()).unwrap();
        let tag = first.headers()[ETAG].clone();
        assert!(!first.body().is_empty());
        let again = file("/page/app.js", &HeaderMap::from_iter([(IF_NONE_MATCH, tag)])).unwrap();
        assert_eq!((again.status().as_u16(), again.body().len()), (304, 0));
        assert!(file("/page/../Cargo.toml", &HeaderMap::new()).is_none());
    }
}
