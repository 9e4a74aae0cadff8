"""What the Python driver clients share: arguments, the order of steps, the tap on the wire, the report.

The same command line and the same report as driver.mjs: a test reads both alike. Results come from the
tap, as the server sent them, before the SDK has parsed and trimmed them.
"""

import argparse
import asyncio
import json
import sys
import time
from contextlib import asynccontextmanager

LIST_METHODS = {
    "tools": "tools/list",
    "prompts": "prompts/list",
    "resources": "resources/list",
    "resourceTemplates": "resources/templates/list",
}


def read_arguments(modes=()):
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", required=True, metavar="URL")
    if modes:
        parser.add_argument("--mode", choices=modes, default=modes[0])
    parser.add_argument("--transport", choices=("http", "sse", "ws"), default="http", help="how URL is spoken to (py116, py_old)")
    parser.add_argument("--header", action="append", default=[], metavar="'Name: value'")
    parser.add_argument("--timeout", type=float, default=15_000, metavar="MS")
    parser.add_argument("--no-lists", action="store_true")
    parser.add_argument("--no-asks", action="store_true")
    parser.add_argument("--elicit", choices=("accept", "decline", "cancel"), default="accept")
    parser.add_argument("--wire", action="store_true")

    actions = []

    def action(flag, count, build, metavar):
        class Keep(argparse.Action):
            def __call__(self, parser, namespace, values, option_string=None):
                build(*values)

        parser.add_argument(flag, nargs=count, action=Keep, metavar=metavar, help="in order, repeated at will")

    def complete(target, name, value):
        kind, _, rest = target.partition(":")
        ref = {"type": "ref/prompt", "name": rest} if kind == "prompt" else {"type": "ref/resource", "uri": rest}
        actions.append({"kind": "complete", "ref": ref, "argument": {"name": name, "value": value}})

    def trigger(name, arguments):
        actions[-1]["trigger"] = {"kind": "call", "name": name, "args": json.loads(arguments)}

    action("--call", 2, lambda name, args: actions.append({"kind": "call", "name": name, "args": json.loads(args)}), ("NAME", "JSON"))
    action("--prompt", 2, lambda name, args: actions.append({"kind": "prompt", "name": name, "args": json.loads(args)}), ("NAME", "JSON"))
    action("--read", 1, lambda uri: actions.append({"kind": "read", "uri": uri}), "URI")
    action("--complete", 3, complete, ("prompt:NAME|template:URI", "ARGUMENT", "VALUE"))
    action("--ping", 0, lambda: actions.append({"kind": "ping"}), None)
    action("--expect-list-changed", 1, lambda s: actions.append({"kind": "listChanged", "seconds": float(s)}), "SECONDS")
    action("--trigger", 2, trigger, ("NAME", "JSON"))

    options = parser.parse_args()
    options.actions = actions
    options.timeout_s = options.timeout / 1000
    options.headers = dict(line.split(": ", 1) for line in options.header)
    return options


class Tap:
    """Records every message that passes the two streams of a transport."""

    def __init__(self):
        self.messages = []
        self.listeners = set()

    def note(self, direction, item):
        # Until mcp 1.8 the streams carried bare messages.
        message = item if hasattr(item, "root") else getattr(item, "message", None)
        if message is None:  # a transport error, not a message
            return
        plain = message.model_dump(by_alias=True, mode="json", exclude_unset=True)
        plain.setdefault("jsonrpc", "2.0")
        self.messages.append({"direction": direction, "at": time.monotonic() * 1000, "message": plain})
        for listener in list(self.listeners):
            listener(direction, plain)

    @asynccontextmanager
    async def over(self, transport):
        """The same streams as `transport` yields, tapped. What it yields besides is passed on."""
        async with transport as (reader, writer, *rest):
            yield (_TappedReader(reader, self), _TappedWriter(writer, self), *rest)


class _Stream:
    def __init__(self, stream, tap):
        self._stream, self._tap = stream, tap

    def __getattr__(self, name):
        return getattr(self._stream, name)

    async def __aenter__(self):
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error):
        return await self._stream.__aexit__(*error)


class _TappedReader(_Stream):
    def __aiter__(self):
        return self

    async def __anext__(self):
        item = await self._stream.__anext__()
        self._tap.note("in", item)
        return item

    async def receive(self):
        item = await self._stream.receive()
        self._tap.note("in", item)
        return item


class _TappedWriter(_Stream):
    async def send(self, item):
        self._tap.note("out", item)
        await self._stream.send(item)


class Answers:
    """What the client replies when it is asked, and the record of the asking. Values are plain JSON."""

    def __init__(self, how):
        self.how, self.asked = how, []

    def _record(self, method, params, reply):
        self.asked.append({"method": method, "params": params, "reply": reply})
        return reply

    def elicit(self, params):
        reply = {"action": self.how}
        if self.how == "accept" and params.get("mode") != "url":
            fields = params.get("requestedSchema", {}).get("properties", {})
            reply["content"] = {name: _fill(field) for name, field in fields.items()}
        return self._record("elicitation/create", params, reply)

    def sample(self, params):
        content = params["messages"][-1]["content"]
        first = content[0] if isinstance(content, list) else content
        text = f"sampled: {first.get('text', '')}"
        reply = {"role": "assistant", "model": "peer-model", "stopReason": "endTurn", "content": {"type": "text", "text": text}}
        return self._record("sampling/createMessage", params, reply)

    def roots(self):
        return self._record("roots/list", None, {"roots": [{"uri": "file:///peer/root", "name": "root"}]})


