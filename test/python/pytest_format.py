"""Lets lit run pytest: a test per file, with the file's test functions as micro-tests, which test/run.py counts."""

import os
import subprocess
import xml.etree.ElementTree as ElementTree

import lit.Test
import lit.formats

# Threads of NumPy would only wait for one another beside the other tests.
ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}


class PytestFormat(lit.formats.TestFormat):
    def __init__(self, python):
        self.python = python
        self.missing = subprocess.run(
            [python, "-c", "import numpy, pytest"], capture_output=True
        ).returncode

    def getTestsInDirectory(self, suite, path_in_suite, lit_config, config):
        folder = suite.getSourcePath(path_in_suite)
        for name in sorted(os.listdir(folder)):
            if name.startswith("test_") and name.endswith(".py"):
                test = lit.Test.Test(suite, path_in_suite + (name,), config)
                # A file takes minutes: where lit has no times yet, files begin before tests of its own.
                test.previous_elapsed = test.previous_elapsed or 60.0
                yield test

    def execute(self, test, lit_config):
        if self.missing:
            return lit.Test.UNSUPPORTED, f"{self.python} has no numpy or no pytest"
        report = test.getExecPath() + ".xml"
        os.makedirs(os.path.dirname(report), exist_ok=True)
        tally = test.getExecPath() + ".tally.json"
        for old in filter(os.path.exists, (report, tally)):
            os.remove(old)
        run = subprocess.run(
            [self.python, "-m", "pytest", "-q", "--junit-xml=" + report, test.getSourcePath()],
            cwd=os.path.dirname(test.suite.source_root),
            env=dict(os.environ, **ENVIRONMENT, TERNAC_TALLY=tally, **test.config.environment),
            capture_output=True,
            text=True,
        )
        output = run.stdout + run.stderr
        if not os.path.exists(report):
            return lit.Test.FAIL, output
        result = lit.Test.Result(lit.Test.PASS, output)
        for case in ElementTree.parse(report).iter("testcase"):
            code, reason = self.verdict(case)
            result.addMicroResult(
                "::".join(filter(None, (case.get("classname").rsplit(".", 1)[-1], case.get("name")))),
                lit.Test.Result(code, reason, float(case.get("time", 0))),
            )
        if run.returncode or not result.microResults:
            result.code = lit.Test.FAIL
        return result

    @staticmethod
    def verdict(case):
        for outcome in case:
            if outcome.tag in ("failure", "error"):
                return lit.Test.FAIL, outcome.text or ""
            if outcome.tag == "skipped":
                return lit.Test.UNSUPPORTED, outcome.get("message", "")
        return lit.Test.PASS, ""
