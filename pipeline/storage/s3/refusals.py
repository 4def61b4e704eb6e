"""What a store, or the client before it, says no with: the true cause and what to do, in one line.

The words are ours throughout: a store's own may quote what was sent.
"""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    InvalidConfigError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSLError,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from pipeline.storage.retry import NO_ROOM, code_of, describe, is_page, status_of
from pipeline.storage.uris import bucket_and_key

_SKEW_S = 240.0
"""Some stores refuse what was signed by a clock that is 5 minutes off."""
_SURE_SKEW_S = 840.0
"""All refuse it from 15 minutes on, whatever they call it."""

_CLOCK = frozenset({"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"})
_ACCESS = frozenset(
    {"AccessDenied", "AllAccessDisabled", "Forbidden", "Unauthorized", "UnauthorizedAccess", ""}
)
"""What is a question of who may do what; and nothing said at all."""
_KEYS = (
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; and whether AWS_ENDPOINT_URL is "
    "the store that they are of"
)
_SECRET = (
    f"the store does not know this access key, or the secret is another one: check {_KEYS}. If all "
    "are right, something in between changes requests, as a proxy that writes Host anew"
)
_UNKNOWN_KEY = f"the store does not know this access key: check {_KEYS}, and AWS_SESSION_TOKEN"
_TOKEN = (
    "the session token does not belong to the access key: take AWS_SESSION_TOKEN out of the "
    "environment, or set all three anew"
)
_EXPIRED = "the session has expired: log in again (aws sso login), or set AWS_SESSION_TOKEN anew"
_ACCOUNT = "the account is closed or suspended, or has not signed up: settle it with the provider"
_FULL = "there is no room: raise the quota or make room there, or name another place"
_ARCHIVED = "the object is archived: restore it first"
_KMS = (
    "the key that it is encrypted with cannot be used: look for it in the key management service, "
    "and let these credentials use it"
)
_NOT_S3 = (
    "no object store answers so: check AWS_ENDPOINT_URL (its port, and https:// where TLS is "
    "spoken), and that requests are signed (BACKLOT_S3_ANONYMOUS unset) if the store wants that"
)
_PAGE = (
    "check AWS_ENDPOINT_URL (its port, and https:// where TLS is spoken), or let what stands "
    "before the store (proxy, firewall, portal) pass these requests"
)
_PROXY = "a proxy wants a login: set it in HTTPS_PROXY, or pass the proxy by (NO_PROXY)"
_LARGE = (
    "that is larger than the store, or a proxy before it, takes: raise the limit there (nginx: "
    "client_max_body_size)"
)
OF_A_SIZE = (
    "it was replaced while it was read, so repeat the command; or the store's answers to HEAD are "
    "wrong (some unpack what is stored packed): copy it to another store"
)
"""What is behind two sizes of one object, and what to do."""
_LOCKED = "the object is locked (retention, legal hold): name another place"
_UNABLE = "this store cannot do that"

_SAID: Mapping[str, str] = {
    **dict.fromkeys(
        ("SignatureDoesNotMatch", "InvalidSignature", "InvalidSignatureException"), _SECRET
    ),
    **dict.fromkeys(
        (
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "InvalidSecurity",
            "NoSuchUser",
            "MissingSecurityHeader",
        ),
        _UNKNOWN_KEY,
    ),
    **dict.fromkeys(("InvalidToken", "InvalidTokenId", "MalformedSecurityToken"), _TOKEN),
    **dict.fromkeys(
        (
            "ExpiredToken",
            "ExpiredTokenException",
            "TokenRefreshRequired",
            "CredentialsExpired",
            "ExpiredCredentials",
        ),
        _EXPIRED,
    ),
    **dict.fromkeys(
        (
            "AccountProblem",
            "AccountSuspended",
            "InactiveAccount",
            "InvalidPayer",
            "NotSignedUp",
            "OptInRequired",
            "PendingVerification",
            "UserSuspended",
        ),
        _ACCOUNT,
    ),
    **dict.fromkeys(("InvalidObjectState", "ObjectNotInActiveTierError"), _ARCHIVED),
    **dict.fromkeys(("FileImmutable", "ObjectImmutable", "ObjectLocked"), _LOCKED),
    "EntityTooLarge": _LARGE,
    **dict.fromkeys(("MethodNotAllowed", "NotImplemented", "UnsupportedOperation"), _UNABLE),
}
"""What an S3 error code means, of Amazon or of others, and what to do."""
_REGIONS = frozenset(
    {
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "IncorrectEndpoint",
        "InvalidRegion",
        "PermanentRedirect",
        "Redirect",
        "TemporaryRedirect",
    }
)

