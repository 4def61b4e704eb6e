"""Chat completions: many questions at once, each answered in bounded time or not at all.

OpenAI's own client does not do for this: version 3.57 reads the body of a refusal without a limit,
sends `OPENAI_CUSTOM_HEADERS` whatever its caller says, and does not ask again for an answer that
breaks off while it is read within a limit.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import aiohttp

from pipeline.errors import FatalError, RowError, TransientError
from pipeline.prompts.question import INSTRUCTION, SCHEMA, Fallback, Question, Reason, overlong
from pipeline.stages.prompting.endpoint.endpoint_config import EndpointConfig
from pipeline.stages.prompting.endpoint.key import headers_for
from pipeline.stages.prompting.endpoint.pacing import Breaker, Pace
from pipeline.storage.bodies import read_capped
from pipeline.storage.retry import Backoff, retrying

_FAILURES_TO_PAUSE = 8
_PAUSE_S = 20.0
_BUSY = (429, 503)
_MOST_BYTES = 2**20
_CHUNK_BYTES = 2**16


class ChatEndpoint:
    """Asks an endpoint. Nothing is connected before the first question."""

    def __init__(self, config: EndpointConfig) -> None:
        """Read the key, if there is one.

        Raises:
            FatalError: it must not be sent to that endpoint.
        """
        self._config = config
        try:
            self._headers = headers_for(config.base_url)
        except ValueError as error:
            raise FatalError(str(error)) from None
        self._pace = Pace(config.requests_per_s)
        self._breaker = Breaker(limit=_FAILURES_TO_PAUSE, pause_s=_PAUSE_S)
        self._backoff = Backoff(attempts=config.max_attempts, first_s=0.2, longest_s=2.0)

    @property
    def revision(self) -> str:
        """The model's name, and a digest of the options it is asked with."""
        options = self._config.model_dump(mode="json", exclude=set(self._config.RUNTIME))
        digest = hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()
        return f"{self._config.model}@{digest[:12]}"

    def ask(self, questions: Sequence[Question]) -> list[str | Fallback]:
        """Answers, in the order of the questions; never raises for what an endpoint does."""
        return asyncio.run(self._ask_all(questions))

    async def _ask_all(self, questions: Sequence[Question]) -> list[str | Fallback]:
        slots = asyncio.Semaphore(self._config.concurrency)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._config.concurrency),
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
        ) as session:
            return await asyncio.gather(
                *(self._ask(session, slots, question) for question in questions)
            )

    async def _ask(
        self, session: aiohttp.ClientSession, slots: asyncio.Semaphore, question: Question
    ) -> str | Fallback:
        async with slots:
            if not self._breaker.lets_through():
                return Fallback(Reason.PAUSED)
            await self._pace.turn()
            answer = await self._answer(session, question)
            failed = isinstance(answer, Fallback) and answer.reason != Reason.DECLINED
            self._breaker.note(failed=failed)
            return answer

    async def _answer(self, session: aiohttp.ClientSession, question: Question) -> str | Fallback:
        statuses: list[int] = []
        attempt = partial(self._post, session, self._request(question), statuses)
        try:
            async with asyncio.timeout(self._config.timeout_s):
                body, _ = await retrying(attempt, what="the endpoint", backoff=self._backoff)
        except (TimeoutError, TransientError) as error:
            refusals = [status for status in statuses if status >= 400]
            if refusals:
                return Fallback(Reason.BUSY if refusals[-1] in _BUSY else Reason.SERVER_ERROR)
            is_late = isinstance(error, TimeoutError)
            return Fallback(Reason.TIMEOUT if is_late else Reason.UNREACHABLE)
        except RowError:
            return Fallback(Reason.SERVER_ERROR, f"more than {_MOST_BYTES} bytes")
        except aiohttp.ClientResponseError as error:
            return Fallback(Reason.NOT_ACCEPTED, f"HTTP {error.status}")
        except (aiohttp.ClientError, OSError) as error:
            return Fallback(Reason.UNREACHABLE, type(error).__name__)
        return read_completion(body)

    async def _post(
        self, session: aiohttp.ClientSession, request: dict[str, Any], statuses: list[int]
    ) -> bytes:
        """Try once; `statuses` has what each attempt was answered, 0 where it was nothing."""
        if statuses:
            await self._pace.turn()
        statuses.append(0)
        url = f"{self._config.base_url}/chat/completions"
        # No redirects: they would take the key to somewhere else.
        async with session.post(url, json=request, allow_redirects=False) as response:
            statuses[-1] = response.status
            if response.status in _BUSY:
                wait = response.headers.get("Retry-After", "")
                if wait.isdecimal():
                    self._pace.hold(min(float(wait), self._config.timeout_s))
            if response.status != 200:  # the body of a refusal may not end: it is not read
                raise aiohttp.ClientResponseError(response.request_info, (), status=response.status)
            chunks = response.content.iter_chunked(_CHUNK_BYTES)
            return await read_capped(chunks, None, max_bytes=_MOST_BYTES)

    def _request(self, question: Question) -> dict[str, Any]:
        config = self._config
        request: dict[str, Any] = {
            "model": config.model,
            "messages": [
                {"role": "system", "content": INSTRUCTION},
                {"role": "user", "content": _content(question)},
            ],
            "temperature": 0,
            "seed": 0,
            config.token_limit_field: config.max_new_tokens,
        }
        if config.response_format == "json_schema":
            schema = {"name": "prompt", "schema": SCHEMA, "strict": True}
            request["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif config.response_format == "json_object":
            request["response_format"] = {"type": "json_object"}
        return request | config.extra


def read_completion(body: bytes) -> str | Fallback:
    """The words in a chat completion."""
    try:
        choice = json.loads(body)["choices"][0]
        message = choice["message"]
        refused = message.get("refusal") or choice.get("finish_reason") == "content_filter"
        content = message.get("content")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return Fallback(Reason.SERVER_ERROR, "no chat completion")
    if refused:
        return Fallback(Reason.DECLINED)
    if not isinstance(content, str):
        return Fallback(Reason.SERVER_ERROR, "no text in the completion")
    return overlong(content) or content


def _content(question: Question) -> str | list[dict[str, Any]]:
    if question.picture is None:
        return question.content()
    url = f"data:image/jpeg;base64,{base64.b64encode(question.picture).decode('ascii')}"
    return [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": question.content()},
    ]
