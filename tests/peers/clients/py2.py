"""Driver client on PyPI mcp 2.3.0, Streamable HTTP.

  --mode auto     probe, then 2026-07-28 or the session protocol (the default)
  --mode legacy   the session protocol only
  --mode modern   2026-07-28 only: the SDK adopts it unasked; we discover all the same, to report the server

Run with $TRUNKLINE_PEERS/python/client-2/bin/python; --help lists the other options.
"""

import asyncio
import warnings
from contextlib import AsyncExitStack, asynccontextmanager

import driver
import httpx2
from mcp import Client as SdkClient
from mcp import types
from mcp.client.streamable_http import streamable_http_client

MODERN = "2026-07-28"


class Client:
    def __init__(self, options, tap, answers):
        self.options, self.tap, self.answers = options, tap, answers

    async def __aenter__(self):
        async with AsyncExitStack() as stack:
            timeout = httpx2.Timeout(self.options.timeout_s, read=300)
            http = await stack.enter_async_context(httpx2.AsyncClient(headers=self.options.headers, timeout=timeout))
            transport = self.tap.over(streamable_http_client(self.options.http, http_client=http))
            self.client = await stack.enter_async_context(SdkClient(transport, **self._settings()))
            self.stack = stack.pop_all()
        return self

    async def __aexit__(self, *error):
        return await self.stack.__aexit__(*error)

    def _settings(self):
        settings = {
            "mode": MODERN if self.options.mode == "modern" else self.options.mode,
            "read_timeout_seconds": self.options.timeout_s,
            "client_info": types.Implementation(name="trunkline-py2", version="1.0.0"),
            "cache": None,
        }
        if not self.options.no_asks:
            settings |= {
                "elicitation_callback": self._elicit,
                "sampling_callback": self._sample,
                "list_roots_callback": self._roots,
            }
        return settings

    async def _elicit(self, context, params):
        return types.ElicitResult.model_validate(self.answers.elicit(_plain(params)))

    async def _sample(self, context, params):
        return types.CreateMessageResult.model_validate(self.answers.sample(_plain(params)))

    async def _roots(self, context):
        return types.ListRootsResult.model_validate(self.answers.roots())

    async def connected(self):
        client = self.client
        if self.options.mode == "modern":
            # `discover()` would hand back the empty result that the SDK made up for the pinned version.
            found = await client.session.send_discover(MODERN)
            client.session.adopt(types.DiscoverResult.model_validate(found))
        opened = client.session.initialize_result or client.session.discover_result
        return {
            **_plain(opened),
            "era": "modern" if client.protocol_version == MODERN else "legacy",
            "protocolVersion": client.protocol_version,
            "serverInfo": _plain(client.server_info) if client.server_info else None,
            "instructions": client.instructions,
            "capabilities": _plain(client.server_capabilities),
        }

    async def list(self, kind, cursor):
        capability = "resources" if kind == "resourceTemplates" else kind
        if getattr(self.client.server_capabilities, capability) is None:
            return None
        fetch = {
            "tools": self.client.list_tools,
            "prompts": self.client.list_prompts,
            "resources": self.client.list_resources,
            "resourceTemplates": self.client.list_resource_templates,
        }[kind]
        return (await fetch(cursor=cursor)).next_cursor

    async def call(self, name, args, on_progress):
        return await self.client.call_tool(name, args, progress_callback=on_progress)

    async def read(self, uri):
        return await self.client.read_resource(uri)

    async def prompt(self, name, args):
        return await self.client.get_prompt(name, args)

    async def complete(self, ref, argument):
        kind = types.PromptReference if ref["type"] == "ref/prompt" else types.ResourceTemplateReference
        return await self.client.complete(kind.model_validate(ref), argument)

    async def ping(self):
        return await self.client.send_ping()

    @asynccontextmanager
    async def listening(self):
        if self.client.protocol_version == MODERN:
            async with self.client.listen(tools_list_changed=True):
                yield
        else:
            await asyncio.sleep(0.3)  # the standalone stream is opened in the background
            yield


def _plain(model):
    return model.model_dump(by_alias=True, mode="json", exclude_none=True)


async def run(options):
    tap, answers = driver.Tap(), driver.Answers(options.elicit)
    return await driver.drive("py2 (mcp 2.3.0)", options, Client(options, tap, answers), tap, answers)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # the SDK deprecates what the older revisions still need
    driver.main(run)(driver.read_arguments(("auto", "legacy", "modern")))