_TO_READ = "s3:GetObject; and s3:ListBucket, without which a store says the same of a wrong name"
_RIGHTS = {
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "CompleteMultipartUpload": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
    "GetObject": _TO_READ,
    "HeadObject": _TO_READ,
    "ListObjectsV2": "s3:ListBucket",
    "PutObject": "s3:PutObject",
    "UploadPart": "s3:PutObject",
}

_NO_ADDRESSES = frozenset(
    {
        "InvalidBucketName",
        "InvalidKey",
        "InvalidObjectName",
        "InvalidURI",
        "KeyTooLongError",
        "XMinioInvalidObjectName",
        "XMinioInvalidResourceName",
    }
)
"""What stores say of a name under which they can hold nothing."""
_WRONG_REQUESTS = frozenset({"", "400", "BadRequest", "InvalidArgument", "InvalidRequest"})
"""What some say of a name that is odd; it may mean other things too."""
_PLAIN = re.compile(r"[A-Za-z0-9!_.*'()&$@=;:+ ,?-]{1,255}")
"""A part of a key as every store has it, if it is not made of dots: Amazon's list of characters."""

_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, ProfileNotFound)
_LOG_IN = (SSOTokenLoadError, TokenRetrievalError, UnauthorizedSSOTokenError)
_SETTINGS = (ConfigNotFound, ConfigParseError, InvalidConfigError)


class HiddenError(PermissionError):
    """An object may not be read, or is not there: who may not list is told the same of both."""


def explained(error: ClientError, uri: str, endpoint: str) -> OSError | ValueError:
    """What to raise for a store's answer.

    Args:
        error: the answer.
        uri: what was asked for.
        endpoint: who was asked.

    Returns:
        ValueError: the store can hold nothing under that name. FileNotFoundError: no such object
        or bucket. PermissionError: refused; as HiddenError, or not there. OSError: anything else.
    """
    bucket, key = bucket_and_key(uri)
    code, status = _code(error), status_of(error)
    if (
        code in _NO_ADDRESSES
        or status == 414
        or (status == 400 and code in _WRONG_REQUESTS and _is_odd(key) and not is_page(error))
    ):
        return ValueError(
            f"{uri!r}: {endpoint} can hold nothing under this name ({describe(error)}): rename it"
        )
    if code == "NoSuchBucket":
        return FileNotFoundError(
            f"bucket {bucket!r} does not exist at {endpoint}: check the name, AWS_ENDPOINT_URL and "
            "the region"
        )
    if status == 404 and not is_page(error):
        return FileNotFoundError(f"nothing at {uri}")
    if code in NO_ROOM or status == 507:
        return OSError(errno.ENOSPC, f"{endpoint} refused with {describe(error)}: {_FULL}", uri)
    advice = _advice(error, bucket)
    said = f"{uri}: {endpoint} refused with {describe(error)}{advice and f': {advice}'}"
    is_refusal = status in (301, 307, 401, 403) or code in _SAID or code in _REGIONS
    if not is_refusal or advice in (_UNABLE, _LARGE):
        return OSError(said)
    is_hidden = status == 403 and advice == _of_access(error, bucket) and _TO_READ in advice
    return HiddenError(said) if is_hidden else PermissionError(said)


