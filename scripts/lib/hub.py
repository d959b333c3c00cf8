"""Downloads a model from a hub that speaks Hugging Face's API: resumable, each file checked against the hub's own digest."""

import hashlib
import http.client
import json
import os
import pathlib
import urllib.error
import urllib.parse
import urllib.request

ENDPOINT = "https://huggingface.co"
CHUNK_BYTES = 1 << 20
TIMEOUT_S = 60
TRIES = 5
FILES_MAX = 4096
ANSWER_BYTES_MAX = 16 << 20
REPORT_BYTES = 64 << 20
# What a folder of safetensors needs; pickled weights and the like are left where they are.
NEEDED = (".safetensors", ".safetensors.index.json", "config.json", "tokenizer.json", "modules.json", "chat_template.jinja", "special_tokens_map.json")


class HubError(Exception):
    pass


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def endpoint():
    return os.environ.get("HF_ENDPOINT", ENDPOINT).rstrip("/")


def request(url, method="GET", headers=None, opener=None):
    headers = {"User-Agent": "subnet64-get-model", **(headers or {})}
    token = os.environ.get("HF_TOKEN")
    if token and url.startswith(endpoint() + "/"):
        headers["Authorization"] = f"Bearer {token}"
    question = urllib.request.Request(url, method=method, headers=headers)
    return (opener or urllib.request.build_opener()).open(question, timeout=TIMEOUT_S)


def listing(repo, revision):
    """The commit that `revision` is, and the names of its files."""
    url = f"{endpoint()}/api/models/{repo}/revision/{urllib.parse.quote(revision, safe='')}"
    try:
        with request(url) as answer:
            body = answer.read(ANSWER_BYTES_MAX + 1)
    except urllib.error.HTTPError as error:
        raise HubError(f"{url} answered {error.code}: is it the right name, and is the model public (else set HF_TOKEN)?") from error
    if len(body) > ANSWER_BYTES_MAX:
        raise HubError(f"{url} answered more than {ANSWER_BYTES_MAX} bytes")
    answer = json.loads(body)
    names = [sibling["rfilename"] for sibling in answer["siblings"]]
    if len(names) > FILES_MAX:
        raise HubError(f"{repo} has {len(names)} files, more than {FILES_MAX}")
    for name in names:
        # A name from elsewhere must not lead out of the folder.
        if pathlib.PurePosixPath(name).is_absolute() or ".." in pathlib.PurePosixPath(name).parts or "\\" in name:
            raise HubError(f"{repo} has a file of the forbidden name {name!r}")
    return answer["sha"], names


def facts(url):
    """Size and digest of a file, from where the hub would send us."""
    try:
        answer = request(url, "HEAD", {"Accept-Encoding": "identity"}, urllib.request.build_opener(NoRedirect))
    except urllib.error.HTTPError as error:
        if error.code not in (301, 302, 303, 307, 308):
            raise
        answer = error
    headers = answer.headers
    digest = (headers.get("X-Linked-Etag") or headers.get("ETag") or "").removeprefix("W/").strip('"')
    size = headers.get("X-Linked-Size") or headers.get("Content-Length")
    if len(digest) not in (40, 64) or size is None:
        raise HubError(f"{url} has no digest and size to check it by")
    return int(size), digest


def check(path, size, digest):
    """Large files have their SHA-256; small ones the SHA-1 of git, which is of a header and the bytes."""
    hasher = hashlib.sha256() if len(digest) == 64 else hashlib.sha1(f"blob {size}\0".encode())
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            hasher.update(chunk)
    return hasher.hexdigest() == digest


def continue_download(url, part, size, say):
    """Appends what is missing to `part`."""
    have = part.stat().st_size if part.exists() else 0
    if have == size:
        return
    with request(url, headers={"Range": f"bytes={have}-"} if have else {}) as answer:
        if have and answer.status != 206:
            have = 0  # The hub begins anew.
        with part.open("ab" if have else "wb") as out:
            reported = have
            while chunk := answer.read(CHUNK_BYTES):
                out.write(chunk)
                have += len(chunk)
                if have > size:
                    raise HubError(f"{url} is longer than the {size} bytes it should have")
                if have - reported >= REPORT_BYTES:
                    reported = have
                    say(f"{part.name.removesuffix('.part')}: {have >> 20} of {size >> 20} MiB")
    if have < size:
        raise ConnectionError(f"{url} broke off after {have} of {size} bytes")


def fetch_file(url, target, say):
    size, digest = facts(url)
    if target.is_file() and target.stat().st_size == size and check(target, size, digest):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    if part.exists() and part.stat().st_size > size:
        part.unlink()
    say(f"downloading {target.name} ({size >> 20} MiB)" + (", continued" if part.exists() else ""))
    for left in reversed(range(TRIES)):
        try:
            continue_download(url, part, size, say)
            break
        except (ConnectionError, TimeoutError, urllib.error.URLError, http.client.HTTPException) as error:
            if left == 0:
                raise HubError(f"{error}; run this again to continue") from error
            say(f"{error}; trying again")
    if not check(part, size, digest):
        part.unlink()
        raise HubError(f"{target.name} does not have the digest {digest}; what was downloaded is gone")
    os.replace(part, target)


def fetch(repo, revision, folder, only, say):
    """Puts a model's files below `folder`; with `only`, that one file. Answers the path of the folder or of the file."""
    sha, names = listing(repo, revision)
    wanted = [name for name in names if (name == only if only else name.endswith(NEEDED))]
    if not wanted:
        raise HubError(f"{repo} has no {only or 'safetensors'}; it has {', '.join(names[:20])}")
    for name in wanted:
        fetch_file(f"{endpoint()}/{repo}/resolve/{sha}/{urllib.parse.quote(name)}", folder / name, say)
    return folder / only if only else folder
