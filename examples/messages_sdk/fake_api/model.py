"""The model behind the fake service: nonsense with method.

The same request always gets the same answer, and another prompt, system prompt or model another
one. It honours what a client is to be tested with: tools and their results, thinking,
``max_tokens``, ``stop_sequences``. A token is a piece of up to six characters.
"""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Union, cast

import msgspec

__all__ = ["MODEL_FROM_THE_FUTURE", "Answer", "Ask", "Json", "Part", "Prompt", "Tool", "Turn", "answer", "count_tokens"]

MODEL_FROM_THE_FUTURE = "fake-from-the-future"
"""Its answers have a block and events that no client knows yet."""

Json = dict[str, Any]


# What is asked


class Turn(msgspec.Struct, forbid_unknown_fields=True):
    """One turn of the conversation."""

    role: Literal["user", "assistant"]
    content: Union[str, list[Json]]


class Tool(msgspec.Struct, forbid_unknown_fields=True):
    """A tool of the caller's."""

    name: Annotated[str, msgspec.Meta(pattern="^[a-zA-Z0-9_-]{1,128}$")]
    input_schema: Json
    description: str = ""
    cache_control: Json | None = None
    type: Literal["custom"] = "custom"


class Prompt(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is there to be read."""

    model: str
    messages: Annotated[list[Turn], msgspec.Meta(min_length=1)]
    system: Union[str, list[Json]] = ""
    tools: list[Tool] = []
    tool_choice: Json = {}
    thinking: Json = {}


class Ask(Prompt, kw_only=True, forbid_unknown_fields=True):
    """A request for a message."""

    max_tokens: Annotated[int, msgspec.Meta(ge=1)]
    metadata: Json = {}
    service_tier: Literal["auto", "standard_only"] = "auto"
    stop_sequences: list[str] = []
    stream: bool = False


# What is answered


class Part(NamedTuple):
    """One block, and the pieces in which its content comes."""

    block: Json
    """As it begins."""
    pieces: Sequence[str] = ()
    """Of its text, its thought or the JSON text of its input, by its type."""

    @property
    def whole(self) -> str:
        return "".join(self.pieces)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What the model has to say."""

    parts: list[Part]
    stop_reason: str
    stop_sequence: str | None
    input_tokens: int
    output_tokens: int


def answer(ask: Ask) -> Answer:
    """The model at work."""
    parts: list[Part] = []
    left = ask.max_tokens
    stop_reason, stop_sequence = "end_turn", None
    for part in _parts(ask):
        kept = part
        if part.block["type"] == "text":
            kept, stop_sequence = _stopped(part, ask.stop_sequences)
        within = Part(kept.block, kept.pieces[:left])
        parts.append(within)
        left -= len(within.pieces)
        if len(within.pieces) < len(kept.pieces):
            stop_reason, stop_sequence = "max_tokens", None
            break
        if stop_sequence is not None:
            stop_reason = "stop_sequence"
            break
        if part.block["type"] == "tool_use":
            stop_reason = "tool_use"
    return Answer(
        parts=parts,
        stop_reason=stop_reason,
        stop_sequence=stop_sequence,
        input_tokens=count_tokens(ask),
        output_tokens=ask.max_tokens - left,
    )


def _tokens(text: str) -> list[str]:
    """A text in pieces that make it again."""
    return re.findall(r"\s*\S{1,6}|\s+$", text)


def count_tokens(prompt: Prompt) -> int:
    """Tokens of all there is to be read, and three for each turn."""
    read = [_text(prompt.system), *(_text(turn.content) for turn in prompt.messages)]
    read += [msgspec.json.encode(tool).decode() for tool in prompt.tools]
    return sum(len(_tokens(text)) for text in read) + 3 * len(prompt.messages)


def _stopped(part: Part, stop_sequences: Iterable[str]) -> tuple[Part, str | None]:
    """A text up to the first of the sequences in it, and which one that is."""
    text = part.whole
    found = [(text.index(each), each) for each in stop_sequences if each and each in text]
    if not found:
        return part, None
    end, sequence = min(found)
    return Part(part.block, _tokens(text[:end])), sequence


def _parts(ask: Ask) -> Iterable[Part]:
    prompt = _last_prompt(ask)
    chance = random.Random(f"{ask.model}\n{_text(ask.system)}\n{prompt}\n{len(ask.messages)}")
    if ask.thinking.get("type") in {"enabled", "adaptive"}:
        thought = f"The question is about {_topic(prompt)}. {chance.choice(_THOUGHTS)}"
        signature = f"{chance.getrandbits(64):016x}"
        yield Part({"type": "thinking", "thinking": "", "signature": signature}, _tokens(thought))
    if ask.model == MODEL_FROM_THE_FUTURE:
        yield Part({"type": "hologram", "shape": "sphere", "radius": 1.5})
    results = _tool_results(ask.messages[-1])
    if results:
        yield _say(f"The tool says: {' '.join(results)}")
    elif ask.tools and ask.tool_choice.get("type") != "none":
        wanted = ask.tool_choice.get("name")
        tool = next((tool for tool in ask.tools if tool.name == wanted), ask.tools[0])
        yield _say(f"Let me look that up with {tool.name}.")
        use: Json = {"type": "tool_use", "id": f"toolu_{chance.getrandbits(64):016x}", "name": tool.name, "input": {}}
        yield Part(use, ["", *_tokens(msgspec.json.encode(_input(tool.input_schema, prompt)).decode())])
    else:
        yield _say(_composed(prompt, _text(ask.system), chance))


def _say(text: str) -> Part:
    return Part({"type": "text", "text": ""}, _tokens(text))


# Reading


def _text(content: object) -> str:
    """All that can be read in a content, in whatever form it was sent."""
    match content:
        case str():
            return content
        case list():
            return " ".join(filter(None, map(_text, cast("list[object]", content))))
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "tool_result"}:
            return _text(cast("Json", content).get("content"))
        case _:
            return ""


