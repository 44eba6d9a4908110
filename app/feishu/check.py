"""Whether an app is set up for larkwise: what is missing, in words, and what cannot be told from here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from app.feishu.client import FeishuClient, open_client
from app.feishu.credentials import Credentials
from app.feishu.errors import CallFailed, Misconfigured, PlatformUnavailable
from app.feishu.findings import PUBLISH, Console, Finding
from app.feishu.longconn_endpoint import find_endpoint
from app.feishu.loose import Loose
from app.feishu.needs import PERMISSIONS, Permission
from app.feishu.patience import Patience
from app.feishu.subscriptions import subscriptions
from app.settings import Settings
from app.version import VERSION

BRIEF = Patience(tries=2, first_s=0.5, longest_s=2.0, longest_reset_s=10.0, answer_s=10.0)
"""Somebody is waiting."""
_CREDENTIALS = (10003, 10014)
_NO_BOT = (11205, 230006)
_GRANTED, _ASKED_FOR = 1, 2
_ENDPOINT_S = 10.0


async def check(settings: Settings, *, patience: Patience = BRIEF) -> list[Finding]:
    """In the order in which things are to be mended; it ends where nothing more can be asked."""
    console = Console(settings.feishu_domain, settings.feishu_app_id)
    found = list(_settings(settings, console))
    secret = settings.feishu_app_secret.get_secret_value()
    if not (settings.feishu_app_id and secret):
        return [*found, Finding("everything else", "cannot tell", "Feishu tells it to an app with an id and a secret")]
    credentials = Credentials(settings.feishu_app_id, secret, settings.feishu_domain)
    try:
        async with open_client(credentials, patience=patience) as client:
            let_in, *more = await _access(client, console)
            found += [let_in, *more]
            if let_in.status == "ok":
                found += await _permissions(client, console)
                found += await _long_connection(credentials, settings)
                found += await subscriptions(client, console, settings)
    except Misconfigured as error:
        found.append(Finding("LARKWISE_FEISHU_DOMAIN", "missing", str(error)))
    return found


def _settings(settings: Settings, console: Console) -> Iterator[Finding]:
    page = console.page("baseinfo") if console.app_id else console.apps
    encryption = f"{console.page('event')}, Encryption strategy" if console.app_id else console.apps
    values = {
        "FEISHU_APP_ID": (settings.feishu_app_id, "no bot answers", page),
        "FEISHU_APP_SECRET": (settings.feishu_app_secret.get_secret_value(), "no bot answers", page),
    }
    if settings.feishu_transport == "webhook":
        without = "the webhook takes no event, and the service does not start"
        key, token = settings.feishu_encrypt_key, settings.feishu_verification_token
        values["FEISHU_ENCRYPT_KEY"] = (key.get_secret_value(), without, encryption)
        values["FEISHU_VERIFICATION_TOKEN"] = (token.get_secret_value(), without, encryption)
    for name, (value, without, where) in values.items():
        variable = f"LARKWISE_{name}"
        if not value:
            yield Finding(variable, "missing", without, f"set it to what stands at {where}")
        elif value != value.strip():
            yield Finding(variable, "missing", "it begins or ends with a blank", f"copy it again from {where}")
        else:
            yield Finding(variable, "ok", "it is set")


async def _access(client: FeishuClient, console: Console) -> list[Finding]:
    """Whether Feishu lets the app in at all, then whether it has a bot."""
    let_in = Finding("access to the open platform", "ok", console.domain)
    try:
        bot = await client.bot_info()
    except PlatformUnavailable as error:
        return [Finding(let_in.what, "cannot tell", str(error), "nothing else can be checked without it")]
    except CallFailed as error:
        if error.code in _NO_BOT:
            todo = f"add it at {console.page('bot')}, {PUBLISH}"
            return [let_in, Finding("bot", "missing", "nobody can write to the app", todo)]
        if isinstance(error, Misconfigured):
            todo = f"compare them with {console.page('baseinfo')}" if error.code in _CREDENTIALS else ""
            return [Finding(let_in.what, "missing", str(error), todo)]
        return [let_in, Finding("bot", "cannot tell", str(error), f"look at {console.page('bot')}")]
    return [let_in, Finding("bot", "ok", f"it is called {bot.name!r}")]


async def _permissions(client: FeishuClient, console: Console) -> list[Finding]:
    try:
        told = _Scopes.model_validate(await client.get("/open-apis/application/v6/scopes"))
    except (CallFailed, ValidationError) as error:
        why = str(error) if isinstance(error, CallFailed) else "Feishu's answer is not as it is documented"
        return [Finding("permissions", "cannot tell", why, f"look at {console.page('auth')}")]
    # the bot acts as the app, and never as a person; of what is listed twice the one that is granted counts
    own = [one for one in told.scopes or () if one.scope_type != "user"]
    states = {one.scope_name: one.grant_status for one in sorted(own, key=lambda one: one.grant_status == _GRANTED)}
    return [_permission(one, states, console) for one in PERMISSIONS]


def _permission(permission: Permission, states: Mapping[str, int], console: Console) -> Finding:
    what = f"permission {permission.scopes[0]}"
    granted = next((scope for scope in permission.scopes if states.get(scope) == _GRANTED), None)
    if granted:
        return Finding(what, "ok", f"by {granted}" if granted != permission.scopes[0] else "")
    if any(states.get(scope) == _ASKED_FOR for scope in permission.scopes):
        todo = "it is asked for: an administrator of the company has to grant it"
    else:
        todo = f"add it at {console.ask_for(permission.scopes[:1])}, {PUBLISH}"
    return Finding(what, "not granted" if permission.is_optional else "missing", permission.without, todo)


async def _long_connection(credentials: Credentials, settings: Settings) -> list[Finding]:
    """An address is asked for, and no connection made: it would take events away from a service that runs."""
    if settings.feishu_transport != "ws":
        return []
    what = "long connection"
    try:
        await find_endpoint(credentials, timeout_s=_ENDPOINT_S, user_agent=f"larkwise/{VERSION}")
    except PlatformUnavailable as error:
        return [Finding(what, "cannot tell", str(error))]
    except Misconfigured as error:
        return [Finding(what, "missing", str(error))]
    return [Finding(what, "ok", "Feishu gives an address for it")]


class _Scope(Loose):
    scope_name: str
    grant_status: int
    scope_type: str | None = None


class _Scopes(Loose):
    scopes: tuple[_Scope, ...] | None = None
