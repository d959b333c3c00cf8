"""One line per check, and an exit status that tells whether all of them held. Standard library only."""

import json
import sys
import traceback
import urllib.request


class Report:
    """Collects checks: `with report.check("name") as note: note("what was seen")`."""

    def __init__(self, client):
        self.client = client
        self.failed = 0

    def check(self, name):
        return _Check(self, name)

    def exit(self):
        if self.failed:
            print(f"{self.client}: {self.failed} checks failed", flush=True)
        sys.exit(1 if self.failed else 0)


class _Check:
    def __init__(self, report, name):
        self.report, self.name, self.note = report, name, ""

    def __enter__(self):
        def note(text):
            self.note = f": {text}"

        return note

    def __exit__(self, kind, error, trace):
        if error is None:
            print(f"ok    {self.report.client}  {self.name}{self.note}", flush=True)
            return True
        if not isinstance(error, Exception):
            return False
        self.report.failed += 1
        where = traceback.extract_tb(trace)[-1]
        print(f"FAIL  {self.report.client}  {self.name}: {kind.__name__}: {error} (line {where.lineno})", flush=True)
        return True


def rpc(url, method, *params):
    """Calls a JSON-RPC method of the chain over HTTP."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url.replace("ws://", "http://"), body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer = json.load(answer)
    if "error" in answer:
        raise RuntimeError(f"{method}: {answer['error']}")
    return answer["result"]


def equal(seen, expected, what):
    """Raises when two values differ."""
    if seen != expected:
        raise AssertionError(f"{what} is {seen!r}, not {expected!r}")
