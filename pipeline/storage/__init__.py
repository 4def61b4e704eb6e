"""Where bytes live: local folders, object stores and the web, behind a few verbs.

The only package that imports aiobotocore, aiohttp and fsspec. `uris` names places, `verbs` does
things there; `integrity` holds what comes against its checksums, `retry` asks again.
"""

from __future__ import annotations

from pipeline.storage.integrity import Doubt, Fetched
from pipeline.storage.leases.lease import Lease
from pipeline.storage.local_files import TEMPORARY_PREFIX
from pipeline.storage.photographs.addresses import BLANK, resolve, shown
from pipeline.storage.photographs.allowed_prefixes import Bounds
from pipeline.storage.photographs.fetching import PhotoReader, ReadPolicy
from pipeline.storage.photographs.spellings import unescaped
from pipeline.storage.photographs.versions import Looker, Versions, versions
from pipeline.storage.s3.client_settings import client_settings
from pipeline.storage.s3.connection import disconnect
from pipeline.storage.s3.mirroring import mirror
from pipeline.storage.uris import absolute, address_fault, check_place, join, parent, scheme_of
from pipeline.storage.verbs import (
    arrow_filesystem,
    arrow_path,
    create,
    exists,
    glob_files,
    is_folder,
    list_files,
    list_folders,
    read,
    remove,
    sizes,
    write,
)
from pipeline.storage.web.downloads import Allowance
from pipeline.storage.withheld import WITHHELD, is_withheld, unsigned, withheld

__all__ = [
    "BLANK",
    "TEMPORARY_PREFIX",
    "WITHHELD",
    "Allowance",
    "Bounds",
    "Doubt",
    "Fetched",
    "Lease",
    "Looker",
    "PhotoReader",
    "ReadPolicy",
    "Versions",
    "absolute",
    "address_fault",
    "arrow_filesystem",
    "arrow_path",
    "check_place",
    "client_settings",
    "create",
    "disconnect",
    "exists",
    "glob_files",
    "is_folder",
    "is_withheld",
    "join",
    "list_files",
    "list_folders",
    "mirror",
    "parent",
    "read",
    "remove",
    "resolve",
    "scheme_of",
    "shown",
    "sizes",
    "unescaped",
    "unsigned",
    "versions",
    "withheld",
    "write",
]
