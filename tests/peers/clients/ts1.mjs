#!/usr/bin/env node
// Driver client on @modelcontextprotocol/sdk 1.x: legacy revisions up to 2025-11-25, on every transport.
// Run it without arguments to see the options.

import { use } from '../packages.mjs';
import { answers, breaking, drive, readArguments, tap } from './driver.mjs';

use('legacy');
const { Client } = await import('@modelcontextprotocol/sdk/client/index.js');
const { StdioClientTransport } = await import('@modelcontextprotocol/sdk/client/stdio.js');
const { StreamableHTTPClientTransport } = await import('@modelcontextprotocol/sdk/client/streamableHttp.js');
const { SSEClientTransport } = await import('@modelcontextprotocol/sdk/client/sse.js');
const { WebSocketClientTransport } = await import('@modelcontextprotocol/sdk/client/websocket.js');
const types = await import('@modelcontextprotocol/sdk/types.js');
const { setTimeout: sleep } = await import('node:timers/promises');

const options = readArguments(process.argv.slice(2));
const [command, ...args] = options.stdio ?? [];
const requestInit = { headers: options.headers };
const over = {
    http: url => new StreamableHTTPClientTransport(url, { requestInit, fetch: options.breaks && breaking(options) }),
    sse: url => new SSEClientTransport(url, { requestInit }),
    ws: url => new WebSocketClientTransport(url)
};
const transport = command
    ? new StdioClientTransport({ command, args, env: process.env, stderr: 'inherit' })
    : over[options.transport](new URL(options.http));
const wire = tap(transport);

const capabilities = options.asks ? { sampling: {}, elicitation: { form: {}, url: {} }, roots: { listChanged: true } } : {};
const client = new Client({ name: 'trunkline-ts1', version: '1.0.0' }, { capabilities });
const answer = answers(options.elicit);
if (options.asks) {
    client.setRequestHandler(types.ElicitRequestSchema, ({ params }) => answer.elicit(params));
    client.setRequestHandler(types.CreateMessageRequestSchema, ({ params }) => answer.sample(params));
    client.setRequestHandler(types.ListRootsRequestSchema, ({ params }) => answer.roots(params));
}

const limits = { timeout: options.timeout };
const lists = {
    tools: ['tools', cursor => client.listTools(cursor, limits)],
    prompts: ['prompts', cursor => client.listPrompts(cursor, limits)],
    resources: ['resources', cursor => client.listResources(cursor, limits)],
    resourceTemplates: ['resources', cursor => client.listResourceTemplates(cursor, limits)]
};

await drive({
    peer: 'ts1 (@modelcontextprotocol/sdk 1.32.2)',
    options,
    wire,
    asked: answer.asked,
    client: {
        async connect() {
            await client.connect(transport, limits);
            const { result } = wire.messages.find(({ direction, message }) => direction === 'in' && message.result?.protocolVersion).message;
            return { era: 'legacy', sessionId: transport.sessionId ?? null, ...result };
        },
        async list(kind) {
            const [capability, fetchPage] = lists[kind];
            if (!client.getServerCapabilities()?.[capability]) return;
            for (let cursor; ; ) {
                const { nextCursor } = await fetchPage(cursor === undefined ? undefined : { cursor });
                if (nextCursor === undefined) return;
                cursor = nextCursor;
            }
        },
        call: (name, args, more) => {
            const onresumptiontoken = token => options.broken?.push({ token });
            return client.callTool({ name, arguments: args }, undefined, { ...more, ...(options.breaks && { onresumptiontoken }) });
        },
        read: uri => client.readResource({ uri }, limits),
        prompt: (name, args) => client.getPrompt({ name, arguments: args }, limits),
        complete: (ref, argument) => client.complete({ ref, argument }, limits),
        ping: () => client.ping(limits),
        // The standalone stream is opened in the background after `initialized`; give it time to stand.
        listen: () => sleep(300),
        async close() {
            await transport.terminateSession?.();
            await client.close();
        }
    }
});
