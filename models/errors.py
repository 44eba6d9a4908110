"""
What can go wrong between a model's name and its answer.

ModelError
├── WeightsError
│   ├── UnknownModel          no such name in the manifest, on a hub or on disk
│   ├── WeightsUnavailable    no source could give the files
│   ├── WeightsCorrupt        a file is not the one that the manifest names
│   └── WeightsInvalid        the files are whole, and not a model that can be used
└── CompletionError
    ├── InvalidRequest        a parameter or message that cannot be used
    ├── PromptTooLong         no room for an answer in the context
    ├── RequestTooLarge       more tokens than the engine may ever hold
    ├── QueueFull             too many requests wait already
    ├── CompletionTimeout     the time that the caller gave is over
    ├── CompletionCancelled   the engine was closed meanwhile
    ├── OutOfMemory           this request did not fit into memory
    ├── ModelUnavailable      the server that runs the model does not answer, or refuses us
    └── EngineFailed          the model itself raised
"""


class ModelError(Exception):
    """The root of this room's errors."""


class WeightsError(ModelError):
    """A model's files cannot be used."""


class UnknownModel(WeightsError):
    """No manifest entry, hub name or folder of this name."""


class WeightsUnavailable(WeightsError):
    """No source could give the files; the message says what each one answered, and what to do."""


class WeightsCorrupt(WeightsError):
    """A file has not the size or hash that the manifest names."""


class WeightsInvalid(WeightsError):
    """The files are not a model that can be loaded."""


class CompletionError(ModelError):
    """One completion did not come to its end."""


class InvalidRequest(CompletionError):
    """A parameter is unknown or out of its range, or a message is not text."""


class PromptTooLong(CompletionError):
    """The prompt leaves no room for an answer; all three numbers are tokens."""

    def __init__(self, prompt_tokens: int, max_tokens: int, context_length: int) -> None:
        super().__init__(
            f"the prompt has {prompt_tokens} tokens, and the model's context holds {context_length} for prompt "
            "and answer together: shorten the prompt"
        )
        self.prompt_tokens = prompt_tokens
        self.max_tokens = max_tokens
        self.context_length = context_length


class RequestTooLarge(CompletionError):
    """Prompt and answer together need more tokens than the engine may hold, even alone."""


class QueueFull(CompletionError):
    """Too many requests wait; `retry_after_s` says when to ask again."""

    def __init__(self, waiting: int, *, retry_after_s: float) -> None:
        super().__init__(f"{waiting} requests are waiting already; try again in {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


class CompletionTimeout(CompletionError):
    """The time that the caller gave is over."""


class CompletionCancelled(CompletionError):
    """The engine was closed before the completion ended."""


class OutOfMemory(CompletionError):
    """This request did not fit into memory beside the others; they go on."""


class ModelUnavailable(CompletionError):
    """The server that runs the model cannot be reached, or refuses us; the message says which and why."""


class EngineFailed(CompletionError):
    """The model raised; the cause is attached."""
