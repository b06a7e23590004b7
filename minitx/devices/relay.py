"""A relay between JAX and process 0 that stays open when process 0 dies.

JAX's client ends its own process as soon as its connection to process 0 closes: it writes several
lines of a C++ log, then aborts, and no documented setting changes that. So JAX connects to this
relay instead. The next computation with the other processes still fails, but as a Python exception,
for which `joining.company` finds words.
"""

import contextlib
import socket
import threading

CONNECT_SECONDS = 20  # to reach process 0; JAX gives up after about as long, and tries again
HOLD_SECONDS = 60  # for a computation to fail; then JAX learns of it, because some never fail
CHUNK = 2**16  # bytes


class Relay:
    """Pass bytes between the connections made to `self.address` and process 0.

    When process 0 closes a connection, the relay closes it too: at once, or later if it holds.
    """

    def __init__(self, host: str, port: int):
        self._process_0 = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._may_close = threading.Event()
        self.let_go()
        in_background(self._accept)

    def hold(self) -> None:
        """Keep connections open from now on, for HOLD_SECONDS after process 0 has closed them."""
        self._may_close.clear()

    def let_go(self) -> None:
        """Close connections as soon as process 0 has closed them, now and from now on."""
        self._may_close.set()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            try:
                process_0 = socket.create_connection(self._process_0, CONNECT_SECONDS)
            except OSError:  # not started yet
                close(connection)
                continue
            if process_0.getsockname() == process_0.getpeername():
                # While nobody listens at a port, the system may connect that port with itself.
                close(process_0)
                close(connection)
                continue
            process_0.settimeout(None)
            in_background(self._send, connection, process_0)
            in_background(self._receive, connection, process_0)

    def _send(self, connection: socket.socket, process_0: socket.socket) -> None:
        copy(connection, process_0)
        close(process_0)

    def _receive(self, connection: socket.socket, process_0: socket.socket) -> None:
        copy(process_0, connection)
        self._may_close.wait(HOLD_SECONDS)
        close(connection)


def in_background(function, *arguments) -> None:
    """Run a function in a thread that does not keep this process from ending."""
    threading.Thread(target=function, args=arguments, daemon=True).start()


def copy(source: socket.socket, target: socket.socket) -> None:
    """Send what comes from one socket to another, until either of them is closed."""
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            target.sendall(data)


def close(connection: socket.socket) -> None:
    """Close both directions of a connection, which also ends a thread that reads from it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
