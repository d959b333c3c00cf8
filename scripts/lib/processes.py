"""Background processes of the demo: started in their own session, remembered by pid file, stopped in reverse order."""

import json
import os
import signal
import socket
import subprocess
import time


class Failure(Exception):
    """A step that did not work: what happened, what to do about it, and which log to read."""

    def __init__(self, what, fix, log=None):
        super().__init__(what)
        self.fix = fix
        self.log = log


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_json(command, log):
    """Runs a command that prints one JSON document; its stderr goes to the log."""
    with open(log, "a") as errors:
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL, timeout=180)
    if result.returncode != 0:
        raise Failure(f"`{' '.join(command)}` ended with status {result.returncode}", "read its log", log)
    return json.loads(result.stdout)


class Processes:
    def __init__(self, state):
        self.state = state

    def _record(self, name):
        return self.state / "pids" / f"{name}.json"

    def start(self, name, command):
        log = self.state / "logs" / f"{name}.log"
        with open(log, "a") as output:
            child = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True
            )
        record = self._record(name)
        record.parent.mkdir(parents=True, exist_ok=True)
        # The start time tells our process from a later one that got the same pid.
        record.write_text(json.dumps({"pid": child.pid, "started": _start_time(child.pid)}))

    def running(self, name):
        return self._pid(name) is not None

    def any_running(self):
        return any(self.running(record.stem) for record in (self.state / "pids").glob("*.json"))

    def first_dead(self):
        """A process that was started and is gone."""
        for record in sorted((self.state / "pids").glob("*.json")):
            if not self.running(record.stem):
                return record.stem
        return None

    def forget_dead(self):
        """Drops the records of processes that ended since the last run, so that they are started again."""
        while (name := self.first_dead()) is not None:
            self._record(name).unlink(missing_ok=True)

    def stop(self, name, seconds=15):
        pid = self._pid(name)
        stopped = pid is not None
        if stopped:
            _signal(pid, signal.SIGTERM)
            deadline = time.monotonic() + seconds
            while self._pid(name) is not None and time.monotonic() < deadline:
                time.sleep(0.05)
            if self._pid(name) is not None:
                _signal(pid, signal.SIGKILL)
        self._record(name).unlink(missing_ok=True)
        return stopped

    def stop_all(self):
        order = ["validator", "miner-1", "miner-2", "localnet"]
        return [name for name in order if self.stop(name)]

    def _pid(self, name):
        try:
            record = json.loads(self._record(name).read_text())
        except (OSError, ValueError):
            return None
        pid = record["pid"]
        try:
            os.waitpid(pid, os.WNOHANG)  # reaps a child of ours that ended
        except ChildProcessError:
            pass
        return pid if record["started"] is not None and _start_time(pid) == record["started"] else None


def _start_time(pid):
    """Clock ticks after boot at which the process started (field 22 of /proc/PID/stat); None when it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
