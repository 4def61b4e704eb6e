"""Settings for libraries that read a store with a client of their own.

Table formats are read by their own libraries, and some of these have their own client. It is told
what ours goes by: the standard AWS chain and our two variables, resolved by botocore, so that both
ask the same store with the same account.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from pipeline.storage.s3.connection import Settings
from pipeline.storage.uris import bucket_and_key, scheme_of


def client_settings(uri: str) -> dict[str, str]:
    """What a client such as Rust's `object_store` needs to read `uri`; empty: a local path.

    Raises:
        ValueError: one of our variables holds something else than it may.
    """
    if scheme_of(uri) != "s3":
        return {}
    import botocore.session  # only now: it takes a tenth of a second, and few manifests are tables

    ours = Settings.from_environment()
    session = botocore.session.get_session()
    client = session.create_client("s3", config=ours.client_config())
    found = {"aws_region": client.meta.region_name}
    endpoint = urlsplit(client.meta.endpoint_url)
    if not (endpoint.hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn")):
        host, is_virtual = endpoint.netloc, ours.addressing_style == "virtual"
        if is_virtual:
            host = f"{bucket_and_key(uri)[0]}.{host}"
        found["aws_endpoint"] = f"{endpoint.scheme}://{host}"
        found["aws_virtual_hosted_style_request"] = str(is_virtual).lower()
        found["aws_allow_http"] = str(endpoint.scheme == "http").lower()
    credentials = None if ours.anonymous else session.get_credentials()
    if credentials is None:
        found["aws_skip_signature"] = "true"
        return found
    frozen = credentials.get_frozen_credentials()
    found["aws_access_key_id"], found["aws_secret_access_key"] = (
        frozen.access_key,
        frozen.secret_key,
    )
    if frozen.token:
        found["aws_session_token"] = frozen.token
    return found
