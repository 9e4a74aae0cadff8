"""Driver client on releases of PyPI mcp 1.x, over all their network transports.

  mcp 1.6.0    2024-11-05, --transport sse and ws
  mcp 1.30.0   2025-11-25, also http

Run with $TRUNKLINE_PEERS/python/old-16/bin/python or old-130; --help lists the options.
"""

import inspect
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from importlib.metadata import version

import asyncio
import driver
from mcp import ClientSession, types
from pydantic import AnyUrl

RELEASE = version("mcp")


class Client:
    def __init__(self, options, tap, answers):
        self.options, self.tap, self.answers = options, tap, answers

    async def __aenter__(self):
        async with AsyncExitStack() as stack:
            reader, writer, *_ = await stack.enter_async_context(self.tap.over(self._transport()))
            self.session = await stack.enter_async_context(ClientSession(reader, writer, **self._settings()))
            self.initialized = await self.session.initialize()
            self.stack = stack.pop_all()
        return self

    async def __aexit__(self, *error):
        return await self.stack.__aexit__(*error)

    def _transport(self):
        if self.options.transport == "sse":
            from mcp.client.sse import sse_client

            return sse_client(self.options.http, headers=self.options.headers)
        if self.options.transport == "ws":
            from mcp.client.websocket import websocket_client

            return websocket_client(self.options.http)
        from mcp.client.streamable_http import streamablehttp_client

        return streamablehttp_client(self.options.http, headers=self.options.headers)

    def _settings(self):
        settings = {"read_timeout_seconds": timedelta(seconds=self.options.timeout_s)}
        if not self.options.no_asks:
            settings |= {
                "elicitation_callback": self._elicit,
                "sampling_callback": self._sample,
                "list_roots_callback": self._roots,
            }
        # What the release does not know it does not offer.
        known = inspect.signature(ClientSession).parameters
        return {name: value for name, value in settings.items() if name in known}

    async def _elicit(self, context, params):
        return types.ElicitResult(**self.answers.elicit(_plain(params)))

    async def _sample(self, context, params):
        return types.CreateMessageResult(**self.answers.sample(_plain(params)))

    async def _roots(self, context):
        return types.ListRootsResult(**self.answers.roots())

    async def connected(self):
        return {"era": "legacy", **_plain(self.initialized)}

    async def list(self, kind, cursor):
        capability = "resources" if kind == "resourceTemplates" else kind
        if getattr(self.initialized.capabilities, capability) is None:
            return None
        fetch = {
            "tools": self.session.list_tools,
            "prompts": self.session.list_prompts,
            "resources": self.session.list_resources,
            "resourceTemplates": self.session.list_resource_templates,
        }[kind]
        if "cursor" not in inspect.signature(fetch).parameters:
            await fetch()  # the first releases read one page
            return None
        return (await fetch(cursor)).nextCursor

    async def call(self, name, args, on_progress):
        if "progress_callback" in inspect.signature(self.session.call_tool).parameters:
            return await self.session.call_tool(name, args, progress_callback=on_progress)
        return await self.session.call_tool(name, args)

    async def read(self, uri):
        return await self.session.read_resource(AnyUrl(uri))

    async def prompt(self, name, args):
        return await self.session.get_prompt(name, args)

    async def complete(self, ref, argument):
        kind = types.PromptReference if ref["type"] == "ref/prompt" else types.ResourceReference
        return await self.session.complete(kind(**ref), argument)

    async def ping(self):
        return await self.session.send_ping()

    @asynccontextmanager
    async def listening(self):
        await asyncio.sleep(0.3)  # the standalone stream is opened in the background
        yield


def _plain(model):
    return model.model_dump(by_alias=True, mode="json", exclude_none=True)


async def run(options):
    tap, answers = driver.Tap(), driver.Answers(options.elicit)
    return await driver.drive(f"py-old (mcp {RELEASE})", options, Client(options, tap, answers), tap, answers)


if __name__ == "__main__":
    driver.main(run)(driver.read_arguments())
