"""Reads a stream of test results (subunit v2) from standard input and writes one JSON object for each result that is final.

Keys: id, status (success, fail, skip, xfail, uxsuccess, inprogress), seconds, text (a skip's reason, a failure's traceback).
"""

import json
import sys

import subunit
import testtools

TEXT = 4000


def text(test):
    details = test["details"]
    chosen = details.get("reason") or details.get("traceback")
    chosen = [chosen] if chosen else [details[name] for name in sorted(details) if name.startswith("traceback")]
    return "\n".join(content.as_text() for content in chosen)[-TEXT:]


def seconds(test):
    begun, ended = test["timestamps"]
    return (ended - begun).total_seconds() if begun and ended else 0


def tell(test):
    if test["status"] == "exists" or test["id"] is None:
        return
    result = {"id": test["id"], "status": test["status"], "seconds": seconds(test), "text": text(test)}
    print(json.dumps(result), flush=True)


stream = subunit.ByteStreamToStreamResult(sys.stdin.buffer, non_subunit_name="output")
sink = testtools.StreamToDict(tell)
sink.startTestRun()
stream.run(sink)
sink.stopTestRun()
