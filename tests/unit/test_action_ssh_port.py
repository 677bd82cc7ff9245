# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a host's sshd is found when an earlier run moved it and the inventory does not know."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import SimpleNamespace

import pytest
from ansible_collections.nself.prod.plugins.action.nself_ssh_port import ActionModule, speaks_ssh


@contextlib.contextmanager
def greeting(words):
    """A server that greets with these words; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _peer = server.accept()
                    with connection:
                        connection.sendall(words)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        # Closing alone does not wake who waits for a connection.
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.fixture
def nobody():
    """A port on which nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return port


def found(known, ports, transport="ssh", **options):
    """Return what the module returns for a host whose inventory names that port."""
    values = dict({"host": "127.0.0.1", "port": known, "ssh_args": "-C"}, **options)
    task = SimpleNamespace(
        args={"ports": ports, "timeout": 2}, async_val=0, check_mode=False, diff=False, environment=[]
    )
    connection = SimpleNamespace(
        transport=transport, get_option=values.__getitem__, _shell=SimpleNamespace(tmpdir=None)
    )
    action = ActionModule(task, connection, SimpleNamespace(check_mode=False), None, None, None)
    action.validate_argument_spec = lambda spec: (None, task.args)
    return action.run(None, {})


def test_only_a_greeting_counts(nobody):
    with greeting(b"SSH-2.0-test\r\n") as port:
        assert speaks_ssh("127.0.0.1", port, 2)
    with greeting(b"HTTP/1.1 400 \r\n") as port:
        assert not speaks_ssh("127.0.0.1", port, 2)
    assert not speaks_ssh("127.0.0.1", nobody, 2)


def test_the_port_of_the_inventory_goes_first(nobody):
    with greeting(b"SSH-2.0-a\r\n") as known, greeting(b"SSH-2.0-b\r\n") as other:
        assert found(known, [other]) == {"changed": False, "port": known, "moved": False}
        assert found(nobody, [nobody, other]) == {"changed": False, "port": other, "moved": True}


def test_where_none_answers_all_stays_as_it_is(nobody):
    assert found(nobody, [nobody]) == {"changed": False, "port": nobody, "moved": False}


@pytest.mark.parametrize("more", [{"transport": "local"}, {"ssh_common_args": "-o ProxyJump=gate"}, {"host": ""}])
def test_a_host_that_is_not_reached_from_here_directly_is_not_asked(more, nobody):
    with greeting(b"SSH-2.0-a\r\n") as other:
        assert found(nobody, [other], **more)["moved"] is False
