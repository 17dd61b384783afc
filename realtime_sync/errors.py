"""
Everything the library raises.

::

    RealtimeError
    |- ConfigurationError (ValueError)
    |- ConnectFailed (.status .code)
    |  |- AuthenticationFailed
    |  |- ConnectRateLimited (.retry_after)
    |  `- DialectMismatch
    |- ConnectionClosed (.code .reason)
    |  |- ConnectionClosedOK
    |  |- SessionExpired
    |  `- ConnectionLost (__cause__)
    |- WaitTimeout (TimeoutError, .partial)
    |- WouldDeadlock (RuntimeError)
    |- ForkedSession (RuntimeError)
    |- DispatchOverflow
    |- ProtocolError
    |  |- LocalProtocolError      your call was illegal
    |  |  `- WrongProtocol (AttributeError)
    |  `- RemoteProtocolError     the server's frame was
    |- CommandRejected (.command .type .code .param .event_id .retryable)
    |  |- ActiveResponseConflict
    |  |- ItemNotFound
    |  |- CommitEmpty
    |  |- NothingToCancel
    |  |- TruncateRejected
    |  |- VoiceLocked
    |  |- InvalidRequest
    |  `- RateLimited
    |- ResponseError (.response)
    |  |- ResponseFailed (.retryable)
    |  |- ResponseCancelled
    |  `- ResponseIncomplete
    |- RestError (.status .code .request_id .retryable .retry_after)
    |- WebhookRejected
    |- ToolError
    `- RestoreError (.report)

The wire's own error event is `realtime_sync.events.Error`; it becomes an
exception only for the call that caused it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Optional, Union

from .protocol.escape import one_line


class RealtimeError(Exception):
    """
    Base of everything this library raises.

    Its text is one line: what a server put into it is shown, not obeyed.
    """

    def __str__(self) -> str:
        return one_line(super().__str__())


class ConfigurationError(RealtimeError, ValueError):
    """An argument, an environment variable or an installation is wrong."""


class ConnectFailed(RealtimeError):
    """
    The session could not be opened.

    Attributes:
        status: HTTP status of the handshake, or None when it never came.
        code: error code or close code that the server gave, or None.
        retryable: whether trying again unchanged may help.
    """

    retryable = False

    def __init__(
        self,
        message: str,
        *,
        status: Optional[int] = None,
        code: Union[str, int, None] = None,
        retryable: Optional[bool] = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        if retryable is not None:
            self.retryable = retryable


class AuthenticationFailed(ConnectFailed):
    """The server refused the key, or there was none to send."""


class ConnectRateLimited(ConnectFailed):
    """
    The server refused the connection because there were too many.

    Attributes:
        retry_after: seconds that the server asks to wait, or None.
    """

    retryable = True

    def __init__(
        self,
        message: str,
        *,
        status: Optional[int] = None,
        code: Union[str, int, None] = None,
        retry_after: Optional[float] = None,
    ) -> None:
        super().__init__(message, status=status, code=code)
        self.retry_after = retry_after


class DialectMismatch(ConnectFailed):
    """The server does not speak the dialect that was asked for."""


class ConnectionClosed(RealtimeError):
    """
    The connection is closed.

    Attributes:
        code: WebSocket close code; 1006 when there was no close frame.
        reason: the server's words, possibly empty.
    """

    def __init__(
        self, message: str = "", *, code: Optional[int] = None, reason: str = ""
    ) -> None:
        super().__init__(message or f"connection closed (code {code}) {reason}".strip())
        self.code = code
        self.reason = reason


class ConnectionClosedOK(ConnectionClosed):
    """The connection was closed on purpose, by either side."""


class SessionExpired(ConnectionClosed):
    """The server ended the session because its time was up."""


class ConnectionLost(ConnectionClosed):
    """
    The connection broke; ``__cause__`` says how.

    Whether a command that was in flight has been carried out is unknown.
    """


class WaitTimeout(RealtimeError, TimeoutError):
    """
    A wait reached its deadline.

    Attributes:
        partial: what had arrived by then (a `Reply` for responses), or None.
        errors: the server's ``error`` events since the wait began.
    """

    def __init__(
        self, message: str, *, partial: object = None, errors: tuple[Any, ...] = ()
    ) -> None:
        super().__init__(message)
        self.partial: Any = partial
        self.errors = errors


class WouldDeadlock(RealtimeError, RuntimeError):
    """A wait was attempted on the thread that would have to end it."""


class ForkedSession(RealtimeError, RuntimeError):
    """The session was opened by a parent process and is not usable here."""


class DispatchOverflow(RealtimeError):
    """Handlers fell so far behind that the session closed itself."""


class ProtocolError(RealtimeError):
    """Something is not as the protocol has it."""


class LocalProtocolError(ProtocolError):
    """A call is illegal in the present state, or for this session type."""


class WrongProtocol(LocalProtocolError, AttributeError):
    """
    Realtime and GPT-Live are two protocols; this verb is of the other one.

    The message says what to do in this session.
    """


class RemoteProtocolError(ProtocolError):
    """The server broke the protocol in a way that ends the connection."""


class CommandRejected(RealtimeError):
    """
    The server answered a command with an error.

    Attributes:
        command: the client event that was refused, or None.
        type: the server's error type, for example ``invalid_request_error``.
        code: the server's error code, or None.
        param: the parameter that the server blames, or None.
        event_id: id of the command that was refused, or None.
        retryable: whether the same command may succeed later.
    """

    retryable = False

    def __init__(
        self,
        message: str,
        *,
        command: object = None,
        type: Optional[str] = None,
        code: Optional[str] = None,
        param: Optional[str] = None,
        event_id: Optional[str] = None,
    ) -> None:
        super().__init__(message)
        self.command: Any = command
        self.type = type
        self.code = code
        self.param = param
        self.event_id = event_id


class ActiveResponseConflict(CommandRejected):
    """The conversation already has an active response."""

    retryable = True


class ItemNotFound(CommandRejected):
    """The command names an item that the server does not have."""


class CommitEmpty(CommandRejected):
    """The input audio buffer holds too little audio to commit."""


class NothingToCancel(CommandRejected):
    """There is no active response; cancelling one that is done is harmless."""


class TruncateRejected(CommandRejected):
    """The item cannot be cut there: no model audio, or too short."""


class VoiceLocked(CommandRejected):
    """The voice cannot change once the model has spoken."""


class InvalidRequest(CommandRejected):
    """The server found a field missing, unknown or out of range."""


class RateLimited(CommandRejected):
    """The account's rate limit is reached."""

    retryable = True


