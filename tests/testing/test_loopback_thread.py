from __future__ import annotations

import threading

import httpx
import pytest

from trioclient.testing import BlockingLoopbackServer, LoopbackServer, reply, stall


def loopback_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "loopback server"]


def test_a_session():
    with LoopbackServer.in_thread() as server:
        server.route("POST", "/items", lambda request: reply(json=request.json()))
        with httpx.Client(base_url=server.url) as client:
            assert client.post("/items", json=[1]).json() == [1]
            assert server.open_connections == 1
        server.wait_connections_closed(1)
        server.wait_idle()
        assert [request.status for request in server.requests] == [200]
        assert len(loopback_threads()) == 1
    assert loopback_threads() == []


def test_waiting_from_another_thread():
    with LoopbackServer.in_thread() as server:
        server.route("GET", "/", reply(delay=3600))

        def ask():
            with pytest.raises(httpx.RemoteProtocolError):
                httpx.get(server.url)

        client = threading.Thread(target=ask)
        client.start()
        server.wait_requests(1)
        assert server.in_flight == 1
    client.join()
    assert server.connections[0].ended == "stopped"


def test_waiting_in_vain():
    with LoopbackServer.in_thread() as server:
        with pytest.raises(TimeoutError, match=r"not reached within 0 s: <BlockingLoopbackServer http://127.0.0.1:\d+"):
            server.wait_requests(1, timeout=0)
        server.wait_requests(0, timeout=0)
        with pytest.raises(ValueError, match="timeout must be"):
            server.wait_idle(timeout=-1)
    server.wait_connections_closed()


def test_exit_with_a_request_in_flight():
    with LoopbackServer.in_thread() as server:
        server.route("GET", "/", stall(20))
        with httpx.Client() as client, client.stream("GET", server.url + "nothing") as answer:
            assert answer.status_code == 404
    assert server.open_connections == 0
    assert loopback_threads() == []


def test_error_of_a_scripted_function():
    def broken(request):
        raise LookupError("in the thread")

    with pytest.raises(LookupError, match="in the thread"):
        with LoopbackServer.in_thread() as server:
            server.route("GET", "/", broken)
            assert httpx.get(server.url).status_code == 500
    assert loopback_threads() == []


class Quit(BaseException):
    pass


def test_function_that_ends_the_server():
    def quits(request):
        raise Quit

    with pytest.raises(Quit):
        with LoopbackServer.in_thread() as server:
            server.route("GET", "/", quits)
            with pytest.raises(httpx.RemoteProtocolError):
                httpx.get(server.url)
    assert loopback_threads() == []


def test_end_of_the_thread_is_not_passed_over(monkeypatch):
    async def breaks(self, listener, nursery):
        listener.socket.close()
        raise Quit

    monkeypatch.setattr(BlockingLoopbackServer, "_accept", breaks)
    with pytest.raises(BaseException) as caught:
        with LoopbackServer.in_thread():
            pass
    assert "Quit()" in repr(caught.value)
    assert loopback_threads() == []


def test_body_exception_comes_out_as_itself():
    with pytest.raises(KeyError, match="mine"):
        with LoopbackServer.in_thread():
            raise KeyError("mine")
    assert loopback_threads() == []


def test_address_that_cannot_be_listened_on():
    with pytest.raises(OSError):
        with LoopbackServer.in_thread(host="203.0.113.1"):
            pass
    assert loopback_threads() == []


def test_idle_connections_closed():
    with LoopbackServer.in_thread() as server, httpx.Client() as client:
        assert client.get(server.url).status_code == 404
        server.close_idle_connections()
        server.wait_connections_closed(1)
        assert client.get(server.url).status_code == 404
        assert server.connection_count == 2


def test_entered_once_only():
    with LoopbackServer.in_thread() as server:
        pass
    with pytest.raises(RuntimeError, match="once only"):
        with server:
            pass
