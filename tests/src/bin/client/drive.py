"""Runs the official client's commands in one process: drive.py COMMANDS REQUIRED, with the cloud in OS_* as for the client.

Each line of COMMANDS is a command in the form that the file itself explains. REQUIRED names commands that must have been
run. Ends with the number of failures, at most 1 as the exit status; what a section needs and is not announced is told.
"""

import contextlib
import io
import json
import logging
import shlex
import sys
import traceback

from openstackclient import shell

failures = []
ran = []
kept = {}


def run(words):
    """The client's exit status and output."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            app = shell.OpenStackShell()
            app.stdout, app.stderr = output, errors
            status = app.run(words)
        except SystemExit as end:
            status = end.code
        except Exception:
            status = traceback.format_exc()
        finally:
            root = logging.getLogger("")
            for handler in list(root.handlers):
                root.removeHandler(handler)
    return status, output.getvalue(), errors.getvalue()


def shown(value):
    return str(value)


def has(found, wanted):
    rows = found if isinstance(found, list) else [found]
    return any(all(shown(row.get(name)) == value for name, value in wanted) for row in rows)


def fail(line, why):
    failures.append(line)
    print(f"failed: {line}\n    {why.strip()[-600:]}", flush=True)


def step(line):
    must_fail = line.startswith("! ")
    text, _, wanted = line.removeprefix("! ").partition(" -> ")
    words = shlex.split(text)
    name = words[0] if len(words) > 1 and words[1] == "=" else None
    words = [kept.get(word[1:], word) if word.startswith("$") else word for word in words[2 if name else 0 :]]
    wanted = [item.split("=", 1) for item in shlex.split(wanted, posix=False)]
    wanted = [(key, kept.get(value[1:], value) if value.startswith("$") else value) for key, value in wanted]
    ran.append(" ".join(words))
    status, output, errors = run(words + (["-f", "json"] if name or wanted else []))
    if bool(status) != must_fail:
        return fail(line, f"status {status}: {output}{errors}")
    if name or wanted:
        found = json.loads(output)
        if name:
            first = found[0] if isinstance(found, list) else found
            kept[name] = first.get("id") or first.get("ID")
        if not has(found, wanted):
            fail(line, f"shows {output}")


def announced():
    status, output, errors = run(["extension", "list", "--network", "-f", "json"])
    if status:
        sys.exit(f"the extensions can't be listed: {output}{errors}")
    return {extension["Alias"] for extension in json.loads(output)}


def lines(path):
    with open(path) as file:
        for line in file:
            line = line.strip()
            if line and not line.startswith("#"):
                yield line


def main(commands, required):
    extensions = announced()
    missing = set()
    for line in lines(commands):
        if line.startswith("@"):
            missing = set(line.split()[1:]) - extensions
            if missing:
                print(f"not announced: {' '.join(sorted(missing))}")
        elif not missing:
            try:
                step(line)
            except Exception:
                fail(line, traceback.format_exc())
    for name in lines(required):
        if not any(command == name or command.startswith(name + " ") for command in ran):
            fail(name, "no command of this name has been run")
    print(f"{len(ran)} commands, {len(failures)} failures")
    return 1 if failures else 0


sys.exit(main(*sys.argv[1:]))
