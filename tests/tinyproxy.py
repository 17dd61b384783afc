"""A proxy of the kinds CONNECT and SOCKS 5, for tests of what goes through one."""

from __future__ import annotations

import base64
import socket
import struct
import threading
from typing import Any, Optional


class TinyProxy:
    """
    Tunnels to one server, whatever name it is asked for.

    Args:
        target: port on this machine where every tunnel ends.
        login: ``user:password`` that is demanded of CONNECT.

    Attributes:
        asked: host and port of every tunnel that was asked for.
    """

    def __init__(self, target: int, *, login: Optional[str] = None) -> None:
        self.asked: list[tuple[str, int]] = []
        self._target = target
        self._login = login
        self._socks: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._spawn(self._accept)

    def __enter__(self) -> TinyProxy:
        return self

    def __exit__(self, *exc_info: object) -> None:
        _end(self._listener)
        with socket.socket() as knock:
            knock.connect_ex(("127.0.0.1", self.port))
        for sock in self._socks:
            _end(sock)
        for thread in self._threads:
            thread.join(5)
        for sock in self._socks:
            sock.close()
        self._listener.close()

    def _spawn(self, function: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=function, args=arguments, name="tiny-proxy")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._socks.append(sock)
            self._spawn(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        try:
            first = sock.recv(1, socket.MSG_PEEK)
            if first:
                tunnel = self._socks5 if first == b"\x05" else self._connect
                tunnel(sock)
        except (OSError, EOFError):
            pass
        finally:
            _end(sock)

    def _connect(self, sock: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += _take(sock, 1)
        verb, place, *rest = head.decode().split()
        assert "CONNECT" == verb
        if self._login is not None:
            wanted = base64.b64encode(self._login.encode()).decode()
            if wanted not in rest:
                sock.sendall(b"HTTP/1.1 407 Login\r\nContent-Length: 0\r\n\r\n")
                return
        host, _, port = place.rpartition(":")
        self.asked.append((host, int(port)))
        sock.sendall(b"HTTP/1.1 200 Go on\r\n\r\n")
        self._pump(sock)

    def _socks5(self, sock: socket.socket) -> None:
        _, methods = _take(sock, 2)
        _take(sock, methods)
        sock.sendall(b"\x05\x00")
        _, _, _, kind = _take(sock, 4)
        if kind == 1:
            host = socket.inet_ntoa(_take(sock, 4))
        else:
            host = _take(sock, _take(sock, 1)[0]).decode()
        (port,) = struct.unpack(">H", _take(sock, 2))
        self.asked.append((host, port))
        sock.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        self._pump(sock)

    def _pump(self, sock: socket.socket) -> None:
        far = socket.create_connection(("127.0.0.1", self._target))
        self._socks.append(far)
        self._spawn(_copy, far, sock)
        _copy(sock, far)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while True:
            data = source.recv(1 << 16)
            if not data:
                break
            sink.sendall(data)
    except OSError:
        pass
    _end(sink)


def _take(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _end(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
