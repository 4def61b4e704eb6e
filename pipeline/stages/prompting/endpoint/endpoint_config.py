"""What a recipe says about an endpoint. Never its key: recipes are stored and shown."""

from __future__ import annotations

from typing import ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, JsonValue, field_validator

from pipeline.prompts.asking import AskingConfig


class EndpointConfig(AskingConfig):
    """An OpenAI-compatible chat endpoint, and how hard to press it."""

    RUNTIME: ClassVar[frozenset[str]] = AskingConfig.RUNTIME | {
        "base_url",
        "concurrency",
        "max_attempts",
        "requests_per_s",
        "token_limit_field",
    }

    kind: Literal["openai"] = Field("openai", description="An OpenAI-compatible endpoint.")
    base_url: str = Field(description="Address up to and with the version: 'http://llm:8000/v1'.")
    model: str = Field(min_length=1, description="The model's name there.")
    concurrency: int = Field(16, ge=1, le=256, description="Requests of one actor at a time.")
    requests_per_s: float | None = Field(
        None, gt=0, description="Most requests an actor starts per second; null: no limit."
    )
    max_attempts: int = Field(
        3, ge=1, le=10, description="Tries of one question, within `timeout_s`."
    )
    response_format: Literal["json_schema", "json_object", "text"] = Field(
        "json_schema",
        description="How the endpoint is held to JSON: by schema, loosely, or by words alone.",
    )
    token_limit_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="What the endpoint calls the limit of an answer."
    )
    extra: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="Further fields of the request, such as {reasoning_effort: low}.",
    )

    @property
    def patience_s(self) -> float:
        """Most seconds that one question may take, the wait for its turn included."""
        paced_s = 0.0 if self.requests_per_s is None else self.max_attempts / self.requests_per_s
        return super().patience_s + paced_s

    @field_validator("base_url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} must begin with http:// or https:// and name a host")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError(
                "a URL with user, password or query would be stored with the recipe: put the key "
                "into the environment"
            )
        return url.rstrip("/")
