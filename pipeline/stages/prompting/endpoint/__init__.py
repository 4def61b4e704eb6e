"""Language models behind HTTP: any endpoint with OpenAI's chat completions.

vLLM, Triton or hosted ones. The one place outside storage that talks to a network, and to one
address only: the recipe's.
"""

from __future__ import annotations

from pipeline.stages.prompting.endpoint.chat import ChatEndpoint
from pipeline.stages.prompting.endpoint.endpoint_config import EndpointConfig
from pipeline.stages.prompting.endpoint.key import API_KEY_VARIABLE, ORIGIN_VARIABLE, headers_for

__all__ = ["API_KEY_VARIABLE", "ORIGIN_VARIABLE", "ChatEndpoint", "EndpointConfig", "headers_for"]
