"""Tools for testing code that calls APIs: a scripted transport and a real loopback server.

`ScriptedTransport` answers in memory, so that retries, delays and deadlines can be tested to
the instant on trio's virtual clock. `LoopbackServer` is a real server on a real socket that
answers, delays, misbehaves and keeps a record as it is told.
"""

from ._event_replies import event_stream, json_lines
from ._loopback import LoopbackServer
from ._loopback_thread import BlockingLoopbackServer
from ._misreplies import drip, drop, flood, raw, stall, truncate
from ._replies import RawReply, Reply, reply
from ._requests import ConnectionRecord, RecordedRequest, SeenRequest
from ._scripted import ScriptedFault, ScriptedTransport, ScriptExhausted, fault

__all__ = [
    "BlockingLoopbackServer",
    "ConnectionRecord",
    "LoopbackServer",
    "RawReply",
    "RecordedRequest",
    "Reply",
    "ScriptExhausted",
    "ScriptedFault",
    "ScriptedTransport",
    "SeenRequest",
    "drip",
    "drop",
    "event_stream",
    "fault",
    "flood",
    "json_lines",
    "raw",
    "reply",
    "stall",
    "truncate",
]