class ResponseError(RealtimeError):
    """
    A response ended otherwise than ``completed``.

    Attributes:
        response: the response resource, as `response.done` gave it.
        reply: what had been received, a `Reply`.
    """

    def __init__(
        self, message: str, *, response: object = None, reply: object = None
    ) -> None:
        super().__init__(message)
        self.response: Any = response
        self.reply: Any = reply


class ResponseFailed(ResponseError):
    """
    The server could not produce the response.

    Attributes:
        code: the server's error code, or None.
        retryable: whether asking again may help (rate limits, server errors).
    """

    def __init__(
        self,
        message: str,
        *,
        response: object = None,
        reply: object = None,
        code: Optional[str] = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message, response=response, reply=reply)
        self.code = code
        self.retryable = retryable


class ResponseCancelled(ResponseError):
    """The response was cancelled, by the client or by a new turn."""


class ResponseIncomplete(ResponseError):
    """The response stopped early: token limit or content filter."""


class RestError(RealtimeError):
    """
    A REST call failed.

    Attributes:
        status: HTTP status, or None when there was no answer.
        code: the server's error code, or None.
        request_id: the server's id of the request, or None.
        retryable: whether the same call may succeed later.
        retry_after: seconds that the server asks to wait, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        status: Optional[int] = None,
        code: Optional[str] = None,
        request_id: Optional[str] = None,
        retryable: bool = False,
        retry_after: Optional[float] = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retryable = retryable
        self.retry_after = retry_after


class WebhookRejected(RealtimeError):
    """
    A webhook is not from the service, too old, or not readable.

    Answer it with HTTP 400 and do nothing else.
    """


class ToolError(RealtimeError):
    """A tool is declared in a way that cannot be offered to a model."""


class RestoreError(RealtimeError):
    """
    A conversation could not be rebuilt on a new connection.

    Attributes:
        report: what was restored and what was not, and why.
        retryable: whether it may succeed on the next connection.
    """

    def __init__(
        self, message: str, *, report: object = None, retryable: bool = False
    ) -> None:
        super().__init__(message)
        self.report: Any = report
        self.retryable = retryable


REJECTIONS: dict[str, type[CommandRejected]] = {
    "conversation_already_has_active_response": ActiveResponseConflict,
    "item_delete_invalid_item_id": ItemNotFound,
    "item_retrieve_invalid_item_id": ItemNotFound,
    "item_truncate_invalid_item_id": ItemNotFound,
    "invalid_previous_item_id": ItemNotFound,
    "input_audio_buffer_commit_empty": CommitEmpty,
    "response_cancel_not_active": NothingToCancel,
    "unsupported_content_type": TruncateRejected,
    "cannot_update_voice": VoiceLocked,
    "missing_required_parameter": InvalidRequest,
    "unknown_parameter": InvalidRequest,
    "invalid_value": InvalidRequest,
    "invalid_type": InvalidRequest,
    "integer_below_min_value": InvalidRequest,
    "integer_above_max_value": InvalidRequest,
    "string_above_max_length": InvalidRequest,
    "rate_limit_exceeded": RateLimited,
    "inference_rate_limit_exceeded": RateLimited,
}
"""Which exception stands for which error code of the server."""


NAME: Final = "realtime-sync"
"""The package's name, as installers know it."""


def install_command(extra: str) -> str:
    """
    Return the command that installs an extra, wherever this package came from.

    Where the package is installed its name does, also if no package index has it:
    pip extends what is there. A clone that is only imported from is named by its
    path.

    Args:
        extra: name of the extra, such as ``"audio"``.
    """
    from importlib.metadata import PackageNotFoundError, distribution
    from pathlib import Path

    package = Path(__file__).resolve().parent
    try:
        # What a build has left beside the package in a clone is no installation.
        installed = distribution(NAME).locate_file("") != package.parent
    except PackageNotFoundError:
        installed = False
    clone = not installed and (package.parent / "setup.cfg").exists()
    return f'python -m pip install "{package.parent if clone else NAME}[{extra}]"'


def names_of_extra(
    package: str,
    homes: Mapping[str, str],
    *,
    needs: Collection[str],
    extra: str,
    what: str,
) -> Callable[[str], object]:
    """
    Make the ``__getattr__`` of a package whose modules need an extra.

    Args:
        package: its full name.
        homes: the module within it that has each name.
        needs: what the extra brings, by the names that are imported.
        extra: name of the extra.
        what: who needs it, as the beginning of "... needs celery".

    Returns:
        Raises `AttributeError` for other names, and `ConfigurationError`, which names
        the extra, where one of its packages is missing.
    """

    def get(name: str) -> object:
        from importlib import import_module

        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return getattr(import_module(f"{package}.{home}"), name)
        except ModuleNotFoundError as exc:
            missing = (exc.name or "").partition(".")[0]
            if missing not in needs:
                raise
            raise ConfigurationError(
                f"{what} needs {missing}: {install_command(extra)}"
            ) from exc

    return get
