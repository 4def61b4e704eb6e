"""A command whose words stand in environment variables, so that no shell ever reads them.

    python -m jobs.from_environment run
    python -m jobs.from_environment submit nightly

A job on a cluster is a line that one or two shells read. The manifests in cluster/kuberay keep that
line free of values: recipe, manifest, output and options are taken from the environment, where a
semicolon or a dollar sign is a letter like any other.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from os import environ

from jobs.cli import EXIT_USAGE, process
from jobs.terminal.screen import advise
from pipeline.text.printable import one_line

RECIPE, MANIFEST, OUTPUT = "BACKLOT_RECIPE", "BACKLOT_MANIFEST", "BACKLOT_OUTPUT"
OPTIONS = "BACKLOT_OPTIONS"


def arguments(command: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    """The command line that a command and the environment make.

    Options are split as a shell would split them, at blanks outside quotes; nothing in them is run,
    looked up or replaced.

    >>> arguments(
    ...     ["run"],
    ...     {
    ...         "BACKLOT_RECIPE": "studio",
    ...         "BACKLOT_MANIFEST": "s3://shop/a;b.csv",
    ...         "BACKLOT_OUTPUT": "s3://out/$(x)",
    ...         "BACKLOT_OPTIONS": "--limit=5",
    ...     },
    ... )
    ['run', 'studio', '--manifest=s3://shop/a;b.csv', '--output=s3://out/$(x)', '--limit=5']

    Raises:
        ValueError: a variable is not set, the recipe looks like an option, or a quote stays open.
    """
    for name in (RECIPE, MANIFEST, OUTPUT):
        if not variables.get(name):
            raise ValueError(f"{name} is not set: the command takes it from the environment")
    if variables[RECIPE].startswith("-"):
        raise ValueError(
            f"{RECIPE} begins with a hyphen, as options do: name a recipe or the path of one"
        )
    try:
        options = shlex.split(variables.get(OPTIONS, ""))
    except ValueError as error:
        raise ValueError(f"{OPTIONS}: {str(error).lower()}") from None
    given = [f"--manifest={variables[MANIFEST]}", f"--output={variables[OUTPUT]}"]
    return [*command, variables[RECIPE], *given, *options]


def main() -> int:
    """Run the command; returns its exit code, 2 where the environment does not make one."""
    try:
        words = arguments(sys.argv[1:], environ)
    except ValueError as error:
        advise(f"backlot: error: {one_line(str(error), most=1000)}")
        return EXIT_USAGE
    return process(words)


if __name__ == "__main__":
    sys.exit(main())
