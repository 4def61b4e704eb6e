"""A language model in this process: chat template, batches, greedy decoding."""

from __future__ import annotations

import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import jinja2
import torch
import transformers as typed_transformers
from PIL import Image
from safetensors import SafetensorError

from pipeline.errors import FatalError
from pipeline.models.language.language_config import TransformersConfig
from pipeline.models.weights import locate, revision_of
from pipeline.prompts.question import INSTRUCTION, Fallback, Question, Reason

# Its classes are typed in part only.
transformers: Any = typed_transformers


class LocalLanguageModel:
    """Answers with a checkpoint, loaded in the constructor."""

    def __init__(self, config: TransformersConfig) -> None:
        """Load model and tokenizer.

        Raises:
            FatalError: no such device, or the checkpoint is not what the recipe says.
        """
        if config.device == "cuda" and not torch.cuda.is_available():
            raise FatalError("device cuda: expected a GPU, found none that PyTorch can use")
        self._config = config
        directory = locate(config.checkpoint, cache_dir=config.cache_dir)
        self._revision = f"{config.checkpoint.name}@{revision_of(directory)}"
        self._model, self._processor = _load(config, directory)
        self._tokenizer = getattr(self._processor, "tokenizer", self._processor)
        # Answers of one batch begin where their questions end.
        self._tokenizer.padding_side = "left"
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._try_template(directory)

    @property
    def revision(self) -> str:
        """Names the weights."""
        return self._revision

    def ask(self, questions: Sequence[Question]) -> list[str | Fallback]:
        """Answers, in the order of the questions."""
        size = self._config.max_batch
        return [
            answer
            for first in range(0, len(questions), size)
            for answer in self._fitting(questions[first : first + size])
        ]

    def _fitting(self, questions: Sequence[Question]) -> list[str | Fallback]:
        """Answers of a batch, halved for as long as it does not fit the device."""
        try:
            return self._generate(questions)
        except torch.OutOfMemoryError:
            pass  # left first: what the failed call holds is freed before the next one
        torch.cuda.empty_cache()
        if len(questions) == 1:
            return [Fallback(Reason.OUT_OF_MEMORY)]
        middle = len(questions) // 2
        return self._fitting(questions[:middle]) + self._fitting(questions[middle:])

    def _generate(self, questions: Sequence[Question]) -> list[str | Fallback]:
        inputs = self._inputs(questions).to(self._config.device)
        started = time.monotonic()
        with torch.inference_mode():
            tokens = self._model.generate(
                **inputs,
                do_sample=False,
                max_new_tokens=self._config.max_new_tokens,
                max_time=self._config.timeout_s,
                pad_token_id=self._tokenizer.pad_token_id,
            )
        late = time.monotonic() - started >= self._config.timeout_s
        new_NT = tokens[:, inputs["input_ids"].shape[1] :].cpu()
        texts = self._tokenizer.batch_decode(new_NT, skip_special_tokens=True)
        ends = _end_tokens(self._model)
        return [
            Fallback(Reason.TIMEOUT) if late and not ends.intersection(row.tolist()) else text
            for text, row in zip(texts, new_NT, strict=True)
        ]

    def _inputs(self, questions: Sequence[Question]) -> Any:
        return self._processor.apply_chat_template(
            [self._conversation(question) for question in questions],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            padding=True,
        )

    def _conversation(self, question: Question) -> list[dict[str, Any]]:
        if not self._config.looks:
            return [
                {"role": "system", "content": INSTRUCTION},
                {"role": "user", "content": question.content()},
            ]
        assert question.picture is not None
        with Image.open(BytesIO(question.picture)) as picture:
            picture.load()
        parts = [{"type": "image", "image": picture}, {"type": "text", "text": question.content()}]
        return [
            {"role": "system", "content": [{"type": "text", "text": INSTRUCTION}]},
            {"role": "user", "content": parts},
        ]

    def _try_template(self, directory: Path) -> None:
        """Find out at once whether the checkpoint can be talked to as we do."""
        picture = None
        if self._config.looks:
            blank = BytesIO()
            Image.new("RGB", (64, 64), "white").save(blank, "JPEG")
            picture = blank.getvalue()
        try:
            self._inputs([Question(scene="oak table", picture=picture)])
        except (jinja2.TemplateError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise FatalError(
                f"weights {directory}: expected a chat template with a system role: {error}"
            ) from error


def _load(config: TransformersConfig, directory: Path) -> tuple[Any, Any]:
    trusted = {
        "local_files_only": True,
        "trust_remote_code": config.checkpoint.allow_remote_code,
    }
    gguf = {} if config.gguf_file is None else {"gguf_file": config.gguf_file}
    model_class = (
        transformers.AutoModelForImageTextToText
        if config.looks
        else transformers.AutoModelForCausalLM
    )
    words_class = transformers.AutoProcessor if config.looks else transformers.AutoTokenizer
    safe = {} if gguf else {"use_safetensors": not config.checkpoint.allow_pickle or None}
    try:
        words = words_class.from_pretrained(directory, **trusted, **gguf)
        model = model_class.from_pretrained(
            directory, dtype=getattr(torch, config.dtype), **trusted, **gguf, **safe
        )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        what = "an image-text model" if config.looks else "a language model"
        raise FatalError(f"weights {directory}: expected {what}: {error}") from error
    # Checkpoints bring sampling settings along, which greedy decoding would warn of.
    for name in ("temperature", "top_p", "top_k"):
        setattr(model.generation_config, name, None)
    return model.to(config.device).eval(), words


def _end_tokens(model: Any) -> set[int]:
    ends = model.generation_config.eos_token_id
    return set(ends) if isinstance(ends, list) else {ends}