def _last_prompt(ask: Ask) -> str:
    """What was said last that was no result of a tool."""
    said = [_text(turn.content) for turn in ask.messages if turn.role == "user" and not _tool_results(turn)]
    return said[-1] if said else ""


def _tool_results(turn: Turn) -> list[str]:
    blocks = turn.content if isinstance(turn.content, list) else []
    return [_text(block) for block in blocks if block.get("type") == "tool_result"]


def _topic(prompt: str) -> str:
    """What it is about: the last name in it, else its longest word."""
    words = re.findall(r"[\w'-]+", prompt)
    names = [word for word in words[1:] if word[:1].isupper() and len(word) > 1]
    return names[-1] if names else max(words, key=len, default="nothing")


# Writing

_THOUGHTS = (
    "There is more than one side to it, so the answer should begin with the plainest.",
    "A short answer will do, with one example.",
    "Nothing here is certain, and the answer should say so.",
)
_CLAIMS = (
    "Most people who look into {topic} begin at the wrong end.",
    "The first thing to know about {topic} is how little of it is visible.",
    "What is true of {word} need not be true of {topic}.",
    "Without {word} there would be no {topic} worth the name.",
    "Ask three experts on {topic}, and you will hear of {word} four times.",
    "It took until the invention of {word} to make {topic} affordable.",
    "In practice {topic} is a matter of patience.",
)
_LINES = ("O {topic}, who has counted you,", "the {word} and the morning dew,", "the hours that were far too few,")


def _composed(prompt: str, system: str, chance: random.Random) -> str:
    """As long and in such a form as the system prompt would have it, if it says so."""
    topic = _topic(prompt)
    words = [word for word in re.findall(r"[\w'-]{7,}", prompt) if word != topic] or ["silence"]
    style = system.lower()
    if "poem" in style or "verse" in style:
        lines = [line.format(topic=topic, word=chance.choice(words)) for line in _LINES]
        return "\n".join([*lines, f"be kind to all who ask of {topic} too."])
    count = 1 if "one sentence" in style or "brief" in style else chance.randint(3, 5)
    claims = [claim.format(topic=topic, word=chance.choice(words)) for claim in chance.sample(_CLAIMS, count)]
    if "list" in style or "step" in style:
        return "\n".join(f"{number}. {claim}" for number, claim in enumerate(claims, 1))
    return " ".join(claims)


def _input(schema: Json, prompt: str) -> Json:
    """Something for each property of a tool's input."""
    return {name: _value(property_, prompt) for name, property_ in schema.get("properties", {}).items()}


def _value(schema: Json, prompt: str) -> object:
    if schema.get("enum"):
        return schema["enum"][0]
    match schema.get("type"):
        case "integer":
            return len(prompt.split())
        case "number":
            return len(prompt) / 2
        case "boolean":
            return "?" in prompt
        case "array":
            return [_value(schema.get("items", {}), prompt)]
        case "object":
            return _input(schema, prompt)
        case _:
            return _topic(prompt)
