"""Counts what Autobahn's fuzzing client says of each case. Python 2.7, as the client.

usage: judge.py INDEX_JSON CLIENT_LOG
Fails on a case that is FAILED, and where a case that was to be run has no result.
"""
from __future__ import print_function

import json
import re
import sys
from collections import Counter

# What the client says of a case, and of how it was closed, that is no fault.
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED"}


def main(index, log):
    with open(index) as file:
        results = [(agent, case, result) for agent, cases in json.load(file).items() for case, result in cases.items()]
    with open(log) as file:
        planned = sum(int(count) for count in re.findall(r"Ok, will run (\d+) test cases", file.read()))
    results.sort(key=lambda it: [int(part) for part in it[1].split(".")])

    for title, key in (("cases", "behavior"), ("closes", "behaviorClose")):
        counts = Counter(result[key] for _, _, result in results)
        print("%-7s %s" % (title, ", ".join("%d %s" % (count, word) for word, count in counts.most_common())))
    for agent, case, result in results:
        if result["behavior"] not in ("OK", "INFORMATIONAL"):
            print("%s at the %s: %s" % (case, agent, result["behavior"]))
    failed = [it for it in results if {it[2]["behavior"], it[2]["behaviorClose"]} - GOOD]
    for agent, case, result in failed:
        print("%s at the %s failed: %s, closed %s with %s; see %s"
              % (case, agent, result["behavior"], result["behaviorClose"], result["remoteCloseCode"], result["reportfile"]))
    if not planned or planned != len(results):
        print("%d cases were to be run and %d have a result" % (planned, len(results)))
        return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
