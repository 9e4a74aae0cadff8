#!/usr/bin/env node
// Driver client on @modelcontextprotocol/client 2.x, http and stdio.
//   --mode auto     probe, then 2026-07-28 or the session protocol (the default)
//   --mode legacy   the session protocol only
//   --mode modern   2026-07-28 only, no fallback
// Run it without arguments to see the other options.

import { use } from '../packages.mjs';
import { answers, drive, readArguments, tap } from './driver.mjs';

use('v2');
const { Client, StreamableHTTPClientTransport } = await import('@modelcontextprotocol/client');
const { StdioClientTransport } = await import('@modelcontextprotocol/client/stdio');
const { setTimeout: sleep } = await import('node:timers/promises');

// The SDK writes warnings to the console; stdout belongs to the report.
for (const level of ['log', 'info', 'debug', 'warn']) console[level] = (...words) => console.error(...words);

const options = readArguments(process.argv.slice(2), ['auto', 'legacy', 'modern']);
const [command, ...args] = options.stdio ?? [];
const transport = command
    ? new StdioClientTransport({ command, args, env: process.env, stderr: 'inherit' })
    : new StreamableHTTPClientTransport(new URL(options.http), { requestInit: { headers: options.headers } });
const wire = tap(transport);

const client = new Client(
    { name: 'trunkline-ts2', version: '1.0.0' },
    {
        capabilities: options.asks ? { sampling: {}, elicitation: { form: {}, url: {} }, roots: {} } : {},
        versionNegotiation: { mode: options.mode === 'modern' ? { pin: '2026-07-28' } : options.mode }
    }
);
const answer = answers(options.elicit);
if (options.asks) {
    client.setRequestHandler('elicitation/create', ({ params }) => answer.elicit(params));
    client.setRequestHandler('sampling/createMessage', ({ params }) => answer.sample(params));
    client.setRequestHandler('roots/list', ({ params }) => answer.roots(params));
}

const limits = { timeout: options.timeout };
const fresh = { ...limits, cacheMode: 'refresh' };

await drive({
    peer: 'ts2 (@modelcontextprotocol/client 2.4.0)',
    options,
    wire,
    asked: answer.asked,
    client: {
        async connect() {
            await client.connect(transport, limits);
            return {
                era: client.getProtocolEra(),
                protocolVersion: client.getNegotiatedProtocolVersion(),
                serverInfo: client.getServerVersion(),
                instructions: client.getInstructions(),
                capabilities: client.getServerCapabilities(),
                discover: client.getDiscoverResult() ?? null,
                sessionId: transport.sessionId ?? null
            };
        },
        // Without a cursor the SDK walks all the pages itself.
        list: kind =>
            ({
                tools: () => client.listTools(undefined, fresh),
                prompts: () => client.listPrompts(undefined, fresh),
                resources: () => client.listResources(undefined, fresh),
                resourceTemplates: () => client.listResourceTemplates(undefined, fresh)
            })[kind](),
        call: (name, args, more) => client.callTool({ name, arguments: args }, more),
        read: uri => client.readResource({ uri }, fresh),
        prompt: (name, args) => client.getPrompt({ name, arguments: args }, limits),
        complete: (ref, argument) => client.complete({ ref, argument }, limits),
        ping: () => client.ping(limits),
        async listen() {
            if (client.getProtocolEra() === 'modern') await client.listen({ toolsListChanged: true }, limits);
            else await sleep(300); // the standalone stream is opened in the background
        },
        async close() {
            if (options.http && client.getProtocolEra() !== 'modern') await transport.terminateSession();
            await client.close();
        }
    }
});
