# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to the machine, on this machine: everything is bounded, and every failure says which kind it is."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest
from ansible_collections.nself.prod.plugins.module_utils.host import Host, HostError, NotFound


def reason(call):
    with pytest.raises(HostError) as caught:
        call()
    return caught.value.reason


def test_a_hung_command_is_killed_with_its_children(tmp_path):
    mark = tmp_path / "children"
    script = "sleep 60 & echo $! > %s; wait" % mark
    started = time.monotonic()
    assert reason(lambda: Host().run(["sh", "-c", script], timeout=0.5)) == "timeout"
    assert time.monotonic() - started < 5
    child = int(mark.read_text())
    for _attempt in range(50):
        try:
            state = open("/proc/%d/stat" % child, encoding="ascii").read().split()[2]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the child of the hung command still runs")


def test_a_command_that_prints_for_ever_is_ended():
    assert reason(lambda: Host().run(["sh", "-c", "yes"], timeout=1)) in ("timeout", "error")


def test_an_absent_command_is_told_apart():
    assert reason(lambda: Host().run(["no-such-command-here"])) == "tool_absent"


def test_a_command_gets_its_stdin_and_environment_and_no_shell():
    done = Host().run(["sh", "-c", 'cat; echo "$EXTRA"'], stdin="in;", env={"EXTRA": "out"})
    assert (done.rc, done.out) == (0, "in;out\n")


def test_undecodable_output_is_text():
    assert Host().run(["printf", "\\377\\376ok"]).out.endswith("ok")


def test_a_pipe_is_not_opened_for_reading(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert reason(lambda: Host().read(str(tmp_path / "pipe"))) == "error"


def test_a_file_over_the_limit_is_an_error_and_not_a_part_of_it(tmp_path):
    (tmp_path / "big").write_bytes(b"x" * 101)
    assert reason(lambda: Host().read(str(tmp_path / "big"), limit=100)) == "error"
    assert len(Host().read(str(tmp_path / "big"), limit=101)) == 101


def test_absence_is_an_answer_of_its_own(tmp_path):
    for call in (Host().read, Host().stat, Host().listdir, Host().readlink):
        with pytest.raises(NotFound):
            call(str(tmp_path / "none"))


def test_kernel_settings_can_be_read():
    assert Host().read("/proc/sys/kernel/osrelease").strip()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_closed_file_needs_root(tmp_path):
    (tmp_path / "closed").write_text("x")
    (tmp_path / "closed").chmod(0)
    assert reason(lambda: Host().read(str(tmp_path / "closed"))) == "needs_root"


def test_a_deadline_bounds_everything_after_it():
    host = Host().within(0.3)
    assert reason(lambda: host.run(["sleep", "30"], timeout=30)) == "timeout"
    assert reason(lambda: host.read("/proc/version")) == "timeout"


def serve(answer):
    """Return the port of a server that sends answer to one client, then keeps silent."""
    server = socket.create_server(("127.0.0.1", 0))

    def run():
        client, _address = server.accept()
        client.sendall(answer)
        time.sleep(2)
        client.close()
        server.close()

    threading.Thread(target=run, daemon=True).start()
    return server.getsockname()[1]


def test_a_stream_is_read_by_line_and_by_size():
    with Host().connect("127.0.0.1", serve(b"SSH-2.0-x\r\n1234rest")) as stream:
        assert stream.receive_line() == b"SSH-2.0-x"
        assert stream.receive(4) == b"1234"


def test_a_silent_peer_is_a_timeout():
    with Host().connect("127.0.0.1", serve(b""), timeout=0.3) as stream:
        assert reason(lambda: stream.receive(1)) == "timeout"


def test_a_closed_port_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert reason(lambda: Host().connect("127.0.0.1", port)) == "error"
