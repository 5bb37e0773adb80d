# Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Lets lit begin with its long tests where it has no times yet: what begins last should be short."""

import lit.formats


class LongFirst(lit.formats.ShTest):
    """`long` are tests that take a minute or more, by their paths in the suite."""

    def __init__(self, long, **options):
        super().__init__(**options)
        self.long = [tuple(path.split("/")) for path in long]

    def getTestsInDirectory(self, *arguments):
        for test in super().getTestsInDirectory(*arguments):
            if test.path_in_suite in self.long:
                test.previous_elapsed = test.previous_elapsed or 60.0
            yield test
