"""Settings: the one reader of the environment (and of .env)."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from app.rates import checked_rate

PREFIX = "LARKWISE_"
Profile = Literal["embedded", "hub", "cluster"]

PROFILES: Mapping[str, Mapping[str, Any]] = {
    "embedded": {},
    "hub": {"llm_model": "Qwen/Qwen2.5-1.5B-Instruct", "embedding_model": "BAAI/bge-small-zh-v1.5"},
    "cluster": {
        "llm_model": "Qwen/Qwen2.5-1.5B-Instruct",
        "embedding_model": "BAAI/bge-small-zh-v1.5",
        "host": "0.0.0.0",  # noqa: S104 - in a cluster the network around it decides who may come
    },
}
"""What each profile puts in the place of the defaults; a variable that is set still wins."""


_FEISHU_DOMAINS: Mapping[str, str] = {"feishu": "https://open.feishu.cn", "lark": "https://open.larksuite.com"}


class SettingsError(Exception):
    """A variable is unknown or has a bad value; the message names it and never shows its value."""


class Settings(BaseSettings):
    """
    Everything that can be set; each field is the variable LARKWISE_<FIELD IN CAPITALS>.

    Order: environment, .env in the working directory, profile, default.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
        frozen=True,
    )

    profile: Profile = Field(
        "embedded",
        description="A set of defaults: `embedded` needs nothing but a package index, `hub` takes models from a "
        "Hugging Face hub, `cluster` does so too and listens on every address",
    )
    data_dir: Path = Field(Path("var"), description="Everything that is written lives below it")
    cache_dir: Path = Field(Path("~/.cache/larkwise"), description="Model weights")
    weights_folder: Path | None = Field(
        None, description="A folder with model files that is asked before any network (see `larkwise models`)"
    )
    offline: bool = Field(False, description="Never fetch weights from a network")
    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one")
    root_path: str = Field("", description="The path that a reverse proxy puts before ours")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="What is logged")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Web origins that may call from a browser, separated by commas; none by default"
    )
    llm_provider: Literal["local", "openai", "hf-pipeline", "llama-cpp", "none"] = Field(
        "local",
        description="`local` is larkwise's own engine: many at once, token by token; `openai` any server with OpenAI's "
        "interface, see LLM_BASE_URL; `llama-cpp` a GGUF file, with the extra `llama-cpp`; `hf-pipeline` LangChain's "
        "HuggingFacePipeline, for comparison; `none` runs no model: answers are sentences of the documents",
    )
    llm_model: str = Field(
        "qwen2.5-coder-1.5b-instruct",
        description="A name from `larkwise models list`, a hub name, or a folder; with `openai` the server's name for "
        "it, with `llama-cpp` a name of the list that has a GGUF file, or the file's path",
    )
    llm_base_url: str = Field(
        "",
        validate_default=True,
        description="With `openai`: the server's address up to and with `/v1`, for example http://127.0.0.1:8001/v1",
    )
    llm_api_key: SecretStr = Field(SecretStr(""), description="With `openai`: the key, where the server wants one")
    llm_quantization: Literal["auto", "none", "int8"] = Field(
        "auto",
        description="With `local` on a CPU: `int8` needs two fifths less memory and shortens each step by more than "
        "half, converted once; `auto` takes it where the processor is fast at it (AVX2) and the model is of a type "
        "that can be converted, else `none`",
    )
    llm_max_running: int = Field(8, ge=1, le=256, description="With `local`: completions that share each step")
    llm_max_waiting: int = Field(
        64, ge=1, le=10_000, description="With `local`: requests that may wait; one more is answered 429"
    )
    llm_max_tokens_in_flight: int = Field(
        16_384, ge=128, description="With `local`: tokens of prompts and answers that may be in memory together"
    )
    llm_prefix_cache_mb: int = Field(
        512, ge=0, description="With `local`: megabytes for the beginnings of prompts that are read once and kept"
    )
    llm_threads: int | None = Field(
        None, ge=1, description="Threads for one step of the model; all cores where it is not set"
    )
    answer_tokens: int = Field(256, ge=1, le=8192, description="The greatest length of a chain's answer, in tokens")
    embedding_model: str = Field(
        "use-multilingual-v3+all-minilm-l6-v2",
        description="A name from `larkwise models list`, a hub name, or a folder. `FIRST+SECOND` puts the vectors of "
        "two models side by side: the first is for all texts, the second for those in Latin letters",
    )
    reranker_model: str = Field(
        "",
        description="A cross-encoder that orders what was found, for example BAAI/bge-reranker-base; where it is not "
        "set, the small ranker that larkwise comes with, which takes a hundredth of the time",
    )
    answer_mode: Literal["auto", "generated", "extractive"] = Field(
        "auto",
        description="`generated`: answers are written by the model; `extractive`: they are the best sentences of the "
        "documents, in a tenth of a second; `auto`: written, and extractive where the model is busy or absent",
    )
    unsupported_sentences: Literal["flag", "drop"] = Field(
        "flag",
        description="What happens to a sentence of an answer that no source supports: `flag` shows it with [?], `drop` "
        "leaves it out",
    )
    diversity: float = Field(
        0.0,
        ge=0,
        le=1,
        description="How much an answer prefers passages that say something else to more of the same; 0 is by "
        "relevance alone",
    )
    chunk_size: int = Field(500, ge=50, le=8000, description="Characters of a chunk")
    chunk_overlap: int = Field(50, ge=0, le=4000, description="Characters that neighbouring chunks share")
    vector_store: Literal["faiss", "milvus"] = Field(
        "faiss",
        description="Where collections are: `faiss` is files below DATA_DIR, for one machine; `milvus` a server that "
        "several machines share, see MILVUS_URI, with the extra `milvus`",
    )
    milvus_uri: str = Field(
        "",
        description="With `milvus`: the server's address, for example http://milvus:19530; a path that ends in `.db` "
        "is Milvus Lite, for one process (so without uploads over HTTP); DATA_DIR/milvus.db where it is not set",
    )
    milvus_token: SecretStr = Field(SecretStr(""), description="With `milvus`: `user:password`, or a key")
    faiss_index: Literal["rabitq", "flat", "sq8", "ivf", "hnsw"] = Field(
        "rabitq",
        description="How 50,000 chunks and more are searched; fewer are always compared one by one. `rabitq` looks at "
        "one bit a dimension of each, `sq8` at eight, `ivf` into the nearest lists, `hnsw` along a graph, `flat` at "
        "everything; docs/benchmarks.md compares them",
    )
    crawl_allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Hosts and networks inside of the private network that `larkwise ingest URL` may read, for example "
        "wiki.example.internal,10.1.0.0/16; without them it reads public addresses only",
    )
    ingest_threads: int | None = Field(
        None, ge=1, le=64, description="Threads that embed documents; one for each core where it is not set"
    )
    upload_max_file_mb: int = Field(200, ge=1, le=200, description="Megabytes that one uploaded file may have")
    upload_max_mb: int = Field(500, ge=1, description="Megabytes that all files of one upload may have")
    upload_max_files: int = Field(200, ge=1, le=10_000, description="Files that one upload may have")
    ingest_wait_s: float = Field(
        300, ge=0, description="Seconds that an uploaded document waits while something else writes to its collection"
    )
    queue_timeout_s: float = Field(60, gt=0, description="Seconds that a request may wait before work on it begins")
    first_token_timeout_s: float = Field(60, gt=0, description="Seconds from there to the answer's first token")
    request_timeout_s: float = Field(300, gt=0, description="Seconds that one completion may take, waiting included")
    shutdown_timeout_s: float = Field(
        10, ge=0, description="Seconds that running answers get to end when the service is stopped"
    )
    api_keys_required: bool | None = Field(
        None,
        description="Whether requests need a key (`larkwise keys create`); where it is not set: unless HOST is an "
        "address of this machine alone",
    )
    rate_limit: str = Field(
        "", description="Requests that each key may send, for example 60/minute; without limit where it is not set"
    )
    redis_url: str = Field(
        "",
        description="Counts rate limits in Redis, so that several processes share them; in memory where it is not set",
        repr=False,  # it may hold a password
    )
    database_url: str = Field(
        "",
        description="SQLAlchemy URL of the database for answers, sessions, feedback, keys and jobs; "
        "a SQLite file below DATA_DIR where it is not set",
        repr=False,  # it may hold a password
    )
    public_url: str = Field(
        "",
        description="The address by which people reach this service, for example https://kb.example.com: where it is "
        "set, Feishu cards link uploaded documents to their originals",
    )
    feishu_app_id: str = Field(
        "", description="The Feishu or Lark app that answers in chats (`cli_…`); no bot where it is not set"
    )
    feishu_app_secret: SecretStr = Field(SecretStr(""), description="The app's secret")
    feishu_encrypt_key: SecretStr = Field(
        SecretStr(""), description="With `webhook`: the Encrypt Key of the app's events; events are signed with it"
    )
    feishu_verification_token: SecretStr = Field(
        SecretStr(""), description="With `webhook`: the Verification Token of the app's events"
    )
    feishu_domain: str = Field(
        "https://open.feishu.cn",
        description="The open platform: `feishu` and `lark` stand for https://open.feishu.cn and "
        "https://open.larksuite.com",
    )
    feishu_transport: Literal["webhook", "ws"] = Field(
        "webhook",
        description="How events come: `webhook` to POST /feishu/webhook, for which Feishu must reach this service; "
        "`ws` over a connection that this service opens, where it has no public address",
    )
    feishu_max_file_mb: int = Field(30, ge=1, le=100, description="Megabytes that an image or file of a chat may have")
    chains: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="More chains, as MODULE:ATTRIBUTE separated by commas"
    )

    @field_validator("cors_origins", "chains", "crawl_allowed_hosts", mode="before")
    @classmethod
    def _separated_by_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("rate_limit")
    @classmethod
    def _is_a_rate(cls, value: str) -> str:
        return checked_rate(value) if value else value

    @field_validator("llm_base_url")
    @classmethod
    def _is_given_for_a_server(cls, value: str, info: Any) -> str:
        if info.data.get("llm_provider") == "openai" and not value:
            raise ValueError("LARKWISE_LLM_PROVIDER=openai needs the server's address here")
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("it should begin with http:// or https://")
        return value

    @field_validator("feishu_app_id")
    @classmethod
    def _is_an_app(cls, value: str) -> str:
        if value and not re.fullmatch(r"cli_\w+", value):
            raise ValueError("an app's id begins with cli_: copy it from the developer console, Credentials")
        return value

    @field_validator("feishu_domain")
    @classmethod
    def _is_an_origin(cls, value: str) -> str:
        origin = _FEISHU_DOMAINS.get(value, value).rstrip("/")
        if not re.fullmatch(r"https?://[^/?#@\s]+", origin):
            raise ValueError("it should be feishu, lark, or an address such as https://open.feishu.cn")
        return origin

    @field_validator("public_url")
    @classmethod
    def _is_a_web_address(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^?#@\s]+", value):
            raise ValueError("it should begin with http:// or https://")
        return value.rstrip("/")

    @field_validator("data_dir", "cache_dir", "weights_folder")
    @classmethod
    def _home(cls, path: Path | None) -> Path | None:
        return path.expanduser() if path else path

    @field_validator("chunk_overlap")
    @classmethod
    def _smaller_than_a_chunk(cls, overlap: int, info: Any) -> int:
        size = info.data.get("chunk_size", overlap + 1)
        if overlap >= size:
            raise ValueError(f"must be smaller than LARKWISE_CHUNK_SIZE ({size})")
        return overlap

    @property
    def database(self) -> str:
        """The URL that is used."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir / 'larkwise.sqlite3'}"

    @property
    def needs_keys(self) -> bool:
        """Whether requests need a key."""
        return not is_loopback(self.host) if self.api_keys_required is None else self.api_keys_required

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        given = (init_settings, env_settings, dotenv_settings)
        return (*given, _ProfileSource(settings_cls, given))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    return ipaddress.ip_address(host.strip("[]")).is_loopback if is_address(host) else host == "localhost"


def is_address(host: str) -> bool:
    """Whether it is an IP address, and not a name."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


class _ProfileSource(PydanticBaseSettingsSource):
    """The profile's defaults, below everything that is set."""

    def __init__(self, settings_cls: type[BaseSettings], above: tuple[PydanticBaseSettingsSource, ...]) -> None:
        super().__init__(settings_cls)
        self._above = above

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False  # all of them come at once, from __call__

    def __call__(self) -> dict[str, Any]:
        name = next((found["profile"] for source in self._above if "profile" in (found := source())), "embedded")
        return dict(PROFILES.get(name, {}))


def load_settings(*, env_file: Path = Path(".env"), **given: Any) -> Settings:
    """
    The settings of this process; `given` wins over all of it.

    Raises:
        SettingsError: a variable with the prefix is unknown, or a value is bad.
    """
    from_file = _dotenv(env_file)
    for name in (*os.environ, *from_file):
        _check_known(name)
    try:
        return Settings(_env_file=env_file, **given)
    except ValidationError as error:
        wrong = "; ".join(f"{variable(str(e['loc'][0]))}: {e['msg']}" for e in error.errors())
        raise SettingsError(f"{wrong}. docs/settings.md says what each variable takes") from error


def _dotenv(file: Path) -> Mapping[str, str | None]:
    try:
        return dotenv_values(file) if file.is_file() else {}
    except (UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{file} cannot be read ({error}): save it as UTF-8") from error


def variable(field: str) -> str:
    """The environment variable of a field."""
    return PREFIX + field.upper()


def _check_known(name: str) -> None:
    if not name.upper().startswith(PREFIX):
        return
    known = [variable(field) for field in Settings.model_fields]
    if name.upper() not in known:
        close = difflib.get_close_matches(name.upper(), known, n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        raise SettingsError(f"{name} is no setting of larkwise: {meant}docs/settings.md lists them all")
