"""Driver client on PyPI mcp 1.16.0: legacy revisions up to 2025-06-18, on every transport that has a URL.

Run with $TRUNKLINE_PEERS/python/client-1/bin/python; --help lists the options.
"""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import driver
from mcp import ClientSession, types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamablehttp_client
from mcp.client.websocket import websocket_client
from pydantic import AnyUrl


class Client:
    def __init__(self, options, tap, answers):
        self.options, self.tap, self.answers = options, tap, answers

    async def __aenter__(self):
        async with AsyncExitStack() as stack:
            transport = self._transport(self.options.http)
            reader, writer, *session_id = await stack.enter_async_context(self.tap.over(transport))
            self.session_id = session_id[0] if session_id else lambda: None
            self.session = await stack.enter_async_context(ClientSession(reader, writer, **self._settings()))
            self.initialized = await self.session.initialize()
            self.stack = stack.pop_all()
        return self

    async def __aexit__(self, *error):
        return await self.stack.__aexit__(*error)

    def _transport(self, url):
        if self.options.transport == "ws":
            return websocket_client(url)
        client = sse_client if self.options.transport == "sse" else streamablehttp_client
        return client(url, headers=self.options.headers)

    def _settings(self):
        settings = {
            "read_timeout_seconds": timedelta(seconds=self.options.timeout_s),
            "client_info": types.Implementation(name="trunkline-py116", version="1.0.0"),
        }
        if not self.options.no_asks:
            settings |= {
                "elicitation_callback": self._elicit,
                "sampling_callback": self._sample,
                "list_roots_callback": self._roots,
            }
        return settings

    async def _elicit(self, context, params):
        return types.ElicitResult(**self.answers.elicit(_plain(params)))

    async def _sample(self, context, params):
        return types.CreateMessageResult(**self.answers.sample(_plain(params)))

    async def _roots(self, context):
        return types.ListRootsResult(**self.answers.roots())

    async def connected(self):
        return {"era": "legacy", "sessionId": self.session_id(), **_plain(self.initialized)}

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
        return (await fetch(cursor)).nextCursor

    async def call(self, name, args, on_progress):
        return await self.session.call_tool(name, args, progress_callback=on_progress)

    async def read(self, uri):
        return await self.session.read_resource(AnyUrl(uri))

    async def prompt(self, name, args):
        return await self.session.get_prompt(name, args)

    async def complete(self, ref, argument):
        kind = types.PromptReference if ref["type"] == "ref/prompt" else types.ResourceTemplateReference
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
    return await driver.drive("py116 (mcp 1.16.0)", options, Client(options, tap, answers), tap, answers)


if __name__ == "__main__":
    driver.main(run)(driver.read_arguments())
