"""Settings that a driver passes on to a cluster's workers. None of them is a secret."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

FORWARDED = (
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "BACKLOT_S3_ADDRESSING_STYLE",
    "BACKLOT_S3_ANONYMOUS",
)
"""Settings of the driver that workers need too. No credentials: a node has its own, and what is put
into a job's environment can be read by whoever may look at the cluster."""


def forwarded(environment: Mapping[str, str]) -> dict[str, str]:
    """Settings to pass on to workers; within a Ray job, without those that came with the job.

    Raises:
        ValueError: one of them holds a password.
    """
    job = json.loads(environment.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}"))
    passed_on = (job.get("runtime_env") or {}).get("env_vars") or {}
    names = [name for name in FORWARDED if name in environment and name not in passed_on]
    for name in names:
        refuse_secrets(name, environment[name])
    return {name: environment[name] for name in names}


def refuse_secrets(name: str, value: str) -> None:
    """Refuse a setting that others will read, if it is a URL with a user or a password.

    Raises:
        ValueError: it is one; the message does not quote it.
    """
    if re.search(r"//[^/@]*@", value):
        raise ValueError(
            f"{name} holds a user name or password, which would end up in logs and on the "
            "dashboard: take it out; credentials belong to the nodes"
        )
