"""Language models behind HTTP: any endpoint with OpenAI's chat completions (vLLM, Triton, hosted).

The one place outside storage that talks to a network, and to one address only: the recipe's.
"""

from __future__ import annotations

from pipeline.endpoint.chat import API_KEY_VARIABLE, ChatEndpoint
from pipeline.endpoint.config import EndpointConfig

__all__ = ["API_KEY_VARIABLE", "ChatEndpoint", "EndpointConfig"]
