#!/usr/bin/env node
// Driver client on earlier releases of @modelcontextprotocol/sdk. --mode is the release.
//   --mode 1.0      1.0.4:  2024-11-05, stdio
//   --mode 1.7      1.7.0:  2024-11-05, stdio and HTTP+SSE
//   --mode 1.12     1.12.3: 2025-03-26, also Streamable HTTP
//   --mode 1.17     1.17.5: 2025-06-18, the same
// Run it without arguments to see the other options.

import { use } from '../packages.mjs';
import { answers, drive, readArguments, tap } from './driver.mjs';

use('old');
const options = readArguments(process.argv.slice(2), ['1.0', '1.7', '1.12', '1.17']);
const sdk = `sdk-${options.mode}`;
const { Client } = await import(`${sdk}/client/index.js`);
const types = await import(`${sdk}/types.js`);
const { setTimeout: sleep } = await import('node:timers/promises');

// The SDK writes warnings to the console; stdout belongs to the report.
for (const level of ['log', 'info', 'debug', 'warn']) console[level] = (...words) => console.error(...words);

const transport = await open();
const wire = tap(transport);

// What the release has no name for it does not declare.
const elicits = Boolean(types.ElicitRequestSchema);
const asks = { sampling: {}, roots: { listChanged: true }, ...(elicits ? { elicitation: {} } : {}) };
const client = new Client({ name: `trunkline-ts-${options.mode}`, version: '1.0.0' }, { capabilities: options.asks ? asks : {} });
const answer = answers(options.elicit);
if (options.asks) {
    if (elicits) client.setRequestHandler(types.ElicitRequestSchema, ({ params }) => answer.elicit(params));
    client.setRequestHandler(types.CreateMessageRequestSchema, ({ params }) => answer.sample(params));
    client.setRequestHandler(types.ListRootsRequestSchema, ({ params }) => answer.roots(params));
}

async function open() {
    const [command, ...args] = options.stdio ?? [];
    const requestInit = { headers: options.headers };
    if (command) {
        const { StdioClientTransport } = await import(`${sdk}/client/stdio.js`);
        return new StdioClientTransport({ command, args, env: process.env, stderr: 'inherit' });
    }
    if (options.transport === 'sse') {
        const { SSEClientTransport } = await import(`${sdk}/client/sse.js`);
        return new SSEClientTransport(new URL(options.http), { requestInit });
    }
    if (options.transport === 'ws') {
        const { WebSocketClientTransport } = await import(`${sdk}/client/websocket.js`);
        return new WebSocketClientTransport(new URL(options.http));
    }
    const { StreamableHTTPClientTransport } = await import(`${sdk}/client/streamableHttp.js`);
    return new StreamableHTTPClientTransport(new URL(options.http), { requestInit });
}

const limits = { timeout: options.timeout };
const lists = {
    tools: ['tools', cursor => client.listTools(cursor, limits)],
    prompts: ['prompts', cursor => client.listPrompts(cursor, limits)],
    resources: ['resources', cursor => client.listResources(cursor, limits)],
    resourceTemplates: ['resources', cursor => client.listResourceTemplates(cursor, limits)]
};

await drive({
    peer: `ts-old (@modelcontextprotocol/sdk ${options.mode})`,
    options,
    wire,
    asked: answer.asked,
    client: {
        async connect() {
            await client.connect(transport);
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
        call: (name, args, more) => client.callTool({ name, arguments: args }, undefined, more),
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