def unsent(error: BotoCoreError, uri: str, endpoint: str) -> OSError:
    """What to raise where a request did not leave the client."""
    bucket, _ = bucket_and_key(uri)
    if isinstance(error, _LOG_IN):
        return PermissionError(f"{uri}: {describe(error)}: log in again (aws sso login)")
    if isinstance(error, _NO_CREDENTIALS):
        return PermissionError(
            f"no credentials for bucket {bucket!r} ({describe(error)}): set AWS_PROFILE or "
            "AWS_ACCESS_KEY_ID, give the machine a role, or BACKLOT_S3_ANONYMOUS=1 for public data"
        )
    if isinstance(error, _SETTINGS):
        return OSError(
            f"{uri}: {describe(error)}: mend the files that AWS_CONFIG_FILE and "
            "AWS_SHARED_CREDENTIALS_FILE name (~/.aws/config, ~/.aws/credentials)"
        )
    if isinstance(error, NoRegionError | InvalidRegionError):
        return OSError(f"{uri}: {describe(error)}: set AWS_REGION to the region of the bucket")
    if isinstance(error, SSLError):
        return OSError(
            f"{uri}: {endpoint} cannot be trusted or speaks no TLS: set AWS_CA_BUNDLE to the "
            "certificate of whoever signed its own, or correct AWS_ENDPOINT_URL"
        )
    return OSError(f"{uri}: {describe(error)}")


def _advice(error: ClientError, bucket: str) -> str:
    """What is behind a refusal, and what to do; empty where nobody can tell."""
    code = _code(error)
    skew_s = _clock_skew_s(error)
    is_signed = status_of(error) in (401, 403) and (code in _ACCESS or _SAID.get(code) == _SECRET)
    if code in _CLOCK or (is_signed and abs(skew_s or 0.0) > (_SURE_SKEW_S if code else _SKEW_S)):
        return _of_the_clock(skew_s)
    if code in _REGIONS or status_of(error) in (301, 307):
        return _of_the_region(error, bucket)
    if status_of(error) in (407, 413):
        return _PROXY if status_of(error) == 407 else _LARGE
    if code in _SAID:
        return _SAID[code]
    if status_of(error) == 416:
        return f"it is shorter than the store said before: {OF_A_SIZE}"
    if is_page(error):
        return _PAGE
    if "KMS" in code.upper():
        return _KMS
    if code in _ACCESS and status_of(error) in (401, 403):
        return _of_access(error, bucket)
    if not code and status_of(error) < 500:
        return _NOT_S3
    return ""


def _of_access(error: ClientError, bucket: str) -> str:
    # What a policy calls the right that is missing: often there are some and not all.
    right = _RIGHTS.get(error.operation_name)
    said = "" if right is None else f" ({right})"
    return (
        f"give these credentials access to bucket {bucket!r}{said}, "
        "or use others (AWS_PROFILE, AWS_ACCESS_KEY_ID; public: BACKLOT_S3_ANONYMOUS=1)"
    )


def _of_the_clock(skew_s: float | None) -> str:
    fix = "set the clock of this machine, or of the store (NTP)"
    if skew_s is None or abs(skew_s) <= _SKEW_S:
        return f"this machine's clock and the store's differ: {fix}"
    side = "ahead of" if skew_s < 0 else "behind"
    return f"this machine's clock is {abs(skew_s) / 60:.0f} min {side} the store's: {fix}"


def _of_the_region(error: ClientError, bucket: str) -> str:
    answer = error.response
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = answer.get("Error", {}).get("Region") or headers.get("x-amz-bucket-region") or ""
    if re.fullmatch(r"[a-z0-9-]{1,40}", region):  # theirs: nothing else is repeated
        return f"bucket {bucket!r} is in region {region}: set AWS_REGION={region}"
    return (
        f"bucket {bucket!r} is in another region, or of another endpoint: set AWS_REGION or "
        "AWS_ENDPOINT_URL to where it is"
    )


def _clock_skew_s(error: ClientError) -> float | None:
    """The lead of the store's clock over ours in seconds, as far as its answer tells."""
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        return parsedate_to_datetime(headers["date"]).timestamp() - time.time()
    except (KeyError, ValueError):
        return None


def _code(error: ClientError) -> str:
    """S3's word; empty where there is none, as in an answer to HEAD."""
    code = code_of(error)
    return "" if code.isdigit() or code == "unknown" else code


def _is_odd(key: str) -> bool:
    if not key:
        return False
    parts = key.removesuffix("/").split("/")  # the prefix of a listing ends in one
    return not all(_PLAIN.fullmatch(part) and part.strip(".") for part in parts)