def _fill(field):
    """One plausible value: the default, else the first choice, else something of the type."""
    if "default" in field:
        return field["default"]
    if field.get("enum"):
        return field["enum"][0]
    titled = field.get("oneOf") or field.get("anyOf")
    if titled:
        return titled[0]["const"]
    if field.get("type") == "array":
        return [_fill(field["items"])]
    return {"string": "peer", "integer": 7, "number": 7.5, "boolean": True}.get(field.get("type"))


async def drive(peer, options, client, tap, answers):
    """Runs the steps against `client`, an SDK adapter, and returns the report.

    The adapter offers connected(), list(kind), call(name, args, on_progress), read(uri), prompt(name, args),
    complete(ref, argument), ping() and, as a context manager, listening().
    """
    report = {"ok": False, "peer": peer, "mode": getattr(options, "mode", None), "failures": []}

    def fail(step, error):
        report["failures"].append({"step": step, **_described(error)})

    start = time.monotonic()
    try:
        async with client:
            report["connected"] = {**await client.connected(), "ms": _since(start)}
            if not options.no_lists:
                for kind in LIST_METHODS:
                    await _list(kind, client, tap, report, fail)
            for action in options.actions:
                try:
                    await _act(action, client, tap, report, options)
                except Exception as error:
                    name = action.get("name") or action.get("uri") or ""
                    fail(f"{action['kind']} {name}".strip(), error)
    except BaseException as error:
        fail("session" if "connected" in report else "connect", error)

    report["ok"] = not report["failures"]
    report["asks"] = answers.asked
    report["notifications"] = [m["message"] for m in tap.messages if m["direction"] == "in" and "method" in m["message"] and "id" not in m["message"]]
    if options.wire:
        report["wire"] = tap.messages
    return report


async def _list(kind, client, tap, report, fail):
    mark = len(tap.messages)
    try:
        cursor = None
        while True:
            cursor = await client.list(kind, cursor)
            if cursor is None:
                break
    except Exception as error:
        fail(f"list {kind}", error)
    pages = [reply for reply in _replies(tap, mark, LIST_METHODS[kind]) if "result" in reply]
    # Not asked at all means that the server does not offer the capability.
    report[kind] = {"items": [item for page in pages for item in page["result"][kind]], "pages": len(pages)} if pages else None


async def _act(action, client, tap, report, options):
    kind = action["kind"]
    if kind == "call":
        await _call(action, client, tap, report)
    elif kind == "read":
        await _one("reads", "resources/read", {"uri": action["uri"]}, client.read(action["uri"]), tap, report)
    elif kind == "prompt":
        entry = {"name": action["name"], "arguments": action["args"]}
        await _one("gets", "prompts/get", entry, client.prompt(action["name"], action["args"]), tap, report)
    elif kind == "complete":
        entry = {"ref": action["ref"], "argument": action["argument"]}
        await _one("completions", "completion/complete", entry, client.complete(**entry), tap, report)
    elif kind == "ping":
        await _one("pings", "ping", {}, client.ping(), tap, report)
    elif kind == "listChanged":
        await _expect_list_changed(action, client, tap, report)


async def _call(action, client, tap, report):
    entry = {"name": action["name"], "arguments": action["args"], "progress": []}

    async def on_progress(progress, total=None, message=None):
        entry["progress"].append({"progress": progress, "total": total, "message": message})

    await _one("calls", "tools/call", entry, client.call(action["name"], action["args"], on_progress), tap, report)


async def _expect_list_changed(action, client, tap, report):
    changed = asyncio.get_running_loop().create_future()

    def listen(direction, message):
        if direction == "in" and message.get("method") == "notifications/tools/list_changed" and not changed.done():
            changed.set_result(time.monotonic())

    async with client.listening():
        tap.listeners.add(listen)
        start = time.monotonic()
        if "trigger" in action:
            await _call(action["trigger"], client, tap, report)
        try:
            at = await asyncio.wait_for(changed, action["seconds"])
            report["listChanged"] = {"arrived": True, "ms": round((at - start) * 1000)}
        except asyncio.TimeoutError:
            report["listChanged"] = {"arrived": False, "ms": None}
            raise RuntimeError(f"no list change within {action['seconds']} s") from None
        finally:
            tap.listeners.discard(listen)


async def _one(section, method, entry, step, tap, report):
    """Pairs one step with what crossed the wire while it ran. Steps run one after another."""
    report.setdefault(section, []).append(entry)
    mark, start = len(tap.messages), time.monotonic()
    try:
        await step
    except Exception as error:
        entry["threw"] = _described(error)
        raise
    finally:
        replies = _replies(tap, mark, method)
        last = replies[-1] if replies else {}
        entry.update(result=last.get("result"), error=last.get("error"), rounds=len(replies), ms=_since(start))


def _replies(tap, mark, method):
    recent = tap.messages[mark:]
    ids = {m["message"]["id"] for m in recent if m["direction"] == "out" and m["message"].get("method") == method}
    return [m["message"] for m in recent if m["direction"] == "in" and "method" not in m["message"] and m["message"].get("id") in ids]


def _since(start):
    return round((time.monotonic() - start) * 1000)


def _described(error):
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    inner = getattr(error, "error", None)  # the SDK's protocol error keeps code and data here
    return {
        "error": type(error).__name__,
        "message": str(error),
        "code": getattr(inner, "code", None),
        "data": getattr(inner, "data", None),
    }


def main(run):
    """Runs the driver with one limit over everything, prints the report, exits 0 or 1."""

    async def bounded(options):
        limit = options.timeout_s * (len(options.actions) + 3)
        return await asyncio.wait_for(run(options), limit)

    def start(options):
        try:
            report = asyncio.run(bounded(options))
        except asyncio.TimeoutError:
            report = {"ok": False, "failures": [{"step": "driver", "error": "TimeoutError", "message": "the driver ran out of time"}]}
        print(json.dumps(report), flush=True)
        sys.exit(0 if report["ok"] else 1)

    return start
